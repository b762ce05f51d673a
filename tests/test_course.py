"""The course: each lesson runs, cell by cell, and its notebooks and pages are those of its file in docs/course."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ganzoo_core.registry import registry
from ganzoo_core.report.run_artifacts import RunArtifacts

pytest.importorskip("jupytext", reason="Jupytext is not installed")
pytest.importorskip("nbclient", reason="nbclient is not installed")

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "docs" / "course").glob("*.py"))
FEW = 4  # in the place of each number of a cell tagged "parameters"

LONG = ("3-conditioning", "5-judging", "6-translation", "7-few-pictures", "8-your-own")
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def course() -> Any:
    spec = importlib.util.spec_from_file_location("course", ROOT / "docs" / "course.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shell(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A notebook's shell without a kernel, in an empty folder.

    The classifier that judges digits learns for a moment, and runs draw no page at their end.
    """
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    from ganzoo_tools.evaluation import keeping
    from ganzoo_tools.evaluation.classifier import train_classifier

    monkeypatch.setattr(keeping, "train_classifier", partial(train_classifier, steps=5))
    monkeypatch.setattr(RunArtifacts, "_draw", lambda artifacts: None)
    monkeypatch.setattr(HistoryManager, "enabled", False)
    monkeypatch.setenv("IPYTHONDIR", str(in_tmp / "ipython"))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.syspath_prepend(str(in_tmp))  # a lesson imports what it has written
    main, path = sys.modules["__main__"], list(sys.path)
    started = InteractiveShell.instance()
    started.colors = "nocolor"
    yield started
    InteractiveShell.clear_instance()
    sys.modules["__main__"], sys.path[:] = main, path
    sys.modules.pop("mine", None)
    registry.cache_clear()


def code_of(course: Any, path: Path) -> list[Any]:
    return [cell for cell in course.cells(path, "en") if cell.cell_type == "code"]


def smaller(cell: Any) -> str:
    """The source of a cell, its numbers few where they say how long a lesson takes."""
    if "parameters" not in cell.metadata.get("tags", ()):
        return str(cell.source)
    lines = cell.source.split("\n")
    assert all(re.fullmatch(r"[A-Z_]+ = [\d_]+( *#.*)?", line) for line in lines), cell.source
    return "\n".join(re.sub(r"= [\d_]+", f"= {FEW}", line) for line in lines)


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem, marks=[pytest.mark.long] * (path.stem in LONG)) for path in LESSONS]
)
def test_every_cell_runs(course: Any, path: Path, shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cells = code_of(course, path)
    assert [cell.metadata.get("tags") for cell in cells[:2]] == [["begin"], ["parameters"]]
    for cell in cells:
        shell.run_cell(smaller(cell)).raise_error()
        if cell.source.startswith("!"):
            assert shell.user_ns["_exit_code"] == 0, f"{cell.source}: {capsys.readouterr().out}"


@pytest.mark.slow
@each_lesson
def test_a_lesson_runs_whole(course: Any, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "PICTURES", tmp_path)
    outputs, seconds = course.run(path)
    assert len(outputs) == len(code_of(course, path)) and seconds < 600
    assert len(list(tmp_path.glob("*.png"))) == sum(output.count("![") for output in outputs) > 0


@each_lesson
def test_notebooks_and_pages_are_fresh(course: Any, path: Path) -> None:
    outputs, seconds = course.kept(path)
    number = path.name.partition("-")[0]
    assert outputs, f"the code of {path.name} is not what its page shows; run it: python docs/course.py {number}"
    for file, text in course.files(path, outputs, seconds).items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name} is stale; write it again: python docs/course.py"
    shown = re.findall(rf"/({number}-[\d-]+\.png)", "\n".join(outputs))
    assert sorted(shown) == sorted(picture.name for picture in course.PICTURES.glob(f"{number}-*.png"))


@each_lesson
def test_each_cell_of_prose_is_there_in_both_languages(path: Path) -> None:
    import jupytext

    prose = [c.metadata["lang"] for c in jupytext.read(path, fmt="py:percent").cells if c.cell_type == "markdown"]
    assert prose == ["en", "zh"] * (len(prose) // 2)


@pytest.mark.parametrize("name", ["index.md", "index.zh.md"])
def test_the_course_says_how_long_each_lesson_takes(course: Any, name: str) -> None:
    page = (ROOT / "docs" / "course" / name).read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[.+?\]\((.+?)\.md\) \|.*\| (\d+) s \|$", page, re.MULTILINE)
    assert rows == [(path.stem, str(course.kept(path)[1])) for path in LESSONS]
    assert all(int(seconds) < 600 for _, seconds in rows)


def test_what_other_code_printed_is_not_kept(course: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(course, "FOLDER", tmp_path)
    lesson = tmp_path / "1-a.py"
    source = '# %% [markdown] lang="en"\n# # A\n\n# %%\nprint(1)\n\n# %% [markdown] lang="en"\n# B\n\n# %%\nprint(2)\n'
    lesson.write_text(source)
    (tmp_path / "1-a.md").write_text(course.page(lesson, "en", ["", "```text\n1\n```", ""], 7))
    assert course.kept(lesson) == (["", "```text\n1\n```", ""], 7)
    lesson.write_text(source.replace("# B", "# C"))
    assert course.kept(lesson)[1] == 7
    lesson.write_text(source.replace("print(2)", "print(3)"))
    assert course.kept(lesson) == ([], 0)
