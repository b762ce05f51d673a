"""How well holes are filled: context-encoder and ccgan beside the mean picture and the mean of what is around a hole.

    OMP_NUM_THREADS=1 python -m benchmarks.holes context-encoder ccgan --data digits --out holes.jsonl

A tenth of each class is held out; the rest is trained on. Of the held-out pictures: the root mean square error within
the hole, a picture's numbers being from 0 to 1, and sharpness, the mean absolute Laplacian there as a part of the true
one. Holes are where the variant's setting `hole` puts them, at the same places for all seeds. A line is written for
each run, and what is in the file is not trained again.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import click
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.lines import add, figure, read
from benchmarks.super_resolution import parted, settings_of
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.testing import train_steps

METRICS = ("error", "sharpness")


def judge(made: Tensor, true: Tensor, is_hole: Tensor) -> dict[str, float]:
    """The metrics of images (M, C, H, W) in [-1, 1] within their holes (M, 1, H, W)."""
    inside = is_hole.expand_as(true)
    error = ((made - true) / 2)[inside].square().mean().sqrt()
    return {"error": float(error), "sharpness": float(edges(made)[inside].mean() / edges(true)[inside].mean())}


def edges(images: Tensor) -> Tensor:
    """The absolute Laplacian at each number of images (M, C, H, W), their border repeated."""
    c = images.shape[1]
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(c, 1, 3, 3)
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=c).abs()


def simple_ways(data: Dataset, true: Tensor, is_hole: Tensor) -> dict[str, Tensor]:
    """What can be done without a network: the mean of the pictures trained on, and of the pixels around the hole."""
    mean = data.batch(torch.arange(len(data)))["real"].mean(0).expand_as(true)
    hole = is_hole.float()
    ring = F.max_pool2d(hole, 3, stride=1, padding=1) - hole  # known, and next to the hole
    around = (true * ring).sum((2, 3), keepdim=True) / ring.sum((2, 3), keepdim=True)
    return {name: torch.where(is_hole, x, true) for name, x in (("mean picture", mean), ("mean around it", around))}


def holes_of(variant: str, true: Tensor, settings: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The held-out pictures with holes (M, 4, H, W), and where these are (M, 1, H, W)."""
    cls = registry().variant(variant)[0]
    rng = torch.Generator().manual_seed(0)
    source = cls(cls.Config.from_dict(settings)).derive({"real": true}, rng, None)["source"]
    return source, source[:, 3:] < 0


def one_run(variant: str, data: Dataset, true: Tensor, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train once, and judge."""
    cls = registry().variant(variant)[0]
    source, is_hole = holes_of(variant, true, settings)
    training = train_steps(cls(cls.Config.from_dict(settings)), data, 0, seed=seed)
    started = time.process_time()
    training.train(training.variant.config.steps)
    spent = time.process_time() - started
    scores = judge(training.sample(inputs={"source": source}).values, true, is_hole)
    return {"variant": variant, "seed": seed, "settings": settings, "scores": scores, "cpu_s": spent}


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="digits", show_default=True)
@click.option("--image-size", help="Of a folder's pictures.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Hyperparameters.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("holes.jsonl"), show_default=True)
def main(
    variants: tuple[str, ...], data: str, image_size: str | None, seeds: str, assignments: tuple[str, ...], out: Path
) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    options = {} if image_size is None else {"image_size": image_size}
    some, true = parted(named_source(data, options).load(data_folder(None)))
    rows = read(out)
    table = Table(f"holes in {len(true)} pictures", "seeds", *METRICS, "CPU s")
    for variant in variants:
        settings = settings_of(variant, assignments)
        _, is_hole = holes_of(variant, true, settings)
        for name, made in simple_ways(some, true, is_hole).items():
            table.add_row(f"{name}, holes of {variant}", "", *(f"{x:.3f}" for x in judge(made, true, is_hole).values()))
        for seed in map(int, seeds.split(",")):
            key = (variant, seed, settings)
            if not any((row["variant"], row["seed"], row["settings"]) == key for row in rows):
                rows.append(one_run(variant, some, true, seed, settings))
                add(out, rows[-1])
        runs = [row for row in rows if (row["variant"], row["settings"]) == (variant, settings)]
        values = [[run["scores"][name] for run in runs] for name in METRICS]
        cells = [figure(v, ".3f") for v in values]
        spent = f"{statistics.fmean(run['cpu_s'] for run in runs):.0f}"
        table.add_row(variant, str(len(runs)), *cells, spent)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
