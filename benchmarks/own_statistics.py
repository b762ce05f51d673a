"""What BatchNorm statistics of its own are worth to an averaged generator: FID with them, and with those of training.

    OMP_NUM_THREADS=1 python -m benchmarks.own_statistics dcgan [--data digits] [--steps 1000] [--seeds 0,1,2]

Each run is trained twice, bit for bit the same; only what is written at its end differs.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from unittest import mock

import click

import ganzoo_core as ganzoo
from benchmarks.lines import figure
from ganzoo_core.training.statistics import OwnStatistics
from ganzoo_tools.evaluation.evaluation import evaluate


def fid(variant: str, data: str, steps: int, seed: int) -> float:
    """FID of a run's generator, three sampling seeds."""
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        out = Path(folder) / "run"
        ganzoo.train(variant, data=data, steps=steps, seed=seed, out=out, snapshots=(1,), progress=False)
        return evaluate(out).figures["fid"].mean


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="digits", show_default=True)
@click.option("--steps", default=1000, show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
def main(variants: tuple[str, ...], data: str, steps: int, seeds: str) -> None:
    """Print both figures of each variant and seed, then their means, the least and the most."""
    as_trained = mock.patch.object(OwnStatistics, "given", lambda self: contextlib.nullcontext())
    for variant in variants:
        found: dict[str, list[float]] = {"its own": [], "of training": []}
        for seed in map(int, seeds.split(",")):
            found["its own"].append(fid(variant, data, steps, seed))
            with as_trained:
                found["of training"].append(fid(variant, data, steps, seed))
            click.echo(
                f"{variant}, seed {seed}: " + ", ".join(f"{name} {all_[-1]:.4g}" for name, all_ in found.items())
            )
        for name, values in found.items():
            click.echo(f"{variant}, statistics {name}: FID {figure(values, '.4g')}")


if __name__ == "__main__":
    main()
