"""What `ganzoo evaluate` found, as a section of a run's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganzoo_core.drawing.gifs import read_picture
from ganzoo_core.drawing.pictures import WIDEST
from ganzoo_core.errors import FileError
from ganzoo_core.hookspecs import ReportSection
from ganzoo_core.report.page import fragment, inlined
from ganzoo_tools.evaluation.results import MATRIX_CLASSES, Evaluation, evaluation_file

EVALUATION_LIMIT = 200_000  # characters of the page that the section may take


def evaluation_section(folder: Path) -> list[ReportSection]:
    """The metrics in evaluation.json and the picture beside it, or why it can't be read; nothing without one."""
    path = folder / evaluation_file(None)
    if not path.exists():
        return []
    return [ReportSection("Evaluation", fragment("evaluation_section.html", "ganzoo_tools", **_facts(path)))]


def _facts(path: Path) -> dict[str, Any]:
    try:
        found = Evaluation.read(path)
    except FileError as error:
        return {"error": str(error)}
    picture = path.with_suffix(".png")
    matrix = found.confusion_rows()
    alt = "Generated samples beside the real ones nearest to them"
    return {
        "error": None,
        "found": found,
        "rows": found.rows(),
        "classes": found.class_rows(),
        "matrix": matrix if len(matrix) <= MATRIX_CLASSES else [],
        "picture": inlined(read_picture(picture, WIDEST), alt, EVALUATION_LIMIT, "print") if picture.exists() else None,
    }
