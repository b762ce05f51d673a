"""What each of the engine's tricks brings: a step with all of them against a step with one left out, in turn.

    python -m benchmarks.tricks cgan dcgan [--data mnist] [--rounds 5] [--json]

A ratio of 1.2 says that the trick saves a sixth of a step. All engines live in one process and take turns; glibc's
freed memory is kept for all of them, as that can't be undone.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any
from unittest import mock

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.train import resolved, shown, spread
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.interfaces import Batch
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training import engine as engines
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Variant


class Unshared(Batch):
    """A batch whose generator's pass serves one player only."""

    def fake(self, with_graph: bool) -> torch.Tensor:
        """G(z), made anew for the generator's turn."""
        self.keep_graph = False
        return super().fake(with_graph)


def without(trick: str, variant: Variant, dataset: Dataset, precision: str) -> Engine:
    """An engine that does not use one of the tricks; all of them for "nothing". Without `precision` it is the other."""
    other = "fp32" if precision == "bf16" else "bf16"
    run = RunSettings(precision=other if trick == "precision" else precision, device="cpu")
    if trick == "channels last":
        with mock.patch.object(engines, "to_device", lambda module, device: module.to(device)):
            return Engine(variant, dataset, run)
    engine = Engine(variant, dataset, run)
    if trick == "one pass for real and fake":
        engine.joint = False
    if trick == "frozen players":
        parameters = [p for module in engine.networks for p in module.parameters()]
        engine._in_play = dict.fromkeys(engine._in_play, parameters)
    if trick == "fused optimizers":
        for player in engine.players:
            for group in player.optimizer.param_groups:
                group["fused"] = False
    return engine


TRICKS = (
    "precision", "channels last", "one pass for real and fake", "shared fakes", "frozen players", "fused optimizers",
)  # fmt: skip


def steps_per_s(engine: Engine, trick: str, seconds: float) -> float:
    """The engine's speed over some seconds."""
    batch = Unshared if trick == "shared fakes" else Batch
    with mock.patch.object(engines, "Batch", batch):
        steps, start_s = 0, time.perf_counter()
        while time.perf_counter() - start_s < seconds:
            engine.train_step()
            steps += 1
        return steps / (time.perf_counter() - start_s)


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--rounds", default=5)
@click.option("--seconds", default=1.5, help="Of each engine in each round.")
@click.option("--threads", default=2)
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    rounds: int,
    seconds: float,
    threads: int,
    as_json: bool,
) -> None:
    """Leave out the tricks of VARIANTS' steps, one by one."""
    torch.set_num_threads(threads)
    source, path = find_source(data)
    dataset = source(path=path).load(data_folder(data_dir))
    table = Table("variant", *TRICKS)
    for name in variants:
        variant_class = registry().variant(name)[0]
        precision = resolved("auto", data)
        loops = {
            trick: without(trick, variant_class(variant_class.Config()), dataset, precision)
            for trick in ("nothing", *TRICKS)
        }
        rates: dict[str, list[float]] = {trick: [] for trick in loops}
        for number in range(rounds + 1):
            for trick, engine in loops.items():
                rate = steps_per_s(engine, trick, seconds)
                if number:  # the first round warms up
                    rates[trick].append(rate)
        ratios: dict[str, Any] = {
            trick: spread([a / b for a, b in zip(rates["nothing"], rates[trick], strict=True)]) for trick in TRICKS
        }
        if as_json:
            print(
                json.dumps({"variant": name, "steps_per_s": statistics.median(rates["nothing"]), **ratios}), flush=True
            )
        table.add_row(name, *(shown(ratios[trick], "{:.2f}") for trick in TRICKS))
    if not as_json:
        Console(width=160).print(table)


if __name__ == "__main__":
    main()
