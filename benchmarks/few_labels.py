"""Does a classifier with few labels gain by pictures without any, and by pictures that are made?

    OMP_NUM_THREADS=1 python -m benchmarks.few_labels [--data digits] [--share 0.075] [--seeds 0,1,2] [--set KEY=NUMBER]

Every fourth picture of the data is held out; the figures are the shares of these whose class is told. Of the others,
`share` have labels that are used, other ones for each seed. sgan trains its default steps. "known alone" is its
discriminator's network trained on these pictures by the cross entropy of their classes, without others and without a
generator, as many steps by the same Adam; "all known" is the same with every label. A line is written for each seed,
and what is in the file is not trained again.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from ganzoo_sgan.loss import is_known
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.latents import parts, real, rows
from benchmarks.lines import add, read
from ganzoo_core import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.runs.plan import find_source
from ganzoo_core.testing import Training, train_steps


def accuracy(discriminator: nn.Module, held_out: Dataset) -> float:
    """The share of pictures whose class it tells."""
    assert held_out.labels is not None
    with torch.no_grad():
        told = discriminator.eval()(real(held_out)).class_logits.argmax(1)
    return float((told == held_out.labels).float().mean())


def classifier(training: Training, data: Dataset, seed: int) -> nn.Module:
    """A discriminator of that training's kind, trained on the labels of `data` alone, as many steps."""
    torch.manual_seed(seed)
    variant = training.variant
    network = variant.discriminator(data.spec)
    optimizer = variant.optimizer("discriminator", network.parameters())
    for _ in range(training.step):
        batch = data.batch(torch.randint(len(data), (variant.config.batch_size,)))
        loss: Tensor = F.cross_entropy(network(batch["real"]).class_logits, batch["labels"])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network


def one_run(data: str, share: float, seed: int, settings: dict[str, Any]) -> dict[str, float]:
    """The figures of one seed."""
    source, path = find_source(data)
    trained, held_out = parts(source(path=path).load(data_folder(None)))
    known = is_known(real(trained), share, seed)
    started, steps = time.process_time(), settings.pop("steps", None)
    training = train_steps("sgan", trained, 0, seed=seed, labelled=share, choice=seed, **settings)
    training.train(steps or training.variant.config.steps)
    spent_s = time.process_time() - started
    return {
        "labels used": float(known.sum()), "sgan": accuracy(training.networks.discriminator, held_out),
        "known alone": accuracy(classifier(training, rows(trained, known), seed), held_out),
        "all known": accuracy(classifier(training, trained, seed), held_out), "cpu_s of sgan": spent_s,
    }  # fmt: skip


@click.command(help=__doc__)
@click.option("--data", default="digits", show_default=True)
@click.option("--share", default=0.075, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("few_labels.jsonl"), show_default=True)
def main(data: str, share: float, seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    key = {"data": data, "share": share, "set": list(assignments)}
    lines = read(out)
    lines = [line for line in lines if key.items() <= line.items()]
    for seed in map(int, seeds.split(",")):
        if not any(line["seed"] == seed for line in lines):
            settings = {name: json.loads(text) for name, text in (item.split("=", 1) for item in assignments)}
            lines.append(key | {"seed": seed, "figures": one_run(data, share, seed, settings)})
            add(out, lines[-1])
    table = Table("figure", "seeds", "mean", "least", "most", title=f"{share} of {data} {' '.join(assignments)}")
    for name in lines[0]["figures"]:
        values = [line["figures"][name] for line in lines]
        table.add_row(name, str(len(values)), *(f"{f(values):.3f}" for f in (statistics.mean, min, max)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
