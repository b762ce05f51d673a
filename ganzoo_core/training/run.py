"""A run on disk, as Python sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganzoo_core.display.notebook import page_html, run_html
from ganzoo_core.errors import GanzooError
from ganzoo_core.report.run_page import write_report
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.generator_file import load
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.variant import Variant


@dataclass(frozen=True)
class Run:
    """A run folder, finished or not. `variant`: the class of one's own that it was trained with, if it was."""

    folder: Path
    variant: type[Variant] | None = field(default=None, repr=False, compare=False)

    @property
    def info(self) -> dict[str, Any]:
        """run.json: variant, versions, settings, data, environment."""
        return RunFolder.open(self.folder).metadata().to_dict()

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl."""
        return RunFolder.open(self.folder).records()

    def trained_seconds(self, step: int | None = None) -> float:
        """How long training took up to `step` (by default the last), in all its processes."""
        return RunFolder.open(self.folder).trained_seconds(step)

    def generator(self, device: str = "cpu") -> TrainedGenerator:
        """The trained generator."""
        return load(self.folder, device, variant=self.variant)

    def sample(self, n: int | None = None, *, labels: Sequence[str | int] | None = None, seed: int = 0) -> Samples:
        """Samples of the trained generator: see `TrainedGenerator.sample`."""
        return self.generator().sample(n, labels=labels, seed=seed)

    def report(self) -> Report:
        """Rewrite the run's page. The result shows itself in a notebook."""
        return Report(write_report(self.folder))

    def _repr_html_(self) -> str | None:
        try:
            return run_html(RunFolder.open(self.folder))
        except (GanzooError, OSError):  # it is gone: its name is shown
            return None


@dataclass(frozen=True)
class Report:
    """A run on one page, report.html."""

    path: Path

    def _repr_html_(self) -> str:
        return page_html(self.path.read_text(encoding="utf-8"))
