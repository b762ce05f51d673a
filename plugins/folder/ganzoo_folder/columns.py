"""What a table says of images, as columns of a data set: captions as word numbers, and attributes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo_core.datasets.words import encode, vocabulary, words_of
from ganzoo_core.dataspec import Input
from ganzoo_core.errors import DataError, shorten
from ganzoo_core.storage.names import few
from ganzoo_folder.listing import Listing
from ganzoo_folder.tables import NAME, Row

if TYPE_CHECKING:
    from ganzoo_folder.options import FolderOptions

TEXT, ATTRIBUTES = "text", "attributes"
_LARGEST = float(torch.finfo(torch.float32).max)


def described(train: Listing, bad: dict[str, str], options: FolderOptions) -> tuple[Input, ...]:
    """The columns that the table of a training part gives; none without a table.

    Raises `DataError` for captions without a word, and for a number that is missing or not finite.
    """
    if train.rows is None:
        return ()
    inputs = []
    if _has_texts(train.rows):
        texts = [_text(train.rows[train.images[k].name]) for k in train.kept(bad)]
        words = vocabulary(texts)[: options.words]
        if not words:
            raise DataError(f"the texts in {train.root / train.table} hold no word; fill them in, or remove the column")
        longest = min(options.text_length, max(len(words_of(text)) for text in texts))
        inputs.append(Input(name=TEXT, kind="text", shape=(longest,), names=tuple(words), doc="a caption"))
    if numeric := [name for name in _others(train.rows) if _is_numeric(train.rows, name)]:
        for row in train.rows.values():
            _numbers(row, numeric)
        inputs.append(Input(name=ATTRIBUTES, kind="numbers", shape=(len(numeric),), names=tuple(numeric)))
    return tuple(inputs)


def encoded(
    listing: Listing, names: Sequence[str], inputs: Sequence[Input], options: FolderOptions
) -> tuple[dict[str, Tensor], list[str]]:
    """The columns' values for the images of these names, and a sentence on each thing that is not as in the table.

    Raises `DataError` for a held-out part that lacks a column.
    """
    columns: dict[str, Tensor] = {}
    notes: list[str] = []
    rows = listing.rows or {}
    for column in inputs:
        if listing.rows is None or (column.name == TEXT and not _has_texts(rows)):
            raise DataError(
                f"the held-out part of {listing.root} has no {column.name}, but its training part has; describe its "
                f"images too, in a metadata.csv, or remove it"
            )
        if column.name == TEXT:
            texts = [_text(rows[name]) for name in names]
            columns[TEXT] = encode(texts, column)
            notes += _text_notes(texts, columns[TEXT], column, options)
        else:
            columns[ATTRIBUTES] = torch.tensor([_numbers(rows[name], column.names) for name in names])
    taken = {name for column in inputs if column.name == ATTRIBUTES for name in column.names}
    if idle := [name for name in _others(rows) if name not in taken]:
        notes.append(f"columns of {listing.table} that hold no numbers are not used: {few(map(repr, idle))}")
    return columns, notes


def _text_notes(texts: list[str], numbers: Tensor, column: Input, options: FolderOptions) -> list[str]:
    """What became of captions that are longer than others, of rare words, of no words."""
    notes = []
    lengths = [len(words_of(text)) for text in texts]
    total, known, most = len(texts), set(column.names), column.shape[0]
    used = set(vocabulary(texts))
    if cut := sum(length > most for length in lengths):
        notes.append(
            f"{cut:,} of {total:,} captions have more than {most} words and were cut, the longest of {max(lengths):,}; "
            f"--set text_length=N keeps more"
        )
    if unknown := len(used - known):
        way_out = "; --set words=N takes more" if len(known) == options.words else ""
        notes.append(
            f"{unknown:,} of {len(used):,} different words are left out of captions, as they are not among the "
            f"{len(known):,} most frequent of the training part{way_out}"
        )
    if empty := int((numbers == 0).all(dim=1).sum()):
        notes.append(f"{empty:,} of {total:,} captions are empty, or hold none of the words")
    return notes


def _has_texts(rows: dict[str, Row]) -> bool:
    return any(TEXT in row.values for row in rows.values())


def _text(row: Row) -> str:
    text = row.values.get(TEXT)
    if not isinstance(text, str | None):
        raise DataError(f"{row.where}: the text must be text, but is {shorten(repr(text), 60)}")
    return text or ""


def _others(rows: dict[str, Row]) -> list[str]:
    """The columns beside the images' names and texts."""
    return list(dict.fromkeys(name for row in rows.values() for name in row.values if name not in (NAME, TEXT)))


def _is_numeric(rows: dict[str, Row], column: str) -> bool:
    """Whether all that a column holds are numbers, and it has a name and holds any."""
    values = [value for row in rows.values() if (value := row.values.get(column)) not in (None, "")]
    return bool(column) and bool(values) and all(_number(value) is not None for value in values)


def _number(value: Any) -> float | None:
    """The value as a number, infinite where float32 holds no such, or None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:  # of a whole number
        return math.inf
    return number if abs(number) <= _LARGEST else math.inf


def _numbers(row: Row, columns: Sequence[str]) -> list[float]:
    found = []
    for column in columns:
        value = row.values.get(column)
        number = None if value == "" else _number(value)
        if number is None or not math.isfinite(number):
            but = "there is none" if value in (None, "") else f"is {shorten(repr(value), 60)}"
            raise DataError(f"{row.where}: {column} must be a finite number, as float32 holds it, but {but}")
        found.append(number)
    return found
