"""Where in a run to look: the step number is the only clock, so a rule may go to any step without those before it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ganzoo_core.interfaces import Clock, Turn
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
            yield player, engine._turn(_batch(engine), player.name in engine.stage.owners)


def turns_without_numbers(engine: Engine, step: int) -> Iterator[tuple[Any, Turn]]:
    """Each player who moves in a step with a turn on the meta device, where nothing is computed.

    The engine's networks go there, and stay: it is of no more use.
    """
    engine.go_to(step)
    batch = _batch(engine)
    for module in (*engine.networks.by_name().values(), engine.augment):
        if isinstance(module, nn.Module):
            module.to("meta")
    clock = Clock(batch.clock.phase, _meta(batch.clock.step), _meta(batch.clock.progress))
    columns = {name: _meta(column) for name, column in batch.columns.items()}
    for player in engine.stage.movers(step):
        own = replace(batch, columns=columns, z=_meta(batch.z), clock=clock)
        yield player, engine._turn(own, player.name in engine.stage.owners)


def _meta(tensor: Tensor) -> Tensor:
    return tensor.to("meta")


def _batch(engine: Engine) -> Any:
    """The last mini-batch of the step that an engine stands before."""
    engine._reseed()
    number = engine.stage.batch_numbers(engine.step)[-1]
    (batch,) = engine.make_batch(engine.order.indices(number), is_shared=True)
    return batch
