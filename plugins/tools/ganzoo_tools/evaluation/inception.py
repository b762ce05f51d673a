"""FID as papers give it: the features of TensorFlow's Inception of 2015, which torch-fidelity brought to PyTorch."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3 as port

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, SettingError, shorten
from ganzoo_tools.evaluation.extractors import Extractor, digest_of

NAME = "inception"


def weights_file(features: str) -> Path | None:
    """The FILE of `inception:FILE`; None for `inception`. Raises `SettingError` for anything else."""
    name, colon, path = features.partition(":")
    if name != NAME or (colon and not path):
        raise SettingError(f"features must be inception, inception:FILE, or left out, but is {features!r}")
    return Path(path).expanduser() if colon else None


def of_inception(spec: DataSpec, device: torch.device, path: Path | None = None) -> Extractor:
    """Its 2,048 pooled features (arXiv:1512.00567, arXiv:1706.08500) of images; grey ones are repeated.

    Samples are rounded to 256 levels and resized as TensorFlow 1 does it, so that numbers are those that papers give.
    `path`: a file of the weights; without one they are fetched once. Raises `DataError` where the data holds no images,
    or the weights are not here and can't be fetched.
    """
    if spec.kind != "images" or spec.shape[0] not in (1, 3):
        found = f"{spec.kind} of {spec.shape[0]} channels" if spec.kind == "images" else spec.kind
        raise DataError(f"features inception take grey or colour images, but {spec.name} holds {found}")
    network = _Inception(_weights(path)).to(device)
    return Extractor(NAME, network, digest_of(network), device, "299x299 bilinear, as TensorFlow 1", slow=True)


class _Inception(nn.Module):
    """Images (N, 1 or 3, H, W) in [-1, 1] to features (N, 2048)."""

    def __init__(self, weights: dict[str, Any]) -> None:
        super().__init__()
        # Its constructor would unpickle whatever is in the file; these weights were read as tensors alone.
        with mock.patch.object(port, "load_state_dict_from_url", lambda *_, **__: weights):
            self.model = port.FeatureExtractorInceptionV3(NAME, ["2048"])

    def forward(self, images: Tensor) -> Tensor:
        levels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        features: Tensor = self.model(levels.expand(-1, 3, -1, -1))[0]
        return features


def _weights(given: Path | None) -> dict[str, Any]:
    """The weights, from a file or torch's folder for them, into which they are fetched: the file is a pickle.

    Torch's reader is told to make tensors and nothing else of it, after the digest has been checked.
    """
    name = port.URL_INCEPTION_V3.rpartition("/")[2]
    folder = Path(torch.hub.get_dir()) / "checkpoints" if given is None else given.parent
    kept = folder / (name if given is None else given.name)
    if given is not None and not given.is_file():
        raise DataError(f"{given} is not a file; the one of {port.URL_INCEPTION_V3} is wanted")
    _check(kept, name, "remove it, and it is fetched again" if given is None else f"it must be {name}")
    try:
        with contextlib.redirect_stdout(sys.stderr):  # it says there that it fetches
            state: dict[str, Any] = torch.hub.load_state_dict_from_url(
                port.URL_INCEPTION_V3, str(folder), "cpu", progress=False, check_hash=True, file_name=kept.name,
                weights_only=True,
            )  # fmt: skip
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"features inception need Inception's weights, which are not here and could not be fetched ({error}); put "
            f"the file of {port.URL_INCEPTION_V3} into {folder}, name it with --features inception:FILE, or leave out "
            f"--features"
        ) from error
    except Exception as error:  # its reader has errors of many kinds for what are no weights
        raise DataError(f"{kept} holds no weights ({shorten(type(error).__name__)}); remove it") from error
    return state


def _check(path: Path, name: str, remedy: str) -> None:
    """Raise `DataError` where a file is not the one that `name` speaks of, which torch checks only as it fetches."""
    wanted = Path(name).stem.rpartition("-")[2]
    if not path.is_file():
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(wanted):
        begins = f"its SHA-256 must begin with {wanted}, but begins with {found[: len(wanted)]}"
        raise DataError(f"{path} is damaged, or another: {begins}; {remedy}")
