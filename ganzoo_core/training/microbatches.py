"""A mini-batch split into equal microbatches: for gradient accumulation, and across processes.

The microbatches of step k, their latents and their random numbers come from (seed, k) and the microbatch's number. So
it makes no difference which process computes one: 4 processes, 2 with 2 each, and one with 4 do the same.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from ganzoo_core.distributed.processes import Processes
from ganzoo_core.errors import SettingError
from ganzoo_core.interfaces import Loss, Networks, Turn
from ganzoo_core.seeds import Microbatch, current_microbatch, derive_seed

T = TypeVar("T")
_log = logging.getLogger("ganzoo")


class Microbatches:
    """How mini-batches are split: `accumulate` microbatches for each of the processes, of which `process` is this one.

    `count`: the number of all microbatches; `size`: samples in each. Of a batch in class order, of `groups` classes,
    each holds equally many of each, in that order. Raises `SettingError` if `batch_size` is not divisible.
    """

    def __init__(
        self,
        batch_size: int,
        accumulate: int,
        rng: torch.Generator,
        process: int = 0,
        processes: int = 1,
        groups: int = 1,
    ) -> None:
        self.accumulate = accumulate
        self.count = accumulate * processes
        self.size, rest = divmod(batch_size, self.count)
        self.groups = groups
        if self.size % groups and not rest:
            raise SettingError(
                f"batch_size must be a multiple of {self.count * groups}, the number of classes ({groups}) times "
                f"processes ({processes}) times accumulate ({accumulate}), as each part holds equally many of each "
                f"class, but is {batch_size}"
            )
        if rest:
            raise SettingError(
                f"batch_size must be a multiple of {self.count}, the number of processes ({processes}) times "
                f"accumulate ({accumulate}), but is {batch_size}"
            )
        self._own = range(process * accumulate, (process + 1) * accumulate)
        self._rng = rng
        self._common = torch.Generator(rng.device)
        self._seed = self._turn = 0

    def split(self, whole: Tensor) -> list[Tensor]:
        """This process's microbatches (size, ...) of a tensor (batch_size, ...)."""
        if self.count == 1:
            return [whole]
        return [self._microbatch(number).part(whole) for number in self._own]

    def _microbatch(self, number: int) -> Microbatch:
        return Microbatch(number, self.count, self._common, self.groups)

    def begin_step(self, seed: int) -> None:
        """Begin a step with that seed, once its latents are made: later random numbers continue the same sequence."""
        if self.count > 1:
            self._common.set_state(self._rng.get_state())
            self._seed, self._turn = seed, 0

    def iterate(self, items: Sequence[T]) -> Iterator[T]:
        """This process's microbatches of one player's turn, in order, each with random numbers of its own."""
        if self.count == 1:
            yield from items
            return
        start = self._common.get_state()
        self._turn += 1
        for number, item in zip(self._own, items, strict=True):
            self._common.set_state(start)
            self._rng.manual_seed(derive_seed(self._seed, self._turn, number))
            token = current_microbatch.set(self._microbatch(number))
            try:
                yield item
            finally:
                current_microbatch.reset(token)


class LossState:
    """The buffers of a loss that each microbatch changes, joined again as its `joins` says.

    Each microbatch begins with what was there before the turn.
    """

    def __init__(self, loss: Loss, accumulate: int, processes: Processes) -> None:
        self._processes = processes
        several = accumulate * processes.size > 1
        self._buffers = [(b, loss.joins[name]) for name, b in loss.named_buffers() if several and name in loss.joins]
        self._start: list[Tensor] = []
        self._ends: list[list[Tensor]] = []

    @contextlib.contextmanager
    def joined(self) -> Iterator[None]:
        """A turn: what its microbatches leave becomes one at the end."""
        self._start, self._ends = [b.clone() for b, _ in self._buffers], []
        yield
        if not self._buffers:
            return
        means = [torch.stack(of).float().mean(0) for of in zip(*self._ends, strict=True)]
        self._processes.average(means)
        for (buffer, how), start, mean in zip(self._buffers, self._start, means, strict=True):
            if how == "sum":
                mean = start + (mean - start) * len(self._ends) * self._processes.size
            if how != "same":
                buffer.copy_(mean if buffer.is_floating_point() else mean.round())

    def each(self, items: Iterator[T]) -> Iterator[T]:
        """The microbatches of a turn, each with the state that there was before it."""
        for item in items:
            for (buffer, _), start in zip(self._buffers, self._start, strict=True):
                buffer.copy_(start)
            yield item
            self._ends.append([buffer.clone() for buffer, _ in self._buffers])


def check_divisible(variant: str, networks: Networks, microbatches: Microbatches) -> None:
    """Raise `SettingError` if a mini-batch of this game can't be split into microbatches; warn if that changes it."""
    loss, names = networks.loss, type(networks.loss).__name__
    state = {name: buffer for name, buffer in loss.named_buffers() if name not in loss.joins}
    if microbatches.count > 1 and loss.may_pass:
        raise SettingError(
            f"{variant} can't be trained in {microbatches.count} microbatches: its {names} tells from a whole "
            f"mini-batch whether a player passes; set accumulate=1, in one process"
        )
    if microbatches.accumulate > 1 and state:
        raise SettingError(
            f"accumulate must be 1 for {variant}, as every microbatch would change what its {names} remembers "
            f"({', '.join(state)}), but is {microbatches.accumulate}; set a smaller batch_size instead"
        )
    own = [name for name, buffer in state.items() if buffer.ndim or not buffer.is_floating_point()]
    if microbatches.count > microbatches.accumulate and own:
        raise SettingError(
            f"{variant} trains in one process only, as its {names} remembers what can't be averaged over several "
            f"({', '.join(own)}); leave out --processes"
        )
    if microbatches.count > 1 and microbatches.size == 1 and any(map(_has_batch_norm, networks.by_name().values())):
        raise SettingError(
            f"a microbatch must hold at least 2 samples for {variant}, as BatchNorm takes their mean, but "
            f"holds 1; set a larger batch_size"
        )
    judge = networks.discriminator
    mixing = [type(judge).__name__] if judge.mixes_samples and not _has_batch_norm(judge) else []
    mixing += [names] if loss.mixes_samples else []
    if microbatches.count > 1 and mixing:
        _log.warning(
            "what %s takes over a mini-batch, it takes over each of its %d parts of %d samples: this is another game "
            "than in one part", " and ".join(mixing), microbatches.count, microbatches.size,
        )  # fmt: skip


def _has_batch_norm(network: nn.Module) -> bool:
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


@dataclass(frozen=True)
class Update:
    """A player's last update in a step: its turn and its terms on each microbatch; no terms if it was skipped."""

    turns: list[Turn]
    terms_of: list[dict[str, Tensor]]

    @property
    def terms(self) -> dict[str, Tensor]:
        """The terms it minimised: their means over the microbatches."""
        return means(self.terms_of)


def means(numbers: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each named number over the microbatches of a mini-batch, which are of one size."""
    first, *rest = numbers
    return {name: torch.stack([of[name].detach() for of in numbers]).mean(0) for name in first} if rest else first


def total(terms: dict[str, Tensor]) -> Tensor:
    """The sum of a player's terms."""
    first, *rest = terms.values()
    for term in rest:
        first = first + term
    return first
