"""How a folder's images are read, and the pairs of one."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, replace
from typing import Any

from ganzoo_core.errors import SettingError, shorten
from ganzoo_core.settings import Settings, option

_LEAST_SIDE = 4


@dataclass(frozen=True, kw_only=True)
class ImageOptions(Settings):
    """Which images are read, and how: all of it decides what is in a cache, but for `on_bad_image`."""

    image_size: str = option("32", "pixels a side, or HEIGHTxWIDTH such as 64x96")
    fit: str = option(
        "crop",
        "how other shapes fit in: crop to the middle, pad with the background, or stretch",
        choices=("crop", "pad", "stretch"),
    )
    channels: int | None = option(
        None, "1 grey, 3 colour, 4 colour and opacity; none: 1 where every file is stored as grey, else 3"
    )
    background: str = option("white", "colour behind transparent and padded parts: a name, or #rrggbb")
    range: str = option(
        "auto",
        "what is black and white in images of more than 8 bits, such as 0..4095; auto: as the folder's values go",
    )
    on_bad_image: str = option("skip", "what to do about an image that can't be read", choices=("skip", "stop"))
    held_out: int = option(
        0, "percent of the images that no run trains on, evenly by name: its held-out part", minimum=0, maximum=50
    )

    def __post_init__(self) -> None:
        if type(self.image_size) is int:
            object.__setattr__(self, "image_size", str(self.image_size))
        super().__post_init__()
        if self.channels not in (None, 1, 3, 4):
            raise SettingError(f"channels must be 1, 3, 4 or none, but is {self.channels}")
        _ = self.sides, self.colour, self.span

    @property
    def by_part(self) -> tuple[ImageOptions, ...]:
        """The options for each of the pictures that make up a sample."""
        return (self,)

    def decoding(self) -> dict[str, Any]:
        """What decides how pixels come out, as JSON values."""
        values = self.to_dict()
        return {name: values[name] for name in values if name in ImageOptions.names() - {"on_bad_image", "held_out"}}

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values; a square's size is a number, as it was before there were others."""
        values = super().to_dict()
        return values | {"image_size": int(self.image_size)} if self.image_size.isdecimal() else values

    @property
    def sides(self) -> tuple[int, int]:
        """The height and width that images get. Raises `SettingError`."""
        found = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", self.image_size)
        if not found:
            raise SettingError(
                f"image_size must be pixels a side such as 64, or height x width such as 64x96, but is "
                f"{shorten(repr(self.image_size))}"
            )
        height, width = int(found[1]), int(found[2] or found[1])
        if min(height, width) < _LEAST_SIDE:
            raise SettingError(f"image_size must be at least {_LEAST_SIDE}, but is {self.image_size}")
        return height, width

    @property
    def colour(self) -> tuple[int, int, int]:
        """The background as red, green and blue. Raises `SettingError`."""
        from PIL import ImageColor

        with contextlib.suppress(ValueError):
            found = ImageColor.getrgb(self.background)
            if len(found) == 3:  # without opacity
                return found
        raise SettingError(
            f"background must be a colour's name such as white, or #rrggbb, but is {shorten(repr(self.background))}"
        )

    @property
    def span(self) -> tuple[float, float] | None:
        """The values that become black and white; None for auto. Raises `SettingError`."""
        if self.range == "auto":
            return None
        try:
            low, high = map(float, self.range.split(".."))
        except ValueError:
            low = high = math.nan
        if not (low < high and math.isfinite(high - low)):
            raise SettingError(
                f"range must be auto or two numbers, the lower one first, such as 0..4095, but is "
                f"{shorten(repr(self.range))}"
            )
        return low, high


@dataclass(frozen=True, kw_only=True)
class FolderOptions(ImageOptions):
    """How a folder's images and their captions are read."""

    text_length: int = option(32, "words that a caption may have; what is longer is cut", minimum=1, maximum=1024)
    words: int = option(
        5000, "words that captions are made of, the most frequent; rarer ones are left out", minimum=1, maximum=20_000
    )


@dataclass(frozen=True, kw_only=True)
class PairsOptions(ImageOptions):
    """How pairs of pictures are read."""

    direction: str = option(
        "AtoB",
        "which is the source: the first folder or the left half (AtoB), or the second or the right one (BtoA)",
        choices=("AtoB", "BtoA"),
    )
    source_channels: int | None = option(None, "as channels, which is the target's, for the source")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source_channels not in (None, 1, 3, 4):
            raise SettingError(f"source_channels must be 1, 3, 4 or none, but is {self.source_channels}")

    @property
    def by_part(self) -> tuple[ImageOptions, ...]:
        """The target's and the source's."""
        return self, replace(self, channels=self.source_channels)
