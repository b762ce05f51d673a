"""Do translators without pairs find the outline of a digit, and what an outline holds?

    OMP_NUM_THREADS=1 python -m benchmarks.outlines cyclegan discogan dualgan unit munit [--seeds 0,1,2] [--out FILE]

The data, `outlined-digits`, shows each digit either filled or as an outline; the other one can be computed, and was
seen by nobody. The error is the mean absolute one on [0, 1], of every fourth digit: of what the variant makes of it;
beside it of the digit as it is, and of the right picture of another digit. A line is written for each seed, and what is
in the file is not trained again. A picture shows filled digits and what became of them, outlines and what became of
these.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from ganzoo_cyclegan.outlined_digits import OutlinedDigits, filled_digits, outlines
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.lines import add, read
from ganzoo_core import DataSpec
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.testing import Training, train_steps


def error(made: Tensor, right: Tensor) -> float:
    """The mean absolute error on [0, 1] of images on [-1, 1]."""
    return float((made - right).abs().mean() / 2)


def trained(variant: str, seed: int, settings: dict) -> tuple[Training, dict]:
    """A training on outlined digits, and what it was and took."""
    started = time.process_time()
    steps = settings.pop("steps", None)
    training = train_steps(variant, "outlined-digits", 0, seed=seed, **settings)
    training.train(steps or training.variant.config.steps)
    spent_s = time.process_time() - started
    return training, {"variant": variant, "seed": seed, "steps": training.step, "cpu_s": spent_s}


def one_run(variant: str, seed: int, settings: dict) -> tuple[dict, Tensor]:
    """The errors of one training, and pictures (N, 1, 28, 28) to show."""
    training, found = trained(variant, seed, settings)
    shown = []
    filled = filled_digits()[::4]
    pair = {"filled": filled * 2 - 1, "outlined": outlines(filled) * 2 - 1}
    for source, target in (("filled", "outlined"), ("outlined", "filled")):
        made = training.sample(len(filled), inputs={"source": pair[source]}, labels=[target]).values
        shown += [pair[source][:16], made[:16]]
        found[f"{target}: made"] = error(made, pair[target])
        found[f"{target}: as it is"] = error(pair[source], pair[target])
        found[f"{target}: another's"] = error(pair[target].roll(1, 0), pair[target])
    return found, torch.cat(shown)


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("outlines.jsonl"), show_default=True)
def main(variants: tuple[str, ...], seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    measure(variants, seeds, assignments, out, one_run)


def measure(
    variants: tuple[str, ...],
    seeds: str,
    assignments: tuple[str, ...],
    out: Path,
    one_run: Callable[[str, int, dict], tuple[dict, Tensor]],
) -> None:
    """A line of `out` and a picture for each variant and seed that has none yet, and a table of all."""
    lines = read(out)
    table = Table("variant", "figure", "seeds", "mean", "least", "most")
    for variant in variants:
        key = {"variant": variant, "set": list(assignments)}
        for seed in map(int, seeds.split(",")):
            if not any(all(line[k] == v for k, v in (key | {"seed": seed}).items()) for line in lines):
                settings = {name: json.loads(value) for name, value in (item.split("=", 1) for item in assignments)}
                found, shown = one_run(variant, seed, settings)
                spec = DataSpec("digits", OutlinedDigits.shape)
                picture(shown, spec, columns=16).save(out.with_suffix(f".{variant}-{seed}.png"))
                lines.append(found | key)
                add(out, lines[-1])
        chosen = [line for line in lines if all(line[k] == v for k, v in key.items())]
        for name in (name for name in chosen[0] if ":" in name or name == "cpu_s"):
            values = [line[name] for line in chosen]
            cells = (f"{f(values):.3f}" for f in (statistics.mean, min, max))
            table.add_row(variant, name, str(len(values)), *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
