"""A step as it is, and without one of the ways in which layers are computed sooner on a processor.

    OMP_NUM_THREADS=1 python -m benchmarks.without few-channels dcgan wgan-gp [--data mnist] [--threads 1]
    OMP_NUM_THREADS=1 python -m benchmarks.without contiguous-norm cyclegan pix2pix

`few-channels`: convolutions from and to few channels by a product and sums; without it all are oneDNN's.
`contiguous-norm`: instance normalisation of contiguous copies; without it that of channels_last. Two engines of each
variant take turns in one process, on each variant's own data by default. The ratio is median (least to most) of all
rounds. `all` in place of names: each variant that this changes and that takes the data.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any
from unittest import mock

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from benchmarks.equal_time import in_turns
from ganzoo_core.blocks import InstanceNorm
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.errors import DataError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.few_channels import FewChannels


def few_channels(engine: Engine) -> int:
    """Leave all convolutions to oneDNN; how many layers that changes."""
    engine._few_channels = contextlib.nullcontext
    return len(FewChannels(engine.networks.by_name().values())._forwards)


def contiguous_norm(engine: Engine) -> int:
    """Normalise pictures as they lie; how many layers that changes."""
    as_it_is = engine._few_channels

    @contextlib.contextmanager
    def here() -> Iterator[None]:
        with as_it_is(), mock.patch.object(InstanceNorm, "forward", nn.GroupNorm.forward):
            yield

    engine._few_channels = here
    networks = engine.networks.by_name().values()
    return sum(isinstance(layer, InstanceNorm) for network in networks for layer in network.modules())


WAYS: dict[str, Callable[[Engine], int]] = {"few-channels": few_channels, "contiguous-norm": contiguous_norm}


def step(engine: Engine) -> None:
    """Make one."""
    engine.train_step()


def row(way: str, plan: Plan, data: Dataset, rounds: int) -> list[str] | None:
    """A variant's line; None where nothing changes."""
    one, other = (Engine(plan.variant, data, plan.run) for _ in range(2))
    layers = WAYS[way](other)
    if not layers:
        return None
    steps = [(partial(step, engine), 1) for engine in (other, one)]
    times = [in_turns(steps, 1, 1.0, time.perf_counter) for _ in range(rounds)]
    ratios = [before / after for before, after in times]
    ms = [f"{median(column) * 1e3:.1f}" for column in zip(*times, strict=True)]
    return [str(layers), one.precision, *ms, f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"]


@click.command(help=__doc__)
@click.argument("way", type=click.Choice(sorted(WAYS)))
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", help="By default each variant's own.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Of the variants and the data.")
@click.option("--precision", default="auto", show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(
    way: str,
    variants: tuple[str, ...],
    data: str | None,
    assignments: tuple[str, ...],
    precision: str,
    threads: int,
    rounds: int,
) -> None:
    """Measure VARIANTS."""
    torch.set_num_threads(threads)
    texts = dict(item.split("=", 1) for item in assignments)
    settings: dict[str, Any] = {"device": "cpu", "precision": precision} | ({} if data is None else {"data": data})
    table = Table("variant", "layers", "precision", "without, ms", "as it is, ms", "ratio")
    for name in registry().variants() if variants == ("all",) else variants:
        try:
            plan = resolve(name, settings, texts)
            cells = row(way, plan, plan.source.load(data_folder(None)), rounds)
        except DataError:
            if variants != ("all",):
                raise
            continue
        if cells is not None:
            table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
