"""The classifier of a data set, and features of it: made once and cached."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import cache_folder
from ganzoo_core.errors import FileError
from ganzoo_core.storage import tensor_files
from ganzoo_tools.evaluation.classifier import Classifier, channels_of, train_classifier

if TYPE_CHECKING:
    from ganzoo_tools.evaluation.extractors import Extractor

CLASSIFIER_VERSION = 1  # raise it where the classifier or its training changes: kept ones are then made anew
COME_WITH_IT = Path(__file__).with_name("classifiers")  # of data that does so too: the same judges on each machine
_PIECE = 1000
_log = logging.getLogger("ganzoo")


def classifier_name(dataset: Dataset) -> str:
    """The file of a data set's classifier."""
    return f"{dataset.digest}-{CLASSIFIER_VERSION}.safetensors"


def classifier_header(dataset: Dataset) -> dict[str, Any]:
    """What that file says of itself."""
    return {"recipe": CLASSIFIER_VERSION, "data": dataset.spec.name, "data_digest": dataset.digest}


def cached_classifier(dataset: Dataset, data_dir: Path, own: Path | None = None) -> Classifier:
    """The classifier of a labelled data set.

    Read from those that come with ganzoo, the data folder, or the platform's cache folder if that is read-only, or from
    the folder `own` alone where one is given; otherwise trained and saved there.
    """
    homes = [data_dir / "classifiers", cache_folder() / "classifiers"] if own is None else [own]
    name = classifier_name(dataset)
    for path in (home / name for home in ([COME_WITH_IT] if own is None else []) + homes):
        if path.is_file():
            try:
                return _read(path, dataset)
            except FileError as error:
                _log.warning("%s; the classifier is trained again", error)
    _log.info("training a classifier of %s to judge with, once", dataset.spec.name)
    model = train_classifier(dataset)
    _keep(homes, name, "classifier", classifier_header(dataset), model.state_dict())
    return model


def cached_features(dataset: Dataset, rows: Tensor, extractor: Extractor, data_dir: Path) -> Tensor:
    """What an extractor gives (N, D) of these rows (N,) of a data set, made once and kept as a classifier is.

    Rows are kept by how many they are: an evaluation always takes the same ones.
    """
    header: dict[str, Any] = {"data": dataset.spec.name, "data_digest": dataset.digest, "extractor": extractor.digest}
    homes = [data_dir / "features", cache_folder() / "features"]
    name = f"{dataset.digest}-{extractor.digest}-{len(rows)}.safetensors"
    for path in (home / name for home in homes):
        if path.is_file():
            try:
                return _features(path, len(rows)).to(extractor.device)
            except FileError as error:
                _log.warning("%s; the features are made again", error)
    _log.info("taking %s features of %s real samples, once", extractor.name, f"{len(rows):,}")
    features = torch.cat([extractor(dataset.batch(some)["real"]) for some in rows.split(_PIECE)])
    _keep(homes, name, "features", header, {"features": features.cpu()})
    return features


def _keep(homes: list[Path], name: str, what: str, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Save tensors in the first folder that takes them."""
    for number, home in enumerate(homes):
        try:
            home.mkdir(parents=True, exist_ok=True)
            tensor_files.save(home / name, what, header, tensors)
        except (OSError, FileError):
            continue
        if number:
            _log.warning("the %s can't be kept in %s; it is kept in %s", what, homes[0], home)
        return
    _log.warning("the %s can't be kept in %s; it will be made again", what, " or ".join(map(str, homes)))


def _features(path: Path, count: int) -> Tensor:
    found = tensor_files.load(path, "features")[1].get("features")
    if found is None or len(found) != count:
        raise FileError(f"{path} holds no features of {count:,} samples")
    return found


def _read(path: Path, dataset: Dataset) -> Classifier:
    _, tensors = tensor_files.load(path, "classifier")
    model = Classifier(channels_of(dataset.spec), dataset.spec.num_classes)
    tensor_files.load_into(model, {f"classifier.{name}": t for name, t in tensors.items()}, "classifier", path)
    return model.to(memory_format=torch.channels_last).eval()
