"""What augmentation costs: the processor time of a step with it over that of a step without, in turn in one process.

    python -m benchmarks.augment dcgan --data folder:FOLDER --set image_size=32
    python -m benchmarks.augment vanilla cgan acgan wgan wgan-gp conv [--modes flip,diffaugment,ada] [--rounds 7]

Without `--data`, each variant trains on its own default data. ADA's p is held at 0.5, as what it costs does not depend
on it, but that it is nothing while p is 0; with `--p moves` p begins at 0 and goes where the game has it go. A ratio of
1.1 says that a step takes a tenth longer.
"""

from __future__ import annotations

import time

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.train import shown, spread
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.augment import Ada
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Variant


def engine_with(mode: str, variant: type[Variant], data: Dataset, precision: str, p: str) -> Engine:
    """An engine whose discriminator sees augmented images; `p` is ADA's, or "moves"."""
    config = variant.Config.from_dict({"augment": mode})
    engine = Engine(variant(config), data, RunSettings(device="cpu", precision=precision))
    if isinstance(engine.augment, Ada) and p != "moves":
        engine.augment.p.fill_(float(p))
        engine.augment.stride = 0.0
    return engine


def cpu_s_per_step(engine: Engine, steps: int) -> float:
    """Processor seconds of one step, of all threads."""
    start_s = time.process_time()
    for _ in range(steps):
        engine.train_step()
    return (time.process_time() - start_s) / steps


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default=None)
@click.option("--set", "texts", multiple=True, help="KEY=VALUE of the data set.")
@click.option("--modes", default="flip,diffaugment,ada", show_default=True)
@click.option("--rounds", default=7, show_default=True)
@click.option("--steps", default=20, show_default=True, help="Of each engine in each round.")
@click.option("--threads", default=1, show_default=True)
@click.option("--precision", default="auto", show_default=True)
@click.option("--p", default="0.5", show_default=True, help="ADA's; or: moves.")
def main(
    variants: tuple[str, ...],
    data: str | None,
    texts: tuple[str, ...],
    modes: str,
    rounds: int,
    steps: int,
    threads: int,
    precision: str,
    p: str,
) -> None:
    """Time VARIANTS' steps with each mode and without."""
    torch.set_num_threads(threads)
    options = dict(text.split("=", 1) for text in texts)
    names = modes.split(",")
    table = Table("variant", "data", "none, CPU ms", *names)
    for name in variants:
        variant = registry().variant(name)[0]
        dataset = named_source(data or variant.default_data, options).load(data_folder(None))
        engines = {mode: engine_with(mode, variant, dataset, precision, p) for mode in ("none", *names)}
        times: dict[str, list[float]] = {mode: [] for mode in engines}
        for number in range(rounds + 1):
            for mode, engine in engines.items():
                spent = cpu_s_per_step(engine, steps if number else 3)
                if number:  # the first round warms up
                    times[mode].append(spent)
        ratios = {mode: spread([a / b for a, b in zip(times[mode], times["none"], strict=True)]) for mode in names}
        base = spread([1000 * spent for spent in times["none"]])
        cells = [shown(ratios[mode], "{:.2f}") for mode in names]
        table.add_row(name, dataset.spec.name, shown(base, "{:.1f}"), *cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
