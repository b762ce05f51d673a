"""`ganzoo explore` in a browser: the directions, what can be asked for, and who is answered. Without a browser."""

from __future__ import annotations

import contextlib
import io
import json
import math
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, GanzooError
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import registry
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_tools.cli import explore as command_module
from ganzoo_tools.exploration.directions import principal_directions
from ganzoo_tools.exploration.latents import Explorer
from ganzoo_tools.exploration.server import ExploreServer
from ganzoo_tools.exploration.sketch import sketch
from ganzoo_tools.exploration.walks import first_latent, interpolation
from ganzoo_tools.serving.door import door

GREY = DataSpec("grey", (1, 4, 4), ("zero", "one", "<b>"))
POINTS = DataSpec("ring", (2,), kind="points")


class Linear(Generator):
    """x = A z + the label."""

    def __init__(self, weight: torch.Tensor, spec: DataSpec = GREY) -> None:
        super().__init__()
        self.latent_dim = weight.shape[1]
        self.weight, self.shape = weight, spec.shape

    def forward(self, z, labels=None):
        x = (z @ self.weight.T).unflatten(1, self.shape)
        return x if labels is None else x + labels.view(-1, *[1] * len(self.shape))


class Codes(Linear):
    """Its latents are whole numbers."""

    def latent(self, n, rng):
        return torch.randint(9, (n, self.latent_dim), generator=rng)


class Broken(Linear):
    """Works for many at once alone."""

    def forward(self, z, labels=None):
        if len(z) == 1:
            raise RuntimeError("no samples today")
        return super().forward(z, labels)


def trained(module: Generator, spec: DataSpec = GREY, variant: str = "toy-conditional") -> TrainedGenerator:
    cls, _ = registry().variant(variant)
    return TrainedGenerator(module, cls(), spec, 7, torch.device("cpu"))


def orthogonal(n: int, seed: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(n, n, generator=torch.Generator().manual_seed(seed)))[0]


def weight(latent_dim: int = 6) -> torch.Tensor:
    """A (16, latent_dim) of known principal directions, each half as strong as the one before."""
    strengths = 0.1 * 0.5 ** torch.arange(latent_dim)
    return orthogonal(16, 0)[:, :latent_dim] * strengths @ orthogonal(latent_dim, 1).T


# the directions


@pytest.mark.parametrize("variant", ["toy", "toy-conditional"])
def test_the_directions_of_a_linear_generator_are_its_singular_vectors(variant: str) -> None:
    found = principal_directions(trained(Linear(weight()), variant=variant))
    expected = torch.linalg.svd(weight())[2]
    assert found.shape == (6, 6)
    cosines = (found @ expected.T).abs()
    assert torch.allclose(cosines, torch.eye(6), atol=1e-3)  # in order, the strongest first
    assert (found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all()


def test_labels_alone_give_no_direction() -> None:
    """What the label adds is far more than what the latent does, and goes with no coordinate of it."""
    strong = principal_directions(trained(Linear(0.001 * weight())))
    assert torch.allclose(strong, principal_directions(trained(Linear(weight()))), atol=1e-3)


def test_there_are_eight_directions_at_most() -> None:
    assert principal_directions(trained(Linear(torch.randn(16, 20)))).shape == (8, 20)


def test_latents_that_are_no_vectors_of_numbers() -> None:
    with pytest.raises(
        DataError, match="explore needs latents that are vectors of numbers, but one of toy.* is torch.int64"
    ):
        Explorer(trained(Codes(weight())))


# what can be asked for


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(trained(Linear(weight())))


def test_a_latent_is_moved_along_the_directions(explorer: Explorer) -> None:
    z = first_latent(explorer.generator, 5)
    assert torch.equal(explorer.latent(explorer.parse_query({"seed": "5"})), z)
    moved = explorer.latent(explorer.parse_query({"seed": "5", "moves": "2,0,-1.5"}))
    assert torch.allclose(moved, z + 2 * explorer.directions[0] - 1.5 * explorer.directions[2])


def test_the_way_between_two_latents_is_that_of_interpolation(explorer: Explorer) -> None:
    ends = {"seed": "3", "to_seed": "4"}
    way = [explorer.latent(explorer.parse_query(ends | {"t": str(t)})) for t in (0, 0.5, 1)]
    assert torch.equal(way[0], first_latent(explorer.generator, 3))
    assert torch.equal(way[2], first_latent(explorer.generator, 4))
    expected = interpolation(explorer.generator, 3, seed=3).samples.values[1]
    assert torch.allclose(explorer.generator.module(way[1][None])[0], expected, atol=1e-6)
    assert torch.equal(explorer.latent(explorer.parse_query({"seed": "3", "to_seed": "4"})), way[0])  # no t: no way


def test_a_picture_is_the_sample(explorer: Explorer) -> None:
    for query, label in [({"seed": "2"}, 0), ({"seed": "2", "label": "<b>"}, 2), ({"seed": "2", "class": "1"}, 1)]:
        expected = explorer.generator.sample(1, labels=[label], seed=2).images[0, 0]
        small, large = (explorer.picture(explorer.parse_query(query), large=large) for large in (False, True))
        assert (np.asarray(Image.open(io.BytesIO(small)))[:, :, 0] == expected).all()
        enlarged = np.asarray(Image.open(io.BytesIO(large)))[:, :, 0]
        assert enlarged.shape == (512, 512) and (enlarged[::128, ::128] == expected).all()


def test_points_are_sketched_and_kept_as_plots() -> None:
    explorer = Explorer(trained(Linear(torch.eye(2), POINTS), POINTS, "toy"))
    pictures = [explorer.picture(explorer.parse_query({"seed": "1"}), large=large) for large in (False, True)]
    sizes = [Image.open(io.BytesIO(picture)).size for picture in pictures]
    assert sizes[0] == (480, 480) and sizes[1] == (600, 624)


def test_a_sketch_shows_where_the_point_or_curve_is() -> None:
    blue = np.array([0x2C, 0x6F, 0xB3])
    for point in [(0.5, -0.25), (-1.0, 1.0)]:
        down, across = np.nonzero((np.asarray(sketch(torch.tensor(point))) == blue).all(axis=2))
        place = (across.mean() + 0.5) / 240 - 1, 1 - (down.mean() + 0.5) / 240
        assert np.allclose(place, np.array(point) / 1.05, atol=0.01)
    curve = np.asarray(sketch(torch.tensor([-1.0, -1.0, 1.0, 1.0])))
    assert (curve[:, 30] == blue).all(axis=1).nonzero()[0].mean() > 400
    assert (curve[:, 450] == blue).all(axis=1).nonzero()[0].mean() < 80


def test_a_latent_comes_with_what_finds_it_again(explorer: Explorer) -> None:
    record = explorer.latent_json(
        explorer.parse_query({"seed": "5", "moves": "1", "to_seed": "6", "t": "0.25", "label": "one"})
    )
    assert {k: v for k, v in record.items() if k != "latent"} == {
        "variant": "toy-conditional", "data": "grey", "step": 7, "label": "one",
        "seed": 5, "moves": (1.0,), "to_seed": 6, "to_moves": (), "t": 0.25,
    }  # fmt: skip
    assert len(record["latent"]) == 6 and all(math.isfinite(x) for x in record["latent"])
    assert "to_seed" not in explorer.latent_json(explorer.parse_query({}))


WRONG = [
    ({"seed": "-1"}, "seed must be a whole number from 0 to 9007199254740991, but is '-1'"),
    ({"seed": "9" * 50}, f"seed must be a whole number from 0 to 9007199254740991, but is '{'9' * 40}...'"),
    ({"seed": "²"}, "seed must be a whole number from 0 to 9007199254740991, but is '²'"),
    ({"to_seed": "x", "t": "0"}, "to_seed must be a whole number from 0 to 9007199254740991, but is 'x'"),
    ({"moves": "1,x"}, "moves must be a number from -100 to 100, but is 'x'"),
    ({"moves": "nan"}, "moves must be a number from -100 to 100, but is 'nan'"),
    ({"moves": "1e9"}, "moves must be a number from -100 to 100, but is '1e9'"),
    ({"moves": "0,0,0,0,0,0,0"}, "moves must be at most 6 numbers, but are 7"),
    ({"t": "1.5"}, "t must be a number from 0 to 1, but is '1.5'"),
    ({"class": "3"}, "class must be a whole number from 0 to 2, but is '3'"),
    ({"class": "x"}, "class must be a whole number from 0 to 2, but is 'x'"),
    ({"label": "nine"}, "there is no label called 'nine'; did you mean one?"),
    ({"sed": "1"}, "there is no 'sed' to ask for; known: class, label, large, moves, seed, t, to_moves, to_seed"),
]


@pytest.mark.parametrize(("query", "message"), WRONG)
def test_what_cannot_be_asked_for(explorer: Explorer, query: dict[str, str], message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        explorer.parse_query(query)
    assert str(caught.value) == message


def test_a_label_is_refused_where_there_are_none() -> None:
    with pytest.raises(GanzooError, match="toy is not conditional and can't be asked for a label"):
        Explorer(trained(Linear(weight()), variant="toy")).parse_query({"label": "1"})


# who is answered


@pytest.fixture(scope="module")
def server(explorer: Explorer) -> Iterator[ExploreServer]:
    yield from serving(explorer)


def serving(explorer: Explorer, **options: Any) -> Iterator[ExploreServer]:
    with ExploreServer(explorer, **options) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()


def ask(
    server: ExploreServer, path: str, *, method: str = "GET", host: str | None = None, key: str | None = None
) -> tuple[int, HTTPMessage, bytes]:
    """The status, headers and body of an answer; the path stands behind the key."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, f"/{server.key if key is None else key}{path}", skip_host=True)
    if host != "":
        connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def test_the_server_listens_on_the_loopback_alone(server: ExploreServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/{server.key}/" and len(server.key) >= 43


def test_the_page_and_its_files(server: ExploreServer) -> None:
    status, headers, body = ask(server, "/")
    page = body.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "toy-conditional on grey" in page and page.count('type="range"') == 6 + 1
    assert "<b>" not in page and page.count("&lt;b&gt;") == 1  # a class of that name
    assert "style=" not in page and "<style" not in page and "<script>" not in page
    for name, kind in [("page.css", "text/css"), ("explore.css", "text/css"), ("page.js", "text/javascript"),
                       ("explore.js", "text/javascript")]:  # fmt: skip
        status, headers, body = ask(server, f"/{name}")
        assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8") and len(body) > 500
        assert f'"{name}"' in page


def test_nothing_of_a_name_steers_the_page() -> None:
    spec = DataSpec("set\x1b[2J", (1, 4, 4), ("a\u202e", "b\x1b[31m", "c\u2066"))
    explorer = Explorer(trained(Linear(weight(), spec), spec))
    with contextlib.contextmanager(serving)(explorer) as server:
        page = ask(server, "/")[2].decode()
        assert page.count('name="label"') == 3 and {c for c in page if not c.isprintable()} == {"\n"}
        body = ask(server, "/picture.png?label=x")[2].decode()
        assert body == "there is no label called 'x'; known: a\ufffd, b\ufffd[31m, c\ufffd\n"
        picture = explorer.picture(explorer.parse_query({"class": "2"}))
        assert ask(server, "/picture.png?class=2")[2] == picture != explorer.picture(explorer.parse_query({}))


def test_every_answer_is_guarded(server: ExploreServer) -> None:
    for path, status in [("/", 200), ("/picture.png", 200), ("/nothing", 404), ("/picture.png?seed=x", 400)]:
        found, headers, _ = ask(server, path)
        assert found == status
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert (headers["Referrer-Policy"], headers["Cross-Origin-Resource-Policy"]) == ("no-referrer", "same-origin")
        assert "Access-Control-Allow-Origin" not in headers


def test_pictures_and_latents(server: ExploreServer, explorer: Explorer) -> None:
    wish = explorer.parse_query({"seed": "4", "moves": "1,-2", "label": "<b>"})
    query = "seed=4&moves=1,-2&label=%3Cb%3E"
    status, headers, body = ask(server, f"/picture.png?{query}")
    assert (status, headers["Content-Type"], body) == (200, "image/png", explorer.picture(wish))
    assert float(headers["Server-Timing"].removeprefix("picture;dur=")) > 0
    assert headers["Content-Disposition"] == 'inline; filename="toy-conditional-grey-seed4.png"'
    assert ask(server, f"/picture.png?{query}&large=1")[2] == explorer.picture(wish, large=True)
    status, headers, body = ask(server, f"/latent.json?{query}")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == json.loads(json.dumps(explorer.latent_json(wish)))


def test_localhost_is_this_machine_too(server: ExploreServer) -> None:
    assert ask(server, "/", host=f"localhost:{server.server_port}")[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1:PORT.evil.example", ""])
def test_other_hosts_are_refused(server: ExploreServer, host: str) -> None:
    """A stranger's page whose name was made to point to this machine sends that name."""
    status, _, body = ask(server, "/", host=host.replace("PORT", str(server.server_port)))
    assert (status, body) == (403, b"this server answers requests to its own address alone\n")


def test_two_hosts_are_refused(server: ExploreServer) -> None:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", f"/{server.key}/", headers={"host": "evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize("key", ["", "wrong", "KEYx", "KE", "%C3%A9", "%00", ".."])
def test_who_does_not_know_the_key_is_told_nothing(server: ExploreServer, key: str) -> None:
    key = key.replace("KEY", server.key).replace("KE", server.key[:-1])
    for path in ("/", "/picture.png", "/page.css"):
        status, _, body = ask(server, path, key=key)
        assert (status, body) == (404, b"there is nothing here; use the address that `ganzoo explore` printed\n")


def test_there_is_nothing_else(server: ExploreServer) -> None:
    for path in ("", "/../../etc/passwd", "/page.html", "/run.html", "//", "/picture.png/"):
        assert ask(server, path)[0] == 404


@pytest.mark.parametrize(
    ("query", "message"), [("seed=x", "seed must be"), ("&".join(["a=1"] * 30), "at most 20 fields")]
)
def test_a_wrong_request_is_answered_by_a_sentence(server: ExploreServer, query: str, message: str) -> None:
    for name in ("picture.png", "latent.json"):
        status, headers, body = ask(server, f"/{name}?{query}")
        assert (status, headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
        assert message in body.decode() and body.count(b"\n") == 1 and b"Traceback" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "NONSENSE"])
def test_other_methods_are_refused(server: ExploreServer, method: str) -> None:
    status, headers, body = ask(server, "/", method=method)
    assert (status, headers["Connection"]) == (501, "close")
    assert body == f"Unsupported method ('{method}')\n".encode()


def test_a_generator_that_fails_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    for server in serving(Explorer(trained(Broken(weight())))):
        status, _, body = ask(server, "/picture.png")
        assert (status, body) == (500, b"RuntimeError: no samples today\n")
    assert capfd.readouterr() == ("", "")


def test_many_ask_at_once(server: ExploreServer, explorer: Explorer) -> None:
    answers: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda k=k: answers.update({k: ask(server, f"/picture.png?seed={k}")[2]}))
        for k in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {k: explorer.picture(explorer.parse_query({"seed": str(k)})) for k in range(8)}


def test_a_solid_can_be_turned() -> None:
    spec = DataSpec("cubes", (1, 4, 4, 4), kind="voxels")
    explorer = Explorer(
        trained(Linear(torch.randn(64, 3, generator=torch.Generator().manual_seed(0)), spec), spec, "toy")
    )
    pictures = {turn: explorer.picture(explorer.parse_query({"turn": turn})) for turn in ("40", "130", "360")}
    assert len(set(pictures.values())) == 3
    assert explorer.picture(explorer.parse_query({})) == pictures["40"]
    assert Image.open(io.BytesIO(pictures["40"])).size == (128, 128)
    large = explorer.picture(explorer.parse_query({"turn": "40"}), large=True)
    assert Image.open(io.BytesIO(large)).size == (512, 512)
    with pytest.raises(GanzooError, match="turn must be a number from 0 to 360, but is '361'"):
        explorer.parse_query({"turn": "361"})
    for server in serving(explorer):
        assert b'id="turn" min="0" max="360" step="10" value="40"' in ask(server, "/")[2]


def test_what_is_no_solid_is_not_turned(server: ExploreServer, explorer: Explorer) -> None:
    assert b'id="turn"' not in ask(server, "/")[2]
    with pytest.raises(GanzooError, match="there is no 'turn' to ask for"):
        explorer.parse_query({"turn": "40"})


# the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explorer") / "run"
    return ganzoo.train("toy-conditional", data="digits", steps=2, device="cpu", out=out).folder


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []
    monkeypatch.setattr(command_module, "_serve", lambda *given, opens: calls.append((*given[:3], opens)))
    return calls


@pytest.mark.parametrize(
    ("arguments", "on_terminal", "opens"),
    [
        ([], True, True),
        (["--seed", "4", "--label", "7"], True, True),
        (["--no-browser"], True, False),
        (["--no-browser"], False, False),
        (["--browser"], False, True),
        ([], False, None),
        (["--labels"], True, None),
        (["--positions", "3"], True, None),
        (["--values", "3"], True, None),
        (["--interpolate", "3"], True, None),
        (["-o", "x.png"], True, None),
    ],
)
def test_a_terminal_gets_the_page_and_a_script_its_file(
    arguments: list[str], on_terminal: bool, opens: bool | None, served: list[Any], folder: Path, in_tmp: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(command_module, "is_interactive", lambda: on_terminal)
    result = CliRunner().invoke(main, ["explore", str(folder), *arguments])
    assert result.exit_code == 0, result.stderr
    label, seed = ("7", 4) if "--seed" in arguments else (None, 0)
    assert served == ([] if opens is None else [(str(folder), label, seed, opens)])
    assert result.stdout.endswith(".png\n") == (opens is None)


@pytest.mark.parametrize("arguments", [["-o", "x.png"], ["--labels"], ["--positions", "1"], ["--interpolate", "3"]])
def test_a_file_and_a_page_exclude_each_other(arguments: list[str], served: list[Any]) -> None:
    result = CliRunner().invoke(main, ["explore", "x", "--no-browser", *arguments])
    assert (result.exit_code, served) == (2, [])
    said = " ".join(result.stderr.split())
    assert "--browser and --no-browser serve a page; leave them out for a file, or leave out --positions" in said


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_ends_it_well(folder: Path, subprocess_env: dict[str, str]) -> None:
    command = [
        sys.executable,
        "-m",
        "ganzoo_core",
        "explore",
        str(folder),
        "--no-browser",
        "--seed",
        "3",
        "--label",
        "7",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=subprocess_env)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    port, key = url.removeprefix("http://127.0.0.1:").strip("/").split("/")
    connection = HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request("GET", f"/{key}/")
    page = connection.getresponse().read().decode()
    assert 'data-seed="3"' in page and 'value="7" checked' in page
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    connection.close()
    assert (process.returncode, out, error) == (0, "", "Ctrl-C ends it.\n\n")


def test_a_wrong_label_is_found_before_the_page_is_served(folder: Path) -> None:
    result = CliRunner().invoke(main, ["explore", str(folder), "--no-browser", "--label", "eleven"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: there is no label called 'eleven'; known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9\n"


def test_the_browser_is_led_to_the_page_by_a_file_of_the_user_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its command can be read by every user of the machine, so the key must not stand there."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    seen: dict[str, Any] = {}

    def serve_once(self: ExploreServer) -> None:
        for thread in threading.enumerate():
            if thread.name == "browser":
                thread.join()
        assert self.door is not None
        seen["uri"], seen["text"] = self.door.as_uri(), self.door.read_text(encoding="utf-8")
        seen["modes"] = [stat.S_IMODE(path.stat().st_mode) for path in (self.door, self.door.parent)]
        server = threading.Thread(target=self.handle_request)
        server.start()
        assert ask(self, "/")[0] == 200
        server.join()
        seen["is_gone"] = not self.door.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(ExploreServer, "serve_forever", serve_once)
    result = CliRunner().invoke(main, ["explore", str(folder), "--browser"])
    assert result.exit_code == 0, result.output
    url = result.stdout.strip()
    key = url.strip("/").rpartition("/")[2]
    assert opened == [seen["uri"]] and key not in opened[0]
    assert f"0; url={url}" in seen["text"] and seen["is_gone"]
    assert sys.platform == "win32" or seen["modes"] == [0o600, 0o700]


def test_nothing_of_the_door_stays(explorer: Explorer) -> None:
    with door("http://127.0.0.1:1/key/") as page:
        assert page.is_file()
    assert not page.parent.exists()


def test_a_door_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    sentence = "the page that leads a browser on could not be written: No such file or directory; make room in the .*"
    with pytest.raises(FileError, match=sentence), door("http://127.0.0.1:1/key/"):
        raise AssertionError


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script for a browser, and SIGINT")
def test_no_command_holds_the_key(folder: Path, subprocess_env: dict[str, str], tmp_path: Path) -> None:
    """What `ps` shows of the browser, where it is a program of the user's choice."""
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/arguments\n')
    script.chmod(0o755)
    command = [sys.executable, "-m", "ganzoo_core", "explore", str(folder), "--browser"]
    environment = subprocess_env | {"BROWSER": f"{script} %s"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    key = process.stdout.readline().strip().strip("/").rpartition("/")[2]
    deadline_s = time.monotonic() + 60
    while not (tmp_path / "arguments").exists() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    argument = (tmp_path / "arguments").read_text(encoding="utf-8").strip()
    assert argument.startswith("file://") and len(key) >= 43 and key not in argument
    assert not Path(argument.removeprefix("file://")).exists()
