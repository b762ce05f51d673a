"""The real data of an evaluation: what samples are compared with, and how real data itself scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError
from ganzoo_core.seeds import derive_seed
from ganzoo_core.variant import DataSource
from ganzoo_tools.evaluation import extractors
from ganzoo_tools.evaluation.class_report import classes_present, confusion_matrix, read_as_asked
from ganzoo_tools.evaluation.classifier import Classifier, in_pieces
from ganzoo_tools.evaluation.distances import fid, kid
from ganzoo_tools.evaluation.extractors import Extractor
from ganzoo_tools.evaluation.keeping import cached_classifier
from ganzoo_tools.evaluation.prdc import nearest, nearest_distances, prdc

LEAST = 100  # with fewer samples the figures are noise
NEIGHBOURS_OF = 2000  # so many samples look for their nearest real ones

Reader = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class SampleSet:
    """Some real samples: `values` (N, *shape) in [-1, 1], their features (N, D) and their labels (N,)."""

    values: Tensor
    features: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        return len(self.values)

    def part(self, rows: Tensor | slice) -> SampleSet:
        """Those rows."""
        return SampleSet(self.values[rows], self.features[rows], None if self.labels is None else self.labels[rows])


class Reference:
    """The real data that samples are evaluated on. Made once, it serves every generator of that data set.

    `all`: all training samples; `subset`: at most n of them, which FID and the like compare with; `held_out`: at
    most n outside the training data, if there are any, else `no_held_out` says why not. Raises `DataError` for too few
    samples.
    """

    def __init__(
        self,
        train: Dataset,
        held_out: Dataset | None,
        n: int,
        extractor: Extractor,
        classifier: Classifier | None = None,
        no_held_out: str = "",
    ) -> None:
        if min(len(train), n) < LEAST:
            raise DataError(
                f"evaluate needs at least {LEAST} samples of each kind, but {train.spec.name} holds {len(train)} and "
                f"n is {n}"
            )
        self.spec, self.exact_metrics, self.digest, self.size = (
            train.spec,
            train.exact_metrics,
            train.digest,
            len(train),
        )
        rows = _shuffled(len(train))
        whole = train.batch(rows[:n] if extractor.slow else rows)  # the first n are the chosen ones
        features = extractor(whole["real"])
        self.extractor = extractor.fitted(features)
        self.all = SampleSet(whole["real"], self.extractor.scaled(features), whole.get("labels"))
        self.subset = self.all.part(slice(n))
        self.held_out: SampleSet | None = None
        if held_out is not None:
            some = held_out.batch(_shuffled(len(held_out))[:n])
            self.held_out = SampleSet(some["real"], self.extractor(some["real"]), some.get("labels"))
        self.no_held_out = no_held_out
        self._classifier = classifier

    @property
    def labelled(self) -> bool:
        """Whether classes can be predicted."""
        return self.subset.labels is not None

    @property
    def reader(self) -> str | None:
        """Who reads the classes of samples."""
        if not self.labelled:
            return None
        return "nearest real sample" if self._classifier is None else "classifier"

    def read(self, values: Tensor) -> Tensor:
        """The class (N,) int64 that each of the samples (N, *shape) looks like."""
        if self._classifier is not None:
            read = partial(in_pieces, self._classifier, device=self.extractor.device)
            return read(values).argmax(dim=1).cpu()
        assert self.subset.labels is not None
        return self.subset.labels[nearest(self.extractor(values), self.subset.features)[1].cpu()]

    @cached_property
    def floor_is(self) -> str:
        """What `floor` compares with what."""
        if self.held_out is None:
            return f"two halves of the {len(self.subset):,} real samples, one held against the other"
        return f"{len(self.held_out):,} held-out real samples in the place of generated ones"

    @cached_property
    def floor(self) -> dict[str, float]:
        """What real samples score: no generator can be expected to do better."""
        if self.held_out is None:
            half = len(self.subset) // 2
            found = quality(self.subset.features[:half], self.subset.features[half : 2 * half])
            found["nearest_train"] = float(nearest_distances(self.all.features, 1).median())
            side = self.subset
        else:
            side = self.held_out
            found = quality(self.subset.features, side.features)
            distance, _ = nearest(side.features[:NEIGHBOURS_OF], self.all.features)
            found["nearest_train"] = float(distance.median())
            found["nearest_is_train"] = len(self.all) / (len(self.all) + len(side))
        if self.exact_metrics is not None:
            found |= self.natural(side.values)
        if side.labels is not None:
            matrix = confusion_matrix(side.labels, self.read(side.values), self.spec.num_classes)
            counts = side.labels.bincount(minlength=self.spec.num_classes)
            found |= read_as_asked(matrix) | classes_present(counts, counts)
        return found

    def natural(self, values: Tensor) -> dict[str, float]:
        """The data set's exact metrics of samples, if its distribution is known; else empty."""
        return {} if self.exact_metrics is None else self.exact_metrics(values * self.spec.scale + self.spec.offset)

    def copying(self, features: Tensor) -> dict[str, float]:
        """How near samples are to the training data, and the share nearer to it than to held-out data."""
        to_train, _ = nearest(features, self.all.features)
        found = {"nearest_train": float(to_train.median())}
        if self.held_out is not None:
            to_held_out, _ = nearest(features, self.held_out.features)
            found["nearest_is_train"] = float((to_train < to_held_out).float().mean())
        return found


def quality(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Quality metrics of features (N, D) of real and (M, D) of generated samples."""
    return {"fid": fid(real, fake), "kid": kid(real, fake)} | prdc(real, fake)


def load_reals(
    source: DataSource,
    data_dir: Path,
    n: int,
    features: str | None = None,
    device: torch.device | None = None,
) -> Reference:
    """The reference of a data source. Raises `DataError` if the data is unavailable or unsuitable."""
    device = device or torch.device("cpu")
    train = source.load(data_dir)
    held_out: Dataset | None = None
    reason = ""
    try:
        held_out = source.load(data_dir, "test")
    except DataError as error:
        reason = str(error)
    labelled = train.labels is not None and train.spec.num_classes > 0
    pixels = train.spec.has_pixels
    classifier = cached_classifier(train, data_dir).to(device) if labelled and pixels else None
    if features == "inception":
        extractor = extractors.of_inception(train.spec, device)
    elif classifier is not None:
        extractor = extractors.of_classifier(classifier, train.digest, device)
    else:
        extractor = extractors.of_random_network(train.spec, device) if pixels else extractors.of_values(device)
    return Reference(train, held_out, n, extractor, classifier, reason)


def _shuffled(size: int) -> Tensor:
    rng = torch.Generator().manual_seed(derive_seed(0, "evaluate"))
    return torch.randperm(size, generator=rng, device="cpu")
