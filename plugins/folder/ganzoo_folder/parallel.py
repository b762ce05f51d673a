"""Work on many files at once: by threads, as to read, decode and digest frees the interpreter for the others; of many
small images by processes, as there the interpreter's part sets the pace."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from ganzoo_folder.workers import Workers

GROUP = 16  # files that a thread takes at a time: to hand over each by itself costs as much as to decode a small one
MANY, SMALL = 2000, 96 * 96  # files, and pixels: processes are worth their start, and the way of the pixels back
T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool(Protocol):
    """What both kinds have."""

    def submit(self, function: Callable[..., R], /, *arguments: object) -> Future[R]: ...


def new_pool(files: int = 0, pixels: int = SMALL) -> ThreadPoolExecutor | Workers:
    """A thread for each core or, where many files become so many pixels each, a process; more would wait for others."""
    count = cores()
    if count > 1 and files >= MANY and pixels <= SMALL and os.name == "posix" and sys.executable:
        return Workers(min(count, files // (MANY // 2)))
    return ThreadPoolExecutor(count)


def in_order(
    pool: Pool,
    function: Callable[[T], R],
    items: Sequence[T],
    group: int = GROUP,
    most: int = 2**30,
) -> Generator[R, None, None]:
    """As `pool.map`, a `group` of items at a time, and at most so many groups ahead of what is asked for.

    By default as many as keep all threads at work. What has not begun is cancelled where the iteration ends early.
    """
    ahead = min(most, 2 * cores() + 1)
    under_way: deque[Future[list[R]]] = deque()
    try:
        for start in range(0, len(items), group):
            if len(under_way) >= ahead:
                yield from under_way.popleft().result()
            under_way.append(pool.submit(_all, function, items[start : start + group]))
        while under_way:
            yield from under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()


def _all(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]
