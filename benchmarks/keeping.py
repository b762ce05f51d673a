"""Does a translator without pairs keep what a picture is of? Emoji of one maker's style as another maker's.

    OMP_NUM_THREADS=1 python -m benchmarks.keeping FOLDER [--variant cyclegan]... [--seeds 0,1,2] [--steps 1500]

FOLDER holds `google` and `twitter`, each with the same files in a folder for each category. Every fifth file is held
out of everything. The variant is trained on the others with the styles for classes: it sees no category, and not which
pictures belong together. Then the held-out pictures of google's are translated, and a classifier of the categories that
knows real pictures of twitter's alone reads them. Beside it stand what it reads in twitter's own held-out pictures, in
google's as they are, and the share of the largest category. FID is against twitter's held-out pictures, in the features
of that classifier; as the floor, as many of the pictures of twitter's that were trained on. A line is written for each
seed, and what is in the file is not trained again.
"""

from __future__ import annotations

import dataclasses
import json
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
from ganzoo_tools.evaluation.extractors import of_classifier
from ganzoo_tools.evaluation.reference import Reference

STYLES = ("google", "twitter")


def rows(data: Dataset, chosen: Tensor) -> Dataset:
    """The rows of a data set for which `chosen` (N,) is true, in memory."""
    assert data.labels is not None
    return dataclasses.replace(data, samples=data.samples[chosen].clone(), labels=data.labels[chosen], guard=None)


def in_style_order(trained: list[Dataset]) -> Dataset:
    """Both styles' pictures as two classes."""
    spec = DataSpec("styles", trained[0].spec.shape, STYLES)
    labels = torch.cat([torch.full((len(data),), label) for label, data in enumerate(trained)])
    return Dataset(spec, torch.cat([data.samples for data in trained]), labels)


def one_run(
    variant: str,
    trained: list[Dataset],
    held_out: list[Dataset],
    reader: Classifier,
    seed: int,
    steps: int,
    texts: dict,
) -> dict:
    """Train, translate google's held-out pictures, and have the reader of twitter's read them."""
    google, twitter = (data.batch(torch.arange(len(data))) for data in held_out)
    started = time.process_time()
    training = train_steps(variant, in_style_order(trained), steps, seed=seed, **texts)
    spent_s = time.process_time() - started
    made = training.sample(len(google["real"]), inputs={"source": google["real"]}, labels=["twitter"]).values
    extractor = of_classifier(reader, trained[1].digest, torch.device("cpu"))
    reference = Reference(held_out[1], None, len(held_out[1]), extractor)
    known = trained[1].batch(torch.randperm(len(trained[1]), generator=torch.Generator().manual_seed(0))[: len(made)])
    found = {"variant": variant, "seed": seed, "steps": steps, "cpu_s": spent_s}
    for name, values in (("translated", made), ("real", twitter["real"]), ("as they are", google["real"])):
        read = in_pieces(reader, values).argmax(1)
        found[f"read: {name}"] = float((read == google["labels"]).float().mean())
    for name, values in (("translated", made), ("floor", known["real"]), ("as they are", google["real"])):
        found[f"FID: {name}"] = reference.quality(reference.extractor(values))[0]["fid"]
    found["read: largest category"] = float(google["labels"].bincount().max() / len(google["labels"]))
    some = torch.arange(0, len(made), len(made) // 16)[:16]
    return found | {"shown": torch.cat([google["real"][some], made[some], twitter["real"][some]])}


@click.command(help=__doc__)
@click.argument("folder")
@click.option("--variant", "variants", multiple=True, default=("cyclegan",), show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--steps", default=1500, show_default=True)
@click.option("--side", default=32, show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("keeping.jsonl"), show_default=True)
def main(
    folder: str, variants: tuple[str, ...], seeds: str, steps: int, side: int, assignments: tuple[str, ...], out: Path
) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    settings = {key: json.loads(value) for key, value in (item.split("=", 1) for item in assignments)}
    styles = [
        named_source(f"folder:{folder}/{style}", {"image_size": str(side)}).load(data_folder(None)) for style in STYLES
    ]
    assert torch.equal(styles[0].labels, styles[1].labels), "both styles must have the same files"
    held = torch.arange(len(styles[0])) % 5 == 0
    trained, held_out = ([rows(data, chosen) for data in styles] for chosen in (~held, held))
    lines = read(out)
    common = {"steps": steps, "side": side, "settings": settings}
    for seed in map(int, seeds.split(",")):
        reader = None
        for variant in variants:
            key = {"variant": variant, "seed": seed} | common
            if any(all(line.get(k) == v for k, v in key.items()) for line in lines):
                continue
            reader = reader or train_classifier(trained[1], seed=seed)
            found = one_run(variant, trained, held_out, reader, seed, steps, settings)
            picture(found.pop("shown"), styles[0].spec, columns=16).save(out.with_suffix(f".{variant}-{seed}.png"))
            lines.append(found | key)
            add(out, lines[-1])
    for variant in variants:
        key = {"variant": variant} | common
        print_table([line for line in lines if all(line.get(k) == v for k, v in key.items())])


def print_table(lines: list[dict]) -> None:
    """Mean over seeds, least and most."""
    table = Table(lines[0]["variant"], "seeds", "mean", "least", "most")
    for name in (name for name in lines[0] if name.startswith(("read", "FID", "cpu"))):
        values = [line[name] for line in lines]
        table.add_row(name, str(len(values)), *(f"{f(values):.3f}" for f in (statistics.mean, min, max)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
