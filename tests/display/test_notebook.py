"""What a notebook shows: a run while it trains, a run, its samples and its report."""

from __future__ import annotations

import html
import io
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.callbacks import RunInfo
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.display.notebook import NotebookProgress, in_notebook, progress_html
from ganzoo_core.display.progress import RunProgress


class Shown:
    """What a cell shows: each piece with all its updates."""

    def __init__(self) -> None:
        self.pieces: list[list[Any]] = []

    def display(self, what: Any, display_id: bool) -> Any:
        assert display_id
        piece = [what]
        self.pieces.append(piece)
        return SimpleNamespace(update=piece.append)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """A kernel, as far as it is asked for."""
    shown = Shown()
    module, tools = ModuleType("IPython"), ModuleType("IPython.display")
    vars(module).update(version_info=(9, 0), get_ipython=lambda: SimpleNamespace(kernel=object()), display=tools)
    vars(tools).update(HTML=str, Image=lambda data, format: data, display=shown.display)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", tools)
    return shown


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ganzoo.Run:
    out = tmp_path_factory.mktemp("notebook") / "<b> run"
    return ganzoo.train("toy", data="digits", steps=4, log_every=2, snapshots=(2,), out=out)


def test_a_kernel_is_told_from_a_terminal(cell: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace())  # IPython in a terminal
    assert not in_notebook()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)  # imported by somebody
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_a_training_shows_its_progress(cell: Shown, in_tmp: Path) -> None:
    made = ganzoo.train("toy", data="digits", steps=6, log_every=2, snapshots=(2, 4))
    figures, samples = cell.pieces
    assert "toy on digits, step 0 of 6" in figures[0] and "step 6 of 6" in figures[-1]
    assert re.search(r'<progress value="1.0" max="1"', figures[-1])
    assert figures[-1].count("<polyline") == 3 and "samples/s" in figures[-1]
    assert samples == [path.read_bytes() for path in sorted((made.folder / "samples").iterdir())]
    ganzoo.train(resume=made.folder, steps=8)
    assert "step 8 of 8" in cell.pieces[2][-1]


def test_progress_can_be_left_out(cell: Shown, in_tmp: Path) -> None:
    ganzoo.train("toy", data="digits", steps=1, progress=False)
    assert cell.pieces == []


def test_figures_are_shown_twice_a_second_at_most(cell: Shown) -> None:
    now = 0.0
    progress = NotebookProgress(clock=lambda: now)
    progress.on_start(RunInfo(Path("x"), "toy", DataSpec("digits", (1, 8, 8)), {}, "cpu", {}, 0, 1000))
    for step in range(1, 101):
        now += 0.1
        progress.on_log({"step": step, "generator/a": 1.0 / step})
    assert 15 <= len(cell.pieces[0]) - 1 <= 20
    progress.on_end(100)
    assert "step 100 of 1,000" in cell.pieces[0][-1] and "1 min 30 s left" in cell.pieces[0][-1]


def test_names_are_escaped() -> None:
    spec = DataSpec("<script>", (1, 8, 8))
    shown = progress_html(RunProgress(RunInfo(Path("x"), "toy", spec, {}, "cpu", {}, 0, 10)))
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_a_run_shows_itself(run: ganzoo.Run) -> None:
    shown = run._repr_html_()
    assert shown is not None
    assert "<b>toy on digits</b>, step 4 of 4" in shown and "&lt;b&gt; run" in shown and "loss D" in shown
    assert shown.count('<img src="data:image/png;base64,') == 1
    assert ganzoo.Run(run.folder / "nowhere")._repr_html_() is None


def test_a_report_shows_itself_apart_from_the_notebook(run: ganzoo.Run) -> None:
    report = run.report()
    assert report.path == run.folder / "report.html"
    found = re.fullmatch(r'<iframe srcdoc="([^"]*)" sandbox="allow-scripts" style="[^"]*" title="report"></iframe>',
                         report._repr_html_())  # fmt: skip
    assert found is not None and html.unescape(found.group(1)) == report.path.read_text(encoding="utf-8")


def test_samples_show_themselves(run: ganzoo.Run) -> None:
    samples = run.sample(4)
    with Image.open(io.BytesIO(samples._repr_png_())) as image:
        assert image.tobytes() == samples.picture().tobytes()
