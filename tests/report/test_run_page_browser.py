"""The page of a run in a real browser, where there is one: Debian's chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import ganzoo_core as ganzoo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser") / "run"
    done = ganzoo.train("toy-conditional", data="digits", steps=12, log_every=2, snapshots=(1, 4, 8), out=folder)
    return done.folder / "report.html"


@pytest.fixture
def page(look_at: Callable[[Path], Page], report: Path) -> Page:
    return look_at(report)


def shown(page: Page) -> list[str | None]:
    return [image.get_attribute("data-step") for image in page.locator(".frames img:visible").all()]


def ground(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def values(chart: Locator) -> list[str]:
    return chart.locator("li b").all_inner_texts()


def test_the_slider_moves_the_picture(page: Page) -> None:
    slider = page.locator(".slideshow input")
    assert shown(page) == ["12"]
    slider.focus()
    slider.press("Home")
    assert shown(page) == ["1"] and page.locator(".slideshow output").inner_text() == "step 1"
    slider.press("ArrowRight")
    assert shown(page) == ["4"] and slider.get_attribute("aria-valuetext") == "step 4"
    slider.fill("2")
    assert shown(page) == ["8"]


def test_play_runs_to_the_end_and_stops(page: Page) -> None:
    from playwright.sync_api import expect

    button = page.locator(".play")
    button.click()
    assert (shown(page), button.inner_text()) == (["1"], "Pause")
    expect(button).to_have_text("Play")
    assert shown(page) == ["12"]
    button.click()
    button.click()
    assert (shown(page), button.inner_text()) == (["1"], "Play")


def test_a_chart_shows_the_values_under_the_pointer(page: Page) -> None:
    chart = page.locator(".chart").first
    last = values(chart)
    assert last[-1] == "12" and chart.locator(".dot:visible").count() == 0
    chart.locator(".plotted").hover(position={"x": 1, "y": 50})
    first = values(chart)
    assert first[-1] == "2" and first[:-1] != last[:-1]
    assert chart.locator(".dot:visible").count() == len(first) - 1
    page.mouse.move(1, 1)
    assert values(chart) == last and chart.locator(".dot:visible").count() == 0


def test_a_chart_is_read_with_the_keyboard(page: Page) -> None:
    chart = page.locator(".chart").first
    plot = chart.locator(".plotted")
    plot.focus()
    for key, step in {"Home": "2", "ArrowRight": "4", "PageUp": "6", "ArrowLeft": "4", "End": "12"}.items():
        plot.press(key)
        assert values(chart)[-1] == step
    said = str(plot.get_attribute("aria-valuetext"))
    assert plot.get_attribute("role") == "slider" and said.startswith("step 12: real ")
    assert page.evaluate("document.activeElement.matches(':focus-visible')")


def test_the_first_values_are_those_of_the_page_itself(page: Page, browser: Browser, report: Path) -> None:
    """The script's way to write numbers is Python's."""
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(report.as_uri())
    assert plain.locator(".chart li b").all_inner_texts() == page.locator(".chart li b").all_inner_texts()
    assert plain.locator(".frames img:visible").count() == 1 and plain.locator(".controls:visible").count() == 0
    plain.context.close()


def test_light_and_dark(page: Page) -> None:
    light = ground(page)
    page.emulate_media(color_scheme="dark")
    dark = ground(page)
    assert light != dark
    page.locator(".theme").click()
    assert ground(page) == light
    page.reload()  # it is remembered
    assert ground(page) == light and page.locator(".theme").get_attribute("aria-pressed") == "false"
    page.emulate_media(color_scheme="light")
    page.locator(".theme").click()
    assert ground(page) == dark and page.locator(".theme").get_attribute("aria-pressed") == "true"


def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    small = (
        "[...document.querySelectorAll('button, input')].filter((e) => e.offsetParent && e.offsetHeight < 36).length"
    )
    assert page.evaluate(small) == 0


def test_the_policy_forbids_scripts_from_elsewhere(browser: Browser, report: Path, tmp_path: Path) -> None:
    """Were a name to slip through the escaping, the browser would still not run it."""
    text = report.read_text(encoding="utf-8").replace("<h1>", "<script>document.title = 'taken'</script><h1>")
    (tmp_path / "bad.html").write_text(text, encoding="utf-8")
    opened = browser.new_page()
    opened.goto((tmp_path / "bad.html").as_uri())
    assert opened.title() == "toy-conditional on digits"
    opened.close()
