"""What the tests of image folders share: small images, a load, the caches it leaves."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from ganzoo_core.data import Dataset
from ganzoo_folder import Folder
from ganzoo_folder.options import FolderOptions

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def load(path: Path, **options) -> Dataset:
    options = {"image_size": 8} | options
    return Folder(FolderOptions(**options), path).load(path.parent / "data")


def save(path: Path, colour=RED, size=(8, 8), mode="RGB", **how) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour).save(path, **how)
    return path


def caches(home: Path) -> list[Path]:
    return sorted((home / "folder-cache").glob("[!.]*"))


def colour_of(sample: torch.Tensor) -> tuple[int, ...]:
    """The middle pixel."""
    return tuple(sample[:, 4, 4].tolist())
