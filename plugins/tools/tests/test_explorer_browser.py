"""The page of `ganzoo explore` in a real browser, where there is one: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_tools.exploration.latents import Explorer
from ganzoo_tools.exploration.server import ExploreServer
from ganzoo_tools.serving.door import door

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    out = tmp_path_factory.mktemp("browser") / "run"
    return Explorer(ganzoo.train("toy-conditional", data="digits", steps=30, out=out, device="cpu").generator())


@pytest.fixture
def server(explorer: Explorer) -> Iterator[ExploreServer]:
    with ExploreServer(explorer, seed=2) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def page(server: ExploreServer, new_page: Callable[[], Page], said: list[str]) -> Page:
    """The page, its first picture loaded. It may ask its own server alone."""
    opened = new_page()
    opened.on("request", lambda request: said.append(request.url) if not is_own(request.url, server) else None)
    opened.goto(server.url)
    opened.locator("#picture[alt^=Generated]").wait_for()
    return opened


def is_own(url: str, server: ExploreServer) -> bool:
    return url.removeprefix("blob:").startswith((server.url, server.url.removesuffix(f"{server.key}/"), "data:"))


def pixels(page: Page) -> list[int]:
    """The picture that is shown, as its own pixels."""
    shown = """() => {
        const img = document.getElementById("picture"), c = document.createElement("canvas");
        [c.width, c.height] = [img.naturalWidth, img.naturalHeight];
        const to = c.getContext("2d");
        to.drawImage(img, 0, 0);
        return [...to.getImageData(0, 0, c.width, c.height).data].filter((_, i) => i % 4 === 0);
    }"""
    found: list[int] = page.evaluate(shown)
    return found


def after(page: Page, do: Callable[[], object]) -> list[int]:
    """The picture that the next answer brings. What saves it is pointed to it once it is shown."""
    with page.expect_response(lambda answer: "picture.png" in answer.url) as answer:
        do()
    page.locator(f'#keep-picture[href="{answer.value.url.rpartition("/")[2]}&large=1"]').wait_for()
    return pixels(page)


def expected(explorer: Explorer, **query: str) -> list[int]:
    with Image.open(io.BytesIO(explorer.picture(explorer.parse_query(query)))) as image:
        return list(image.convert("L").tobytes())


def test_the_door_leads_to_the_page_once(page: Page, server: ExploreServer) -> None:
    with door(server.url) as file:
        server.door = file
        visitor = page.context.new_page()
        visitor.goto(file.as_uri())
        visitor.locator("#picture[alt^=Generated]").wait_for()
        assert visitor.url == server.url and visitor.evaluate("document.referrer") == ""
        assert not file.exists()


def test_a_slider_changes_the_picture(page: Page, explorer: Explorer) -> None:
    assert pixels(page) == expected(explorer, seed="2")
    slider = page.locator("#move-0")
    moved = after(page, lambda: slider.fill("3"))
    assert moved == expected(explorer, seed="2", moves="3") != expected(explorer, seed="2")
    assert page.locator("output[for=move-0]").inner_text() == "3.0"
    slider.focus()
    assert after(page, lambda: slider.press("ArrowLeft")) == expected(explorer, seed="2", moves="2.9")
    assert after(page, page.locator("#reset").click) == expected(explorer, seed="2")
    assert page.locator("output[for=move-0]").inner_text() == "0"


def test_labels_and_seeds(page: Page, explorer: Explorer) -> None:
    assert after(page, page.get_by_label("7", exact=True).last.check) == expected(explorer, seed="2", label="7")
    assert page.locator("#picture").get_attribute("alt") == "Generated sample: seed 2, label 7"
    assert after(page, page.locator("#next").click) == expected(explorer, seed="3", label="7")
    assert after(page, lambda: page.locator("#seed").fill("40")) == expected(explorer, seed="40", label="7")
    after(page, page.locator("#random").click)
    seed = page.locator("#seed").input_value()
    assert seed != "40" and pixels(page) == expected(explorer, seed=seed, label="7")


def test_a_label_whose_name_is_not_shown_as_it_is(page: Page, server: ExploreServer, explorer: Explorer) -> None:
    generator = explorer.generator
    names = "0\u202e", *generator.spec.classes[1:-1], "9\x1b[31m"
    explorer = Explorer(replace(generator, spec=replace(generator.spec, classes=names)))
    server.explorer = explorer
    page.reload()
    page.locator("#picture[alt^=Generated]").wait_for()
    assert after(page, page.get_by_label("9\ufffd[31m", exact=True).check) == expected(
        explorer, seed="2", **{"class": "9"}
    )
    assert page.locator("#picture").get_attribute("alt") == "Generated sample: seed 2, label 9\ufffd[31m"


def test_a_seed_that_cannot_be_is_not_asked_for(page: Page, explorer: Explorer) -> None:
    for text in ("", "-3", "1.5"):
        page.locator("#seed").fill(text)
    page.wait_for_timeout(200)
    assert pixels(page) == expected(explorer, seed="2")


def test_the_way_from_one_kept_latent_to_another(page: Page, explorer: Explorer) -> None:
    way = page.locator("#way")
    assert way.is_disabled()
    after(page, page.locator("#keep-a").click)
    assert way.is_disabled()
    after(page, page.locator("#next").click)
    after(page, lambda: page.locator("#move-1").fill("2"))
    after(page, page.locator("#keep-b").click)
    ends = {"seed": "2", "moves": "0,0,0,0", "to_seed": "3", "to_moves": "0,2,0,0"}
    assert after(page, lambda: way.fill("0.25")) == expected(explorer, **ends, t="0.25")
    assert page.locator("#picture").get_attribute("alt") == "Generated sample: 25% of the way from A to B, label 0"
    assert [image.get_attribute("src") is not None for image in page.locator(".ends img").all()] == [True, True]
    assert page.locator("#keep-b").inner_text() == "B: seed 3"
    assert after(page, page.locator("#next").click) == expected(explorer, seed="4", moves="0,2")  # off the way again


def test_picture_and_latent_are_saved(page: Page, explorer: Explorer, tmp_path: Path) -> None:
    after(page, lambda: page.locator("#move-2").fill("-1.5"))
    for name in ("picture", "latent"):
        with page.expect_download() as download:
            page.locator(f"#keep-{name}").click()
        download.value.save_as(tmp_path / name)
    assert download.value.suggested_filename == "toy-conditional-digits-seed2.json"
    wish = explorer.parse_query({"seed": "2", "moves": "0,0,-1.5"})
    assert (tmp_path / "picture").read_bytes() == explorer.picture(wish, large=True)
    record = json.loads((tmp_path / "latent").read_text())
    assert torch.equal(torch.tensor(record["latent"]), explorer.latent(wish)) and record["label"] == "0"


def test_all_of_it_is_reached_by_tab(page: Page) -> None:
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"keep-picture", "keep-latent", "seed", "next", "random", "label", "reset", "keep-a", "keep-b"} <= reached
    assert {f"move-{k}" for k in range(4)} <= reached
    unnamed = "[...document.querySelectorAll('input, button, img')].filter((e) => !e.labels?.length && " \
        "!e.getAttribute('aria-label') && !e.textContent.trim() && !e.alt && !e.hidden).length"  # fmt: skip
    assert page.evaluate(unnamed) == 0


def test_an_end_of_the_program_is_told(page: Page, server: ExploreServer, said: list[str]) -> None:
    server.shutdown()
    server.server_close()
    page.context.set_offline(True)  # the connection that is open would still be answered
    page.locator("#next").click()
    trouble = page.locator("#trouble")
    trouble.wait_for()
    assert trouble.inner_text() == "The program behind this page has ended. Start `ganzoo explore` again."
    assert len(said) == 1 and "net::ERR" in said.pop()


def test_light_dark_and_a_phone(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator(".theme").click()
    assert page.evaluate(ground) != light
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = "[...document.querySelectorAll('button, input, a.button')].filter((e) => e.offsetHeight < 36).length"
    assert page.evaluate(small) == 0


def test_the_policy_stops_what_slips_in(page: Page, said: list[str]) -> None:
    page.evaluate("""() => {
        const bad = document.createElement("script");
        bad.textContent = "document.title = 'taken'";
        document.body.append(bad);
        document.body.append(Object.assign(new Image(), { src: "http://evil.example/x.png" }));
    }""")
    for _ in range(100):
        page.wait_for_timeout(100)
        refused = [text for text in said if "Content Security Policy" in text]
        if len(refused) == 2:
            break
    assert len(refused) == 2 and page.title() == "Explore toy-conditional on digits"
    said.clear()
