"""What precision, a CUDA graph and torch.compile bring on a card: one engine for each mode, in turn, in one process.

    python -m benchmarks.gpu cgan dcgan wgan [--data digits] [--modes "bf16,fp32,bf16 graph,fp32 compile"] [--json]

Each round runs every mode for some seconds and waits for the card at the end. A ratio is against the first mode, round
by round. The mode "textbook" is the loop of the single-file scripts on the same networks, in float32.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.textbook import Textbook
from benchmarks.train import shown, spread
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Variant

WARM_UP = 10  # steps; a graph is recorded at the fourth, torch.compile is done with the first


def settings_of(mode: str, device: str) -> RunSettings:
    """The settings of a mode, such as "bf16 graph" or "fp32 compile"."""
    precision, *extra = mode.split()
    return RunSettings(precision=precision, device=device, cuda_graph="graph" in extra, compile="compile" in extra)


def stepper(mode: str, variant: Variant, dataset: Dataset, device: str) -> Callable[[], object]:
    """One step of a mode, warmed up."""
    if mode == "textbook":
        step: Callable[[], object] = Textbook(variant, dataset.to(torch.device("cpu")), device).step
    else:
        step = Engine(variant, dataset, settings_of(mode, device)).train_step
    for _ in range(WARM_UP):
        step()
    return step


def steps_per_s(step: Callable[[], object], seconds: float, device: str) -> float:
    """The speed over some seconds; the card's work is done when the clock stops."""
    steps, start_s = 0, time.perf_counter()
    while time.perf_counter() - start_s < seconds:
        for _ in range(10):
            step()
        steps += 10
        if device == "cuda":
            torch.cuda.synchronize()
    return steps / (time.perf_counter() - start_s)


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="digits")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--device", default="cuda")
@click.option("--modes", default="bf16,fp32,bf16 graph,fp32 graph")
@click.option("--rounds", default=3)
@click.option("--seconds", default=1.0, help="Of each mode in each round.")
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    device: str,
    modes: str,
    rounds: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Time VARIANTS' steps in each of the modes."""
    source, path = find_source(data)
    dataset = source(path=path).load(data_folder(data_dir)).to(torch.device(device))
    names = [mode.strip() for mode in modes.split(",")]
    table = Table("variant", f"{names[0]}, steps/s", *(f"{name}, ratio" for name in names[1:]))
    rows = []
    for variant in variants:
        variant_class = registry().variant(variant)[0]
        rates: dict[str, list[float]] = {name: [] for name in names}
        known = [name for name in names if name != "textbook" or variant in Textbook.VARIANTS]
        steps = {name: stepper(name, variant_class(variant_class.Config()), dataset, device) for name in known}
        for _ in range(rounds):
            for name, step in steps.items():
                rates[name].append(steps_per_s(step, seconds, device))
        first = rates[names[0]]
        ratios = {n: spread([b / a for a, b in zip(first, rates[n], strict=True)]) for n in known[1:]}
        rows.append({"variant": variant, "steps_per_s": statistics.median(first), **ratios})
        texts = [shown(ratios[n], "{:.2f}") if n in ratios else "" for n in names[1:]]
        table.add_row(variant, shown(spread(first), "{:.1f}"), *texts)
    if as_json:
        print(json.dumps(rows))
    else:
        Console(width=160).print(table)


if __name__ == "__main__":
    main()
