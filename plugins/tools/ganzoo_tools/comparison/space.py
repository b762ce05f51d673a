"""The settings that a sweep tries: values listed, ranges, their grid, and draws from it."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo_core.drawing.words import typed
from ganzoo_core.errors import GanzooError, SettingError
from ganzoo_core.runs.plan import Plan, owners, resolve
from ganzoo_core.settings import Settings
from ganzoo_core.storage.names import shell_word

MOST_TRIALS = 1000
_SEED = 0  # of the draws: the first N of any number of them are the same
_LOG = "log:"

# Settings that would make trainings incomparable or leave them as they are, and why.
_REFUSED = {
    "steps": "the budget of all is --steps or --minutes",
    "seed": "--seeds trains each trial with several",
    "data": "figures of different data can't be compared",
    "snapshots": "a training is the same with any",
    "log_every": "a training is the same with any",
    "checkpoint_every_s": "a training is the same with any",
    "keep": "a training is the same with any",
    "until": "all trials have the same budget",
    "patience": "all trials have the same budget",
}


@dataclass(frozen=True)
class Axis:
    """A setting to sweep: its values, as typed in `--set`, or the range `low` to `high` to draw numbers from."""

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False

    def draw(self, rng: random.Random) -> str:
        """A value, each as likely as any other; in a range of logarithms, each factor."""
        share = rng.random()
        if self.values:
            return self.values[int(share * len(self.values))]
        ratio, width = self.high / (self.low or 1.0), self.high - self.low
        value = self.low * ratio**share if self.is_log else self.low + width * share
        return repr(min(max(float(f"{value:.3g}"), self.low), self.high))


@dataclass(frozen=True, eq=False)
class Trial:
    """A point of the space: its place in the sweep's order, the swept settings, and the plan of a run with them."""

    number: int
    settings: dict[str, Any]
    plan: Plan

    @property
    def name(self) -> str:
        """The swept settings as one types them: `generator_lr=0.0001 n_critic=2`."""
        return " ".join(f"{name}={typed(value)}" for name, value in self.settings.items())


def trials_of(
    variant: str,
    sweeps: Mapping[str, str],
    values: Mapping[str, Any],
    texts: Mapping[str, str],
    count: int | None = None,
) -> list[Trial]:
    """The trials of a sweep: the whole grid, or `count` draws from it, the same ones each time.

    `sweeps`: the text of the values of each swept setting; `values` and `texts` as for `resolve`, alike for all trials.
    Raises as `resolve` does, and `SettingError` for a grid that is too large or a range that is none.
    """
    axes = [_axis(variant, name, text, values, texts) for name, text in sweeps.items()]
    endless = [axis.name for axis in axes if not axis.values]
    if endless and count is None:
        raise SettingError(
            f"{endless[0]} is swept over a range, which has no end of numbers; draw some with --trials N, or list them"
        )
    size = math.prod(len(axis.values) for axis in axes) if not endless else math.inf
    if min(size, math.inf if count is None else count) > MOST_TRIALS:
        raise SettingError(f"a sweep may have {MOST_TRIALS:,} trials, but has {count or size:,}; draw some: --trials N")
    picked = _grid(axes) if count is None or count >= size else _draws(axes, count)
    return [_trial(number, variant, values, texts, each) for number, each in enumerate(picked)]


def _trial(
    number: int, variant: str, values: Mapping[str, Any], texts: Mapping[str, str], picked: dict[str, str]
) -> Trial:
    try:
        plan = resolve(variant, values, {**texts, **picked})
    except GanzooError as error:
        words = " ".join(f"{name}={text}" for name, text in picked.items())
        raise SettingError(f"the trial {words} can't be trained: {error}") from error
    settings = plan.settings()
    return Trial(number, {name: settings[name] for name in picked}, plan)


def _grid(axes: Sequence[Axis]) -> list[dict[str, str]]:
    names = [axis.name for axis in axes]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*(axis.values for axis in axes))]


def _draws(axes: Sequence[Axis], count: int) -> list[dict[str, str]]:
    """Different points, fewer only where a range holds hardly any numbers of three digits."""
    rng, found = random.Random(_SEED), dict[tuple[str, ...], dict[str, str]]()
    for _ in range(1000 * count):
        point = {axis.name: axis.draw(rng) for axis in axes}
        found.setdefault(tuple(point.values()), point)
        if len(found) == count:
            break
    return list(found.values())


def _axis(variant: str, name: str, text: str, values: Mapping[str, Any], texts: Mapping[str, str]) -> Axis:
    """The values of a setting. Raises as `resolve` for a setting that there is not."""
    plan = resolve(variant, values, texts)
    if name in _REFUSED:
        raise SettingError(f"{name} can't be swept: {_REFUSED[name]}")
    if name in plan.source.options.names():
        raise SettingError(f"{name} can't be swept: {_REFUSED['data']}, and it is an option of {plan.source.name}")
    owner = next((each for each in owners(plan.variant.name, plan.settings()) if name in each.names()), None)
    if owner is None:
        resolve(variant, values, {**texts, name: text})  # which says what is wrong
        raise SettingError(f"there is no setting called {name}")
    kind = next(option.type for option in owner.options() if option.name == name)
    if "..." in kind:
        raise SettingError(f"{name} can't be swept: it takes several numbers, and a comma parts the values of a sweep")
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if kind.startswith("float") and len(parts) == 1 and ".." in parts[0]:
        return _range(name, parts[0])
    listed = [value for part in parts for value in _whole(name, part, kind)]
    if not listed:
        raise SettingError(f"{name} must have values to sweep, such as {shell_word(name)}=1,2")
    return Axis(name, tuple(dict.fromkeys(_canonical(owner, name, value) for value in listed)))


def _canonical(owner: type[Settings], name: str, text: str) -> str:
    return typed(owner.parse(name, text))


def _whole(name: str, part: str, kind: str) -> list[str]:
    """The numbers from a to b of `a..b`, both included; of any other text, that."""
    if not kind.startswith("int") or ".." not in part:
        return [part]
    low, high = _ends(name, part, int)
    if high - low >= MOST_TRIALS:
        raise SettingError(f"{name} may be swept over {MOST_TRIALS:,} numbers, but {part} has {high - low + 1:,}")
    return [str(number) for number in range(int(low), int(high) + 1)]


def _range(name: str, part: str) -> Axis:
    is_log = part.startswith(_LOG)
    low, high = _ends(name, part.removeprefix(_LOG), float)
    if is_log and low <= 0:
        raise SettingError(f"{name} must be above 0 to be drawn by its logarithm, but begins at {low:g}")
    return Axis(name, (), low, high, is_log)


def _ends(name: str, part: str, kind: type[int] | type[float]) -> tuple[float, float]:
    try:
        low, high = (kind(end) for end in part.split(".."))
    except ValueError:
        low, high = 1, 0
    if not (low < high < math.inf):
        words = "whole numbers" if kind is int else "numbers"
        raise SettingError(f"{name} must be swept over a range of {words}, lower..higher, but is {part!r}")
    return low, high
