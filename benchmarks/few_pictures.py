"""What augmentation is worth where pictures are few: a variant on 1,000 of them, against those that it never saw.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.few_pictures FOLDER [--variant projection] [--steps 8000]

FOLDER holds images in a folder for each class. The first 1,000, equally many of each class, are trained on. FID, KID
and coverage are of as many samples as there are other images, 5,000 at most, against these, in the features of a
classifier that was trained on the others. "By heart" is how surely the discriminator tells a picture that it was
trained on from one that it never saw, the area under the ROC curve of its logits: 0.5 where it can't, 1 where it knows
them all. A line is written for each run, and what is in the file is not trained again.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.lines import Line, add, figure, matching, read
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.interfaces import Discriminator
from ganzoo_core.runs.plan import resolve
from ganzoo_core.testing import train_steps
from ganzoo_core.variant import Variant
from ganzoo_tools.evaluation.classifier import train_classifier
from ganzoo_tools.evaluation.discriminator_check import judging, scores
from ganzoo_tools.evaluation.extractors import Extractor, of_classifier
from ganzoo_tools.evaluation.reference import Reference

MODES = "none,diffaugment,ada"
METRICS = ("fid", "kid", "coverage")
BY_HEART = "by heart"


def rows_of(data: Dataset, chosen: Tensor) -> Dataset:
    """The rows of a data set, in memory."""
    assert data.labels is not None
    return dataclasses.replace(data, samples=data.samples[chosen].clone(), labels=data.labels[chosen], guard=None)


def parted(data: Dataset, few: int) -> tuple[Dataset, Dataset]:
    """The first `few`, equally many of each class, and all others."""
    assert data.labels is not None
    each = few // data.spec.num_classes
    taken = torch.cat([(data.labels == label).nonzero().flatten()[:each] for label in range(data.spec.num_classes)])
    others = torch.ones(len(data), dtype=torch.bool)
    others[taken] = False
    return rows_of(data, taken), rows_of(data, others.nonzero().flatten())


class Judge:
    """Metrics of samples against the images that no generator saw."""

    def __init__(self, others: Dataset, few: Dataset) -> None:
        device = torch.device("cpu")
        self.n = min(5000, len(others) // 2)
        self.extractor: Extractor = of_classifier(train_classifier(others), others.digest, device)
        self.reference = Reference(others, None, self.n, self.extractor)
        seen = few.batch(torch.arange(len(few)))["real"]
        self.of_the_few = self.reference.quality(self.reference.extractor(seen))[0]

    def __call__(self, values: Tensor) -> dict[str, float]:
        return self.reference.quality(self.reference.extractor(values))[0]


def by_heart(discriminator: Discriminator, few: Dataset, others: Dataset, size: int) -> float:
    """The probability that a picture trained on has a higher logit than one that was not, in batches of `size`."""
    tried = judging(copy.deepcopy(discriminator))  # a copy, as BatchNorm counts what it sees
    n = min(len(few), len(others))
    order, found = torch.randperm(n, generator=torch.Generator().manual_seed(0)), []
    for data in (few, others):
        batch = data.batch(order * (len(data) // n))  # from all over it
        logits = scores(tried, size, torch.device("cpu"), batch.pop("real"), batch.pop("labels"), batch)
        found.append(logits.reshape(len(logits), -1).mean(1))
    return float(roc_auc_score([1] * len(found[0]) + [0] * len(found[1]), torch.cat(found)))


def one_run(few: Dataset, others: Dataset, judge: Judge, variant: Variant, seed: int, steps: int, times: int) -> Line:
    """Train once, judge so many times, at equal intervals."""
    training = train_steps(variant, few, 0, seed=seed)
    started, found = time.process_time(), {}
    for _ in range(times):
        training.train(steps // times)
        quality = judge(training.sample(judge.n, seed=seed).values)
        known = by_heart(training.networks.discriminator, few, others, variant.config.batch_size)
        found[str(training.step)] = {name: quality[name] for name in METRICS} | {BY_HEART: known}
    last = {k: v for k, v in training.records[-1].items() if k in ("d_real", "d_fake", "augment_p")}
    return {"scores": found, "last": last, "cpu_s": time.process_time() - started}


@click.command(help=__doc__)
@click.argument("folder")
@click.option("--variant", "name", default="projection", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Of the variant.")
@click.option("--few", default=1000, show_default=True)
@click.option("--steps", default=8000, show_default=True)
@click.option("--times", default=4, show_default=True, help="How often a run is judged.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--modes", default=MODES, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("few_pictures.jsonl"), show_default=True)
def main(
    folder: str, name: str, assignments: tuple[str, ...], few: int, steps: int, times: int, seeds: str, modes: str,
    out: Path,
) -> None:  # fmt: skip
    """Train what is not in `out` yet, and print a table of all."""
    texts = dict(item.split("=", 1) for item in assignments)
    plans = {
        mode: resolve(name, {"data": f"folder:{folder}", "image_size": 32, "augment": mode}, texts)
        for mode in modes.split(",")
    }
    some, others = parted(next(iter(plans.values())).source.load(data_folder(None)), few)
    about = {"variant": name, "set": texts, "few": few, "steps": steps, "times": times}
    judge = Judge(others, some)
    print(
        "the pictures trained on, themselves:", {name: round(judge.of_the_few[name], 3) for name in METRICS}, flush=True
    )
    for seed in map(int, seeds.split(",")):
        for mode, plan in plans.items():
            key = about | {"mode": mode, "seed": seed}
            if not matching(read(out), key):
                add(out, key | one_run(some, others, judge, plan.variant, seed, steps, times))
    columns = (*METRICS, BY_HEART)
    table = Table("augment", "step", *columns, "CPU s")
    for mode in plans:
        lines = matching(read(out), about | {"mode": mode})
        for step in lines[0]["scores"] if lines else ():
            cells = [figure([line["scores"][step][which] for line in lines]) for which in columns]
            table.add_row(mode, step, *cells, figure([line["cpu_s"] for line in lines], ".0f"))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
