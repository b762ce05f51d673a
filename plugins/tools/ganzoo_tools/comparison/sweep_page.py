"""The page of a sweep: one file, to be read without network or server."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.report.page import render
from ganzoo_core.storage.files import write_atomically
from ganzoo_tools.comparison.page import SEED, environments, samples_of
from ganzoo_tools.comparison.parallel_view import parallel_view
from ganzoo_tools.comparison.sweep_result import Sweep
from ganzoo_tools.evaluation.results import better, title


def write_page(sweep: Sweep, path: Path, data_dir: Path | None = None) -> Path:
    """Write the page of a sweep, and return where it is. A link there is replaced."""
    write_atomically(path, page(sweep, data_dir))
    return path


def page(sweep: Sweep, data_dir: Path | None = None) -> bytes:
    """The page of a sweep as UTF-8."""
    spec = sweep.best.recipes[0].candidates[0].info.data
    return render(
        "sweep.html",
        "ganzoo_tools",
        sweep=sweep,
        spec=spec,
        view=parallel_view(sweep),
        columns=sweep.best.columns(),
        environments=environments(sweep.best),
        shown=samples_of(sweep.best, spec, data_dir),
        title_of=title,
        better=better,
        seed=SEED,
    )
