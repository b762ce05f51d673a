"""Where all randomness of a run comes from: (seed, step), and the microbatch that is being computed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

# Threads of a program share torch's default generators: whoever draws from one is alone with them until it is done.
alone = threading.RLock()


def derive_seed(seed: int, *keys: int | str) -> int:
    """A seed for one purpose, such as ("order", epoch) or ("step", k): the run's only source of randomness.

    The step number is the only clock: whatever is random at step k depends on (seed, k), not on what came before.
    """
    digest = hashlib.blake2b(repr((seed, *keys)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # torch takes 63 bits


@dataclass(frozen=True)
class Microbatch:
    """The microbatch being computed: its number, how many there are, and the random generator that they share.

    `groups`: of a batch in class order, how many classes, of each of which it holds equally many.
    """

    number: int
    count: int
    common: torch.Generator
    groups: int = 1

    def part(self, whole: Tensor) -> Tensor:
        """Its rows of a whole mini-batch's (B, ...)."""
        return whole.unflatten(0, (self.groups, self.count, -1))[:, self.number].flatten(0, 1)


current_microbatch: ContextVar[Microbatch | None] = ContextVar("microbatch", default=None)


def uniform(*shape: int, like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1), float32 on `like`'s device. The first dimension is this microbatch's samples.

    Made for the whole mini-batch and sliced, so splitting changes nothing, and float32 whatever `like` is, since bf16
    draws other numbers. Dropout and the like are seeded per microbatch.
    """
    return _drawn(torch.rand, shape, like.device)


def normal(*shape: int, like: Tensor) -> Tensor:
    """Standard normal numbers of `shape`, as `uniform` makes its own."""
    return _drawn(torch.randn, shape, like.device)


def _drawn(draw: Callable[..., Tensor], shape: tuple[int, ...], device: torch.device) -> Tensor:
    microbatch = current_microbatch.get()
    if microbatch is None:
        return draw(shape, device=device, dtype=torch.float32)
    n, *rest = shape
    whole = draw(n * microbatch.count, *rest, generator=microbatch.common, device=device, dtype=torch.float32)
    return microbatch.part(whole)
