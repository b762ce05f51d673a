"""One image file to one square of pixels, whatever a camera, a scanner or a web site made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Named, so that no stranger's file reaches Pillow's rarer parsers, one of which starts Ghostscript.
_FORMATS = {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"}
_GREY_MODES = {"1", "L", "LA", "La", "I"}


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


def decode(path: Path, size: int, channels: int) -> np.ndarray | None:
    """The file's first frame as (channels, size, size) uint8; None where it can't be read.

    Turned as EXIF says, transparent parts on white, 16 bits cut to 8, the shorter side resized to `size` by an
    antialiased Lanczos filter, the middle cut out.
    """
    try:
        with _open(path) as image:
            # A JPEG is decoded at a fraction of its size, four times the pixels needed at the least.
            image.draft(None, (2 * size, 2 * size))
            upright = ImageOps.exif_transpose(image)
            flat = _flat(upright).convert("L" if channels == 1 else "RGB")
            pixels = np.asarray(ImageOps.fit(flat, (size, size), Image.Resampling.LANCZOS))
    except Exception:  # noqa: BLE001 - on a damaged file Pillow raises nearly anything, its bomb error among it
        return None
    return pixels.reshape(size, size, channels).transpose(2, 0, 1)


def _open(path: Path) -> Image.Image:
    Image.init()
    return Image.open(path, formats=sorted(_FORMATS & Image.OPEN.keys()))


def _flat(image: Image.Image) -> Image.Image:
    """The image without depth beyond 8 bits and without transparency."""
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip instead of scaling
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
