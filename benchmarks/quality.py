"""Quality against steps, over seeds: train each variant in stages and judge its samples after each.

    OMP_NUM_THREADS=1 python -m benchmarks.quality cgan acgan --data mnist --steps 2000,4000 --seeds 0,1,2

Runs are kept under `--out` and gone on with, so a second call with more steps or seeds does only what is missing. The
time is processor time of training, which other work on the machine changes little: on one thread, seconds of one core.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table

import ganzoo_core as ganzoo
from benchmarks.lines import figure, read
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_tools.evaluation.classifier import Classifier, in_pieces, train_classifier
from ganzoo_tools.evaluation.prdc import coverage

Row = dict[str, Any]


def judge(run: ganzoo.Run, real: Dataset, classifier: Classifier, n: int) -> Row:
    """What a classifier of the real data says of n samples, and how much of the real data they cover."""
    assert real.labels is not None
    samples = run.sample(n, seed=1)
    read = in_pieces(classifier, samples.values).argmax(dim=1)
    some = real.batch(torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:n])
    classes = range(real.spec.num_classes)
    reals = [spread(some["real"][some["labels"] == k]) for k in classes]
    fakes = [spread(samples.values[read == k]) for k in classes]
    row: Row = {
        "smallest_class": min(float((read == k).float().mean()) for k in classes),
        "least_variety": min(fake / real for fake, real in zip(fakes, reals, strict=True)),
        "coverage": coverage(
            in_pieces(classifier.features, some["real"]), in_pieces(classifier.features, samples.values)
        ),
    }
    if samples.labels is not None:
        row["read_as_asked"] = float((read == samples.labels).float().mean())
        row["worst_class"] = min(float((read[samples.labels == k] == k).float().mean()) for k in classes)
    return row


def spread(images: torch.Tensor) -> float:
    """The mean over pixels of the standard deviation over images (N, C, H, W): 0 if all are one picture."""
    return float(images.std(dim=0).mean()) if len(images) > 1 else 0.0


def stages(
    folder: Path, variant: str, steps: list[int], seed: int, settings: dict[str, str], data_dir: Path | None
) -> Any:
    """Yield (run, processor seconds of training so far) after each number of steps that has no row yet."""
    done = [row["step"] for row in rows_of(folder)]
    spent_s = max([row["train_cpu_s"] for row in rows_of(folder)], default=0.0)
    for step in steps:
        if step in done:
            continue
        start_s = time.process_time()
        if (folder / "run.json").exists():
            run = ganzoo.train(resume=folder, steps=step, data_dir=data_dir)
        else:
            texts = {**settings, "seed": str(seed), "steps": str(step)}
            run = ganzoo.train(variant, texts=texts, out=folder, data_dir=data_dir)
        spent_s += time.process_time() - start_s
        yield run, spent_s


def rows_of(folder: Path) -> list[Row]:
    """What was measured of a run in earlier calls."""
    path = folder / "quality.jsonl"
    return read(path)


def summary(rows: list[Row]) -> Table:
    """A line per variant, settings and step: mean over seeds, least and most."""
    columns = ["train_cpu_s", "read_as_asked", "worst_class", "smallest_class", "least_variety", "coverage"]
    table = Table("variant", "step", "seeds", *columns)
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["name"], row["step"]), []).append(row)
    for (name, step), group in groups.items():
        cells = []
        for column in columns:
            values = [row[column] for row in group if column in row]
            cells.append(figure(values, ".0f" if column == "train_cpu_s" else ".3f"))
        table.add_row(name, str(step), str(len(group)), *cells)
    return table


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--steps", default="", help="Numbers of steps, with commas; none: the variant's own.")
@click.option("--seeds", default="0,1,2")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/quality"))
@click.option("-n", default=5000, help="Samples per judgement.")
def main(
    variants: tuple[str, ...], data: str, data_dir: Path | None, steps: str, seeds: str, assignments: tuple[str, ...],
    out: Path, n: int,
) -> None:  # fmt: skip
    """Train VARIANTS in stages and judge them."""
    source, path = find_source(data)
    real = source(path=path).load(data_folder(data_dir))
    classifier = train_classifier(real)
    settings = {"data": data, **dict(item.split("=", 1) for item in assignments)}
    rows = []
    for variant in variants:
        wanted = [int(step) for step in steps.split(",") if step] or [registry().variant(variant)[0].Config.steps]
        name = " ".join([variant, *assignments])
        for seed in map(int, seeds.split(",")):
            folder = out / "-".join([variant, data.replace(":", "-").replace("/", "-"), *assignments, str(seed)])
            for run, spent_s in stages(folder, variant, wanted, seed, settings, data_dir):
                row = {"name": name, "seed": seed, "step": run.generator().step, "train_cpu_s": spent_s}
                row |= judge(run, real, classifier, n)
                print(json.dumps(row), flush=True)
                with open(folder / "quality.jsonl", "a") as file:
                    file.write(json.dumps(row) + "\n")
            rows += [row for row in rows_of(folder) if row["step"] in wanted]
    Console(width=200).print(summary(rows))


if __name__ == "__main__":
    main()
