"""How often to do what takes time from a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Pace:
    """Says when something is due again: every `every_s` seconds, or less often, to take `share` of the time.

    What it takes the first time does not count: that imports, and warms up.
    """

    def __init__(self, every_s: float, share: float) -> None:
        self.every_s, self.share = every_s, share
        self.spent_s = 0.0
        self._is_warm = False
        self._due_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time again."""
        return time.monotonic() >= self._due_s

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """What is done inside is what takes time."""
        started_s = time.monotonic()
        yield
        self.spent_s = time.monotonic() - started_s
        self._due_s = started_s + max(self.every_s, self.spent_s / self.share if self._is_warm else 0.0)
        self._is_warm = True
