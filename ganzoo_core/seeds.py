"""Where all randomness of a run comes from: (seed, step), and the microbatch that is being computed."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor


def derive_seed(seed: int, *keys: int | str) -> int:
    """A seed for one purpose, such as ("order", epoch) or ("step", k): the run's only source of randomness.

    The step number is the only clock: whatever is random at step k depends on (seed, k), not on what came before.
    """
    digest = hashlib.blake2b(repr((seed, *keys)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1  # torch takes 63 bits


@dataclass(frozen=True)
class _Piece:
    """The microbatch being computed: its number, how many there are, and the random generator that they share."""

    number: int
    count: int
    common: torch.Generator


_current: ContextVar[_Piece | None] = ContextVar("piece", default=None)


def uniform(*shape: int, like: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) of `shape`, whose first dimension is this microbatch's samples.

    Made for the whole mini-batch and sliced, so splitting changes nothing. Dropout and the like are seeded per
    microbatch.
    """
    piece = _current.get()
    if piece is None:
        return torch.rand(shape, device=like.device, dtype=like.dtype)
    n, *rest = shape
    whole = torch.rand(n * piece.count, *rest, generator=piece.common, device=like.device, dtype=like.dtype)
    return whole[piece.number * n : (piece.number + 1) * n]
