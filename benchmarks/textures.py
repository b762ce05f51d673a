"""Does a classifier that pixelda trained read digits on textures, whose labels it never saw?

    OMP_NUM_THREADS=1 python -m benchmarks.textures [--data NAME] [--seeds 0,1,2] [--set KEY=NUMBER]... [--out FILE]

The data's split "test" has digits on textures that are in no training. Beside the share that pixelda's classifier reads
of them stand those of the same classifier, trained for as many steps on as many pictures each with the same optimizer,
on the sources alone, and on the textured digits with their labels. Of adapted pictures it is asked too, of held-out
sources, what the last of these reads: an adapted picture that it reads looks like a target of its label. A line is
written for each seed, and what is in the file is not trained again. A picture shows held-out sources, what is made of
them with two noises, and targets.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import click
import torch
import torch.nn.functional as F
from ganzoo_pixelda import Pixelda
from ganzoo_pixelda.networks import Classifier
from PIL.Image import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.lines import add, read
from ganzoo_core import Dataset
from ganzoo_core.data import BatchOrder
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.registry import registry
from ganzoo_core.testing import train_steps

CPU = torch.device("cpu")


def share_read(classifier: nn.Module, pictures: Tensor, labels: Tensor) -> float:
    """Of how many pictures the classifier tells the label."""
    with torch.no_grad():
        found = torch.cat([classifier(some).argmax(1) for some in pictures.split(256)])
    return float((found == labels).float().mean())


def alone(variant: Pixelda, data: Dataset, seed: int, *, on_targets: bool) -> nn.Module:
    """Pixelda's classifier, trained as long without pixelda: on the sources, or on the targets with their labels."""
    torch.manual_seed(seed)
    config = variant.config
    classifier = Classifier(config, data.spec)
    optimizer = variant.optimizer("discriminator", classifier.parameters())
    order = BatchOrder(data, config.batch_size, seed, CPU)
    for step in range(config.steps):
        batch = data.batch(order.indices(step))
        given, labels = ("real", batch["labels"]) if on_targets else ("source", batch["source_labels"])
        optimizer.zero_grad()
        F.cross_entropy(classifier(batch[given]), labels).backward()
        optimizer.step()
    return classifier


def one_run(name: str, seed: int, settings: dict) -> tuple[dict, Image]:
    """What one training comes to, and the picture of it."""
    source = registry().dataset(name)[0]()
    data, test = source.load(data_folder(None)), source.load(data_folder(None), "test")
    held_out = test.batch(torch.arange(min(len(test), 2000)))
    given, labels = held_out["source"], held_out["source_labels"].argmax(1)

    started = time.process_time()
    training = train_steps("pixelda", data, 0, seed=seed, **settings)
    training.train(training.variant.config.steps)
    cpu_s = time.process_time() - started
    by_source, by_target = (alone(training.variant, data, seed, on_targets=answer) for answer in (False, True))
    adapted = [training.sample(len(given), inputs={"source": given}, seed=number).values for number in (0, 1)]
    readers = {"sources alone": by_source, "pixelda": training.networks.further["classifier"], "targets": by_target}
    found = {name: share_read(reader, held_out["real"], held_out["labels"]) for name, reader in readers.items()}
    found["adapted, read by targets"] = share_read(by_target, adapted[0], labels)
    found["other noise changes"] = float((adapted[0] - adapted[1]).abs().mean()) / 2
    shown = torch.cat([given.expand(-1, 3, -1, -1)[:16], adapted[0][:16], adapted[1][:16], held_out["real"][:16]])
    return {"seed": seed, "steps": training.step, "cpu_s": cpu_s} | found, picture(shown, data.spec, columns=16)


@click.command(help=__doc__)
@click.option("--data", default="textured-digits", show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=NUMBER")
@click.option("--out", type=click.Path(path_type=Path), default=Path("textures.jsonl"), show_default=True)
def main(data: str, seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    lines = read(out)
    asked = {"data": data, "set": list(assignments)}
    for seed in map(int, seeds.split(",")):
        if not any(line == line | asked | {"seed": seed} for line in lines):
            settings = {k: json.loads(v) for k, v in (item.split("=", 1) for item in assignments)}
            found, shown = one_run(data, seed, settings)
            shown.save(out.with_suffix(f".{seed}.png"))
            lines.append(found | asked)
            add(out, lines[-1])
    table = Table("figure", "seeds", "mean", "least", "most")
    chosen = [line for line in lines if line == line | asked]
    for name in (name for name in chosen[0] if name not in ("seed", "set", "steps", "data")):
        values = [line[name] for line in chosen]
        table.add_row(name, str(len(values)), *(f"{f(values):.3f}" for f in (statistics.mean, min, max)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
