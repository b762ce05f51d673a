"""Colours that a file describes, made those that screens show: sRGB."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageCms

_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue: x and y of each
_ALIKE = 0.05  # gammas this near to sRGB's are rounding


def to_srgb(image: Image.Image, info: Mapping[Any, Any]) -> Image.Image:
    """An image of mode L, LA, RGB, RGBA or CMYK as sRGB of mode L, LA, RGB or RGBA.

    By its embedded profile, or else by a PNG's gamma and primaries; as it is where it has neither.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    opaque = image if alpha is None else image.convert(image.mode.removesuffix("A"))
    if profile := info.get("icc_profile"):
        opaque = _by_profile(opaque, profile)
    elif (gamma := info.get("gamma")) and "srgb" not in info:
        opaque = _by_gamma(opaque, gamma, info.get("chromaticity"))
    if opaque.mode == "CMYK":
        opaque = opaque.convert("RGB")
    if alpha is not None:
        opaque.putalpha(alpha)
    return opaque


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """A profile that is damaged, or of another kind of image, is passed over, as browsers do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != _SPACES[image.mode] or _is_srgb(source):
            return image
        made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    assert made is not None  # it is, unless done in place
    return made.convert(image.mode) if image.mode == "L" else made


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return (profile.profile.profile_description or "").startswith("sRGB")


def _by_gamma(image: Image.Image, gamma: float, chromaticity: Sequence[float] | None) -> Image.Image:
    """A PNG's gAMA and cHRM: light is value ** (1 / gamma), in the primaries given."""
    primaries = chromaticity if chromaticity and image.mode == "RGB" else _SRGB_PRIMARIES
    if abs(gamma * 2.2 - 1) < _ALIKE and np.allclose(primaries, _SRGB_PRIMARIES, atol=0.002):
        return image
    light = (np.asarray(image) / 255.0) ** (1 / gamma)
    try:
        turn = np.linalg.solve(_to_xyz(_SRGB_PRIMARIES), _to_xyz(primaries))
    except (np.linalg.LinAlgError, ZeroDivisionError):
        turn = np.eye(3)  # no colours at all
    if image.mode == "RGB":
        light = np.clip(light @ turn.T, 0, 1)
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray((shown * 255 + 0.5).astype(np.uint8))


def _to_xyz(primaries: Sequence[float]) -> np.ndarray:
    """The matrix from red, green and blue to X, Y and Z, white being as bright as the three together."""
    white, *colours = ((x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True))
    matrix = np.array(colours).T
    return matrix * np.linalg.solve(matrix, white)
