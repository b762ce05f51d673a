"""JSON from untrusted files, read in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganzoo_core.errors import FileError, shorten

_MOST_BYTES = 2**25
_MOST_PARTS = 2**20  # values cost far more memory than their characters


def parse(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` for invalid JSON, including NaN and infinity."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def read(path: Path, deepest: int) -> Any:
    """The value in a file. Raises `FileError` if it can't be read, is not JSON, too large or nested too deep."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise FileError(f"{path} can't be read: it may have {_MOST_BYTES:,} bytes, but has {size:,}")
        text = path.read_text(encoding="utf-8")
        parts = sum(map(text.count, ",[{"))
        if parts > _MOST_PARTS:
            raise FileError(f"{path} can't be read: it may hold {_MOST_PARTS:,} values, but holds about {parts:,}")
        value = parse(text)
    except (OSError, ValueError) as error:
        raise FileError(f"{path} can't be read: {shorten(error)}") from error
    if not is_at_most(deepest, value):
        raise FileError(f"{path} is damaged: it is nested more than {deepest} levels deep")
    return value


def is_at_most(levels: int, value: Any) -> bool:
    """Whether a JSON value is nested at most so deep: a plain one is at level 0."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_at_most(levels - 1, item) for item in inner)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
