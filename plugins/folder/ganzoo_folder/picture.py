"""One picture of the user's for a generator that takes some: read as a folder's are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import visible
from ganzoo_folder.decode import Target, decode, look
from ganzoo_folder.depth import auto_span
from ganzoo_folder.formats import extensions, open_image

_MOST_PIXELS = 2**24
_WHITE = (255, 255, 255)


def read_picture(path: Path, channels: int, size: tuple[int, int] | None) -> np.ndarray:
    """A file's pixels (C, H, W) uint8: cropped and scaled to `size` (height, width), or as it is, upright, without one.

    Raises `DataError` for a file that can't be read as an image, or is too large to be taken as it is.
    """
    try:
        height, width = size or _size(path)
    except Exception as error:  # noqa: BLE001 - on a damaged file Pillow raises nearly anything; `decode` tells why
        del error
        height, width = 1, 1
    if size is None and height * width > _MOST_PIXELS:
        raise DataError(
            f"{visible(path)} has {height * width:,} pixels, more than the {_MOST_PIXELS:,} that are taken as they "
            f"are; make it smaller"
        )
    extremes = look(path, measure=True).extremes
    span = auto_span([extremes] if extremes else [])
    decoded = decode(path, Target(height, width, channels, "crop", _WHITE, span, None))
    if isinstance(decoded, str):
        raise DataError(f"{visible(path)} can't be read as an image: {decoded}")
    return decoded.pixels


def pictures_in(path: Path) -> list[Path]:
    """The images below a folder, by their extensions, in order; nothing hidden. A file is itself."""
    if not path.is_dir():
        return [path]
    known = extensions()
    found = [
        file for file in path.rglob("*")
        if file.suffix.lower() in known and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]  # fmt: skip
    return sorted(file for file in found if file.is_file())


def _size(path: Path) -> tuple[int, int]:
    """Height and width of an image once it is turned as EXIF says; nothing is decoded."""
    with open_image(path) as image:
        turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)
