"""JSON from untrusted files, read in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganzoo_core.errors import FileError, shorten
from ganzoo_core.storage.files import read_bounded

_MOST_BYTES = 2**25
_MOST_PARTS = 2**20  # values cost far more memory than their characters
_MOST_LINE_BYTES, _MOST_LINE_PARTS = 2**28, 2**23  # of metrics.jsonl: some 500,000 lines, a gigabyte once it is read


def parse(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` for invalid JSON, including NaN and infinity."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def read(path: Path, deepest: int) -> Any:
    """The value in a file. Raises `FileError` if it can't be read, is not JSON, too large or nested too deep."""
    data = read_bounded(path, _MOST_BYTES)
    _check_parts(path, data, _MOST_PARTS)
    try:
        value = parse(data.decode())
    except ValueError as error:
        raise FileError(f"{path} can't be read: {shorten(error)}") from error
    if not is_at_most(deepest, value):
        raise FileError(f"{path} is damaged: it is nested more than {deepest} levels deep")
    return value


def read_lines(path: Path) -> Iterator[Any]:
    """The values of a file with one a line, up to a line that is no JSON, such as one that a crash cut short.

    Raises `FileError` where the file can't be read or is too large.
    """
    data = read_bounded(path, _MOST_LINE_BYTES)
    _check_parts(path, data, _MOST_LINE_PARTS)
    for line in data.splitlines():
        try:
            yield parse(line.decode())
        except ValueError:
            return


def _check_parts(path: Path, data: bytes, most: int) -> None:
    parts = sum(map(data.count, (b",", b"[", b"{")))
    if parts > most:
        raise FileError(f"{path} can't be read: it may hold {most:,} values, but holds about {parts:,}")


def is_at_most(levels: int, value: Any) -> bool:
    """Whether a JSON value is nested at most so deep: a plain one is at level 0."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_at_most(levels - 1, item) for item in inner)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
