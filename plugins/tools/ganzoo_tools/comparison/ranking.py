"""The result of a comparison: recipes with their spread over trainings, and their ranks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ganzoo_core.drawing.words import typed
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.storage.names import shell_word
from ganzoo_tools.comparison.candidates import Candidate
from ganzoo_tools.evaluation.results import Evaluation, MetricValue, better, check_comparable

# Settings that a training may differ in and still be the same recipe.
_NO_RECIPE = ("seed", "snapshots", "log_every", "checkpoint_every_s", "keep")

_TELLING = ("coverage", "read_as_asked", "modes_covered", "good_share", "inside_share")


@dataclass(frozen=True, eq=False)
class Recipe:
    """Trainings that differ only in their seed. `figures`: one value per training, in the order of `candidates`."""

    name: str
    rank: int
    candidates: tuple[Candidate, ...]
    figures: dict[str, MetricValue]

    @property
    def variant(self) -> str:
        """The variant trained."""
        return str(self.candidates[0].info.variant)

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        figures = {
            name: {
                "mean": f.mean,
                "spread": f.spread,
                "error": f.error,
                "floor": f.floor,
                "better": better(name),
                "values": f.values,
            }
            for name, f in self.figures.items()
        }
        runs = [
            {
                "folder": str(e.folder.path),
                "seed": e.seed,
                "steps": e.evaluation.step,
                "seconds": e.seconds,
                "course": [{"step": s.step, "seconds": s.seconds, "figures": s.figures} for s in e.stages],
            }
            for e in self.candidates
        ]
        parameters = self.candidates[0].info.parameters
        return {
            "name": self.name,
            "variant": self.variant,
            "rank": self.rank,
            "parameters": parameters,
            "runs": runs,
            "figures": figures,
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """Recipes by rank, evaluated alike under `conditions`; `ranked_by`: the metric that decides.

    Recipes that differ by no more than their spread, or the error of few samples, share a rank. `left_out`: what could
    not be trained, and why. `caution`: how far metrics of few samples can be trusted. `command`: repeats the
    comparison. `seconds`: the time per training, if all had the same.
    """

    recipes: tuple[Recipe, ...]
    conditions: dict[str, Any]
    floor: str
    ranked_by: str
    command: str
    seconds: float | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    caution: str | None = None

    @cached_property
    def floors(self) -> dict[str, float | None]:
        """Every metric that a recipe has, in order, with what real data scores."""
        return {name: figure.floor for recipe in self.recipes for name, figure in recipe.figures.items()}

    def columns(self) -> list[str]:
        """The most informative metrics: the ranking one first."""
        return [self.ranked_by, *(name for name in _TELLING if name in self.floors and name != self.ranked_by)]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "ranked_by": self.ranked_by,
            "better": better(self.ranked_by),
            "seconds": self.seconds,
            "time": "wall time of training",
            "conditions": self.conditions,
            "floor": self.floor,
            "left_out": self.left_out,
            "caution": self.caution,
            "command": self.command,
            "recipes": [recipe.to_dict() for recipe in self.recipes],
        }


def rank_candidates(
    candidates: Sequence[Candidate], command: str, left_out: dict[str, str] | None = None
) -> Comparison:
    """Group candidates into recipes and rank these. Raises `DataError` if they were not evaluated alike."""
    check_comparable({str(candidate.folder.path): candidate.evaluation for candidate in candidates})
    groups: dict[str, list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda e: e.seed):
        groups.setdefault(_recipe_of(candidate), []).append(candidate)
    for group in groups.values():
        _check_seeds(group)
    judged = candidates[0].evaluation
    seconds = {candidate.info.seconds for candidate in candidates}
    by = ranking_metric(judged)
    for candidate in candidates:
        if by not in candidate.evaluation.figures:
            raise DataError(
                f"{candidate.folder.path} can't be ranked: its evaluation must hold {by}, but does not; make it again: "
                f"ganzoo evaluate {shell_word(candidate.folder.path)}"
            )
    sign = 1 if better(by) == "lower" else -1
    found = {
        name: (tuple(g), figures_of([e.evaluation for e in g]))
        for name, g in zip(_names(list(groups.values())), groups.values(), strict=True)
    }
    order = sorted(found, key=lambda name: sign * found[name][1][by].mean)
    ranks = ranks_of([found[name][1][by] for name in order])
    recipes = [Recipe(name, rank, *found[name]) for name, rank in zip(order, ranks, strict=True)]
    return Comparison(
        tuple(recipes),
        judged.conditions,
        judged.floor,
        by,
        command,
        seconds.pop() if len(seconds) == 1 else None,
        left_out or {},
        judged.caution,
    )


def ranking_metric(judged: Evaluation) -> str:
    """The metric that decides: FID, or coverage where values are compared as they are."""
    return "coverage" if judged.conditions["extractor"] == "values" else "fid"


def ranks_of(figures: Sequence[MetricValue]) -> list[int]:
    """The ranks of sorted values: one within the spread of the first at a rank shares that rank."""
    ranks: list[int] = []
    for place, figure in enumerate(figures, 1):
        first = figures[ranks[-1] - 1] if ranks else figure
        spread = max(unsure or 0.0 for each in (first, figure) for unsure in (each.spread, each.error))
        ranks.append(ranks[-1] if ranks and abs(figure.mean - first.mean) <= spread else place)
    return ranks


def figures_of(evaluations: Sequence[Evaluation]) -> dict[str, MetricValue]:
    """The metrics that all of them have, one value per training."""
    first, *rest = [evaluation.figures for evaluation in evaluations]
    return {
        name: MetricValue((figure.mean, *(other[name].mean for other in rest)), figure.floor, figure.error)
        for name, figure in first.items()
        if all(name in other for other in rest)
    }


def _settings(candidate: Candidate) -> dict[str, Any]:
    """What makes the recipe; the steps of a run that had so many seconds are what came of it."""
    info = candidate.info
    settings = {name: value for name, value in info.settings.items() if name not in _NO_RECIPE}
    timed = settings | {"steps": None, "seconds": info.seconds} if info.seconds is not None else settings
    return timed | {"package_version": info.package_version}


def _recipe_of(candidate: Candidate) -> str:
    return json.dumps([candidate.info.variant, _settings(candidate)], sort_keys=True)


def _names(groups: Sequence[Sequence[Candidate]]) -> list[str]:
    """The variant's name, plus the differing settings if a variant has several recipes."""
    names = []
    for group in groups:
        variant, mine = group[0].info.variant, _settings(group[0])
        others = [_settings(g[0]) for g in groups if g is not group and g[0].info.variant == variant]
        keys = dict.fromkeys(key for other in [mine, *others] for key in other)
        own = [key for key in keys if any(other.get(key) != mine.get(key) for other in others)]
        names.append(" ".join([variant, *(f"{key}={typed(mine.get(key))}" for key in own)]))
    return names


def _check_seeds(group: Sequence[Candidate]) -> None:
    """Raise `SettingError` for a training given twice: it would make the spread look small."""
    for one, other in itertools.pairwise(group):
        if one.seed == other.seed:
            raise SettingError(
                f"{one.folder.path} and {other.folder.path} are the same recipe with the same seed {one.seed}, so that "
                f"their spread says nothing; leave one of them out"
            )
