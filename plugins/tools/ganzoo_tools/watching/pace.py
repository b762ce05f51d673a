"""How often to do what takes time from a run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator


class Pace:
    """Says when something is due again: at most every `every_s` seconds, and so that it takes at most `share` of them.

    `cost` is the clock of what it takes; the wall's, or a thread's own.
    """

    def __init__(self, every_s: float, share: float, cost: Callable[[], float] = time.perf_counter) -> None:
        self.every_s, self.share = every_s, share
        self.spent_s = 0.0
        self._cost = cost
        self._due_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time again."""
        return time.monotonic() >= self._due_s

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """What is done inside is what takes time."""
        started_s, begun = time.monotonic(), self._cost()
        yield
        self.spent_s = self._cost() - begun
        self._due_s = started_s + max(self.every_s, self.spent_s / self.share)
