"""Does bicyclegan give several answers to one input, and is the right one among them?

    OMP_NUM_THREADS=1 python -m benchmarks.answers [--seeds 0,1,2] [--set KEY=NUMBER]... [--out answers.jsonl]

The data, `digit-pens`, is pairs of a digit's outline and the digit drawn with one of four pens. Each held-out outline
is drawn with ten latents. The errors, mean absolute ones on [0, 1] against the held-out digit, are of one answer, of
the nearest of the ten, and of the outline itself. Ink is the share of white: of each outline's ten answers the least
and the most, and that of held-out digits of the thinnest and of the widest pen. Answers of one outline differ by the
mean absolute difference of two. A line is written for each seed, and what is in the file is not trained again.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.lines import add, read
from ganzoo_core.datasets.sources import DigitPens
from ganzoo_core.testing import train_steps

ANSWERS, PENS = 10, 4


def one_run(seed: int, settings: dict) -> dict[str, float]:
    """What one training comes to."""
    started, steps = time.process_time(), settings.pop("steps", None)
    training = train_steps("bicyclegan", "digit-pens", 0, seed=seed, **settings)
    training.train(steps or training.variant.config.steps)
    spent_s = time.process_time() - started
    held_out = DigitPens().load(Path(), "test")
    rows = held_out.batch(torch.arange(len(held_out)))
    source, right = rows["source"], (rows["real"] + 1) / 2
    made = [training.sample(len(source), seed=number, inputs={"source": source}).values for number in range(ANSWERS)]
    answers = (torch.stack(made) + 1) / 2  # (ANSWERS, N, C, H, W)
    errors, ink = (answers - right).abs().mean((2, 3, 4)), answers.mean((2, 3, 4))
    pens = [float(right[pen::PENS].mean()) for pen in range(PENS)]
    return {
        "seed": seed,
        "steps": training.step,
        "cpu_s": spent_s,
        "error of an answer": float(errors.mean()),
        "error of the nearest": float(errors.amin(0).mean()),
        "error of the outline": float(((source + 1) / 2 - right).abs().mean()),
        "least ink": float(ink.amin(0).mean()),
        "most ink": float(ink.amax(0).mean()),
        "ink of the thinnest pen": min(pens),
        "ink of the widest pen": max(pens),
        "answers differ by": float((answers[1:] - answers[:-1]).abs().mean()),
    }


@click.command(help=__doc__)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("answers.jsonl"), show_default=True)
def main(seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    lines = read(out)
    for seed in map(int, seeds.split(",")):
        if not any((line["seed"], line["set"]) == (seed, list(assignments)) for line in lines):
            found = one_run(seed, {k: json.loads(v) for k, v in (item.split("=", 1) for item in assignments)})
            lines.append(found | {"set": list(assignments)})
            add(out, lines[-1])
    table = Table("figure", "seeds", "mean", "least", "most")
    chosen = [line for line in lines if line["set"] == list(assignments)]
    for name in (name for name in chosen[0] if name not in ("seed", "set", "steps")):
        values = [line[name] for line in chosen]
        table.add_row(name, str(len(values)), *(f"{f(values):.3f}" for f in (statistics.mean, min, max)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
