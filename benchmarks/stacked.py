"""How many of 1,000 modes does a GAN find? Three digits in a picture's three channels (arXiv:1611.02163, section 3.3).

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.stacked dcgan sngan [--data digits] [--seconds 120]

Each picture is made of three of MNIST's training digits, drawn at random, one for each of red, green and blue, so that
every number from 000 to 999 is a mode and all are as likely. All variants, by default those that need neither labels
nor anything else, train for as many seconds of one thread's processor time. A classifier of the digits reads each
channel of 25,600 samples. Counted is how many numbers are there, and how far their shares are from equal: KL(shares ||
equal) in nats. Beside it, what as many real pictures come to. With `--data digits` they are scikit-learn's 1,797. A
line is written for each seed, and what is in the file is not trained again. A picture shows samples.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.lines import Line, add, matching, read
from benchmarks.speedrun import processor
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.errors import DataError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.testing import train_steps
from ganzoo_tools.evaluation.classifier import Classifier, in_pieces
from ganzoo_tools.evaluation.keeping import cached_classifier

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


def contestants(spec: DataSpec) -> list[str]:
    """The installed variants that make pictures of noise alone."""
    found = []
    for name, (variant, _) in registry().variants().items():
        with contextlib.suppress(DataError):
            variant().check_data(spec)
            found += [name] if not variant().inputs(spec) else []
    return found


def one_run(variant: str, data: Dataset, reader: Classifier, seed: int, seconds: float) -> tuple[Line, Tensor]:
    """What one training comes to, and pictures (N, 3, H, W) to show."""
    training = train_steps(variant, data, 0, seed=seed)
    until_s = time.process_time() + seconds
    while time.process_time() < until_s:
        training.train(1)
    images = training.sample(SAMPLES).values
    return {"steps": training.step} | judged(images, reader), images[:64]


@click.command(help=__doc__)
@click.argument("variants", nargs=-1)
@click.option("--data", default="mnist", show_default=True)
@click.option("--seconds", default=120.0, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("stacked.jsonl"), show_default=True)
def main(variants: tuple[str, ...], data: str, seconds: float, seeds: str, out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    torch.set_num_threads(1)
    digits = named_source(data).load(data_folder(None))
    reader, given = cached_classifier(digits, data_folder(None)), stacked(digits, SAMPLES, 0)
    variants = variants or tuple(contestants(given.spec))
    for seed in map(int, filter(None, seeds.split(","))):
        for variant in variants:
            key = {"variant": variant, "seed": seed, "seconds": seconds, "data": data}
            if not matching(read(out), key):
                found, shown = one_run(variant, given, reader, seed, seconds)
                picture(shown, given.spec, columns=16).save(out.with_suffix(f".{variant}-{seed}.png"))
                add(out, key | found | {"processor": processor()})
    real = judged(stacked(digits, SAMPLES, 1).batch(torch.arange(SAMPLES))["real"], reader)
    Console(width=100).print(table(matching(read(out), {"seconds": seconds, "data": data}), variants, real))


def table(lines: list[Line], variants: Sequence[str], real: dict[str, float]) -> Table:
    """Mean over seeds, from which to which; the most modes first."""
    found = {variant: matching(lines, {"variant": variant}) for variant in variants}
    modes = {variant: statistics.mean(line["modes"] for line in some) for variant, some in found.items() if some}
    result = Table("variant", "seeds", "modes of 1,000", "KL", "steps")
    for variant in sorted(modes, key=lambda name: -modes[name]):
        cells = []
        for name, form in (("modes", ".0f"), ("KL", ".2f"), ("steps", ",.0f")):
            values = [line[name] for line in found[variant]]
            cells.append("{} ({} to {})".format(*(format(f(values), form) for f in (statistics.mean, min, max))))
        result.add_row(variant, str(len(found[variant])), *cells)
    result.add_row("real pictures", "", f"{real['modes']}", f"{real['KL']:.2f}", "")
    return result


if __name__ == "__main__":
    main()
