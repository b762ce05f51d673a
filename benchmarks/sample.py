"""Sampling speed: `save_samples` against the textbook loops, in turn, on the same trained generator.

    python -m benchmarks.sample RUN_OR_VARIANT [-n 10000] [--rounds 5] [--batch-size 64] [--threads 2] [--json]

RUN_OR_VARIANT is a run folder, a generator.safetensors, or a variant: that is trained for a step, as speed does not
ask for skill. The textbook makes images in batches, or with `--batch-size 1` one at a time, without inference mode,
and keeps them all: for `np.savez`, or for torchvision's `save_image` one by one. Each loop lives in a process of its
own, and waits while the other runs: A B A B. The ratio is taken pair by pair.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.memory import peak_mb
from benchmarks.train import shown, spread

if TYPE_CHECKING:
    from ganzoo_core import TrainedGenerator

KINDS = {"npz": "samples.npz", "png": "samples"}


def ours(trained: TrainedGenerator, target: Path, task: dict[str, Any]) -> None:
    """Save samples as ganzoo does."""
    trained.save_samples(target, task["n"])


def textbook(trained: TrainedGenerator, target: Path, task: dict[str, Any]) -> None:
    """Save samples as scripts do."""
    import numpy as np
    import torch
    from torchvision.utils import save_image

    classes = trained.spec.num_classes if trained.variant.conditional else 0
    images = []
    for first in range(0, task["n"], task["batch_size"]):
        numbers = torch.arange(first, min(first + task["batch_size"], task["n"]))
        z = trained.module.latent(len(numbers), torch.default_generator)
        made = trained.module(z, numbers % classes if classes else None)
        images.append(made.detach() / 2 + 0.5)
    whole = torch.cat(images)
    if target.suffix:
        np.savez(target, images=(whole * 255).round().to(torch.uint8).numpy())
        return
    target.mkdir()
    for number, image in enumerate(whole):
        save_image(image, target / f"{number:06d}.png")


LOOPS = {"ganzoo": ours, "textbook": textbook}


def live(loop: str, kind: str, source: Path, task: dict[str, Any], wire: Connection) -> None:
    """A child process: save as often as asked, answer with images per second, until told to end."""
    import torch
    import torchvision.utils  # noqa: F401

    from ganzoo_core.sampling.generator_file import load

    torch.set_num_threads(task["threads"])
    trained = load(source)
    while wire.recv():
        with tempfile.TemporaryDirectory(dir=task["folder"]) as folder:
            start_s = time.perf_counter()
            LOOPS[loop](trained, Path(folder) / KINDS[kind], task)
            wire.send(task["n"] / (time.perf_counter() - start_s))
    wire.send(peak_mb())


def measure(kind: str, source: Path, task: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Run both loops in turn; images per second of each round and the peak memory of each."""
    spawn = multiprocessing.get_context("spawn")
    wires = {}
    for loop in LOOPS:
        wires[loop], theirs = spawn.Pipe()
        spawn.Process(target=live, args=(loop, kind, source, task, theirs), daemon=True).start()
    rates: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    for number in range(rounds + 1):
        for loop, wire in wires.items():
            wire.send(True)
            rate = wire.recv()
            if number:  # the first round warms up
                rates[loop].append(rate)
    for wire in wires.values():
        wire.send(False)
    peaks = {loop: wire.recv() for loop, wire in wires.items()}
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    return {
        "files": kind,
        "n": task["n"],
        "images_per_s": {loop: spread(values) for loop, values in rates.items()},
        "ratio": spread(ratios),
        "peak_mb": peaks,
    }


def trained_source(name: str, folder: Path, data: str, data_dir: Path | None) -> Path:
    """A run folder or a file of weights as it is; a variant after one step."""
    if Path(name).exists():
        return Path(name)
    from ganzoo_core.training.train import train

    return train(name, data=data, data_dir=data_dir, steps=1, out=folder / "run").folder


@click.command()
@click.argument("source", metavar="RUN_OR_VARIANT")
@click.option("-n", default=10_000, show_default=True, help="Images of each loop in each round.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--batch-size", default=64, show_default=True, help="Of the textbook's loop.")
@click.option("--threads", default=2, show_default=True)
@click.option("--data", default="digits", show_default=True, help="What a variant is trained on.")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="The disk to write to; else a temporary.")
@click.option("--json", "as_json", is_flag=True)
def main(
    source: str, n: int, rounds: int, batch_size: int, threads: int, data: str, data_dir: Path | None,
    folder: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Time the sampling of RUN_OR_VARIANT."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        trained = trained_source(source, Path(home), data, data_dir)
        task = {"n": n, "batch_size": batch_size, "threads": threads, "folder": home}
        rows = [measure(kind, trained.absolute(), task, rounds) for kind in KINDS]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("files", "ganzoo, images/s", "textbook, images/s", "ratio", "peak MB")
    for row in rows:
        speeds = [shown(row["images_per_s"][loop], "{:,.0f}") for loop in LOOPS]
        peaks = " / ".join(f"{row['peak_mb'][loop]:.0f}" for loop in LOOPS)
        table.add_row(row["files"], *speeds, shown(row["ratio"], "{:.2f}"), peaks)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
