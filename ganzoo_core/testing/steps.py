"""Where in a run to look: the step number is the only clock, so a rule may go to any step without those before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ganzoo_core.interfaces import Turn
from ganzoo_core.training.engine import Engine

_MOST = 512  # steps of a phase in which to look for who moves together


class NotShown(Exception):
    """A promise that nothing here made show; its text says why."""


def telling_steps(engine: Engine) -> Iterator[int]:
    """Of each phase, the first step of each set of players who move together."""
    for stage in engine.stages:
        length = min(_MOST, math.lcm(*(player.every for player in stage.players)))
        end = stage.span.start + length if stage.span.end is None else min(stage.span.end, stage.span.start + length)
        seen: set[tuple[str, ...]] = set()
        for step in range(stage.span.start, end):
            movers = tuple(player.name for player in stage.movers(step))
            if movers not in seen:
                seen.add(movers)
                yield step


def borders(engine: Engine) -> list[int]:
    """The steps at which a phase begins, but for the first."""
    return [stage.span.start for stage in engine.stages[1:]]


def turns(engine: Engine) -> Iterator[tuple[Any, Turn]]:
    """Each player who moves in each of the telling steps, with a turn of its own."""
    for step in telling_steps(engine):
        engine.go_to(step)
        for player in engine.stage.movers(step):
            engine._reseed()
            number = engine.stage.batch_numbers(step)[-1]
            (batch,) = engine._make_batch(engine.order.indices(number), is_shared=True)
            yield player, engine._turn(batch, player.name in engine.stage.owners)
