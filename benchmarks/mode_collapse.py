"""Mode collapse, seen: modes covered and share of good samples over steps, on mixtures whose modes are known.

    OMP_NUM_THREADS=1 python -m benchmarks.mode_collapse vanilla wgan wgan-gp --picture modes.png

Runs are kept under `--out`; a second call trains only what is missing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import click
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

import ganzoo_core as ganzoo

STEPS = (500, 1000, 2000, 5000, 10000)


def runs_of(variant: str, data: str, seeds: int, out: Path) -> list[ganzoo.Run]:
    """A run per seed, of as many steps as the last of STEPS; one that is on disk is not made again."""
    runs = []
    for seed in range(seeds):
        folder = out / f"{variant}-{data}-{seed}"
        if (folder / "loss.png").exists():
            runs.append(ganzoo.Run(folder))
        else:
            settings = {"data": data, "seed": seed, "steps": STEPS[-1], "snapshots": STEPS}
            runs.append(ganzoo.train(variant, out=folder, **settings))
    return runs


def at_steps(run: ganzoo.Run, figure: str) -> list[float]:
    """A figure of the run's snapshots, one per step of STEPS."""
    found = {record["step"]: record[figure] for record in run.records() if figure in record}
    return [found[step] for step in STEPS]


def row(runs: list[ganzoo.Run], figure: str, form: str) -> list[str]:
    """Mean over runs with least and most, per step."""
    columns = zip(*(at_steps(run, figure) for run in runs), strict=True)
    return [
        f"{form} ({form} to {form})".format(statistics.mean(column), min(column), max(column)) for column in columns
    ]


def picture(runs: dict[tuple[str, str], ganzoo.Run], variants: Sequence[str], data: Sequence[str], path: Path) -> None:
    """The samples of one run per variant (columns) and data set (rows)."""
    figure, axes = plt.subplots(len(data), len(variants), figsize=(3 * len(variants), 3 * len(data)), squeeze=False)
    for line, name in zip(axes, data, strict=True):
        for axis, variant in zip(line, variants, strict=True):
            samples = runs[variant, name].sample(1000, seed=0)
            points = samples.values.numpy() * samples.spec.scale + samples.spec.offset
            axis.scatter(*points.T, s=2)
            axis.set(title=f"{variant} on {name}", aspect="equal", xlim=(-5, 5), ylim=(-5, 5))
    figure.tight_layout()
    figure.savefig(path, dpi=80)


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", multiple=True, default=("ring8", "grid25"))
@click.option("--seeds", default=5)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/mode-collapse"))
@click.option("--picture", "picture_path", type=click.Path(path_type=Path), help="Draw the samples of seed 0.")
def main(variants: tuple[str, ...], data: tuple[str, ...], seeds: int, out: Path, picture_path: Path | None) -> None:
    """Train VARIANTS on mixtures and count the modes that they cover."""
    table = Table("data", "variant", "figure", *map(str, STEPS))
    shown = {}
    for name in data:
        for variant in variants:
            runs = runs_of(variant, name, seeds, out)
            shown[variant, name] = runs[0]
            table.add_row(name, variant, "modes covered", *row(runs, "modes_covered", "{:.1f}"))
            table.add_row("", "", "good samples", *row(runs, "good_share", "{:.0%}"))
    Console(width=160).print(table)
    if picture_path is not None:
        picture(shown, variants, data, picture_path)


if __name__ == "__main__":
    main()
