"""As many steps as take the same time: of every phase, and with the players that move seldom."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from benchmarks import equal_time
from benchmarks.machine import processor
from ganzoo_core.data import Dataset
from ganzoo_core.runs.plan import Plan, named_source, resolve
from ganzoo_core.training.engine import Engine


def test_a_time_is_filled_phase_after_phase() -> None:
    found: equal_time.Costs = [(10, 0.5), (4, 1.0), (None, 2.0)]
    assert [equal_time.steps_within(s, found) for s in (0.4, 3, 5, 7, 9, 11, 13.9)] == [0, 6, 10, 12, 14, 15, 16]
    assert equal_time.steps_within(0.3, [(None, 0.1)]) == 3


@pytest.fixture
def digits() -> Dataset:
    return named_source("digits").load(None)


def clocked(monkeypatch: pytest.MonkeyPatch, cost: Callable[[Engine], float]) -> Callable[[], float]:
    """A clock that a step moves on by its cost, in place of the step."""
    now = [0.0]

    def engine_step(engine: Engine, log_every: int) -> Callable[[], None]:
        def step() -> None:
            now[0] += cost(engine)

        return step

    monkeypatch.setattr(equal_time, "engine_step", engine_step)
    return lambda: now[0]


def plan(variant: str, **texts: str) -> Plan:
    return resolve(variant, {"data": "digits", "device": "cpu"}, texts)


def test_the_least_round_counts_and_the_first_does_not(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    each = itertools.chain([0.1], itertools.cycle([1.0, 2.0]))
    clock = clocked(monkeypatch, lambda _: next(each))
    ((found,),) = equal_time.costs([plan("vanilla")], digits, least_s=0.05, clock=clock)
    assert found == (None, pytest.approx(1.0))


def test_a_round_has_the_step_of_who_moves_seldom(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = itertools.count()
    clock = clocked(monkeypatch, lambda _: 4.0 if next(steps) % 4 == 0 else 1.0)
    texts = {"r1_every": "4", "path_every": "2"}
    ((found,),) = equal_time.costs([plan("stylegan2", **texts)], digits, least_s=0.5, clock=clock)
    assert found == (None, 7 / 4)


def test_each_phase_has_a_cost_of_its_own(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = clocked(monkeypatch, lambda engine: 1.0 + engine.stage.span.start)
    ((*found, last),) = equal_time.costs([plan("progan", level_steps="3")], digits, least_s=9, clock=clock)
    assert (
        found and all(cost == (3, 1.0 + 3 * k) for k, cost in enumerate(found)) and last == (None, 1 + 3 * len(found))
    )


def test_the_mark_itself_takes_as_many(digits: Dataset) -> None:
    assert equal_time.steps_like(plan("vanilla"), plan("vanilla"), 7, digits) == {"steps": 7, "processor": processor()}


def test_a_slower_one_takes_fewer(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([[[(None, 0.5)], [(10, 0.25), (None, 1.0)]]])
    monkeypatch.setattr(equal_time, "costs", lambda *_: next(found))
    time = equal_time.steps_like(plan("wgan"), plan("vanilla"), 10, digits)
    assert time["steps"] == 12  # 5 s: 2.5 s for 10, then 2.5 of 1 s
