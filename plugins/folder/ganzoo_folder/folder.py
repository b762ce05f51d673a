"""The user's own images as a data set: what a folder holds, decoded and labelled."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec, Split
from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.cache import cached
from ganzoo_folder.listing import listed, report

if TYPE_CHECKING:
    from ganzoo_folder.options import FolderOptions

_UNBALANCED = 3  # times as many images as another class has
_log = logging.getLogger("ganzoo")


def load(path: Path, options: FolderOptions, data_dir: Path, split: Split = "train") -> Dataset:
    """The folder's images (N, C, H, W) uint8, mapped from the cache, copy on write; labels by subfolder.

    Raises `DataError` for a folder that can't be used, or has no such split, and for a bad image where on_bad_image is
    "stop".
    """
    try:
        listing = listed(path, split)
        if split == "test":  # grey or colour, and as dark, as the training part is
            train = cached(listed(path), options, data_dir)
            span = f"{train.span[0]!r}..{train.span[1]!r}" if train.span else options.range
            options = replace(options, channels=train.samples.shape[1], range=span)
    except OSError as error:
        raise DataError(
            f"no folder can be read at {path} ({error.strerror}); folder:PATH takes a folder of images, "
            f"or of one subfolder per class"
        ) from error
    report(path, listing.left_out)
    found = cached(listing, options, data_dir)
    for note in found.notes:
        _log.warning("%s: %s", visible(path), note)
    if bad := found.bad:
        total, named = len(listing.images), few(f"{name!r} ({reason})" for name, reason in bad.items())
        _log.warning("%s: skipped %d of %d images that can't be read: %s", visible(path), len(bad), total, named)
    # The weights carry this name, and they carry no path.
    spec = DataSpec(f"folder:{listing.root.name}", tuple(found.samples.shape[1:]), listing.classes)
    labels = None
    if listing.classes:
        labels = torch.tensor([image.label for image in listing.images if image.name not in bad])
        _tell_sizes(path, dict(zip(listing.classes, labels.bincount(minlength=spec.num_classes).tolist(), strict=True)))
    left_out = listing.left_out | bad
    return Dataset(
        spec,
        found.samples,
        labels,
        left_out=left_out,
        notes=tuple(found.notes),
        contents=found.contents,
        guard=found.guard,
    )


def _tell_sizes(path: Path, counts: dict[str, int]) -> None:
    """A line where classes are too small to be learned, and one where some are much larger than others."""
    if alone := [name for name, count in counts.items() if count == 1]:
        named = few(map(repr, alone))
        _log.warning("%s: %d of %d classes hold a single image: %s", visible(path), len(alone), len(counts), named)
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    if ordered[0][1] >= _UNBALANCED * ordered[-1][1]:
        shown = ordered if len(ordered) <= 6 else [*ordered[:3], *ordered[-3:]]
        named = ", ".join(f"{visible(name)!r} {count:,}" for name, count in shown)
        _log.info(
            "%s: its %d classes differ in size (%s); --set balance=true draws each equally often",
            visible(path), len(counts), named,
        )  # fmt: skip
