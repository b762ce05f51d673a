"""How far the metrics of few samples can be trusted: real images in the place of generated ones, set after set.

    OMP_NUM_THREADS=1 python -m benchmarks.few_samples [--data mnist] [--sizes 20,50,100,200,1000] [--sets 8]

Each set of N real images is measured against N others of all classes, as a perfect generator would give them, and
against N of half of the classes, as one would that lacks the rest. `error` is what `ganzoo evaluate` tells, `spread`
what the metrics really differ by from set to set. Features are those of the random network, which needs no training.
"""

from __future__ import annotations

import dataclasses
import statistics

import click
import torch
from rich.console import Console
from rich.table import Table

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.runs.plan import find_source
from ganzoo_tools.evaluation.extractors import of_random_network
from ganzoo_tools.evaluation.reference import Reference

METRICS = ("fid", "kid", "density", "coverage")
Figures = dict[str, float]


def one_set(data: Dataset, n: int, seed: int) -> dict[str, Figures]:
    """Metrics of N real images as the data: two halves of them, N others, N of half of the classes, and the error."""
    assert data.labels is not None
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    rest = rows[2 * n :]
    some = dataclasses.replace(data, samples=data.samples[rows[:n]], labels=data.labels[rows[:n]])
    reals = Reference(some, None, n, of_random_network(data.spec, torch.device("cpu")))
    others, half = rows[n : 2 * n], rest[data.labels[rest] < data.spec.num_classes // 2][:n]
    found, error = reals.quality(reals.extractor(data.batch(others)["real"]))
    lacking, _ = reals.quality(reals.extractor(data.batch(half)["real"]))
    return {"floor": reals.floor, "perfect": found, "half": lacking, "error": error}


@click.command(help=__doc__)
@click.option("--data", default="mnist", show_default=True)
@click.option("--sizes", default="20,50,100,200,1000", show_default=True)
@click.option("--sets", default=8, show_default=True)
def main(data: str, sizes: str, sets: int) -> None:
    """Print a row for each size and metric."""
    source, path = find_source(data)
    real = source(path=path).load(data_folder(None))
    table = Table("N", "metric", "real data", "all classes", "spread", "error", "half of the classes", "spread")
    for n in map(int, sizes.split(",")):
        found = [one_set(real, n, seed) for seed in range(sets)]
        for name in METRICS:
            mean = {side: statistics.fmean(each[side][name] for each in found) for side in ("floor", "perfect", "half")}
            spread = {side: statistics.stdev(each[side][name] for each in found) for side in ("perfect", "half")}
            error = statistics.fmean(each["error"].get(name, float("nan")) for each in found)
            cells = [mean["floor"], mean["perfect"], spread["perfect"], error, mean["half"], spread["half"]]
            table.add_row(str(n), name, *(f"{cell:.3g}" for cell in cells))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
