"""Does stargan give a digit the colour that was asked for, and leave the digit?

    OMP_NUM_THREADS=1 python -m benchmarks.recolour [--seeds 0,1,2] [--set KEY=NUMBER]... [--out recolour.jsonl]

Every fourth digit of `coloured-digits` is held out. Each of these is translated into both other colours. The colour is
right where the mean of the bright pixels is nearest to it in direction; the digit is right where logistic regression on
the brightest of a pixel's three values, trained on the others, reads what was drawn. Beside it: what is read in the
digits as they were. The error is the mean absolute one on [0, 1] against the true digit in that colour, which can be
computed. A line is written for each seed, and what is in the file is not trained again. A picture shows digits, and
what became of them in each colour.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from ganzoo_stargan.coloured_digits import COLOURS, ColouredDigits
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from benchmarks.lines import add, read
from ganzoo_core import Dataset
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.testing import train_steps

RGB = torch.tensor(list(COLOURS.values())) / 255


def rows(data: Dataset, chosen: Tensor) -> Dataset:
    """The rows of a data set for which `chosen` (N,) is true, in memory."""
    assert data.labels is not None
    return dataclasses.replace(data, samples=data.samples[chosen].clone(), labels=data.labels[chosen], guard=None)


def ink(images: Tensor) -> Tensor:
    """The brightest of each pixel's values (N, 1, H, W) in [0, 1], of images in [-1, 1]."""
    return (images.amax(1, keepdim=True) + 1) / 2


def colours(images: Tensor) -> Tensor:
    """The label (N,) of the colour that the bright pixels' mean points to."""
    bright = ink(images) > 0.5
    mean = ((images + 1) / 2 * bright).sum((2, 3))  # (N, 3)
    return (F.normalize(mean) @ F.normalize(RGB).T).argmax(1)


def one_run(seed: int, settings: dict) -> tuple[dict, Tensor]:
    """What one training comes to, and pictures (N, 3, 28, 28) to show."""
    data, digit = ColouredDigits().load(Path()), torch.from_numpy(load_digits().target)
    held = torch.arange(len(data)) % 4 == 0
    trained, held_out = rows(data, ~held), rows(data, held)
    known, source = (part.batch(torch.arange(len(part)))["real"] for part in (trained, held_out))
    reader = LogisticRegression(max_iter=500).fit(ink(known).flatten(1).numpy(), digit[~held].numpy())

    def is_read(images: Tensor, chosen: Tensor) -> Tensor:
        return torch.from_numpy(reader.predict(ink(images).flatten(1).numpy())) == digit[held][chosen]

    started, steps = time.process_time(), settings.pop("steps", None)
    training = train_steps("stargan", trained, 0, seed=seed, **settings)
    training.train(steps or training.variant.config.steps)
    found = {"seed": seed, "steps": training.step, "cpu_s": time.process_time() - started}
    scores: dict[str, list[float]] = {}
    for label, colour in enumerate(RGB):
        others = held_out.labels != label
        given = source[others]
        made = training.sample(len(given), inputs={"source": given}, labels=[label]).values
        true = ink(given) * colour[:, None, None]
        right, read = colours(made) == label, is_read(made, others)
        for name, values in (
            ("colour as asked", right),
            ("digit read", read),
            ("both", right & read),
            ("digit read, as it was", is_read(given, others)),
            ("error", ((made + 1) / 2 - true).abs()),
            ("error, as it was", ((given + 1) / 2 - true).abs()),
        ):
            scores.setdefault(name, []).append(float(values.float().mean()))
    few = source[:16]
    shown = [training.sample(16, inputs={"source": few}, labels=[label]).values for label in range(len(RGB))]
    return found | {name: statistics.mean(values) for name, values in scores.items()}, torch.cat([few, *shown])


@click.command(help=__doc__)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("recolour.jsonl"), show_default=True)
def main(seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    lines = read(out)
    for seed in map(int, seeds.split(",")):
        if not any((line["seed"], line["set"]) == (seed, list(assignments)) for line in lines):
            found, shown = one_run(seed, {k: json.loads(v) for k, v in (item.split("=", 1) for item in assignments)})
            picture(shown, ColouredDigits().load(Path()).spec, columns=16).save(out.with_suffix(f".{seed}.png"))
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
