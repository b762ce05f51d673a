"""The user's own images as a data set: what a folder holds, decoded, labelled and described."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec, Split
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.columns import described, encoded
from ganzoo_folder.listing import listed
from ganzoo_folder.loading import decoded, folder_errors, tell

if TYPE_CHECKING:
    from ganzoo_folder.options import FolderOptions

_UNBALANCED = 3  # times as many images as another class has
_log = logging.getLogger("ganzoo")


def load(path: Path, options: FolderOptions, data_dir: Path, split: Split = "train") -> Dataset:
    """The folder's images (N, C, H, W) uint8, mapped from the cache, copy on write; labels by subfolder or labels.csv;
    captions and attributes by metadata.csv or metadata.jsonl.

    Raises `DataError` for a folder that can't be used, or has no such split, and for a bad image where on_bad_image is
    "stop".
    """
    with folder_errors(path, "folder:PATH takes a folder of images, or of one subfolder per class"):
        listing = listed(path, split, options.held_out)
        train = None if split == "train" else listed(path, held_out=options.held_out)
        found, like = decoded(path, listing, options, data_dir, train)
    kept = [listing.images[k] for k in listing.kept(found.bad)]
    # The weights carry this name, and they carry no path.
    spec = DataSpec(
        f"folder:{listing.root.name}",
        tuple(found.parts[0].shape[1:]),
        listing.classes,
        columns=described(train or listing, like.bad, options),
    )
    labels = None
    if listing.classes:
        labels = torch.tensor([image.label for image in kept])
        _tell_sizes(path, dict(zip(listing.classes, labels.bincount(minlength=spec.num_classes).tolist(), strict=True)))
    extra, notes = encoded(listing, [image.name for image in kept], spec.columns, options)
    tell(path, notes)
    return Dataset(
        spec,
        found.parts[0],
        labels,
        extra,
        left_out=listing.left_out | found.bad,
        notes=(*found.notes, *notes),
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
