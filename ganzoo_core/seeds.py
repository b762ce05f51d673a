"""Where all randomness of a run comes from: (seed, step), and the microbatch that is being computed."""

from __future__ import annotations

import hashlib
import threading
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
    """Uniform numbers in [0, 1) of `shape`, whose first dimension is this microbatch's samples.

    Made for the whole mini-batch and sliced, so splitting changes nothing. Dropout and the like are seeded per
    microbatch.
    """
    microbatch = current_microbatch.get()
    if microbatch is None:
        return torch.rand(shape, device=like.device, dtype=like.dtype)
    n, *rest = shape
    whole = torch.rand(n * microbatch.count, *rest, generator=microbatch.common, device=like.device, dtype=like.dtype)
    return microbatch.part(whole)
