"""How near a translation of pictures comes to what was wanted: one style of emoji made of another.

    OMP_NUM_THREADS=1 python -m benchmarks.emoji FOLDER [--seeds 0,1,2] [--steps 1500] [--set KEY=VALUE]...

FOLDER holds two folders of pictures with the same names, as `examples/emoji_pairs.py` lays them out. One pair in ten is
held out, and of these the error (L1), PSNR and SSIM of what the generator makes are told beside those of the input
itself. Runs are kept under `--out` with a line in `emoji.jsonl` for each seed that is done; a second call does only
what is missing. The time is processor time of training: on one thread, seconds of one core.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table

import ganzoo_core as ganzoo
from benchmarks.lines import add, read
from ganzoo_core.datasets import data_folder
from ganzoo_core.runs.plan import resolve
from ganzoo_core.sampling.generate import generate
from ganzoo_tools.evaluation.given import given_rows
from ganzoo_tools.evaluation.target import copy_figures, target_figures

SETTINGS = {"image_size": "64", "held_out": "10", "width": "24", "depth": "5", "discriminator_width": "16"}


def judge(run: ganzoo.Run) -> dict[str, float]:
    """How near the held-out targets come what the generator makes, and the sources themselves."""
    settings, generator = run.info["settings"], run.generator()
    held_out = resolve(run.info["variant"], settings).source.load(data_folder(None), "test")
    names = {"real", *(one.name for one in generator.inputs)}
    given = given_rows(generator.variant, held_out, torch.arange(len(held_out)), names)
    made = generate(generator.module, len(held_out), None, 0, generator.device, columns=given)
    copied = copy_figures((given[one.name] for one in generator.inputs), given["real"])
    return target_figures(made, given["real"]) | copied


def one_seed(folder: Path, variant: str, seed: int, texts: dict[str, str]) -> dict[str, object]:
    """Train, or go on with a run that was broken off, and judge."""
    start_s = time.process_time()
    if (folder / "run.json").exists():
        run = ganzoo.train(resume=folder)
    else:
        run = ganzoo.train(variant, texts=texts | {"seed": str(seed)}, out=folder)
    trained_s = time.process_time() - start_s
    return {"variant": variant, "seed": seed, "settings": texts, "train_cpu_s": trained_s, **judge(run)}


@click.command(help=__doc__)
@click.argument("folder")
@click.option("--variant", default="pix2pix", show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--steps", default=1500, show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help=f"Beside, or in place of, {SETTINGS}.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/emoji"), show_default=True)
def main(folder: str, variant: str, seeds: str, steps: int, assignments: tuple[str, ...], out: Path) -> None:
    """Train the seeds that have no line yet, and print a table of all."""
    given = dict(item.split("=", 1) for item in assignments)
    texts = {"data": f"pairs:{folder}", "steps": str(steps), **SETTINGS, **given}
    out.mkdir(parents=True, exist_ok=True)
    path = out / "emoji.jsonl"
    lines = read(path)
    for seed in map(int, seeds.split(",")):
        if not any((line["variant"], line["seed"], line["settings"]) == (variant, seed, texts) for line in lines):
            name = "-".join([variant, *(f"{key}={value}" for key, value in given.items()), str(steps), str(seed)])
            lines.append(one_seed(out / name, variant, seed, texts))
            add(path, lines[-1])
    print_table([line for line in lines if line["settings"] == texts and line["variant"] == variant])


def print_table(lines: list[dict[str, float]]) -> None:
    """Mean, least and most over the seeds."""
    table = Table("figure", "mean", "least", "most", "the input itself")
    for name in ("target_error", "target_psnr", "target_ssim"):
        values = [line[name] for line in lines]
        copied = statistics.fmean(line[name.replace("target", "copy")] for line in lines)
        table.add_row(name, *(f"{f:.3f}" for f in (statistics.fmean(values), min(values), max(values), copied)))
    Console(width=120).print(table)
    print(f"{len(lines)} seeds, {statistics.fmean(line['train_cpu_s'] for line in lines):.0f} s of one core each")


if __name__ == "__main__":
    main()
