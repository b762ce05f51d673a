"""Captions as word numbers: the words of a text, a vocabulary, and what to say of words that are not in it."""

from __future__ import annotations

import difflib
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ganzoo_core.dataspec import Input
from ganzoo_core.errors import DataError, shorten
from ganzoo_core.storage.names import few, visible

_LONGEST_WORD = 40  # letters; more are cut off: the vocabulary goes into the header of every file of weights
_log = logging.getLogger("ganzoo")


class _Letters(dict[int, str]):
    """What stands for each character: itself where it is part of a word, else a space. Found out on first use."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        is_part = letter.isalnum() or letter == "'" or unicodedata.category(letter).startswith("M")  # M: marks on some
        self[code] = letter if is_part else " "
        return self[code]


_letters = _Letters({ord("\N{RIGHT SINGLE QUOTATION MARK}"): "'"})


def words_of(text: str) -> list[str]:
    """The words of a text, lower-cased: letters, digits and apostrophes of any script, parted by all else."""
    plain = unicodedata.normalize("NFC", text.lower()).translate(_letters)
    return [word[:_LONGEST_WORD] for part in plain.split() if (word := part.strip("'"))]


def vocabulary(texts: Iterable[str]) -> list[str]:
    """All words of some texts, the most frequent first, equally frequent ones by the alphabet."""
    counts = Counter(word for text in texts for word in words_of(text))
    return sorted(counts, key=lambda word: (-counts[word], word))


def encode(texts: Sequence[str], column: Input) -> Tensor:
    """Texts as numbers of the column's words: (N, L) int64, 0 where a text has ended.

    Words that the column lacks are left out, and what is longer than L is cut.
    """
    numbers = {word: number for number, word in enumerate(column.names, 1)}
    encoded = torch.zeros(len(texts), *column.shape, dtype=torch.int64, device="cpu")
    for row, text in enumerate(texts):
        known = [numbers[word] for word in words_of(text) if word in numbers][: column.shape[0]]
        encoded[row, : len(known)] = torch.tensor(known, dtype=torch.int64)
    return encoded


def encode_known(texts: Sequence[str], column: Input) -> Tensor:
    """`encode` for texts that a user typed. Raises `DataError` for one without a known word; others are told."""
    for text in dict.fromkeys(texts):
        unknown = unknown_words(text, column)
        if not set(words_of(text)) - set(unknown):
            raise DataError(
                f"a text for {column.name} must have a word that the data has, but {shorten(repr(text))} has none"
                f"{_told(unknown, column)}"
            )
        if unknown:
            told = visible(_told(unknown, column))
            _log.warning("left out, as the data has no such words: %s%s", few(map(repr, unknown)), told)
    return encode(texts, column)


def unknown_words(text: str, column: Input) -> list[str]:
    """The words of a text that the column lacks, each once."""
    known = set(column.names)
    return [word for word in dict.fromkeys(words_of(text)) if word not in known]


def nearest(word: str, column: Input) -> list[str]:
    """Up to three of the column's words that look like this one."""
    return difflib.get_close_matches(word, column.names, n=3, cutoff=0.6)


def _told(unknown: Sequence[str], column: Input) -> str:
    """Near words of the unknown ones, or else frequent words, as the end of a sentence."""
    near = list(dict.fromkeys(other for word in unknown[:3] for other in nearest(word, column)))
    return f"; near ones: {', '.join(near)}" if near else f"; it has, for example, {few(column.names)}"
