"""The classifier of a data set, trained once and cached."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import cache_folder
from ganzoo_core.errors import FileError
from ganzoo_core.storage import tensor_files
from ganzoo_tools.evaluation.classifier import Classifier, channels_of, train_classifier

CLASSIFIER_VERSION = 1  # raise it where the classifier or its training changes: kept ones are then made anew
_log = logging.getLogger("ganzoo")


def cached_classifier(dataset: Dataset, data_dir: Path) -> Classifier:
    """The classifier of a labelled data set.

    Read from the data folder, or the platform's cache folder if that is read-only; otherwise trained and saved there.
    """
    header: dict[str, Any] = {"recipe": CLASSIFIER_VERSION, "data": dataset.spec.name, "data_digest": dataset.digest}
    homes = [data_dir / "classifiers", cache_folder() / "classifiers"]
    name = f"{header['data_digest']}-{CLASSIFIER_VERSION}.safetensors"
    for path in (home / name for home in homes):
        if path.is_file():
            try:
                return _read(path, dataset)
            except FileError as error:
                _log.warning("%s; the classifier is trained again", error)
    _log.info("training a classifier of %s to judge with, once", dataset.spec.name)
    model = train_classifier(dataset)
    for number, home in enumerate(homes):
        try:
            home.mkdir(parents=True, exist_ok=True)
            tensor_files.save(home / name, "classifier", header, model.state_dict())
        except (OSError, FileError):
            continue
        if number:
            _log.warning("the classifier can't be kept in %s; it is kept in %s", homes[0], home)
        return model
    _log.warning("the classifier can't be kept in %s; it will be trained again", " or ".join(map(str, homes)))
    return model


def _read(path: Path, dataset: Dataset) -> Classifier:
    _, tensors = tensor_files.load(path, "classifier")
    model = Classifier(channels_of(dataset.spec), dataset.spec.num_classes)
    tensor_files.load_into(model, {f"classifier.{name}": t for name, t in tensors.items()}, "classifier", path)
    return model.to(memory_format=torch.channels_last).eval()
