"""Training speed: the engine against the textbook loop, in turn, on the same networks, batch, optimizers and data.

    python -m benchmarks.train cgan dcgan [--data mnist] [--rounds 5] [--seconds 4] [--against hand] [--json]

Each loop lives in a process of its own, and waits while the other runs: A B A B. The ratio is taken pair by pair.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import click
from rich.console import Console
from rich.table import Table

from benchmarks.machine import matmul_rate


def make_step(loop: str, variant_name: str, task: dict[str, Any]) -> tuple[Callable[[], None], int]:
    """One step of a loop, warmed up, and the floating-point operations that it counts."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.textbook import ByHand, Textbook
    from ganzoo_core.datasets import data_folder
    from ganzoo_core.registry import registry
    from ganzoo_core.runs.plan import find_source
    from ganzoo_core.runs.run_settings import RunSettings
    from ganzoo_core.training.engine import Engine

    torch.set_num_threads(task["threads"])
    source, path = find_source(task["data"])
    dataset = source(path=path).load(data_folder(task["data_dir"]))
    variant_class = registry().variant(variant_name)[0]
    variant = variant_class(variant_class.Config.from_dict(task["config"]))
    if loop == "engine":
        run = RunSettings(data=task["data"], precision=task["precision"], compile=task["compile"])
        step = engine_step(Engine(variant, dataset, run), run.log_every)
    elif loop == "hand":
        step = ByHand(variant, dataset, task["precision"]).step
    else:
        step = Textbook(variant, dataset).step
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = NoModules()  # its own hangs hooks on the input that a gradient penalty differentiates by
    with counter:
        step()
    return step, counter.get_total_flops()


class NoModules(contextlib.nullcontext[None]):
    """Counts for the whole step, and not for each module."""

    parents: ClassVar[set[str]] = {"Global"}


def engine_step(engine: Any, log_every: int) -> Callable[[], None]:
    """A step as a run takes it, its numbers read every `log_every` steps."""

    def step() -> None:
        updates = engine.train_step()
        if engine.step % log_every == 0:
            engine.measure(updates)

    return step


def live(loop: str, variant: str, task: dict[str, Any], wire: Connection) -> None:
    """A child process: run for as long as asked, answer with steps per second, until told to end."""
    step, flops = make_step(loop, variant, task)
    wire.send(flops)
    while seconds := wire.recv():
        steps, start_s = 0, time.perf_counter()
        while time.perf_counter() - start_s < seconds:
            step()
            steps += 1
        wire.send(steps / (time.perf_counter() - start_s))
    wire.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(variant: str, loops: tuple[str, str], task: dict[str, Any], rounds: int, seconds: float) -> dict[str, Any]:
    """Run both loops in turn; steps per second of each round, the counted operations, and the peak memory of each."""
    spawn = multiprocessing.get_context("spawn")
    wires = {}
    for loop in loops:
        wires[loop], theirs = spawn.Pipe()
        spawn.Process(target=live, args=(loop, variant, task, theirs), daemon=True).start()
        theirs.close()  # so that a child that fails ends the wait
    flops = {loop: wires[loop].recv() for loop in loops}
    rates: dict[str, list[float]] = {loop: [] for loop in loops}
    for number in range(rounds + 1):
        for loop in loops:
            wires[loop].send(seconds)
            rate = wires[loop].recv()
            if number:  # the first round warms up
                rates[loop].append(rate)
    for loop in loops:
        wires[loop].send(0)
    return {"rates": rates, "flops": flops, "peak_mb": {loop: wires[loop].recv() for loop in loops}}


def resolved(precision: str, data: str) -> str:
    """The arithmetic that the engine takes for a precision, "fp32" or "bf16"."""
    import torch

    from ganzoo_core.runs.plan import find_source
    from ganzoo_core.sampling.devices import pick_precision

    return pick_precision(precision, torch.device("cpu"), find_source(data)[0].kind in ("images", "voxels"))


def report(variant: str, loops: tuple[str, str], batch: int, found: dict[str, Any], limit: float) -> dict[str, Any]:
    """Medians, spreads and the ratio pair by pair."""
    a, b = (found["rates"][loop] for loop in loops)
    ratios = [x / y for x, y in zip(a, b, strict=True)]
    return {
        "variant": variant,
        "steps_per_s": {loop: spread(found["rates"][loop]) for loop in loops},
        "samples_per_s": {loop: statistics.median(found["rates"][loop]) * batch for loop in loops},
        "ratio": spread(ratios),
        "peak_mb": found["peak_mb"],
        "gflop_per_step": {loop: found["flops"][loop] / 1e9 for loop in loops},
        "share_of_matmul_rate": statistics.median(a) * found["flops"][loops[0]] / limit,
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def shown(figures: dict[str, float], form: str = "{:.1f}") -> str:
    """Median (least to most)."""
    return f"{form} ({form} to {form})".format(figures["median"], figures["min"], figures["max"])


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--rounds", default=5)
@click.option("--seconds", default=4.0, help="Of each loop in each round.")
@click.option("--batch-size", default=64)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="auto")
@click.option("--compile", "compile_", is_flag=True)
@click.option("--threads", default=2)
@click.option("--against", type=click.Choice(["textbook", "hand"]), default="textbook")
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...], data: str, data_dir: Path | None, rounds: int, seconds: float, batch_size: int,
    precision: str, compile_: bool, threads: int, against: str, as_json: bool,
) -> None:  # fmt: skip
    """Time VARIANTS."""
    arithmetic = resolved(precision, data)
    task = {"data": data, "data_dir": data_dir, "precision": arithmetic, "compile": compile_, "threads": threads}
    task["config"] = {"batch_size": batch_size}
    loops = ("engine", against)
    limit = matmul_rate(arithmetic, threads)
    table = Table("variant", "engine, steps/s", f"{against}, steps/s", "ratio", "peak MB", "of matmul rate")
    for variant in variants:
        row = report(variant, loops, batch_size, measure(variant, loops, task, rounds, seconds), limit)
        if as_json:
            print(json.dumps(row), flush=True)
        speeds = [shown(row["steps_per_s"][loop]) for loop in loops]
        peaks = " / ".join(f"{row['peak_mb'][loop]:.0f}" for loop in loops)
        table.add_row(variant, *speeds, shown(row["ratio"], "{:.2f}"), peaks, f"{row['share_of_matmul_rate']:.0%}")
    if not as_json:
        Console(width=140).print(table)
        Console(width=140).print(f"matrix products: {limit / 1e9:.0f} GFLOP/s in {arithmetic} on {threads} threads")


if __name__ == "__main__":
    main()
