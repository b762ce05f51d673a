"""Evaluating a folder of pictures, whoever made them, against real data."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import torch

from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.runs.plan import named_source
from ganzoo_core.sampling.devices import pick_device
from ganzoo_core.storage.names import shell_word
from ganzoo_tools.evaluation.class_report import ClassReport, classes_present, variety
from ganzoo_tools.evaluation.evaluation import conditions
from ganzoo_tools.evaluation.few import caution
from ganzoo_tools.evaluation.neighbours import neighbours_picture
from ganzoo_tools.evaluation.reference import NEIGHBOURS_OF, load_reals
from ganzoo_tools.evaluation.results import Evaluation, MetricValue

_log = logging.getLogger("ganzoo")


def evaluate_pictures(
    folder: Path,
    *,
    data: str | None,
    data_dir: Path,
    n: int,
    features: str | None = None,
    device: str = "auto",
    options: Mapping[str, str] | None = None,
) -> Evaluation:
    """Evaluate the pictures in a folder against the data set `data`: at most `n` of them, and as many real ones.

    They are brought to the size and the colours of the data, as `folder:` does it. Without noise and labels there is
    one set of them: no seeds, no class that was asked for, and no discriminator. Raises `SettingError` if `data` is not
    named, `DataError` if that is of no pictures, and other `GanzooError`s.
    """
    if data is None:
        raise SettingError(f"{folder} holds pictures: name the data set to hold them against, with --data")
    source = named_source(data, options)
    spec = source.load(data_dir).spec
    if spec.kind != "images":
        raise DataError(f"pictures can't be held against {spec.name}, which is of {spec.kind}")
    colours, height, width = spec.shape
    texts = {"image_size": f"{height}x{width}", "channels": str(colours)}
    made = named_source(f"folder:{folder}", texts).load(data_dir)
    _log.info("evaluating %s pictures", f"{min(n, len(made)):,}")
    reals = load_reals(source, data_dir, min(n, len(made)), features, pick_device(device))
    n = min(n, len(made), len(reals.subset))
    rows = torch.randperm(len(made), generator=torch.Generator().manual_seed(0))[:n]
    values = made.batch(rows)["real"]
    features_of = reals.extractor(values)
    figures, errors = reals.quality(features_of)
    classes, labels, k = None, reals.subset.labels, reals.spec.num_classes
    if labels is not None:
        read, real = reals.read(values), labels.bincount(minlength=k)
        figures |= classes_present(read.bincount(minlength=k), real)
        varieties = [variety(values, read, reals.subset.values, labels, k)]
        classes = ClassReport(reals.spec.classes, read.bincount(minlength=k), real, None, varieties).to_dict()
    figures |= reals.natural(values) | reals.copying(features_of[:NEIGHBOURS_OF])
    left_out = {"accuracy": "pictures have no discriminator"}
    if reals.held_out is None:
        left_out["held_out"] = reals.no_held_out
    return Evaluation(
        variant=shell_word(folder),
        step=0,
        conditions=conditions(reals, n, 1),
        figures={k: MetricValue((v,), reals.floor.get(k), errors.get(k)) for k, v in figures.items()},
        floor=reals.floor_is,
        caution=caution(len(reals.subset), reals.draw) if reals.draw else None,
        left_out=left_out,
        classes=classes,
        neighbours=neighbours_picture(reals, values[:NEIGHBOURS_OF], features_of[:NEIGHBOURS_OF]),
    )


def holds_pictures(path: Path) -> bool:
    """Whether it is a folder, not of a run, with a file somewhere below it that could be a picture."""
    if not os.path.isdir(path) or (path / "run.json").exists():
        return False
    from PIL import Image

    known = Image.registered_extensions()
    return any(file.suffix.lower() in known for file in path.rglob("*"))
