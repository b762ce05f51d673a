"""Tables beside images: metadata.csv and metadata.jsonl as Hugging Face's imagefolder has them, and labels.csv."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ganzoo_core.errors import DataError, shorten
from ganzoo_core.storage import json_files
from ganzoo_core.storage.files import read_bounded
from ganzoo_core.storage.names import few
from ganzoo_folder.formats import extensions
from ganzoo_folder.scan import Found

_MOST_BYTES = 2**26
_MOST_LETTERS = 255  # of a label: as many as the name of a folder may have
_METADATA, _LABELS = ("metadata.csv", "metadata.jsonl"), "labels.csv"
NAME = "file_name"


class Row(NamedTuple):
    """What a table says of an image: `where` it does, such as "metadata.csv, line 3", and its values by column."""

    where: str
    values: dict[str, Any]


class Tables(NamedTuple):
    """What tables say of images, by their names below the root; None without such a table. `files`: which were read."""

    files: list[str]
    rows: dict[str, Row] | None
    labels: dict[str, Row] | None


def read_tables(root: Path, folders: list[Found]) -> Tables:
    """The tables in some folders below the root. Raises `DataError` or `FileError` for one that can't be used."""
    names = [name for found in folders for name in found.others]
    metadata = [name for name in names if os.path.basename(name) in _METADATA]
    labels = [name for name in names if os.path.basename(name) == _LABELS]
    homes = [os.path.dirname(name) for name in metadata]
    if twice := [home for home in homes if homes.count(home) > 1]:
        raise DataError(f"{root / twice[0]} holds {' and '.join(_METADATA)}; keep one")
    readers = {".csv": _csv_rows, ".jsonl": _json_rows}
    rows = _by_name((name, row) for name in metadata for row in readers[os.path.splitext(name)[1]](root / name, name))
    classes = _by_name((name, row) for name in labels for row in _label_rows(root / name, name))
    return Tables(metadata + labels, rows if metadata else None, classes if labels else None)


def _by_name(rows: Iterator[tuple[str, tuple[str, Row]]]) -> dict[str, Row]:
    """Rows by the image's name below the root, which a table gives as seen from its own folder."""
    found: dict[str, Row] = {}
    for table, (name, row) in rows:
        image = os.path.normpath(os.path.join(os.path.dirname(table), name))
        if image in found:
            raise DataError(f"{row.where}: {shorten(repr(name))} is described twice, first in {found[image].where}")
        found[image] = row
    return found


def _csv_rows(path: Path, name: str) -> Iterator[tuple[str, Row]]:
    lines = _csv_lines(path, name)
    where, header = next(lines, (name, []))
    if NAME not in header:
        raise DataError(f"{where}: the first line must name columns, and one {NAME}, but has {_listed(header)}")
    if twice := [column for column in header if column and header.count(column) > 1]:
        raise DataError(f"{where}: two columns are called {twice[0]!r}; rename one")
    for where, values in lines:
        if len(values) != len(header):
            raise DataError(f"{where}: it must have {len(header)} values, as the first line has, but has {len(values)}")
        row = dict(zip(header, values, strict=True))
        yield row[NAME], Row(where, row)


def _json_rows(path: Path, name: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(_text(path, name).split("\n"), 1):
        where = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            values = json_files.parse(line)
        except ValueError as error:
            raise DataError(f"{where}: it is no JSON ({shorten(error)})") from error
        if not isinstance(values, dict) or not isinstance(values.get(NAME), str):
            raise DataError(
                f'{where}: it must be an object with a text {NAME}, such as {{"{NAME}": "a.png"}}, but is '
                f"{shorten(line.strip(), 60)}"
            )
        yield values[NAME], Row(where, values)


def _label_rows(path: Path, name: str) -> Iterator[tuple[str, Row]]:
    for number, (where, values) in enumerate(_csv_lines(path, name)):
        if number == 0 and os.path.splitext(values[0])[1].lower() not in extensions():
            continue  # the columns' names
        label = values[1].strip() if len(values) == 2 else ""
        if not 0 < len(label) <= _MOST_LETTERS:
            raise DataError(
                f"{where}: it must be a file name and a label of 1 to {_MOST_LETTERS} letters, but is {_listed(values)}"
            )
        yield values[0], Row(where, {"label": label})


def _csv_lines(path: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """The lines with values in them, each with the place where it begins."""
    reader, begins = csv.reader(io.StringIO(_text(path, name), newline=""), strict=True), 1
    try:
        for values in reader:
            if values:
                yield f"{name}, line {begins}", values
            begins = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {begins}: it is no CSV ({error})") from error


def _text(path: Path, name: str) -> str:
    data = read_bounded(path, _MOST_BYTES)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}, line {line}: it is no UTF-8 text; save it as UTF-8") from error


def _listed(values: list[str]) -> str:
    return shorten(few(map(repr, values)), 200) or "nothing"
