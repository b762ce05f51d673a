"""Does one latent make a digit and its outline, where no such pair was ever seen?

    OMP_NUM_THREADS=1 python -m benchmarks.coupled cogan cgan [--seeds 0,1,2] [--out FILE]

The data, `outlined-digits`, shows each digit either filled or as an outline. Of 512 latents each variant makes both.
The error is the mean absolute one on [0, 1] between the outline that can be computed of the filled digit and the
outline made; beside it of the outline made of another latent. A line is written for each seed, and what is in the file
is not trained again. A picture shows filled digits, and below them the outlines made of the same latents.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
import torch
from ganzoo_cyclegan.outlined_digits import OutlinedDigits, outlines
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.outlines import error
from ganzoo_core import DataSpec
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.testing import train_steps

LATENTS = 512


def one_run(variant: str, seed: int, settings: dict[str, Any]) -> tuple[dict[str, Any], Tensor]:
    """The errors of one training, and pictures (N, 1, 28, 28) to show."""
    started = time.process_time()
    steps = settings.pop("steps", None)
    training = train_steps(variant, "outlined-digits", 0, seed=seed, **settings)
    training.train(steps or training.variant.config.steps)
    spent_s = time.process_time() - started
    filled, outlined = (training.sample(LATENTS, labels=[label]).values for label in OutlinedDigits.classes)
    right = outlines((filled + 1) / 2) * 2 - 1
    found = {"variant": variant, "seed": seed, "steps": training.step, "cpu_s": spent_s}
    found["outline: same latent"] = error(outlined, right)
    found["outline: another's"] = error(outlined, right.roll(1, 0))
    return found, torch.cat([filled[:16], outlined[:16], filled[16:32], outlined[16:32]])


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("coupled.jsonl"), show_default=True)
def main(variants: tuple[str, ...], seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    table = Table("variant", "figure", "seeds", "mean", "least", "most")
    for variant in variants:
        key = {"variant": variant, "set": list(assignments)}
        for seed in map(int, seeds.split(",")):
            if not any((key | {"seed": seed}).items() <= line.items() for line in lines):
                settings = {name: json.loads(value) for name, value in (item.split("=", 1) for item in assignments)}
                found, shown = one_run(variant, seed, settings)
                spec = DataSpec("digits", OutlinedDigits.shape)
                picture(shown, spec, columns=16).save(out.with_suffix(f".{variant}-{seed}.png"))
                lines.append(found | key)
                with out.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
        chosen = [line for line in lines if key.items() <= line.items()]
        for name in (name for name in chosen[0] if ":" in name or name == "cpu_s"):
            values = [line[name] for line in chosen]
            cells = (f"{f(values):.3f}" for f in (statistics.mean, min, max))
            table.add_row(variant, name, str(len(values)), *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
