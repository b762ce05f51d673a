"""The page of a run that trains, in a real browser, where there is one: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.errors import Interrupted
from ganzoo_tools.watching.watch import Watch

if TYPE_CHECKING:
    from playwright.sync_api import Page

PLAIN = {"data": "ring8", "steps": 300, "batch_size": 16, "device": "cpu", "log_every": 5, "snapshots": [1, 2, 3]}


class Pausing(Watch):
    """Pauses before its first step."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def on_start(self, run: ganzoo.RunInfo) -> None:
        super().on_start(run)
        self.view.ask("pause")
        self.begun.set()


@contextlib.contextmanager
def training(variant: str, **settings: Any) -> Iterator[Watch]:
    """A run in a thread of its own, which waits at its first step."""
    watch = Pausing()

    def train() -> None:
        with contextlib.suppress(Interrupted):
            ganzoo.train(variant, callbacks=[watch], **settings)

    thread = threading.Thread(target=train)
    thread.start()
    assert watch.begun.wait(60)
    try:
        yield watch
    finally:
        watch.view.ask("stop")
        thread.join(60)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """A run on ring8."""
    with training("vanilla", out=tmp_path / "run", **PLAIN) as watch:
        yield watch


@pytest.fixture
def page(watch: Watch, new_page: Callable[[], Page], said: list[str]) -> Page:
    """The page of a run that waits. It may ask its own server alone."""
    opened = new_page()
    own = (watch.server.url, "data:")
    opened.on("request", lambda request: said.append(request.url) if not request.url.startswith(own) else None)
    opened.goto(watch.server.url)
    status(opened, "Paused after step 1 of 300")
    return opened


def status(page: Page, words: str) -> None:
    page.locator("#status", has_text=words).wait_for()


def drawn(page: Page) -> Any:
    """How many pixels of the plane are not empty, and the step that it is of."""
    page.locator("#drawn:not(:empty)").wait_for()
    page.wait_for_timeout(100)  # a frame of the browser's
    count = """() => {
        const c = document.querySelector("#plane canvas");
        const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
        return data.filter((v, i) => i % 4 === 3 && v > 0).length / (c.width * c.height);
    }"""
    return page.evaluate(count), page.locator("#drawn").inner_text()


def test_pause_stops_steps_and_going_on_ends_bit_for_bit(page: Page, watch: Watch, tmp_path: Path) -> None:
    filled, step = drawn(page)
    assert filled > 0.5 and step == "step 1"
    for k in (2, 3):
        page.locator("#step").click()
        status(page, f"Paused after step {k} of 300")
        page.locator("#drawn", has_text=f"step {k}").wait_for()
    page.wait_for_timeout(400)
    assert watch.view.step == 3 and page.locator("#pause").inner_text() == "Go on"
    page.locator("#pause").click()
    status(page, "Done: it ended after step 300, all saved. Its report: ")
    assert str(tmp_path / "run" / "report.html") in page.locator("#status").inner_text()
    assert [button.is_disabled() for button in page.locator("#controls button").all()] == [True] * 3
    for _ in range(600):
        if not (tmp_path / "run" / "live.html").exists():
            break
        page.wait_for_timeout(100)
    plain = ganzoo.train("vanilla", out=tmp_path / "plain", **PLAIN)
    for name in ("generator.safetensors", "checkpoint.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (plain.folder / name).read_bytes()


def test_losses_balance_and_snapshots_come(page: Page) -> None:
    for _ in range(3):
        page.locator("#step").click()
        page.wait_for_timeout(300)
    status(page, "Paused after step 4 of 300")
    shown = "#snapshots img:not([hidden])"
    page.locator(f'{shown}[alt="Samples after step 3"]').wait_for()
    assert page.locator("#snapshots img").count() == 3
    slider = page.get_by_label("Snapshot")
    slider.focus()
    slider.press("Home")
    assert page.locator(shown).get_attribute("alt") == "Samples after step 1"
    page.locator("#pause").click()
    status(page, "Done")
    titles = page.locator("#charts h3").all_inner_texts()
    assert titles[:2] == ["Loss of the discriminator", "Loss of the generator"] and "Diversity" in titles
    assert page.locator(shown).get_attribute("alt") == "Samples after step 1"  # the reader's choice stays
    facts = page.locator(".facts").inner_text()
    assert "300 of 300" in facts and "diversity" in facts and "told right" in facts
    place = page.locator("#charts .axes .y").first.evaluate("(e) => e.style.top")
    assert place.endswith("%")  # styles of the fragment came through the policy


def test_stop_saves(page: Page, tmp_path: Path) -> None:
    page.locator("#stop").click()
    status(page, "It was stopped after step 1, all saved.")
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_light_dark_and_a_phone(page: Page) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.locator(".theme").click()
    assert page.evaluate(ground) != light and drawn(page)[0] > 0.5
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = "(e) => e.offsetHeight && (e.scrollWidth > e.clientWidth || e.offsetHeight < 36)"
    assert page.evaluate(f"[...document.querySelectorAll('button')].filter({small}).map((e) => e.outerHTML)") == []


def test_all_of_it_is_reached_and_named(page: Page) -> None:
    page.locator("#step").click()
    status(page, "Paused after step 2")
    page.get_by_label("Snapshot").wait_for()
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.ariaLabel"))
    assert {"pause", "step", "stop", "Snapshot"} <= reached
    page.locator("#step").focus()
    page.keyboard.press("Enter")
    status(page, "Paused after step 3")
    label = page.locator("#plane canvas").get_attribute("aria-label")
    assert label == "The plane after step 3: 16 generated points among real ones, and what the discriminator believes"


def test_a_killed_run_is_told(page: Page, watch: Watch, said: list[str]) -> None:
    watch.server.shutdown()
    watch.server.server_close()
    page.context.set_offline(True)
    page.evaluate("events.dispatchEvent(new Event('error'))")
    assert page.locator("#trouble").inner_text().startswith("The run does not answer. It may have been killed")
    page.locator("#stop").click()
    page.locator("#trouble", has_text="The run does not answer any more.").wait_for()
    said.clear()
    watch.server.serve_forever = lambda *_: None  # type: ignore[method-assign]


@pytest.mark.parametrize("wish", ["pause", "go", "stop"])
def test_a_page_of_somebody_else_can_do_nothing(page: Page, watch: Watch, said: list[str], wish: str) -> None:
    other = page.context.new_page()
    other.goto("data:text/html,<p>elsewhere</p>")
    asked: Callable[[str], Any] = other.evaluate
    asked(f"fetch('{watch.server.url}control?do={wish}', {{ method: 'POST', mode: 'no-cors' }}).then(() => 1, () => 0)")
    page.wait_for_timeout(200)
    assert watch.view.is_paused and not watch.view.is_stopping


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Pictures in colour in two styles, as emoji are."""
    for style, ground in (("google", 255), ("twitter", 0)):
        (tmp_path / "emoji" / style).mkdir(parents=True)
        for k in range(24):
            picture = Image.new("RGB", (16, 16), (ground, ground, ground))
            picture.paste((10 * k, 250 - 10 * k, 120), (3, 3, 4 + k // 2, 13))
            picture.save(tmp_path / "emoji" / style / f"{k:02}.png")
    return tmp_path / "emoji"


@pytest.mark.parametrize("variant", ["pix2pix", "vanilla"])
def test_pictures_are_shown_as_they_come(
    variant: str, pairs: Path, tmp_path: Path, new_page: Callable[[], Page], said: list[str]
) -> None:
    """There is no plane; snapshots have their colours, light and dark, and go on a phone. The console is silent."""
    data = f"pairs:{pairs}" if variant == "pix2pix" else f"folder:{pairs}"
    plain = {"steps": 40, "batch_size": 4, "device": "cpu", "log_every": 2, "snapshots": [1, 2, 3]}
    with training(variant, out=tmp_path / "run", data=data, texts={"image_size": "16"}, **plain) as watch:
        page = new_page()
        page.goto(watch.server.url)
        status(page, "Paused after step 1 of 40")
        for k in (2, 3, 4):
            page.locator("#step").click()
            status(page, f"Paused after step {k} of 40")
        shown = page.locator('#snapshots img:not([hidden])[alt="Samples after step 3"]')
        shown.wait_for()
        assert page.locator("#snapshots img").count() == 3 and not page.locator("#plane").count()
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            for _ in range(2):
                page.locator(".theme").click()
                place = shown.bounding_box()
                assert place and 200 < place["width"] <= width and place["x"] + place["width"] <= width
                assert page.evaluate("document.documentElement.scrollWidth") == width
        with Image.open(tmp_path / "run" / "samples" / "step-000003.png") as snapshot:
            seen = Image.open(io.BytesIO(shown.screenshot())).convert("RGB")
            drawn = snapshot.convert("RGB").resize(seen.size, Image.Resampling.BOX)
        difference = np.asarray(seen).astype(int) - np.asarray(drawn)
        assert np.abs(difference).mean() < 12 and np.ptp(np.asarray(seen), axis=(0, 1)).min() > 60
        page.locator("#pause").click()
        status(page, "Done: it ended after step 40")
        assert page.locator("#charts h3").first.inner_text() == "Loss of the discriminator"
    assert said == []
