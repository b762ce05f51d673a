"""What did the latent come to mean?

    OMP_NUM_THREADS=1 python -m benchmarks.latents VARIANT [--data digits] [--seeds 0,1,2] [--set KEY=VALUE]...

Every fourth sample of the data is held out, and these are judged.

infogan, clustergan: the category that is read off a picture is its cluster. Accuracy is the share of pictures whose
cluster is their class's, under the best matching of clusters to classes; NMI is the mutual information of clusters and
classes, 1 where they are the same. Beside them: k-means of the pixels, and of all that clustergan's encoder gives. The
picture has a row for each category: infogan's first continuous code goes from -1 to 1, clustergan's noise differs.

bigan, aae: the mean absolute error on [0, 1] of G(E(x)), beside those of as many principal components and of the mean
picture; and how many pictures have the class of their nearest neighbour among those trained on, by E(x) and by pixels.
The picture shows samples in its first two rows, then pictures, and below each row what became of it.

A line is written for each seed, and what is in the file is not trained again.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from benchmarks.lines import add, read
from ganzoo_core import Dataset, Samples
from ganzoo_core.datasets import data_folder
from ganzoo_core.runs.plan import find_source
from ganzoo_core.testing import Training, train_steps

Figures = dict[str, float]


def parts(data: Dataset) -> tuple[Dataset, Dataset]:
    """What is trained on, and each fourth sample, in memory."""
    held = torch.arange(len(data)) % 4 == 0
    return rows(data, ~held), rows(data, held)


def rows(data: Dataset, chosen: Tensor) -> Dataset:
    """The rows of a data set for which `chosen` (N,) is true."""
    assert data.labels is not None
    return dataclasses.replace(data, samples=data.samples[chosen].clone(), labels=data.labels[chosen], guard=None)


def real(data: Dataset) -> Tensor:
    """All samples (N, C, H, W) in [-1, 1]."""
    return data.batch(torch.arange(len(data)))["real"]


def agreement(clusters: Tensor, labels: Tensor) -> tuple[float, float]:
    """Accuracy under the best matching, and NMI, of two labellings (N,)."""
    size = int(max(clusters.max(), labels.max())) + 1
    counts = torch.bincount(clusters * size + labels, minlength=size * size).view(size, size).numpy()
    matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float(matched / len(labels)), float(normalized_mutual_info_score(labels, clusters))


def kmeans(known: Tensor, held_out: Tensor) -> Tensor:
    """The clusters (N,) of `held_out`, of ten that k-means finds in `known`."""
    fitted = KMeans(10, n_init=10, random_state=0).fit(known.flatten(1).numpy())
    return torch.from_numpy(fitted.predict(held_out.flatten(1).numpy())).long()


def codes(training: Training, held_out: Dataset) -> tuple[Figures, Tensor]:
    """How well categories are classes, and a row of samples for each category."""
    generator, discriminator, _ = (network.eval() for network in training.networks)
    x, known = real(held_out), real(training.dataset)
    clusters = {"k-means of pixels": kmeans(known, x)}
    z = generator.latent(100, torch.Generator().manual_seed(0))
    z[:, :10] = torch.eye(10).repeat_interleave(10, 0)
    if training.variant.name == "infogan":
        z = torch.cat([z[:, :11], z[:10, 11:].repeat_interleave(10, 0)], dim=1)
        z[:, 10] = torch.linspace(-1, 1, 10).repeat(10)
        clusters["category"] = discriminator.read(discriminator(x).features).category.argmax(1)
    else:
        clusters["category"] = generator.encode(x)[:, :10].argmax(1)
        clusters["k-means of encodings"] = kmeans(generator.encode(known), generator.encode(x))
    assert held_out.labels is not None
    found: Figures = {}
    for name, cluster in clusters.items():
        found[f"accuracy, {name}"], found[f"NMI, {name}"] = agreement(cluster, held_out.labels)
    return found, generator(z)


def encoder(training: Training, held_out: Dataset) -> tuple[Figures, Tensor]:
    """How near G(E(x)) comes to x, whether neighbours of encodings are of a class, and samples and rebuilt pictures."""
    generator = training.networks.generator.eval()
    x, known = real(held_out), real(training.dataset)
    pca = PCA(generator.latent_dim, random_state=0).fit(known.flatten(1).numpy())
    flat = pca.inverse_transform(pca.transform(x.flatten(1).numpy()))
    made = {
        "encoded": generator(generator.encode(x)),
        "principal components": torch.from_numpy(flat).view_as(x).clamp(-1, 1),
        "the mean picture": known.mean(0).expand_as(x),
    }
    found = {f"error, {name}": float((y - x).abs().mean() / 2) for name, y in made.items()}
    assert held_out.labels is not None and training.dataset.labels is not None
    for name, near, of in (("encoded", generator.encode(known), generator.encode(x)), ("pixels", known, x)):
        nearest = torch.cdist(of.flatten(1), near.flatten(1)).argmin(1)
        found[f"neighbour, {name}"] = float((training.dataset.labels[nearest] == held_out.labels).float().mean())
    samples = generator(generator.latent(20, torch.Generator().manual_seed(0)))
    return found, torch.cat([samples, x[:10], made["encoded"][:10], x[10:20], made["encoded"][10:20]])


JUDGES: dict[str, Callable[[Training, Dataset], tuple[Figures, Tensor]]] = {
    "infogan": codes, "clustergan": codes, "bigan": encoder, "aae": encoder,
}  # fmt: skip


def one_run(variant: str, data: str, seed: int, settings: dict[str, Any], shown: Path) -> Figures:
    """The figures of one training, and a picture of its samples."""
    source, path = find_source(data)
    trained, held_out = parts(source(path=path).load(data_folder(None)))
    started, steps = time.process_time(), settings.pop("steps", None)
    training = train_steps(variant, trained, 0, seed=seed, **settings)
    training.train(steps or training.variant.config.steps)
    found = {"steps": float(training.step), "cpu_s": time.process_time() - started}
    with torch.no_grad():
        figures, pictures = JUDGES[variant](training, held_out)
    Samples(pictures, trained.spec).picture(columns=10).save(shown)
    return found | figures


def value(text: str) -> Any:
    """A number where it is one."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


@click.command(help=__doc__)
@click.argument("variant", type=click.Choice(list(JUDGES)))
@click.option("--data", default="digits", show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE")
@click.option("--out", type=click.Path(path_type=Path), default=Path("latents.jsonl"), show_default=True)
def main(variant: str, data: str, seeds: str, assignments: tuple[str, ...], out: Path) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    key = {"variant": variant, "data": data, "set": list(assignments)}
    lines = read(out)
    lines = [line for line in lines if key.items() <= line.items()]
    for seed in map(int, seeds.split(",")):
        if not any(line["seed"] == seed for line in lines):
            settings = {name: value(text) for name, text in (item.split("=", 1) for item in assignments)}
            found = one_run(variant, data, seed, settings, out.with_name(f"{variant}-{data}-{seed}.png"))
            lines.append(key | {"seed": seed, "figures": found})
            add(out, lines[-1])
    table = Table("figure", "seeds", "mean", "least", "most", title=f"{variant} on {data} {' '.join(assignments)}")
    for name in lines[0]["figures"]:
        values = [line["figures"][name] for line in lines]
        table.add_row(name, str(len(values)), *(f"{f(values):.3f}" for f in (statistics.mean, min, max)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
