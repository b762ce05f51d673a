"""The page of a sweep: what its view shows, and in a real browser how it looks and fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from ganzoo_core.cli import main
from ganzoo_tools.comparison.parallel_view import ParallelView, parallel_view
from ganzoo_tools.comparison.space import Trial
from ganzoo_tools.comparison.sweep_result import Sweep, TrialResult
from ganzoo_tools.evaluation.results import MetricValue

if TYPE_CHECKING:
    from playwright.sync_api import Page


def view_of(*rows: tuple[dict[str, Any], float, int | None], by: str = "fid") -> ParallelView:
    """The view of trials with these settings, figures and ranks, the best first."""
    results = tuple(
        TrialResult(Trial(i, settings, None), (), 10.0, {by: MetricValue((value,))}, by, (10,), rank)  # type: ignore[arg-type]
        for i, (settings, value, rank) in enumerate(rows)
    )
    best = SimpleNamespace(ranked_by=by)
    return parallel_view(Sweep("toy", results, best, "steps", (10.0, 30.0), 1, "", ""))  # type: ignore[arg-type]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split() for pair in path[1:].split("L"))]


def test_numbers_stand_by_their_size_and_the_best_figure_at_the_top() -> None:
    view = view_of(
        ({"width": 10, "lr": 1e-3}, 5.0, 1), ({"width": 6, "lr": 1e-4}, 6.0, 2), ({"width": 2, "lr": 1e-5}, 7.0, 3)
    )
    assert [pole.name for pole in view.poles] == ["width", "lr", "FID"] and [pole.x for pole in view.poles] == [
        0,
        500,
        1000,
    ]
    worst, middle, best = (points(line.path) for line in view.lines)
    assert [x for x, _ in best] == [0, 500, 1000]
    for pole in range(3):
        assert best[pole][1] < middle[pole][1] < worst[pole][1], "larger is higher, and a lower FID too"
        assert middle[pole][1] == pytest.approx(500, abs=1), "the factor between learning rates counts"
    assert [words for _, words in view.poles[0].ticks] == ["2", "6", "10"]
    assert [line.share for line in view.lines] == [0, 0.5, 1]


def test_words_stand_one_below_the_other() -> None:
    rows = [({"augment": name}, value, 1) for name, value in (("ada", 0.9), ("none", 0.5), (None, 0.2))]
    view = view_of(*rows, by="coverage")
    assert view.poles[0].ticks == [(pytest.approx(500 / 3), "ada"), (500, "none"), (pytest.approx(2500 / 3), "none")]
    figures = [points(line.path)[1][1] for line in view.lines]
    assert figures == sorted(figures, reverse=True), "more coverage is higher"


def test_one_value_and_many_values_have_poles_too() -> None:
    assert view_of(({"width": 4}, 5.0, 1)).poles[0].ticks == [(500, "4")]
    many = view_of(*(({"width": width}, 5.0 + width, 1) for width in range(1, 30)))
    assert 3 <= len(many.poles[0].ticks) <= 8
    assert all(0 <= top <= 1000 for pole in many.poles for top, _ in pole.ticks)


def test_who_ended_early_is_said() -> None:
    view = view_of(({"width": 4}, 5.0, 1), ({"width": 5}, 6.0, None))
    assert [line.ended for line in view.lines] == [True, False]
    assert view.lines[0].words == "width=5: FID 6, ended early after 10 steps"
    assert view.summary == "2 trials; the best, width=4, has FID 5"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("swept")
    arguments = ["toy", "--data", "ring8", "--sweep", "generator_lr=1e-4,1e-3", "--sweep", "width=4,5", "--steps", "9"]
    result = CliRunner().invoke(main, ["compare", *arguments, "--halving", "2", "-n", "100", "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out / "sweep.html"


@pytest.mark.long
def test_the_page_asks_the_network_for_nothing_and_names_the_best(swept: Path) -> None:
    page = swept.read_text()
    assert page.count("<script") == 1 and "default-src 'none'" in page and not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<g class=") == 4 and page.count("ended") >= 3
    assert re.search(r"By coverage, <b>generator_lr=\S+ width=\d</b> comes first: ", page)
    assert "ganzoo run toy --data ring8 --steps 9 --batch-size 16 --seed 0" in page
    assert "ganzoo compare toy --data ring8 --sweep generator_lr=1e-4,1e-3 --sweep width=4,5 --halving 2" in page
    assert "4 trials had 2 steps, 2 trials had 4 steps, 1 trial had 9 steps" in " ".join(page.split())


@pytest.mark.long
def test_the_page_fits_a_phone_and_tells_of_a_line(look_at: Callable[[Path], Page], swept: Path) -> None:
    page = look_at(swept)
    best = page.locator(".parallel .best")
    box, head = page.locator(".parallel").bounding_box(), page.locator(".pole b").first.bounding_box()
    assert box and head and head["x"] >= box["x"] - 17, "the first head is not cut off"
    assert str(best.locator("title").text_content()).startswith("generator_lr=")
    thick = (
        "() => [...document.querySelectorAll('.line')].filter((l) => getComputedStyle(l).strokeWidth == '3px').length"
    )
    assert page.evaluate(thick) == 1
    middle = "p => p.getPointAtLength(p.getTotalLength() * 0.4).matrixTransform(p.getScreenCTM())"
    point = page.locator(".parallel g:not(.best) .hit").first.evaluate(
        f"p => {{ const q = ({middle})(p); return [q.x, q.y] }}"
    )
    page.mouse.move(*point)
    assert page.evaluate(thick) == 2, "the one that is pointed at stands out"
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.emulate_media(color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
