"""How many steps of a variant take as long as so many of another one, timed in turns, so that any machine will do."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from benchmarks.train import engine_step
from ganzoo_core.data import Dataset
from ganzoo_core.runs.plan import Plan
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.stages import Stage

Costs = list[tuple[int | None, float]]  # of each phase: how many steps it has, None for all others, and seconds of one
LONGEST_S = 20.0  # of a round, where a lazy player wants many steps


def costs(
    plans: list[Plan], data: Dataset, threads: int = 1, rounds: int = 3, least_s: float = 1.0,
    clock: Callable[[], float] | None = None,
) -> list[Costs]:  # fmt: skip
    """What a step of each phase costs, the least of some rounds in which all take turns.

    In processor time on one thread, so that other work beside it matters little; in wall time on several. A round has
    as many steps as the player that moves least often needs to move.
    """
    clock = clock or (time.process_time if threads == 1 else time.perf_counter)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    engines = [Engine(plan.variant, data, plan.run) for plan in plans]
    best = [[float("inf")] * len(engine.stages) for engine in engines]
    for number in range(rounds + 1):
        for engine, plan, least in zip(engines, plans, best, strict=True):
            step = engine_step(engine, plan.run.log_every)
            for k, stage in enumerate(engine.stages):
                period, started_s, n = math.lcm(*(player.every for player in stage.players)), clock(), 0
                while (spent_s := clock() - started_s) < LONGEST_S and (n % period or spent_s < least_s):
                    engine.go_to(stage.span.start + n % (length(stage) or n + 1))
                    step()
                    n += 1
                if number:  # the first warms up
                    least[k] = min(least[k], (clock() - started_s) / n)
    torch.set_num_threads(before)
    lengths = [map(length, engine.stages) for engine in engines]
    return [list(zip(found, least, strict=True)) for found, least in zip(lengths, best, strict=True)]


def length(stage: Stage) -> int | None:
    """A phase's steps; None for the last one, which has all others."""
    return None if stage.span.end is None else stage.span.end - stage.span.start


def steps_within(seconds: float, found: Costs) -> int:
    """How many steps such a time holds, phase after phase."""
    steps = 0
    for length, step_s in found:
        here = int(seconds / step_s + 1e-9)
        if length is None or here < length:
            return steps + here
        steps, seconds = steps + length, seconds - length * step_s
    return steps


def steps_like(plan: Plan, mark: Plan, steps: int, data: Dataset, threads: int = 1) -> int:
    """How many steps of a plan's variant take as long as so many of the mark's, which has one phase."""
    if plan.variant.name == mark.variant.name:
        return steps
    ((_, mark_s),), own = costs([mark, plan], data, threads)
    return steps_within(steps * mark_s, own)
