"""One image file to one square of pixels, whatever a camera, a scanner or a web site made of it."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Named, so that no stranger's file reaches Pillow's rarer parsers, one of which starts Ghostscript.
_FORMATS = {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"}
_GREY_MODES = {"1", "L", "LA", "La", "I"}
_LARGE_PIXELS = 2**24
# A large image takes up to a gigabyte while it is decoded: on a machine of many cores they take turns.
_one_large = threading.Lock()


class _Refused(Exception):
    """An image that could be decoded, but not rightly or not safely; the text says why."""


def extensions() -> frozenset[str]:
    """The file extensions that are taken for images, such as ".png"."""
    registered = Image.registered_extensions()
    return frozenset(extension for extension, name in registered.items() if name in _FORMATS)


def is_grey(path: Path) -> bool:
    """Whether the file is stored as grey, going by its header; a file that can't be read does not speak for colour."""
    try:
        with _open(path) as image:
            return image.mode in _GREY_MODES or image.mode.startswith("I;16")
    except Exception:  # noqa: BLE001 - as in `decode`, where it is reported
        return True


def decode(path: Path, size: int, channels: int) -> np.ndarray | str:
    """The file's first frame as (channels, size, size) uint8; or why it can't be read, such as "it is empty".

    Turned as EXIF says, transparent parts on white, 16 bits cut to 8, the shorter side resized to `size` by an
    antialiased Lanczos filter, the middle cut out.
    """
    try:
        with _open(path) as image:
            # A JPEG is decoded at a fraction of its size, four times the pixels needed at the least.
            image.draft(None, (2 * size, 2 * size))
            _check_size(image)
            with _one_large if image.width * image.height > _LARGE_PIXELS else contextlib.nullcontext():
                pixels = _pixels(image, size, channels)
    except Exception as error:  # noqa: BLE001 - on a damaged file Pillow raises nearly anything
        return _reason(path, error)
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)


def _open(path: Path) -> Image.Image:
    Image.init()
    return Image.open(path, formats=sorted(_FORMATS & Image.OPEN.keys()))


def _check_size(image: Image.Image) -> None:
    """Refuse decompression bombs where Pillow only warns; it raises at twice the size."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise _Refused(f"it has {image.width:,} x {image.height:,} pixels, more than the {limit:,} that are read")


def _pixels(image: Image.Image, size: int, channels: int) -> np.ndarray:
    ImageOps.exif_transpose(image, in_place=True)
    flat = _flat(image).convert("L" if channels == 1 else "RGB")
    return np.asarray(ImageOps.fit(flat, (size, size), Image.Resampling.LANCZOS))


def _flat(image: Image.Image) -> Image.Image:
    """The image without depth beyond 8 bits and without transparency."""
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip instead of scaling
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise _Refused("its pixels are floating-point numbers, whose range is not known")
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)


def _reason(path: Path, error: Exception) -> str:
    """Why a file can't be read, as the half of a sentence."""
    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return "it is no image of a known format" if path.stat().st_size else "it is empty"
    if isinstance(error, OSError) and error.strerror:
        return f"it can't be opened: {error.strerror}"
    return f"it is damaged: {error or type(error).__name__}"
