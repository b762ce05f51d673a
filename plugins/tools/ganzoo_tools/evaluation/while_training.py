"""What a run is judged by as it trains: few samples, held against the features of the data it trains on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.variant import Variant
from ganzoo_tools.evaluation.classifier import Classifier, in_pieces
from ganzoo_tools.evaluation.distances import fid, kid
from ganzoo_tools.evaluation.extractors import Extractor
from ganzoo_tools.evaluation.few import LEAST
from ganzoo_tools.evaluation.given import given_rows
from ganzoo_tools.evaluation.keeping import cached_features
from ganzoo_tools.evaluation.reference import chosen_extractor, shuffled

SAMPLES = 1000
REALS = 10_000
_MOST_NUMBERS = 2**25  # in the samples: 128 MB
_LEAST_OF_LARGE = 64


def prepared(
    name: str, variant: Variant, data: Dataset, data_dir: Path, device: torch.device
) -> Callable[[TrainedGenerator], float]:
    """What gives the metric of a generator. Raises `SettingError` or `DataError` where there can be none."""
    _check(name, variant, data)
    extractor, classifier = chosen_extractor(data, data_dir, device)
    rows = shuffled(len(data))[:REALS]
    large = max(_LEAST_OF_LARGE, _MOST_NUMBERS // math.prod(data.spec.shape))
    judge = _Judge(name, variant, data, rows, min(SAMPLES, len(rows), large), extractor, classifier, device, data_dir)
    judge.warm_up()
    return judge


def _check(name: str, variant: Variant, data: Dataset) -> None:
    spec = data.spec
    if not spec.has_pixels:
        raise SettingError(
            f"the metric {name} looks at images or voxels, but {spec.name} holds {spec.kind}; leave the metric out"
        )
    if name == "accuracy" and not variant.conditional:
        raise SettingError(
            f"the metric accuracy is the share of samples that look like the class asked for, but {variant.name} is "
            f"asked for none; take fid or kid"
        )
    if len(data) < LEAST:
        raise DataError(f"the metric {name} needs at least {LEAST} real samples, but {spec.name} holds {len(data)}")


@dataclass(frozen=True)
class _Judge:
    """Gives the metric `name` of a generator by `n` of its samples, of the same latents each time.

    `rows` (N,): the real samples that they are held against. Of the first n come the labels and inputs that it gets.
    """

    name: str
    variant: Variant
    data: Dataset
    rows: Tensor
    n: int
    extractor: Extractor
    classifier: Classifier | None
    device: torch.device
    data_dir: Path

    def __call__(self, generator: TrainedGenerator) -> float:
        columns = self._columns(generator)
        asked = columns.pop("labels") if self.variant.conditional else None
        values = generate(generator.module, self.n, asked, 0, generator.device, columns=columns)
        if not bool(torch.isfinite(values).all()):
            return math.nan
        return self._of(values, asked)

    def warm_up(self) -> None:
        """Have ready what the first reading takes: it tells how long one lasts."""
        self._of(self.data.batch(self.rows[: self.n])["real"], self._labels)

    def _of(self, values: Tensor, asked: Tensor | None) -> float:
        if self.name == "accuracy":
            assert self.classifier is not None and asked is not None  # a conditional variant has labelled data
            read = partial(in_pieces, self.classifier, device=self.device)
            return float((read(values).argmax(dim=1).cpu() == asked).float().mean())
        made = self._fitted.scaled(in_pieces(self._fitted.network, values, device=self.device))
        if self.name == "kid":
            return kid(self._features[: len(made)], made)
        return fid(self._features, made)

    @cached_property
    def _raw(self) -> Tensor:
        return cached_features(self.data, self.rows, self.extractor, self.data_dir)

    @cached_property
    def _fitted(self) -> Extractor:
        return self.extractor.fitted(self._raw)

    @cached_property
    def _features(self) -> Tensor:
        """The features (N, D) of the real samples."""
        return self._fitted.scaled(self._raw)

    @property
    def _labels(self) -> Tensor | None:
        return None if self.data.labels is None else self.data.labels[self.rows[: self.n]]

    @cached_property
    def _given(self) -> dict[str, Tensor]:
        """What a generator that takes inputs gets, and the labels."""
        names = {"labels", *(one.name for one in self.variant.inputs(self.data.spec))}
        return given_rows(self.variant, self.data, self.rows[: self.n], names)

    def _columns(self, generator: TrainedGenerator) -> dict[str, Tensor]:
        if generator.inputs:
            return dict(self._given)
        return {} if self._labels is None else {"labels": self._labels}
