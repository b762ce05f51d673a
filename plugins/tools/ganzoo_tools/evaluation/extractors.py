"""What measures distances between samples: features, and where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.seeds import alone
from ganzoo_core.storage import tensor_files
from ganzoo_tools.evaluation.classifier import Classifier, channels_of, in_pieces
from ganzoo_tools.evaluation.keeping import CLASSIFIER_VERSION

VARIANCE = 100.0  # of the real data's features, all told


@dataclass(frozen=True)
class Extractor:
    """Features of samples. `digest` is of the weights; `resize` says how samples are resized, if they are.

    What the network gives is moved by `mean` (D,) and multiplied by `factor`. A `slow` one is used sparingly.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    digest: str
    device: torch.device
    resize: str | None = None
    mean: Tensor | None = None
    factor: float = 1.0
    slow: bool = False

    def __call__(self, values: Tensor) -> Tensor:
        """Features (N, D) float32 of samples (N, *shape) in [-1, 1], on the extractor's device."""
        return self.scaled(in_pieces(self.network, values, device=self.device))

    def scaled(self, features: Tensor) -> Tensor:
        """The network's features (N, D), moved and scaled as this extractor does."""
        return features if self.mean is None else (features - self.mean) * self.factor

    def fitted(self, features: Tensor) -> Extractor:
        """The extractor that gives these features (N, D), its own of real samples, mean 0 and a variance of VARIANCE.

        So distances mean the same whatever the network's scale, and a generator that gives one average sample has an
        FID of about VARIANCE.
        """
        if self.slow:
            return self  # the numbers of others are as they come from the network, and so are these
        total = float(features.var(dim=0).sum())
        if not total > 0:
            raise DataError("the real samples are all alike to the extractor, so that nothing can be judged by it")
        return replace(self, mean=features.mean(dim=0), factor=(VARIANCE / total) ** 0.5)


def of_classifier(model: Classifier, data_digest: str, device: torch.device) -> Extractor:
    """The last hidden layer, 128 units, of a classifier trained on the data set itself."""
    model.to(device)
    return Extractor(
        "classifier", model.features, digest_of(model, data=data_digest, recipe=CLASSIFIER_VERSION), device
    )


def of_random_network(spec: DataSpec, device: torch.device) -> Extractor:
    """The same network with random weights, always the same ones, for samples without labels.

    Random embeddings tell samples apart fairly where no trained network fits the data (arXiv:2002.09797, section 4).
    """
    with alone, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier(channels_of(spec), 1).eval()
    return Extractor("random", model.to(device).features, digest_of(model), device)


def of_values(device: torch.device) -> Extractor:
    """The numbers themselves, for points and curves."""
    return Extractor("values", _flat, "", device)


def _flat(values: Tensor) -> Tensor:
    return values.flatten(1)


def digest_of(model: nn.Module, **header: Any) -> str:
    """What tells a network's weights, and what else is in `header`, from others."""
    return tensor_files.digest(header, {name: tensor.cpu() for name, tensor in model.state_dict().items()})[:16]
