"""DataSpec: metadata of a data set. Needs no torch."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from ganzoo_core.errors import DataError

Kind = Literal["images", "points", "curves", "voxels"]


@dataclass(frozen=True)
class DataSpec:
    """Metadata of a data set.

    `shape`: one sample's, such as (1, 28, 28), (2,) or (15,). Samples are in [-1, 1]; `sample * scale + offset` gives
    natural units (pixels are not scaled). Images have 1 channel (grey), 3 (red, green, blue) or 4 (these and opacity);
    others show their mean. `classes`: names of the labels 0, 1, ...; empty if unlabelled. Raises `DataError` for an
    invalid field, since specs are also read from files.
    """

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    kind: Kind = "images"
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        rules = {
            "name": (isinstance(self.name, str), "text"),
            "shape": (_is_tuple_of(int, self.shape) and min(self.shape, default=0) > 0, "positive whole numbers"),
            "classes": (_is_tuple_of(str, self.classes), "texts"),
            "kind": (self.kind in get_args(Kind), f"one of {', '.join(get_args(Kind))}"),
            "scale": (_is_finite(self.scale), "a finite number"),
            "offset": (_is_finite(self.offset), "a finite number"),
        }
        for name, (kept, rule) in rules.items():
            if not kept:
                raise DataError(f"the {name} of the data {self.name} must be {rule}, but is {getattr(self, name)!r}")

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 without labels."""
        return len(self.classes)

    @property
    def has_pixels(self) -> bool:
        """Whether samples are images (C, H, W) or voxels (1, D, H, W), not points or curves (D,)."""
        return self.kind in ("images", "voxels")

    def to_dict(self) -> dict[str, Any]:
        """The spec as JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The spec that `to_dict` gave. Raises `TypeError` if fields are missing or unknown."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(values).items()}
        return cls(**fields)


def _is_tuple_of(kind: type, value: Any) -> bool:
    return isinstance(value, tuple) and all(type(item) is kind for item in value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max  # an int may be larger than any float


Split = Literal["train", "test"]
