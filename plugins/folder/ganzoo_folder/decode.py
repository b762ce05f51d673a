"""One image file to pixels of one size, whatever a camera, a scanner or a web site made of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ganzoo_folder import depth
from ganzoo_folder.colour import to_srgb
from ganzoo_folder.formats import open_image, why_not_by_content

_GREY_MODES = {"1", "L", "LA", "La", "I", "F"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_LARGE_PIXELS = 2**24
# A large image takes up to a gigabyte while it is decoded: on a machine of many cores they take turns.
one_large: contextlib.AbstractContextManager[object] = threading.Lock()


class _Refused(Exception):
    """An image that could be decoded, but not rightly or not safely; the text says why."""


class Look(NamedTuple):
    """What a first look at a file tells: whether it is stored as grey, and its extreme values if it has over 8 bits."""

    is_grey: bool = True
    extremes: depth.Span | None = None


class Target(NamedTuple):
    """What images are made to: `background` is red, green, blue; `span` the black and white of over 8 bits.

    It is None for no such image; that of floats is None where it was not asked for. `half`: "left" or "right" where a
    file is two pictures side by side.
    """

    height: int
    width: int
    channels: int
    fit: str
    background: tuple[int, int, int]
    span: depth.Span | None
    float_span: depth.Span | None
    half: str = ""


class Decoded(NamedTuple):
    """Pixels (C, H, W) uint8, the picture's own width and height, and what had to be done: made larger, more than a
    third cut off.

    `is_grey`: whether the file is stored as grey; None for one of more than 8 bits, at which only `look` looks.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    enlarged: bool
    cut: bool
    is_grey: bool | None = None


def look(path: Path, measure: bool, content: bytes | None = None) -> Look:
    """A first look, by the header and, to `measure`, at whole numbers of more than 8 bits.

    A file that can't be read does not speak for colour, as it is reported by `decode`. `content`: the file's, where it
    was read before.
    """
    reopen = partial(open_image, path, content)
    try:
        with reopen() as image:
            _check_size(image)
            if not (measure and depth.is_deep(image)) or depth.has_floats(image):
                return Look(_is_grey(image))
            with _turn(image):
                return Look(_is_grey(image), depth.extremes(depth.values(image, reopen)))
    except Exception:  # noqa: BLE001 - as in `decode`
        return Look()


def decode(path: Path, target: Target, content: bytes | None = None) -> Decoded | str:
    """The file's first frame; or why it can't be read, such as "it is empty".

    Turned as EXIF says, in sRGB, its parts outside `target.span` cut to black and white, fitted by an antialiased
    Lanczos filter, and laid on the background unless opacity is asked for. `content`: the file's, where it was read
    before.
    """
    reopen = partial(open_image, path, content)
    try:
        with reopen() as image:
            is_grey = None if depth.is_deep(image) else _is_grey(image)
            if not target.half:  # whose border lies between two pixels of the whole size
                # A JPEG is decoded at a fraction of its size, four times the pixels needed at the least.
                image.draft(None, (2 * max(target[:2]),) * 2)
            _check_size(image)
            with _turn(image):
                return _decoded(image, reopen, target)._replace(is_grey=is_grey)
    except Exception as error:  # noqa: BLE001 - on a damaged file Pillow raises nearly anything
        return _reason(path, error)


def _turn(image: Image.Image) -> contextlib.AbstractContextManager[object]:
    return one_large if image.width * image.height > _LARGE_PIXELS else contextlib.nullcontext()


def _check_size(image: Image.Image) -> None:
    """Refuse decompression bombs where Pillow only warns; it raises at twice the size."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise _Refused(f"it has {image.width:,} x {image.height:,} pixels, more than the {limit:,} that are read")


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        palette = image.getpalette() or [0, 1, 2]
        return palette[::3] == palette[1::3] == palette[2::3]
    return image.mode in _GREY_MODES or image.mode.startswith("I;16") or depth.stores_grey_and_alpha(image)


def _decoded(image: Image.Image, reopen: Callable[[], Image.Image], target: Target) -> Decoded:
    whole = _part(_upright(image, reopen, target), target.half)
    height, width = target[:2]
    across, down = width * whole.height, height * whole.width  # equal where the shapes are alike
    cut = target.fit == "crop" and 3 * min(across, down) < 2 * max(across, down)
    enlarged = width > whole.width or height > whole.height
    if target.fit == "pad":  # only one side is filled
        enlarged = width > whole.width and height > whole.height
    flat = _laid_out(to_srgb(_fitted(whole, width, height, target.fit), image.info), target)
    planes = b"".join([flat.tobytes("raw", band) for band in flat.getbands()])  # a third of numpy's time to transpose
    pixels = np.frombuffer(planes, np.uint8).reshape(target.channels, height, width)
    return Decoded(pixels, whole.size, enlarged, cut)


def _part(image: Image.Image, half: str) -> Image.Image:
    """The half of two pictures side by side, or all of one."""
    if not half:
        return image
    if image.width % 2 or image.width <= image.height:
        raise _Refused(
            f"it is {image.width:,} pixels wide and {image.height:,} high, but two pictures side by side must be "
            f"wider than high, and of an even width"
        )
    middle = image.width // 2
    left = 0 if half == "left" else middle
    return image.crop((left, 0, left + middle, image.height))


def _upright(image: Image.Image, reopen: Callable[[], Image.Image], target: Target) -> Image.Image:
    """The image in 8 bits, of mode L, LA, RGB, RGBA or CMYK, turned as EXIF says."""
    shallow = _from_depth(image, reopen, target) if depth.is_deep(image) else _plain(image)
    orientation = image.getexif().get(0x0112, 1)  # 1: upright, as Pillow has turned a TIFF already
    if orientation == 1:
        return shallow
    shallow.getexif()[0x0112] = orientation
    return ImageOps.exif_transpose(shallow)


def _from_depth(image: Image.Image, reopen: Callable[[], Image.Image], target: Target) -> Image.Image:
    floats = depth.has_floats(image)
    found = depth.values(image, reopen)
    span = target.float_span or depth.float_span(found) if floats else target.span
    if span is None:
        low, high = depth.extremes(found)
        raise _Refused(
            f"its pixels are numbers from {low:g} to {high:g}, of which black and white are not known; set "
            f"range, such as range=0..4095"
        )
    return depth.eight_bits(found, span, image)


def _plain(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode[0] == "I":  # scaled to 16 bits by Pillow, which would clip them at 255
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "1" else "RGB")


def _fitted(image: Image.Image, width: int, height: int, fit: str) -> Image.Image:
    if image.size == (width, height):
        return image
    if fit == "crop":
        return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    if fit == "pad":
        factor = min(width / image.width, height / image.height)
        width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _laid_out(image: Image.Image, target: Target) -> Image.Image:
    """The image in the middle of the background, which is transparent where opacity is asked for."""
    mode, size = _MODES[target.channels], (target.width, target.height)
    if image.size == size and not image.has_transparency_data:
        return image if image.mode == mode else image.convert(mode)
    canvas = Image.new("RGBA", size, (*target.background, 0 if mode == "RGBA" else 255))
    corner = (size[0] - image.width) // 2, (size[1] - image.height) // 2
    if mode == "RGBA":
        canvas.paste(image.convert("RGBA"), corner)
    else:
        canvas.alpha_composite(image.convert("RGBA"), corner)
    return canvas.convert(mode)


def _reason(path: Path, error: Exception) -> str:
    """Why a file can't be read, as the half of a sentence."""
    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return why_not_by_content(path)
    if isinstance(error, OSError) and error.strerror:
        return f"it can't be opened: {error.strerror}"
    return f"it is damaged: {error or type(error).__name__}"
