"""How many samples of a conditional run are read as the class asked for, by a classifier trained on the real data.

    python -m benchmarks.read_as_asked runs/cgan-digits-1 runs/cgan-digits-2 ... [--data-dir DIR] [-n 5000]

The classifier knows nothing of the runs: it is trained on their data set's real samples, once per call.
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

import ganzoo_core as ganzoo
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.metrics.classifier import Classifier, in_pieces, train_classifier
from ganzoo_core.metrics.coverage import coverage
from ganzoo_core.registry import find_source


def spread(images: torch.Tensor) -> float:
    """The mean over pixels of the standard deviation over images (N, C, H, W): 0 if all are one picture."""
    return float(images.std(dim=0).mean())


def judge(run: ganzoo.Run, real: Dataset, classifier: Classifier, n: int) -> None:
    """Print one run's figures."""
    assert real.labels is not None
    samples = run.sample(n, seed=1)
    read = in_pieces(classifier, samples.values).argmax(dim=1)
    wanted = samples.labels if samples.labels is not None else read
    classes = range(real.spec.num_classes)
    right = [float((read[wanted == k] == k).float().mean()) for k in classes]
    shares = [float((read == k).float().mean()) for k in classes]
    fakes = [spread(samples.values[read == k]) if int((read == k).sum()) > 1 else 0.0 for k in classes]
    some = real.batch(torch.randperm(len(real), generator=torch.Generator().manual_seed(0))[:n])
    reals = [spread(some["real"][some["labels"] == k]) for k in classes]
    covered = coverage(in_pieces(classifier.features, some["real"]), in_pieces(classifier.features, samples.values))
    settings = run.info["settings"]
    print(f"{run.folder} seed {settings['seed']} step {run.generator().step}")
    if samples.labels is not None:
        print(f"  read as asked {float((read == wanted).float().mean()):.1%}, worst class {min(right):.1%}")
        print("  by class      " + " ".join(f"{share:.0%}" for share in right))
    print(f"  class shares  {min(shares):.1%} to {max(shares):.1%}")
    print("  variety       " + " ".join(f"{f / r:.2f}" for f, r in zip(fakes, reals, strict=True)) + " of the real")
    print(f"  coverage      {covered:.3f} (k = 5, {n} samples against {len(some['real'])} real)")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("-n", default=5000, help="Samples per run.")
def main(runs: tuple[Path, ...], data_dir: Path | None, n: int) -> None:
    """Judge RUNS that share one data set."""
    source, path = find_source(ganzoo.Run(runs[0]).info["settings"]["data"])
    real = source(path=path).load(data_folder(data_dir))
    classifier = train_classifier(real)
    batch = real.batch(torch.arange(min(len(real), n)))
    own = float((in_pieces(classifier, batch["real"]).argmax(dim=1) == batch["labels"]).float().mean())
    print(f"the classifier reads {own:.1%} of {real.spec.name}'s own {len(batch['labels'])} samples")
    for folder in runs:
        judge(ganzoo.Run(folder), real, classifier, n)


if __name__ == "__main__":
    main()
