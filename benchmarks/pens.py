"""Are all right answers made of one digit, without pairs? Thin digits, and the same drawn with one of four pens.

    OMP_NUM_THREADS=1 python -m benchmarks.pens munit [--seeds 0,1,2] [--set KEY=NUMBER]... [--out pens.jsonl]

Two classes of `digit-pens`: the sources of every second digit, drawn with the thinnest pen, and the others as drawn
with any of the four. No digit is there in both ways, and nothing says which pen was which. Of each of 40 held-out thin
digits eight are made, with eight latents. Ink is the share of white: the mean over digits of the least and of the most
of the eight, beside that of the thinnest and of the widest pen. The error is the mean absolute one on [0, 1] against
the nearest of the four right answers; beside it that of the digit as it is against the widest pen's. Pens: how many of
the four are the nearest to some answer, the mean over digits. A line is written for each seed, and what is in the file
is not trained again. A picture shows ten of these digits, and below each its eight answers.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.lines import add, read
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.runs.plan import named_source
from ganzoo_core.testing import train_steps

LATENTS, CLASSES = 8, ("thin", "any pen")


def without_pairs() -> Dataset:
    """The sources of every second digit, and the others' targets, as two classes."""
    data = named_source("digit-pens", {}).load(data_folder(None))
    is_drawn = torch.arange(len(data)) % 2 == 1
    samples = torch.where(is_drawn.view(-1, 1, 1, 1), data.samples, data.extra["source"])
    return Dataset(DataSpec("pens", data.spec.shape, CLASSES), samples, is_drawn.long())


def pens(thin: Tensor) -> Tensor:
    """Digits (N, 1, H, W) drawn with each of the four pens: (4, N, 1, H, W)."""
    drawn = [thin]
    for _ in range(3):
        drawn.append(F.max_pool2d(drawn[-1], 3, stride=1, padding=1))
    return torch.stack(drawn)


def ink(images: Tensor) -> Tensor:
    """The share of white of images (..., 1, H, W) in [-1, 1]."""
    return (images.mean((-3, -2, -1)) + 1) / 2


def one_run(variant: str, seed: int, settings: dict) -> tuple[dict, Tensor]:
    """What one training comes to, and pictures (N, 1, 28, 28) to show."""
    started = time.process_time()
    training = train_steps(
        variant, without_pairs(), 0, seed=seed, **{k: v for k, v in settings.items() if k != "steps"}
    )
    training.train(settings.get("steps", training.variant.config.steps))
    spent_s = time.process_time() - started
    held_out = named_source("digit-pens", {}).load(data_folder(None), "test")
    thin = held_out.batch(torch.arange(40))["source"]
    given = {"inputs": {"source": thin}, "labels": [CLASSES[1]]}
    made = torch.stack([training.sample(len(thin), seed=k, **given).values for k in range(LATENTS)])  # (8, 40, 1, H, W)
    right = pens(thin)
    errors = (made[:, None] - right[None]).abs().mean((-3, -2, -1)) / 2  # (8, 4, 40)
    nearest, pen = errors.min(1)
    found = {
        "variant": variant, "seed": seed, "cpu_s": spent_s,
        "ink: least": float(ink(made).amin(0).mean()), "ink: most": float(ink(made).amax(0).mean()),
        "ink: thinnest pen": float(ink(right[0]).mean()), "ink: widest pen": float(ink(right[-1]).mean()),
        "error: made": float(nearest.mean()), "error: as it is": float((thin - right[-1]).abs().mean() / 2),
        "pens: of four": statistics.mean(len(column.unique()) for column in pen.T),
    }  # fmt: skip
    return found, torch.cat([thin[:10], *made[:, :10]])


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("pens.jsonl"), show_default=True)
def main(variants: tuple[str, ...], seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    lines = read(out)
    table = Table("variant", "figure", "seeds", "mean", "least", "most")
    settings = {name: json.loads(value) for name, value in (item.split("=", 1) for item in assignments)}
    for variant in variants:
        key = {"variant": variant, "set": settings}
        for seed in map(int, seeds.split(",")):
            if not any(all(line[k] == v for k, v in (key | {"seed": seed}).items()) for line in lines):
                found, shown = one_run(variant, seed, settings)
                spec = DataSpec("digits", tuple(shown.shape[1:]))
                picture(shown, spec, columns=10).save(out.with_suffix(f".{variant}-{seed}.png"))
                lines.append(found | key)
                add(out, lines[-1])
        chosen = [line for line in lines if all(line[k] == v for k, v in key.items())]
        for name in (name for name in chosen[0] if ":" in name or name == "cpu_s"):
            values = [line[name] for line in chosen]
            table.add_row(variant, name, str(len(values)), *(f"{f(values):.3f}" for f in (statistics.mean, min, max)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
