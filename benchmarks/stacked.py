"""How many of 1,000 modes does a GAN find? Three digits in a picture's three channels (arXiv:1611.02163, section 3.3).

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.stacked dcgan sngan [--data digits] [--steps 1500]

Each picture is made of three of MNIST's training digits, drawn at random, one for each of red, green and blue, so that
every number from 000 to 999 is a mode and all are as likely. A classifier of the digits reads each channel of 25,600
samples. Counted is how many numbers are there, and how far their shares are from equal: KL(shares || equal) in nats.
Beside it, what as many real pictures come to. With `--data digits` they are scikit-learn's 1,797. A line is written for
each seed, and what is in the file is not trained again. A picture shows samples.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.lines import add, read
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.runs.plan import named_source
from ganzoo_core.testing import train_steps
from ganzoo_tools.evaluation.classifier import Classifier, in_pieces, train_classifier

SAMPLES = 25_600  # as in arXiv:1611.02163
MODES = 1000


def stacked(digits: Dataset, n: int, seed: int) -> Dataset:
    """n pictures (3, H, W) of three digits each, without labels."""
    _, height, width = digits.spec.shape
    rows = torch.randint(len(digits), (n, 3), generator=torch.Generator().manual_seed(seed))
    return Dataset(DataSpec("stacked-digits", (3, height, width)), digits.samples[:, 0][rows])


def numbers(images: Tensor, reader: Classifier) -> Tensor:
    """The numbers (N,) from 0 to 999 that a classifier reads in images (N, 3, H, W)."""
    hundreds, tens, ones = (in_pieces(reader, images[:, k : k + 1]).argmax(1) for k in range(3))
    return 100 * hundreds + 10 * tens + ones


def judged(images: Tensor, reader: Classifier) -> dict[str, float]:
    """How many modes are there, and KL(shares || equal) in nats."""
    shares = numbers(images, reader).bincount(minlength=MODES).double() / len(images)
    present = shares[shares > 0]
    return {"modes": len(present), "KL": float((present * (present * MODES).log()).sum())}


def one_run(variant: str, data: Dataset, reader: Classifier, seed: int, steps: int) -> tuple[dict, Tensor]:
    """What one training comes to, and pictures (N, 3, H, W) to show."""
    started = time.process_time()
    training = train_steps(variant, data, steps, seed=seed)
    spent_s = time.process_time() - started
    images = training.sample(SAMPLES).values
    return {"variant": variant, "seed": seed, "steps": steps, "cpu_s": spent_s} | judged(images, reader), images[:64]


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist", show_default=True)
@click.option("--steps", default=1500, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("stacked.jsonl"), show_default=True)
def main(variants: tuple[str, ...], data: str, steps: int, seeds: str, out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    digits = named_source(data).load(data_folder(None))
    reader, given = train_classifier(digits), stacked(digits, SAMPLES, 0)
    real = judged(stacked(digits, SAMPLES, 1).batch(torch.arange(SAMPLES))["real"], reader)
    lines = read(out)
    table = Table("variant", "seeds", "modes of 1,000", "KL", "processor time")
    for variant in variants:
        for seed in map(int, seeds.split(",")):
            key = {"variant": variant, "seed": seed, "steps": steps, "data": data}
            if not any(key.items() <= line.items() for line in lines):
                found, shown = one_run(variant, given, reader, seed, steps)
                picture(shown, given.spec, columns=16).save(out.with_suffix(f".{variant}-{seed}.png"))
                lines.append(found | key)
                add(out, lines[-1])
        chosen = [line for line in lines if (line["variant"], line["steps"], line["data"]) == (variant, steps, data)]
        cells = []
        for name, form in (("modes", ".0f"), ("KL", ".3f")):
            values = [line[name] for line in chosen]
            cells.append("{} ({} to {})".format(*(format(f(values), form) for f in (statistics.mean, min, max))))
        table.add_row(variant, str(len(chosen)), *cells, f"{statistics.mean(line['cpu_s'] for line in chosen):.0f} s")
    table.add_row("real pictures", "", f"{real['modes']}", f"{real['KL']:.3f}", "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
