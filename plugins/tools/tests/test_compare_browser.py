"""The page of a comparison in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from clocks import let_steps_take

from ganzoo_core.cli import main

pytestmark = pytest.mark.long

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    arguments = ["--variants", "toy,toy-conditional", "--data", "ring8", "--minutes", "0.01", "-n", "100"]
    with pytest.MonkeyPatch.context() as patch:
        let_steps_take(0.01, patch)
        result = CliRunner().invoke(main, ["compare", *arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out / "comparison.html"


@pytest.fixture
def page(look_at: Callable[[Path], Page], compared: Path) -> Page:
    return look_at(compared)


def test_a_curve_over_time_is_read_with_the_keyboard(page: Page) -> None:
    chart = page.locator(".chart").first
    plot = chart.locator(".plotted")
    assert chart.locator("h3").inner_text() == "Coverage over time"
    plot.focus()
    plot.press("Home")
    first = float(chart.locator("li b").last.inner_text())
    plot.press("End")
    assert 0 < first < float(chart.locator("li b").last.inner_text())
    assert str(plot.get_attribute("aria-valuetext")).startswith("seconds 0.")


def test_a_recipe_has_one_colour_in_all_charts(page: Page) -> None:
    said = "(c) => [...c.querySelectorAll('li:not(.at)')].map((li) => [li.innerText.split(' ')[0], li.className])"
    pairs = [pair for chart in page.locator(".chart").all() for pair in chart.evaluate(said)]
    assert len(pairs) > len({name for name, _ in pairs}) == len({tuple(pair) for pair in pairs}) == 2


def test_the_first_values_are_those_of_the_page_itself(page: Page, browser: Browser, compared: Path) -> None:
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(compared.as_uri())
    assert plain.locator(".chart li b").all_inner_texts() == page.locator(".chart li b").all_inner_texts()
    assert plain.locator(".contest img:visible").count() == 3
    plain.context.close()


def test_samples_stand_side_by_side_and_everything_fits_a_phone(page: Page) -> None:
    tops = [box["y"] for image in page.locator(".contest figure").all() if (box := image.bounding_box())]
    assert len(tops) == 3 and len(set(tops)) == 1
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
