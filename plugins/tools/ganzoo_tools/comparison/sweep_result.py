"""What came of a sweep: its trials with their figures, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ganzoo_core.drawing.words import number
from ganzoo_tools.comparison.ranking import Comparison, ranks_of
from ganzoo_tools.comparison.space import Trial
from ganzoo_tools.evaluation.results import MetricValue, better

Unit = Literal["steps", "seconds"]


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What became of a trial: its figures at `until` steps or seconds, one value per training.

    `rank`: None where it did not have the whole budget; `steps`: of each training; `folders`: in the order of the
    seeds; `failed`: why it could not be trained.
    """

    trial: Trial
    folders: tuple[Path, ...]
    until: float = 0.0
    figures: Mapping[str, MetricValue] = field(default_factory=dict)
    ranked_by: str = ""
    steps: tuple[int, ...] = ()
    rank: int | None = None
    failed: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values."""
        figures = {
            name: {"mean": f.mean, "spread": f.spread, "better": better(name), "values": f.values}
            for name, f in self.figures.items()
        }
        return {
            "name": self.trial.name,
            "settings": self.trial.settings,
            "rank": self.rank,
            "until": self.until,
            "steps": self.steps,
            "figures": figures,
            "failed": self.failed,
            "folders": [str(folder) for folder in self.folders],
        }


@dataclass(frozen=True, eq=False)
class Sweep:
    """Trials: by rank, then those that ended early, the longest trained first, then those that failed.

    `best`: the first of them as a comparison of recipes. `rungs`: after how many `unit`s trials were judged, the last
    one the whole budget. `run_command`: trains the best one again; `command`: repeats the sweep.
    """

    variant: str
    results: tuple[TrialResult, ...]
    best: Comparison
    unit: Unit
    rungs: tuple[float, ...]
    seeds: int
    run_command: str
    command: str

    @property
    def ranked_by(self) -> str:
        """The metric that decides."""
        return self.best.ranked_by

    @property
    def names(self) -> list[str]:
        """The swept settings."""
        return list(self.results[0].trial.settings)

    @property
    def budget(self) -> str:
        """What each trial had that did not end early."""
        return self.in_words(self.rungs[-1])

    def in_words(self, amount: float) -> str:
        """So many steps or seconds, as people say it."""
        return in_words(amount, self.unit)

    def rung_words(self) -> str:
        """How many trials were trained up to each rung."""
        judged = [result for result in self.results if result.failed is None]
        counts = [sum(result.until >= until for result in judged) for until in self.rungs]
        return ", ".join(
            f"{n} trial{'s' * (n > 1)} had {self.in_words(until)}" for n, until in zip(counts, self.rungs, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """The sweep as JSON values."""
        return {
            "variant": self.variant,
            "ranked_by": self.ranked_by,
            "better": better(self.ranked_by),
            "unit": self.unit,
            "rungs": self.rungs,
            "conditions": self.best.conditions,
            "floor": self.best.floor,
            "floors": self.best.floors,
            "caution": self.best.caution,
            "run_command": self.run_command,
            "command": self.command,
            "trials": [result.to_dict() for result in self.results],
        }


def in_words(amount: float, unit: Unit) -> str:
    """So many steps or seconds, as people say it."""
    return f"{amount:,.0f} step{'s' * (amount != 1)}" if unit == "steps" else f"{number(amount)} s"


def by_figure(results: Sequence[TrialResult]) -> list[TrialResult]:
    """The best first; of equal ones that which comes first in the sweep."""

    def key(result: TrialResult) -> tuple[float, int]:
        mean = result.figures[result.ranked_by].mean
        return (mean if better(result.ranked_by) == "lower" else -mean, result.trial.number)

    return sorted(results, key=key)


def with_ranks(results: Sequence[TrialResult]) -> list[TrialResult]:
    """Sorted results with their ranks."""
    ranks = ranks_of([result.figures[result.ranked_by] for result in results])
    return [replace(result, rank=rank) for result, rank in zip(results, ranks, strict=True)]
