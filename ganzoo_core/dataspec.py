"""DataSpec and Input: metadata of a data set and of its columns. Needs no torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from ganzoo_core.errors import DataError

Kind = Literal["images", "points", "curves", "voxels"]
InputKind = Literal["image", "text", "numbers"]
OWN_COLUMNS = ("real", "labels", "z", "x")  # of every batch, or positions of `forward`: no further column is called so


@dataclass(frozen=True, kw_only=True)
class Input:
    """One column of a batch beside `real` and `labels`: what a data set gives, or what a generator takes.

    `name`: the keyword by which networks take it. `kind` and `shape`, of one sample: an "image" (C, H, W), float32 in
    [-1, 1] in a batch and uint8 in a data set; a "text" (L,), int64 word numbers, 0 where it has ended; "numbers" (D,),
    float32. `names`: a text's vocabulary, of which word number i is `names[i - 1]`, or what each of the numbers is
    called. `any_size`: a generator takes images of any height and width that are multiples of `multiple`, and `shape`
    is what it was trained with. `doc`: one line for people. Raises `DataError` for an invalid field, since inputs are
    also read from files.
    """

    name: str
    kind: InputKind
    shape: tuple[int, ...]
    names: tuple[str, ...] = ()
    any_size: bool = False
    multiple: int = 1
    doc: str = ""

    def __post_init__(self) -> None:
        dimensions = 3 if self.kind == "image" else 1
        rules = {
            "name": (isinstance(self.name, str) and self.name.isidentifier() and self.name not in OWN_COLUMNS,
                     f"an identifier, and none of {', '.join(OWN_COLUMNS)}"),
            "kind": (self.kind in get_args(InputKind), f"one of {', '.join(get_args(InputKind))}"),
            "shape": (_is_tuple_of(int, self.shape) and len(self.shape) == dimensions and min(self.shape) > 0,
                      "(C, H, W) of an image, (L,) of a text, (D,) of numbers: positive whole numbers"),
            "names": (_is_tuple_of(str, self.names) and self._has_names(), "texts, one for each word or number"),
            "any_size": (type(self.any_size) is bool and (self.kind == "image" or not self.any_size),
                         "True or False, and False of what is no image"),
            "multiple": (type(self.multiple) is int and self.multiple > 0, "a positive whole number"),
            "doc": (isinstance(self.doc, str) and "\n" not in self.doc, "one line"),
        }  # fmt: skip
        for field, (kept, rule) in rules.items():
            if not kept:
                raise DataError(f"the {field} of the input {self.name} must be {rule}, but is {getattr(self, field)!r}")

    def _has_names(self) -> bool:
        return self.kind == "image" or not self.names or self.kind == "text" or len(self.names) == self.shape[0]

    def to_dict(self) -> dict[str, Any]:
        """The input as JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The input that `to_dict` gave. Raises `TypeError` if fields are missing or unknown."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(values).items()}
        return cls(**fields)


@dataclass(frozen=True)
class DataSpec:
    """Metadata of a data set.

    `shape`: one sample's, such as (1, 28, 28), (2,) or (15,). Samples are in [-1, 1]; `sample * scale + offset` gives
    natural units (pixels are not scaled). Images have 1 channel (grey), 3 (red, green, blue) or 4 (these and opacity);
    others show their mean. `classes`: names of the labels 0, 1, ...; empty if unlabelled. `columns`: what it gives
    beside samples and labels. Raises `DataError` for an invalid field, since specs are also read from files.
    """

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    kind: Kind = "images"
    scale: float = 1.0
    offset: float = 0.0
    columns: tuple[Input, ...] = ()

    def __post_init__(self) -> None:
        rules = {
            "name": (isinstance(self.name, str), "text"),
            "shape": (_is_tuple_of(int, self.shape) and min(self.shape, default=0) > 0, "positive whole numbers"),
            "classes": (_is_tuple_of(str, self.classes), "texts"),
            "kind": (self.kind in get_args(Kind), f"one of {', '.join(get_args(Kind))}"),
            "scale": (_is_finite(self.scale), "a finite number"),
            "offset": (_is_finite(self.offset), "a finite number"),
            "columns": (_is_tuple_of(Input, self.columns) and self._names_differ(), "inputs, each of another name"),
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

    def column(self, name: str) -> Input:
        """The column of that name. Raises `DataError` where the data has none such."""
        for column in self.columns:
            if column.name == name:
                return column
        has = f"only {', '.join(column.name for column in self.columns)}" if self.columns else "no columns"
        raise DataError(
            f"{self.name} has no column {name!r}, it has {has}; --data pairs:PATH gives a source for each picture, a "
            f"folder with a metadata.csv its texts and attributes (`ganzoo data`)"
        )

    def _names_differ(self) -> bool:
        return len({column.name for column in self.columns}) == len(self.columns)

    def to_dict(self) -> dict[str, Any]:
        """The spec as JSON values. Data without columns has none there, as in version 0.1."""
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if k != "columns"}
        columns = [column.to_dict() for column in self.columns]
        return fields | ({"columns": columns} if columns else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The spec that `to_dict` gave. Raises `TypeError` if fields are missing or unknown."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(values).items()}
        if "columns" in fields:
            fields["columns"] = inputs_from(fields["columns"])
        return cls(**fields)


def inputs_from(values: Any) -> tuple[Input, ...]:
    """The inputs that a file holds. Raises `TypeError` or `DataError` for what are none."""
    if not isinstance(values, list | tuple) or not all(isinstance(one, Mapping) for one in values):
        raise TypeError("inputs must be a list of objects")
    return tuple(Input.from_dict(one) for one in values)


def _is_tuple_of(kind: type, value: Any) -> bool:
    return isinstance(value, tuple) and all(type(item) is kind for item in value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max  # an int may be larger than any float


Split = Literal["train", "test"]
