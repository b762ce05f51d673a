"""How well small pictures are enlarged: bicubic interpolation, the pretrained generator, and that of the game.

    OMP_NUM_THREADS=1 python -m benchmarks.super_resolution srgan esrgan --data folder:FOLDER --out enlarged.jsonl

FOLDER holds images in a folder for each class. A tenth of each class is held out; the rest is trained on. Of the
held-out pictures: PSNR and SSIM against the true ones, and sharpness: the mean absolute Laplacian as a part of that of
the true ones, so that 1 is as sharp as they are, and less is blurred. A line is written for each run, and what is in
the file is not trained again.
"""

from __future__ import annotations

import dataclasses
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
from torchmetrics.functional.image import structural_similarity_index_measure

from benchmarks.lines import add, figure, read
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.testing import Training, train_steps

METRICS = ("psnr", "ssim", "sharpness")
_PIECE = 100


def parted(data: Dataset) -> tuple[Dataset, Tensor]:
    """Nine tenths of each class, and the images (M, C, H, W) of the last tenth."""
    labels = torch.zeros(len(data)) if data.labels is None else data.labels
    held_out = torch.zeros(len(data), dtype=torch.bool)
    for label in labels.unique():
        rows = (labels == label).nonzero().flatten()
        held_out[rows[len(rows) - len(rows) // 10 :]] = True
    rows = (~held_out).nonzero().flatten()
    kept = None if data.labels is None else data.labels[rows]
    rest = dataclasses.replace(data, samples=data.samples[rows].clone(), labels=kept, guard=None)
    return rest, data.batch(held_out.nonzero().flatten())["real"]


def judge(made: Tensor, true: Tensor) -> dict[str, float]:
    """The metrics of images (M, C, H, W) in [-1, 1], in 256 levels, as a file holds them."""
    made, true = (((x + 1) * 127.5).round() / 255 for x in (made, true))
    psnr = -10 * (made - true).square().flatten(1).mean(1).clamp(min=1e-10).log10()
    ssim = structural_similarity_index_measure(made, true, data_range=1.0)
    return {"psnr": float(psnr.mean()), "ssim": float(ssim), "sharpness": edges(made) / edges(true)}


def edges(images: Tensor) -> float:
    """The mean absolute Laplacian of images (M, C, H, W), inside of their border."""
    c = images.shape[1]
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(c, 1, 3, 3)
    return float(F.conv2d(images, kernel, groups=c).abs().mean())


def enlarged(training: Training, small: Tensor) -> Tensor:
    """What the generator makes of small pictures (M, C, h, w)."""
    pieces = [training.sample(inputs={"source": piece}).values for piece in small.split(_PIECE)]
    return torch.cat(pieces)


def one_run(variant: str, data: Dataset, true: Tensor, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Train once; judge after pretraining and after the game."""
    cls = registry().variant(variant)[0]
    config = cls.Config.from_dict(settings)
    training = train_steps(cls(config), data, 0, seed=seed)
    small = training.variant.derive({"real": true}, torch.Generator(), None)["source"]
    row: dict[str, Any] = {"variant": variant, "seed": seed, "settings": settings, "scores": {}, "cpu_s": {}}
    started = time.process_time()
    for name, steps in (("pretrained", config.pretraining_steps), ("game", config.steps)):
        training.train(steps - training.step)
        row["cpu_s"][name] = time.process_time() - started
        row["scores"][name] = judge(enlarged(training, small), true)
    last = training.records[-1]
    return row | {"last": {key: value for key, value in last.items() if key in ("d_real", "d_fake")}}


def bicubic(true: Tensor, scale: int) -> Tensor:
    """The small pictures, enlarged without having learnt anything."""
    from ganzoo_srgan.networks import smaller

    size = true.shape[2:]
    return F.interpolate(smaller(true, scale), size, mode="bicubic", antialias=True).clamp(-1, 1)


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", required=True, metavar="folder:FOLDER")
@click.option("--image-size", default="32", show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Hyperparameters.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("super_resolution.jsonl"), show_default=True)
def main(
    variants: tuple[str, ...], data: str, image_size: str, seeds: str, assignments: tuple[str, ...], out: Path
) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    some, true = parted(named_source(data, {"image_size": image_size}).load(data_folder(None)))
    rows = read(out)
    wanted = []
    for seed in map(int, seeds.split(",")):
        for variant in variants:
            settings = settings_of(variant, assignments)
            key = (variant, seed, settings)
            if not any((row["variant"], row["seed"], row["settings"]) == key for row in rows):
                rows.append(one_run(variant, some, true, seed, settings))
                add(out, rows[-1])
            wanted += [row for row in rows if (row["variant"], row["seed"], row["settings"]) == key]
    print_table(wanted, judge(bicubic(true, settings_of("srgan", assignments).get("scale", 4)), true))


def settings_of(variant: str, assignments: tuple[str, ...]) -> dict[str, Any]:
    """Hyperparameters as typed, where this variant has them."""
    config = registry().variant(variant)[0].Config
    pairs = [item.split("=", 1) for item in assignments]
    return {name: config.parse(name, text) for name, text in pairs if name in config.names()}


def print_table(rows: list[dict[str, Any]], simple: dict[str, float]) -> None:
    """Means over the seeds, and their least and most."""
    table = Table("", "seeds", *METRICS, "CPU s")
    table.add_row("bicubic", "", *(f"{simple[name]:.3f}" for name in METRICS), "")
    for variant in dict.fromkeys(row["variant"] for row in rows):
        runs = [row for row in rows if row["variant"] == variant]
        for stage in runs[0]["scores"]:
            values = {name: [run["scores"][stage][name] for run in runs] for name in METRICS}
            cells = [figure(v, ".3f") for v in values.values()]
            spent = statistics.fmean(run["cpu_s"][stage] for run in runs)
            table.add_row(f"{variant}, {stage}", str(len(runs)), *cells, f"{spent:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
