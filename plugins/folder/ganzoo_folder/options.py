"""How a folder's images are read."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo_core.errors import SettingError
from ganzoo_core.settings import Settings, option


@dataclass(frozen=True, kw_only=True)
class FolderOptions(Settings):
    """How a folder's images are read."""

    image_size: int = option(32, "pixels a side; images are shrunk to it and cropped to a square", minimum=4)
    channels: int | None = option(None, "1 grey, 3 colour; none: 1 where every file is stored as grey, else 3")
    on_bad_image: str = option("skip", "what to do about an image that can't be read", choices=("skip", "stop"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (None, 1, 3):
            raise SettingError(f"channels must be 1, 3 or none, but is {self.channels}")
