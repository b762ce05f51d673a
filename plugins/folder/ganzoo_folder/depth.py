"""Images of more than 8 bits a channel: the values that they store, and which of them are black and white."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

Span = tuple[float, float]

# Other formats say their largest value, and Pillow scales by it.
_UNSCALED = {"PNG", "TIFF"}
_DEEP_COLOURS = {f"{name};16{order}" for name in ("RGB", "RGBX", "RGBA") for order in "BLN"} | {"LA;16B"}
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_SIGNED = 2


def is_deep(image: Image.Image) -> bool:
    """Whether an opened, undecoded image has values whose black and white are not known."""
    if image.format not in _UNSCALED:
        return has_floats(image)
    raw = _rawmode(image)
    return image.mode[0] in "IF" or raw in _DEEP_COLOURS or _is_signed_byte(image)


def has_floats(image: Image.Image) -> bool:
    """Whether its values are floating-point numbers."""
    return image.mode == "F"


def stores_grey_and_alpha(image: Image.Image) -> bool:
    """Whether Pillow calls "RGBA" what is 16 bits of grey and 16 of opacity."""
    return _rawmode(image) == "LA;16B"


def values(image: Image.Image, reopen: Callable[[], Image.Image]) -> np.ndarray:
    """The values (H, W, C) as stored of an undecoded image, decoded now.

    `reopen` gives it anew: Pillow has no 16-bit colours, so that these are decoded twice, for the high bytes and for
    the low ones.
    """
    raw = _rawmode(image)
    if stores_grey_and_alpha(image):
        return np.asarray(_with_rawmode(image, "RGBA")).view(">u2").astype(np.uint16)
    if raw in _DEEP_COLOURS:
        with reopen() as again:
            low = np.asarray(_with_rawmode(again, _other_bytes(raw)))
        return np.asarray(image).astype(np.uint16) << 8 | low
    found = np.asarray(image)
    if _is_signed_byte(image):
        found = found.view(np.int8)
    elif image.mode == "I" and _tag(image, _BITS) == 32 and _tag(image, _SAMPLE_FORMAT) != _SIGNED:
        found = found.view(np.uint32)
    return found[:, :, None]


def extremes(found: np.ndarray) -> Span:
    """The smallest and the largest of the values, opacity left out."""
    colours = found[:, :, : _colours(found)]
    return float(colours.min()), float(colours.max())


def float_span(found: np.ndarray) -> Span | None:
    """The range of floating-point values: 0 to 1 where all are in it, else unknown."""
    low, high = extremes(found)
    return (0.0, 1.0) if 0 <= low <= high <= 1 else None


def auto_span(found: Iterable[Span]) -> Span | None:
    """The range for all images with these extremes: as many bits as the largest value needs, at least 8, with a sign
    where one is below 0; None for no image.
    """
    pairs = list(found)
    if not pairs:
        return None
    low, high = int(min(low for low, _ in pairs)), int(max(high for _, high in pairs))
    if low < 0:
        bits = max(7, high.bit_length(), (-low - 1).bit_length())
        return -(2.0**bits), 2.0**bits - 1
    return 0.0, 2.0 ** max(8, high.bit_length()) - 1


def eight_bits(found: np.ndarray, span: Span, image: Image.Image) -> Image.Image:
    """The values (H, W, C) as an image of mode L, LA, RGB or RGBA, those of `span` from black to white."""
    count = _colours(found)
    pixels = _scaled(found[:, :, :count], span)
    if _tag(image, _PHOTOMETRIC) == 0:  # "white is zero"
        pixels = 255 - pixels
    bands = [pixels[:, :, k] for k in range(count)]
    if found.shape[2] > count:
        bands.append(_scaled(found[:, :, -1], (0, 65535)))
    elif (key := image.info.get("transparency")) is not None:  # of a PNG: the one colour that is a hole
        bands.append(np.where((found == np.asarray(key)).all(axis=2), 0, 255).astype(np.uint8))
    return Image.merge({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[len(bands)], [Image.fromarray(b) for b in bands])


def _scaled(found: np.ndarray, span: Span) -> np.ndarray:
    low, high = span
    scaled = np.nan_to_num((found.astype(np.float32) - low) / (high - low))
    return (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colours(found: np.ndarray) -> int:
    """How many of the channels are not opacity."""
    count: int = found.shape[2]
    return count - 1 if count in (2, 4) else count


def _rawmode(image: Image.Image) -> str:
    tile = next(iter(getattr(image, "tile", ())), None)
    if tile is None or tile.args is None:
        return ""
    return tile.args if isinstance(tile.args, str) else str(tile.args[0])


def _with_rawmode(image: Image.Image, rawmode: str) -> Image.Image:
    """The undecoded image, to be decoded as if its bytes were those of `rawmode`."""
    tiles = image.tile  # type: ignore[attr-defined]
    changed = [t._replace(args=rawmode if isinstance(t.args, str) else (rawmode, *t.args[1:])) for t in tiles]
    image.tile = changed  # type: ignore[attr-defined]
    return image


def _other_bytes(rawmode: str) -> str:
    """The mode that takes the other byte of each two."""
    name, _, order = rawmode.rpartition(";16")
    native = "L" if sys.byteorder == "little" else "B"
    return f"{name};16{'L' if order.replace('N', native) == 'B' else 'B'}"


def _is_signed_byte(image: Image.Image) -> bool:
    return image.mode == "L" and _tag(image, _SAMPLE_FORMAT) == _SIGNED


def _tag(image: Image.Image, number: int) -> int | None:
    """The first value of a TIFF's tag."""
    value = getattr(image, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) else value
