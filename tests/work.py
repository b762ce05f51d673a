"""How much work something is, counted in calls of functions: the same on every machine, which seconds are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class TooMuchWork(BaseException):
    """More calls than there may be. No `Exception`: what is tested may catch those."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Stop with `TooMuchWork` what calls more functions in here, those written in C among them, be it without end."""
    made, before = 0, sys.getprofile()

    def count(frame: FrameType, event: str, of_it: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")
        if made > calls:
            raise TooMuchWork(f"more than {calls:,} calls")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
