"""A step with its convolutions from and to few channels computed by product and sums, and all by oneDNN.

    OMP_NUM_THREADS=1 python -m benchmarks.few_channels dcgan wgan-gp [--data mnist] [--set image_size=32] [--threads 1]

Two engines of each variant take turns in one process. The ratio is of the least of a round, median (least to most) of
all rounds. `all` in place of names: each variant that takes the data and has such a layer.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from statistics import median

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.equal_time import in_turns
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.errors import DataError, UnknownNameError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.few_channels import FewChannels


def engines(plan: Plan, data: Dataset) -> tuple[Engine, Engine, int]:
    """An engine as it is, one that leaves all convolutions to oneDNN, and how many layers that is about."""
    one, other = (Engine(plan.variant, data, plan.run) for _ in range(2))
    other._few_channels = contextlib.nullcontext
    return one, other, len(FewChannels(one.networks.by_name().values())._forwards)


def step(engine: Engine) -> None:
    """Make one."""
    engine.train_step()


def row(plan: Plan, data: Dataset, rounds: int) -> list[str] | None:
    """A variant's line; None where it has no such layer."""
    one, other, layers = engines(plan, data)
    if not layers:
        return None
    for engine in (one, other):
        for _ in range(3):
            engine.train_step()
    steps = [(partial(step, engine), 1) for engine in (other, one)]
    times = [in_turns(steps, 1, 1.0, time.perf_counter) for _ in range(rounds)]
    ratios = [before / after for before, after in times]
    ms = [f"{median(column) * 1e3:.1f}" for column in zip(*times, strict=True)]
    return [str(layers), one.precision, *ms, f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"]


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", "data_name", default="mnist", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Of the variants and the data.")
@click.option("--threads", default=1, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(variants: tuple[str, ...], data_name: str, assignments: tuple[str, ...], threads: int, rounds: int) -> None:
    """Measure VARIANTS."""
    torch.set_num_threads(threads)
    texts = dict(item.split("=", 1) for item in assignments)
    table = Table("variant", "layers", "precision", "oneDNN, ms", "few channels, ms", "ratio")
    for name in sorted(registry().variants()) if variants == ("all",) else variants:
        try:
            plan = resolve(name, {"data": data_name, "device": "cpu"}, texts)
            cells = row(plan, plan.source.load(data_folder(None)), rounds)
        except (DataError, UnknownNameError):
            if variants != ("all",):
                raise
            continue
        if cells is not None:
            table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
