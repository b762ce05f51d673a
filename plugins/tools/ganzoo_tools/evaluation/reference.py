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
from ganzoo_tools.evaluation.extractors import Extractor
from ganzoo_tools.evaluation.few import DRAWS, FEW, LEAST, drawn_quality, quality
from ganzoo_tools.evaluation.keeping import cached_classifier, cached_features
from ganzoo_tools.evaluation.prdc import nearest, nearest_distances
from ganzoo_tools.evaluation.solids import loose_voxels

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
    most n outside the training data, if there are any, else `no_held_out` says why not; `rows`: the data sets and
    rows (N,) of `subset` and `held_out`; `data_dir`: where a slow extractor's features are kept. Raises `DataError` for
    too few samples.
    """

    def __init__(
        self,
        train: Dataset,
        held_out: Dataset | None,
        n: int,
        extractor: Extractor,
        classifier: Classifier | None = None,
        no_held_out: str = "",
        data_dir: Path | None = None,
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
        rows = shuffled(len(train))
        rows_taken = rows[:n] if extractor.slow else rows  # the first n are the chosen ones
        whole = train.batch(rows_taken)

        def features_of(data: Dataset, chosen: Tensor, values: Tensor) -> Tensor:
            if not extractor.slow or data_dir is None:
                return extractor(values)
            return cached_features(data, chosen, extractor, data_dir)

        features = features_of(train, rows_taken, whole["real"])
        self.extractor = extractor.fitted(features)
        self.all = SampleSet(whole["real"], self.extractor.scaled(features), whole.get("labels"))
        self.subset = self.all.part(slice(n))
        self.held_out: SampleSet | None = None
        self.rows = {"subset": (train, rows[:n])}
        if held_out is not None:
            self.rows["held_out"] = held_out, shuffled(len(held_out))[:n]
            some = held_out.batch(self.rows["held_out"][1])
            found = features_of(held_out, self.rows["held_out"][1], some["real"])
            self.held_out = SampleSet(some["real"], self.extractor.scaled(found), some.get("labels"))
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

    @property
    def draw(self) -> int | None:
        """How many real samples, and as many others, quality is measured on at a time; None: on all at once."""
        return len(self.subset) // 2 if len(self.subset) < FEW else None

    @property
    def given(self) -> tuple[Dataset, Tensor]:
        """The data set and the rows (N,) of which a generator makes its samples that takes inputs."""
        return self.rows["subset" if self._unseen is None else "held_out"]

    @property
    def _unseen(self) -> SampleSet | None:
        """The held-out samples, where they are enough to stand in the place of generated ones."""
        least = self.draw or LEAST
        return self.held_out if self.held_out is not None and len(self.held_out) >= least else None

    @cached_property
    def floor_is(self) -> str:
        """What `floor` compares with what."""
        if self._unseen is not None:
            drawn = f"{self.draw} at a time of " if self.draw else ""
            return f"{drawn}{len(self._unseen):,} held-out real samples in the place of generated ones"
        few = "" if self.held_out is None else f", as {len(self.held_out)} held-out ones are too few"
        if self.draw:
            return f"{DRAWS} draws of two halves of the {len(self.subset)} real samples, held against each other{few}"
        return f"two halves of the {len(self.subset):,} real samples, one held against the other{few}"

    def quality(self, features: Tensor) -> tuple[dict[str, float], dict[str, float]]:
        """Quality metrics of the features (M, D) of samples, and of few samples the standard errors."""
        if self.draw:
            return drawn_quality(self.subset.features, features, self.draw)
        return quality(self.subset.features, features), {}

    @cached_property
    def floor(self) -> dict[str, float]:
        """What real samples score: no generator can be expected to do better."""
        side = self._unseen or self.subset
        if self._unseen is not None:
            found, _ = self.quality(side.features)
            distance, _ = nearest(side.features[:NEIGHBOURS_OF], self.all.features)
            found["nearest_train"] = float(distance.median())
        else:
            half = len(self.subset) // 2
            if self.draw:
                found, _ = drawn_quality(self.subset.features, None, half)
            else:
                found = quality(self.subset.features[:half], self.subset.features[half : 2 * half])
            found["nearest_train"] = float(nearest_distances(self.all.features, 1).median())
        if self.held_out is not None:
            found["nearest_is_train"] = len(self.all) / (len(self.all) + len(self.held_out))
        found |= self.natural(side.values)
        if side.labels is not None:
            matrix = confusion_matrix(side.labels, self.read(side.values), self.spec.num_classes)
            counts = side.labels.bincount(minlength=self.spec.num_classes)
            found |= read_as_asked(matrix) | classes_present(counts, counts)
        return found

    def natural(self, values: Tensor) -> dict[str, float]:
        """The data set's exact metrics of samples, if its distribution is known; of voxels, how many hang loose."""
        found = {"loose_voxels": loose_voxels(values)} if self.spec.kind == "voxels" else {}
        if self.exact_metrics is not None:
            found |= self.exact_metrics(values * self.spec.scale + self.spec.offset)
        return found

    def copying(self, features: Tensor) -> dict[str, float]:
        """How near samples are to the training data, and the share nearer to it than to held-out data."""
        to_train, _ = nearest(features, self.all.features)
        found = {"nearest_train": float(to_train.median())}
        if self.held_out is not None:
            to_held_out, _ = nearest(features, self.held_out.features)
            found["nearest_is_train"] = float((to_train < to_held_out).float().mean())
        return found


def load_reals(
    source: DataSource,
    data_dir: Path,
    n: int,
    features: str | None = None,
    device: torch.device | None = None,
    classifiers: Path | None = None,
) -> Reference:
    """The reference of a data source. Raises `DataError` if the data is unavailable or unsuitable.

    `classifiers`: the folder that keeps the data's classifier, in place of the data folder.
    """
    device = device or torch.device("cpu")
    train = source.load(data_dir)
    held_out: Dataset | None = None
    reason = ""
    try:
        held_out = source.load(data_dir, "test")
    except DataError as error:
        reason = str(error)
    extractor, classifier = chosen_extractor(train, data_dir, device, classifiers)
    if features is not None:
        from ganzoo_tools.evaluation.inception import of_inception, weights_file

        extractor = of_inception(train.spec, device, weights_file(features))
    return Reference(train, held_out, n, extractor, classifier, reason, data_dir)


def chosen_extractor(
    train: Dataset, data_dir: Path, device: torch.device, classifiers: Path | None = None
) -> tuple[Extractor, Classifier | None]:
    """What measures distances between samples of that data, and what reads their classes, if they have any."""
    labelled = train.labels is not None and train.spec.num_classes > 0
    pixels = train.spec.has_pixels
    classifier = cached_classifier(train, data_dir, classifiers).to(device) if labelled and pixels else None
    if classifier is not None and len(train) >= FEW:  # of fewer it has learned each by heart, and tells any others
        return extractors.of_classifier(classifier, train.digest, device), classifier
    return extractors.of_random_network(train.spec, device) if pixels else extractors.of_values(device), classifier


def shuffled(size: int) -> Tensor:
    """The rows (size,) of a data set in the order that evaluations take them in."""
    rng = torch.Generator().manual_seed(derive_seed(0, "evaluate"))
    return torch.randperm(size, generator=rng, device="cpu")
