"""The explorer of a generator that takes inputs: its run's examples, pictures and texts of the user's own."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.drawing.pictures import cells, png_bytes
from ganzoo_core.errors import SettingError
from ganzoo_tools.exploration.latents import Explorer
from ganzoo_tools.exploration.server import ExploreServer
from ganzoo_tools.exploration.walks import coordinates

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def serve(takers, in_tmp: Path) -> Iterator[Callable[[str], ExploreServer]]:
    """Trains a variant and serves its page."""
    started: list[ExploreServer] = []

    def start(variant: str) -> ExploreServer:
        ganzoo.train(variant, device="cpu", out="run", steps=2, snapshots=())
        server = ExploreServer(Explorer(ganzoo.load("run")))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def ask(server: ExploreServer, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    origin = {} if body is None else {"Origin": f"http://127.0.0.1:{server.server_port}"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", f"/{server.key}/{path}", body, origin | named)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def drawn(values: torch.Tensor) -> bytes:
    return png_bytes(cells(values)[0])


def test_examples_are_there_to_pick_from(serve) -> None:
    server = serve("translator")
    made = server.explorer.generator.sample().values
    for k in (0, 5):
        assert ask(server, f"picture.png?example={k}&seed=0&moves=") == (200, drawn(made[k : k + 1]))
    status, page = ask(server, "")
    assert status == 200 and page.count(b"<option") == 16 and b'type="file"' in page and b'id="text"' not in page
    assert b'id="directions" hidden' in page, "there is no latent to move"
    assert ask(server, "picture.png?example=16")[1] == b"example must be a whole number from 0 to 15, but is '16'\n"


def test_a_picture_of_ones_own_is_taken(serve) -> None:
    server = serve("translator")
    assert ask(server, "picture.png?own=1") == (400, b"there is no picture of yours yet: choose a file first\n")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert ask(server, "picture", png(pixels)) == (200, b"")
    expected = server.explorer.generator.sample(inputs={"source": pixels.transpose(2, 0, 1)[None]}).values
    assert ask(server, "picture.png?own=1") == (200, drawn(expected))
    assert ask(server, "picture", png(np.zeros((40, 9), dtype=np.uint8)))[0] == 200, "of any size and mode"


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        ("picture", b"no picture", {}, 400, "the picture can't be read as an image"),
        ("picture", b"", {}, 400, "the picture can't be read as an image"),
        ("picture", b"x", {"Origin": "http://elsewhere.example"}, 403, "takes nothing but from its own page"),
        ("picture", b"x", {"Origin": "null"}, 403, "takes nothing but from its own page"),
        ("picture", b"x", {"Host": "elsewhere.example"}, 403, "answers requests to its own address alone"),
        ("picture", b"x", {"Content_Length": "99999999999"}, 413, "a picture may have at most 32 MB"),
        ("picture", b"x", {"Content_Length": "-1"}, 413, "a picture may have at most 32 MB"),
        ("picture.png", b"x", {}, 404, "there is nothing here"),
        ("../picture", b"x", {}, 404, "there is nothing here"),
    ],
)
def test_what_is_no_picture_is_refused(serve, path: str, body: bytes, headers, status: int, message: str) -> None:
    found, said = ask(serve("translator"), path, body, **headers)
    assert found == status and message in said.decode() and said.count(b"\n") == 1 and b"/tmp" not in said


def test_nothing_is_sent_to_a_generator_that_takes_no_picture(serve) -> None:
    assert ask(serve("writer"), "picture", b"x") == (501, b"Unsupported method ('POST')\n")


def test_a_text_of_ones_own_is_taken_and_a_latent_moved(serve) -> None:
    server = serve("writer")
    generator = server.explorer.generator
    assert ask(server, "picture.png?text=red+dot") == (200, drawn(generator.sample(text="red dot").values))
    status, said = ask(server, "picture.png?text=purple")
    assert status == 400 and b"purple" in said
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", f"/{server.key}/picture.png?text=red+purple%0d%0a")
    assert connection.getresponse().headers["Ganzoo-Left-Out"] == "purple", "told on the page"
    connection.close()
    page = ask(server, "")[1]
    assert b'id="text"' in page and b'type="file"' not in page and page.count(b'type="range"') == 3 + 1
    table = coordinates(generator, (0,), (1.0,))
    assert torch.equal(table.samples.values[0], generator.sample(1).values[0]), "of the first example"


def test_labels_stay_beside_inputs(serve) -> None:
    server = serve("domains")
    one = {"source": server.explorer.generator.examples["source"][3:4]}
    made = server.explorer.generator.sample(inputs=one, labels=["b"]).values
    assert ask(server, "picture.png?example=3&label=b") == (200, drawn(made))


def test_noise_of_its_own_comes_from_the_seed(serve) -> None:
    server = serve("noisy-translator")
    first, again, other = (ask(server, f"picture.png?seed={seed}")[1] for seed in (0, 0, 1))
    assert first == again != other


def test_a_lone_file_is_not_explored(serve) -> None:
    serve("translator")
    Path("run/generator.safetensors").rename("lone.safetensors")
    with pytest.raises(SettingError) as error:
        Explorer(ganzoo.load("lone.safetensors"))
    assert str(error.value) == (
        "translator makes samples of an input, which it does not carry along; explore the folder of its run, which "
        "keeps examples"
    )


def test_a_picture_is_uploaded_in_the_browser(serve, new_page: Callable[[], Page], said: list[str], in_tmp: Path):
    server = serve("translator")
    page = new_page()
    page.goto(server.url)
    picture = page.locator("#picture[alt^=Generated]")
    picture.wait_for()
    first = picture.get_attribute("src")
    own = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)  # neither the size nor the shape of training
    Path("own.png").write_bytes(png(own))
    with page.expect_response(lambda answer: "picture.png" in answer.url and "own=1" in answer.url) as answer:
        page.locator("#own").set_input_files("own.png")
    sent = answer.value.body()
    assert answer.value.status == 200 and sent != ask(server, "picture.png?example=0")[1]
    page.wait_for_function("before => document.getElementById('picture').src !== before", arg=first)
    Path("own.txt").write_text("no picture")
    page.locator("#own").set_input_files("own.txt")
    page.locator("#trouble:visible").wait_for()
    page.locator("#example").select_option("1")
    assert len(said) == 1 and "400" in said.pop(), "what was refused is all that the console tells"
