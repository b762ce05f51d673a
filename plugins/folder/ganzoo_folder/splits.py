"""Which folders of a folder are splits and no classes: train and test, or trainA, trainB, testA and testB."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ganzoo_core.errors import DataError
from ganzoo_folder.scan import Found

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip
_NAMED = re.compile(rf"({'|'.join(_SPLITS)})(?:[ _-]?([AB]))?", re.IGNORECASE)


class Home(NamedTuple):
    """Where a split lies: in `folder`, or in the two folders in it that are its `domains` A and B."""

    folder: Path
    domains: dict[str, Path]


def splits_of(path: Path, root: Path, top: Found) -> dict[str, Home]:
    """The splits of a folder, where all folders in it are called like one and one is for training.

    Raises `DataError` for two of the same.
    """
    names = {folder: _NAMED.fullmatch(folder.name) for folder in top.folders}
    if top.images or not all(names.values()):
        return {}
    found: dict[tuple[str, str], Path] = {}
    for folder, name in names.items():
        assert name is not None  # as all are
        key = _SPLITS[name[1].lower()], (name[2] or "").upper()
        if key in found:
            raise DataError(f"{path} holds {found[key].name!r} and {folder.name!r}, which are the same split; keep one")
        found[key] = folder
    domains = {domain for _, domain in found}
    if domains == {""}:
        homes = {split: Home(folder, {}) for (split, _), folder in found.items()}
    elif domains == {"A", "B"} and {("train", "A"), ("train", "B")} <= found.keys():
        kinds = dict.fromkeys(split for split, _ in found)
        homes = {kind: Home(root, {d: found[kind, d] for d in "AB" if (kind, d) in found}) for kind in kinds}
    else:
        homes = {}
    return homes if "train" in homes else {}


def home_of_test(path: Path, source: str, homes: dict[str, Home]) -> Home:
    """The split that is not for training. Raises `DataError` where there is none."""
    home = homes.get("test", homes.get("val"))
    if home is None:
        raise DataError(
            f"{source} has no held-out part: its only split is 'train', but 'test' was asked for; use 'train', keep a "
            f"share of the pictures out of training (--set held_out=10, percent), or put the pictures of {path} into "
            f"folders called train and test"
        )
    return home
