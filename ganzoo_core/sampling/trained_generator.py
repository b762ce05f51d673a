"""A trained generator: a network and all that is needed to sample from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import SettingError, shorten
from ganzoo_core.interfaces import Generator
from ganzoo_core.sampling.generate import _PIECE, generate
from ganzoo_core.sampling.sample_files import is_picture, write_samples
from ganzoo_core.sampling.samples import Samples, default_count, label_indices
from ganzoo_core.variant import Variant

_LEAST_PICTURED, _MOST_PICTURED = 1000, 2**25  # samples, and numbers in them, in one picture: 128 MB


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator and all that is needed to sample from it. `step`: how many steps it was trained."""

    module: Generator
    variant: Variant
    spec: DataSpec
    step: int
    device: torch.device

    def sample(self, n: int | None = None, *, labels: Sequence[str | int] | None = None, seed: int = 0) -> Samples:
        """Make n samples. The same seed gives the same samples; the first k do not depend on n.

        `labels`, names or indices, are cycled through; without them a conditional variant cycles through all classes.
        Raises `SettingError` if the variant takes no labels, `UnknownNameError` for an unknown label.
        """
        n, cycle = self._wanted(n, labels)
        return self._made(0, n, cycle, seed)

    def batches(
        self, n: int | None = None, *, labels: Sequence[str | int] | None = None, seed: int = 0
    ) -> Iterator[Samples]:
        """The samples of `sample`, at most 64 at a time, generated lazily: memory does not grow with n."""
        n, cycle = self._wanted(n, labels)
        return self._pieces(n, cycle, seed)

    def save_samples(
        self,
        path: Path | str,
        n: int | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Save the samples of `sample` as `Samples.save` does, without holding them in memory, except for a picture.

        `progress(done, total)` is called after each batch. Raises what `sample` and `Samples.save` raise.
        """
        if is_picture(path):
            most = max(_LEAST_PICTURED, _MOST_PICTURED // math.prod(self.spec.shape))
            if n is not None and n > most:
                raise SettingError(
                    f"n must be at most {most:,} for a picture of {self.spec.name}, but is {shorten(n)}; name an .npz "
                    f"or a folder instead of {Path(path).name}"
                )
            self.sample(n, labels=labels, seed=seed).save(path)
            return
        n, cycle = self._wanted(n, labels)
        pieces = self._pieces(n, cycle, seed, progress)
        write_samples(path, self.spec, (piece.arrays() for piece in pieces), n)

    def _wanted(self, n: int | None, labels: Sequence[str | int] | None) -> tuple[int, Tensor | None]:
        """The number of samples, and the labels to cycle through."""
        if n is not None and n < 1:
            raise SettingError(f"n must be at least 1, but is {n}")
        if labels:
            self.check_conditional()
            cycle = label_indices(self.spec, labels)
            return n or 8 * len(cycle), torch.tensor(cycle, device="cpu")
        n = n or default_count(self.spec, self.variant.conditional)
        return n, torch.arange(self.spec.num_classes, device="cpu") if self.variant.conditional else None

    def _pieces(
        self, n: int, cycle: Tensor | None, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Samples]:
        for first in range(0, n, _PIECE):
            piece = self._made(first, min(_PIECE, n - first), cycle, seed)
            yield piece
            if progress is not None:
                progress(first + len(piece), n)

    def _made(self, first: int, n: int, cycle: Tensor | None, seed: int) -> Samples:
        """n samples from number `first` on."""
        labels = None if cycle is None else cycle[torch.arange(first, first + n, device="cpu") % len(cycle)]
        return Samples(generate(self.module, n, labels, seed, self.device, first), self.spec, labels)

    def check_conditional(self) -> None:
        """Raise `SettingError` for a variant that takes no labels."""
        if not self.variant.conditional:
            raise SettingError(
                f"{self.variant.name} is not conditional and can't be asked for a label; "
                f"`ganzoo list` shows the variants that can"
            )
