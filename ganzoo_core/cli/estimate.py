"""What a run will take, as `ganzoo run --dry-run` and `ganzoo show --data` print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ganzoo_core.cli.output import print_line, print_table
from ganzoo_core.drawing.words import duration, memory_size, number

if TYPE_CHECKING:
    from ganzoo_core.training.estimate import Estimate


def print_estimate(found: Estimate) -> None:
    """Its networks and memory, then a line for each phase; a run of one piece has one, without a name."""
    told = f"about {duration(found.seconds)} for {found.steps:,} steps on {found.device} in {found.precision}"
    print_line(f"{found.variant} on {found.data}:", told)
    memory = "can't be told" if found.memory_bytes is None else f"about {memory_size(found.memory_bytes)}"
    rows = [(f"parameters of the {name.replace('_', ' ')}", f"{count:,}") for name, count in found.parameters.items()]
    print_table(("needs", ""), [*rows, ("memory beside the data", memory)])
    click.echo()
    named = any(phase.name is not None for phase in found.phases)
    print_table(
        (*["phase"] * named, "steps", "batch", "GFLOP a step", "steps/s", "time"),
        [
            (
                *[phase.name] * named, phase.steps, phase.batch_size, number(phase.gflop),
                number(1 / phase.step_s), duration(phase.steps * phase.step_s),
            )
            for phase in found.phases
        ],
    )  # fmt: skip
