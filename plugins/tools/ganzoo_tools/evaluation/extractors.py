"""What measures distances between samples: features, and where they come from."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, shorten
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
    return Extractor("classifier", model.features, _digest(model, data=data_digest, recipe=CLASSIFIER_VERSION), device)


def of_random_network(spec: DataSpec, device: torch.device) -> Extractor:
    """The same network with random weights, always the same ones, for samples without labels.

    Random embeddings tell samples apart fairly where no trained network fits the data (arXiv:2002.09797, section 4).
    """
    with alone, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Classifier(channels_of(spec), 1).eval()
    return Extractor("random", model.to(device).features, _digest(model), device)


def of_values(device: torch.device) -> Extractor:
    """The numbers themselves, for points and curves."""
    return Extractor("values", _flat, "", device)


def of_inception(spec: DataSpec, device: torch.device) -> Extractor:
    """torchvision's Inception v3 (arXiv:1512.00567), its 2,048 pooled features; grey images are repeated.

    Its weights are torchvision's own, so the figures are not those that papers give, whose weights are TensorFlow's.
    Raises `DataError` where the data holds no images, or the weights are not here and can't be fetched.
    """
    if spec.kind != "images" or spec.shape[0] not in (1, 3):
        found = f"{spec.kind} of {spec.shape[0]} channels" if spec.kind == "images" else spec.kind
        raise DataError(f"features inception take grey or colour images, but {spec.name} holds {found}")
    from torchvision.models import inception_v3

    state = _inception_weights()
    model = inception_v3(init_weights=False, transform_input=False)  # it was trained on images in [-1, 1], as ours are
    model.load_state_dict(state)
    model.fc = nn.Identity()
    resize = "299x299 bilinear, antialiased"
    return Extractor("inception", _Inception(model).eval().to(device), _digest(model), device, resize, slow=True)


def _inception_weights() -> dict[str, Any]:
    """Inception's weights, which torchvision fetches, keeps and reads: its file is a pickle, which nothing here opens.

    Its reader is told to make tensors and nothing else of it, after the digest has been checked. Raises `DataError`.
    """
    from torchvision.models import Inception_V3_Weights

    weights = Inception_V3_Weights.IMAGENET1K_V1
    kept = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    _check_kept(kept)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it says there that it fetches
            state: dict[str, Any] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"features inception need torchvision's weights, which are not here and could not be fetched ({error}); "
            f"put the file of {weights.url} into {kept.parent}, or leave out --features"
        ) from error
    except Exception as error:  # its reader has errors of many kinds for what are no weights
        raise DataError(f"{kept} holds no weights ({shorten(type(error).__name__)}); remove it") from error
    return state


def _check_kept(path: Path) -> None:
    """Raise `DataError` where a file is not the one its name speaks of, which torchvision checks only as it fetches."""
    wanted = path.stem.rpartition("-")[2]
    if not path.is_file():
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(wanted):
        raise DataError(
            f"{path} is damaged: its SHA-256 must begin with {wanted}, but begins with {found[: len(wanted)]}; "
            f"remove it, and it is fetched again"
        )


class _Inception(nn.Module):
    """Images (N, 1 or 3, H, W) in [-1, 1] to features (N, 2048)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        colour = images.expand(-1, 3, -1, -1)
        features: Tensor = self.model(F.interpolate(colour, (299, 299), mode="bilinear", antialias=True))
        return features


def _flat(values: Tensor) -> Tensor:
    return values.flatten(1)


def _digest(model: nn.Module, **header: Any) -> str:
    return tensor_files.digest(header, {name: tensor.cpu() for name, tensor in model.state_dict().items()})[:16]
