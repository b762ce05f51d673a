"""The lines of metrics.jsonl, and what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ganzoo_core.storage.schema import is_count, is_number, optional, table

METRIC_S = "metric_s"  # how long a reading of the run's metric took


def losses_of(record: dict[str, Any]) -> dict[str, float]:
    """Each player's loss: the sum of its terms. One whose terms are not all known is left out."""
    terms: dict[str, list[Any]] = {}
    for key, value in record.items():
        player, slash, _ = key.partition("/")
        if slash:
            terms.setdefault(player, []).append(value)
    return {player: math.fsum(values) for player, values in terms.items() if None not in values}


def accuracy_of(record: dict[str, float]) -> float | None:
    """The share of real and fake samples that D tells right; None where the record does not say."""
    shares = [record.get("accuracy_real"), record.get("accuracy_fake")]
    known = [share for share in shares if share is not None]
    return sum(known) / 2 if len(known) == 2 else None


def is_record(value: Any) -> bool:
    """Whether a line of metrics.jsonl is one: numbers by name, the step among them."""
    return _NUMBERS(value) and is_count(value.get("step"))


_NUMBERS = table(optional(is_number))
MOST_NAMES = 500  # of numbers in all lines: each has a chart on the page


def trained_seconds(records: Sequence[dict[str, Any]], batch_size: int) -> float:
    """How long training took, in all its processes, read back from the speeds."""
    total, before = 0.0, 0
    for record in records:
        if record.get("samples_per_s"):
            total += (record["step"] - before) * batch_size / record["samples_per_s"]
            before = record["step"]
    return total
