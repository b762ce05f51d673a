"""How many steps of a variant take as long as so many of another one, timed in turns, so that any machine will do."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence

import torch

from benchmarks.lines import Line
from benchmarks.machine import processor
from benchmarks.train import engine_step
from ganzoo_core.data import Dataset
from ganzoo_core.runs.plan import Plan
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.stages import Stage

Step = Callable[[], None]
Clock = Callable[[], float]
Costs = list[tuple[int | None, float]]  # of each phase: how many steps it has, None for all others, and seconds of one
LONGEST_S = 20.0  # of a round, where a lazy player wants many steps


def in_turns(steps: Sequence[tuple[Step, int]], rounds: int, least_s: float, clock: Clock | None = None) -> list[float]:
    """Seconds of each step, by default of processor time, the least of some rounds in which all take turns.

    With each step: of how many it takes a whole number in a round, so that what is done seldom counts.
    """
    clock, best = clock or time.process_time, [float("inf")] * len(steps)
    for number in range(rounds + 1):
        for k, (step, period) in enumerate(steps):
            started_s, n = clock(), 0
            while (spent_s := clock() - started_s) < LONGEST_S and (n % period or spent_s < least_s):
                step()
                n += 1
            if number:  # the first warms up
                best[k] = min(best[k], (clock() - started_s) / n)
    return best


def costs(
    plans: list[Plan],
    data: Dataset,
    threads: int = 1,
    rounds: int = 3,
    least_s: float = 1.0,
    clock: Clock | None = None,
) -> list[Costs]:
    """What a step of each phase of each plan costs, timed in turns.

    In processor time on one thread, so that other work beside it matters little; in wall time on several. A round has
    as many steps as the player that moves least often needs to move.
    """
    clock = clock or (time.process_time if threads == 1 else time.perf_counter)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    engines = [Engine(plan.variant, data, plan.run) for plan in plans]
    steps = []
    for engine, plan in zip(engines, plans, strict=True):
        for stage in engine.stages:
            period = math.lcm(*(player.every for player in stage.players))
            steps.append((within(engine, stage, engine_step(engine, plan.run.log_every)), period))
    found = iter(in_turns(steps, rounds, least_s, clock))
    torch.set_num_threads(before)
    return [[(length(stage), next(found)) for stage in engine.stages] for engine in engines]


def within(engine: Engine, stage: Stage, step: Step) -> Step:
    """The step, always in that phase."""
    steps = length(stage)
    numbers = itertools.count() if steps is None else itertools.cycle(range(steps))

    def in_phase() -> None:
        engine.go_to(stage.span.start + next(numbers))
        step()

    return in_phase


def length(stage: Stage) -> int | None:
    """A phase's steps; None for the last one, which has all others."""
    return None if stage.span.end is None else stage.span.end - stage.span.start


def steps_within(seconds: float, found: Costs) -> int:
    """How many steps such a time holds, phase after phase."""
    steps = 0
    for most, step_s in found:
        here = int(seconds / step_s + 1e-9)
        if most is None or here < most:
            return steps + here
        steps, seconds = steps + most, seconds - most * step_s
    return steps


def steps_like(plan: Plan, mark: Plan, steps: int, data: Dataset, threads: int = 1) -> Line:
    """How many steps of a plan's variant take as long as so many of the mark's, and on which processor that was timed.

    The mark has one phase.
    """
    if plan.variant.name != mark.variant.name:
        ((_, mark_s),), own = costs([mark, plan], data, threads)
        steps = steps_within(steps * mark_s, own)
    return {"steps": steps, "processor": processor()}
