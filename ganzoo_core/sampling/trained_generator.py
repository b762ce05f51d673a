"""A trained generator: a network and all that is needed to sample from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.errors import SettingError, shorten
from ganzoo_core.interfaces import Generator
from ganzoo_core.sampling.generate import _PIECE, generate, latents
from ganzoo_core.sampling.inputs import given_columns, needs
from ganzoo_core.sampling.sample_files import is_picture, write_samples
from ganzoo_core.sampling.samples import Samples, default_count, label_indices
from ganzoo_core.sampling.tiles import Tiling
from ganzoo_core.settings import Settings
from ganzoo_core.variant import Variant

_LEAST_PICTURED, _MOST_PICTURED = 1000, 2**25  # samples, and numbers in them, in one picture: 128 MB


@dataclass(frozen=True)
class _Asked:
    """n samples: their labels and columns, both cycled through, each row of columns with `each` labels in turn.

    `tiling`: how they are made one at a time, where they are large.
    """

    n: int
    labels: Tensor | None
    columns: Mapping[str, Tensor]
    each: int = 1
    target: Tensor | None = None
    tiling: Tiling | None = None

    def labels_of(self, numbers: Tensor) -> Tensor | None:
        """The labels of the samples of these numbers."""
        return None if self.labels is None else self.labels[numbers % len(self.labels)]

    def rows(self, column: Tensor, numbers: Tensor) -> Tensor:
        """The rows of a column for the samples of these numbers."""
        return column[numbers // self.each % len(column)]


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator and all that is needed to sample from it. `step`: how many steps it was trained.

    `inputs`: what it takes beside latents and labels. `examples`: inputs that its run keeps, (M, ...) for each name.
    """

    module: Generator
    variant: Variant
    spec: DataSpec
    step: int
    device: torch.device
    inputs: tuple[Input, ...] = ()
    examples: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    def sample(
        self,
        n: int | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        seed: int = 0,
        inputs: Mapping[str, Any] | None = None,
        text: str | Sequence[str] | None = None,
    ) -> Samples:
        """Make n samples. The same seed gives the same samples; the first k do not depend on n.

        `labels`, names or indices, are cycled through; without them a conditional variant cycles through all classes.
        `inputs`: what the generator takes, by name: images (M, C, H, W), uint8 or float in [-1, 1], or a list of them;
        strings; numbers (M, D). `text`: strings for its one text. Each is made with each label, and without n once;
        without any input it takes its run's own examples. Raises `SettingError` if the variant takes no labels, for
        inputs that it does not take, or needs; `UnknownNameError` for an unknown label; `DataError` for an input that
        does not fit.
        """
        asked = self._asked(n, labels, inputs, text)
        return self._made(0, asked.n, asked, seed)

    def batches(
        self,
        n: int | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        seed: int = 0,
        inputs: Mapping[str, Any] | None = None,
        text: str | Sequence[str] | None = None,
    ) -> Iterator[Samples]:
        """The samples of `sample`, at most 64 at a time, generated lazily: memory does not grow with n.

        Those made of large pictures come one at a time.
        """
        return self._pieces(self._asked(n, labels, inputs, text), seed)

    def save_samples(
        self,
        path: Path | str,
        n: int | None = None,
        *,
        labels: Sequence[str | int] | None = None,
        seed: int = 0,
        inputs: Mapping[str, Any] | None = None,
        text: str | Sequence[str] | None = None,
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
            self.sample(n, labels=labels, seed=seed, inputs=inputs, text=text).save(path)
            return
        asked = self._asked(n, labels, inputs, text)
        pieces = self._pieces(asked, seed, progress)
        write_samples(path, self.spec, (piece.arrays() for piece in pieces), asked.n)

    def _asked(
        self,
        n: int | None,
        labels: Sequence[str | int] | None,
        inputs: Mapping[str, Any] | None = None,
        text: str | Sequence[str] | None = None,
    ) -> _Asked:
        """The number of samples, and the labels and inputs to cycle through."""
        if n is not None and n < 1:
            raise SettingError(f"n must be at least 1, but is {n}")
        cycle = torch.arange(self.spec.num_classes, device="cpu") if self.variant.conditional else None
        if labels:
            self.check_conditional()
            cycle = torch.tensor(label_indices(self.spec, labels), device="cpu")
        given = self._given(inputs, text)
        if given or self.inputs:
            asked = self._with_inputs(n, given, cycle, own_labels=not labels)
            made = self.module, self.inputs, self.spec.shape
            return replace(asked, tiling=Tiling.of(*made, asked.labels, asked.columns, self.device))
        if labels and cycle is not None:
            return _Asked(n or 8 * len(cycle), cycle, {})
        return _Asked(n or default_count(self.spec, self.variant.conditional), cycle, {})

    def _given(self, inputs: Mapping[str, Any] | None, text: str | Sequence[str] | None) -> dict[str, Any]:
        """What the user gave, by name: `text` is for the one text that the generator takes."""
        given = dict(inputs or {})
        if text is not None:
            texts = [one.name for one in self.inputs if one.kind == "text"]
            if len(texts) != 1:
                takes = f"takes {', '.join(texts)}: name one in inputs" if texts else "takes no text"
                raise SettingError(f"{self.variant.name} {takes}; leave out text")
            given[texts[0]] = text
        return given

    def _with_inputs(self, n: int | None, given: dict[str, Any], cycle: Tensor | None, *, own_labels: bool) -> _Asked:
        """Samples of what was given, or of the run's own examples, which have labels and perhaps targets."""
        if given:
            columns = given_columns(self.inputs, given, self.variant.name)
        elif self.examples:
            columns = {one.name: self.examples[one.name] for one in self.inputs}
        else:
            raise SettingError(needs(self.variant.name, self.inputs))
        count = len(next(iter(columns.values())))
        if not given and own_labels:
            labels = self.examples.get("labels") if self.variant.conditional else None
            return _Asked(n or count, labels, columns, target=self.examples.get("real"))
        each = 1 if cycle is None else len(cycle)
        return _Asked(n or count * each, cycle, columns, each, None if given else self.examples.get("real"))

    def _pieces(
        self, asked: _Asked, seed: int, progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Samples]:
        at_once = 1 if asked.tiling else _PIECE
        for first in range(0, asked.n, at_once):
            piece = self._made(first, min(at_once, asked.n - first), asked, seed)
            yield piece
            if progress is not None:
                progress(first + len(piece), asked.n)

    def _made(self, first: int, n: int, asked: _Asked, seed: int) -> Samples:
        """n samples from number `first` on."""
        numbers = torch.arange(first, first + n, device="cpu")
        labels = asked.labels_of(numbers)
        columns = {name: asked.rows(column, numbers) for name, column in asked.columns.items()}
        if asked.tiling is None:
            values = generate(self.module, n, labels, seed, self.device, first, columns)
        else:
            z = latents(self.module, n, seed, first)
            values = asked.tiling.decode(self.module, z, labels, columns, self.device, seed, first)
        shape = tuple(values.shape[1:])
        spec = self.spec if shape == self.spec.shape else replace(self.spec, shape=shape)
        target = None if asked.target is None else asked.rows(asked.target, numbers)
        return Samples(values, spec, labels, None, tuple((one, columns[one.name]) for one in self.inputs), target)

    @property
    def sampling(self) -> Settings:
        """The options with which samples are made."""
        options: Settings = self.module.sampling
        return options

    def label_numbers(self, labels: Sequence[str | int]) -> list[int]:
        """The numbers of labels given by name or index. Raises as `sample`."""
        self.check_conditional()
        return label_indices(self.spec, labels)

    def check_conditional(self) -> None:
        """Raise `SettingError` for a variant that takes no labels."""
        if not self.variant.conditional:
            raise SettingError(
                f"{self.variant.name} is not conditional and can't be asked for a label; "
                f"`ganzoo list` shows the variants that can"
            )
