"""Where each phase of a run begins and ends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import ContractError, shorten
from ganzoo_core.variant import Phase, Variant


@dataclass(frozen=True)
class Span:
    """A phase with the step that it begins at, and the one that it ends before: None for the run's last."""

    phase: Phase | None
    start: int
    end: int | None

    @property
    def name(self) -> str | None:
        """What the phase is called; None in a game without phases."""
        return None if self.phase is None else self.phase.name


def spans(variant: Variant, data: DataSpec) -> list[Span]:
    """Where each phase of a variant begins and ends on such data; one span without a name where there are none.

    Raises `ContractError` for what are no phases.
    """
    phases: Any = variant.phases(data)
    if not isinstance(phases, Sequence) or not all(isinstance(phase, Phase) for phase in phases):
        raise ContractError(
            "schedule", f"{variant.name}.phases must give Phases, but gives {shorten(repr(phases), 60)}"
        )
    if not phases:
        return [Span(None, 0, None)]
    for phase in phases:
        for what, value, rule, kept in _rules(phase, is_last=phase is phases[-1]):
            if not kept:
                told = f"the {what} of the phase {shorten(repr(phase.name), 60)} of {variant.name}"
                raise ContractError("schedule", f"{told} must be {rule}, but is {shorten(repr(value), 60)}")
    names = [phase.name for phase in phases]
    if len(set(names)) < len(names):
        raise ContractError(
            "schedule", f"each phase of {variant.name} must have a name of its own, but they are {names}"
        )
    starts = [0, *itertools.accumulate(phase.steps or 0 for phase in phases[:-1])]
    return [Span(phase, start, end) for phase, start, end in zip(phases, starts, [*starts[1:], None], strict=True)]


def span_at(found: Sequence[Span], step: int) -> int:
    """The number of the span in which the step after `step` steps lies."""
    return max(number for number, span in enumerate(found) if span.start <= step)


def _rules(phase: Phase, *, is_last: bool) -> list[tuple[str, Any, str, bool]]:
    """What each field of a phase must be: its name, its value, the rule, and whether it is kept."""
    name, steps, size, rates = phase.name, phase.steps, phase.batch_size, phase.learning_rates
    last = "None, as the last one ends with the run" if is_last else "a positive whole number"
    are_rates = isinstance(rates, Mapping) and all(
        isinstance(key, str) and isinstance(rate, int | float) and 0 <= rate < 1e6 for key, rate in rates.items()
    )
    return [
        ("name", name, "text", isinstance(name, str) and 0 < len(name) < 100),
        ("steps", steps, last, steps is None if is_last else _is_count(steps)),
        ("batch_size", size, "a positive whole number or None", size is None or _is_count(size)),
        ("learning_rates", rates, "a number from 0 on for each player by name", are_rates),
    ]


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0
