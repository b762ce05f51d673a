"""The BatchNorm statistics of the averaged generator, taken anew from what it makes.

An average of weights makes other numbers inside than the weights that are trained, whose statistics it is given as it
trains: with its own it is better. They are taken as arXiv:1803.05407, section 3.2, takes them for averaged weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ganzoo_core.data import BatchOrder
from ganzoo_core.distributed.sync_batch_norm import SharedBatchNorm
from ganzoo_core.interfaces import columns_of, frozen_names
from ganzoo_core.sampling.devices import default_generator
from ganzoo_core.sampling.inputs import derived
from ganzoo_core.seeds import alone, derive_seed
from ganzoo_core.training.engine import Engine

BATCHES = 50  # of as many samples as BatchNorm sees at once in training; 100 made no difference


class OwnStatistics:
    """Gives the average statistics of its own for a while: training finds those that it had.

    They come from latents, labels and inputs drawn as in training, by the seed alone, in float32.
    """

    def __init__(self, engine: Engine, balance: bool) -> None:
        self._engine = engine
        self._balance = balance
        self._layers = [] if engine.average is None else _batch_norms(engine.average)
        self._taken_step = -1
        self._taken: list[Tensor] = []

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """Inside, the average has its own statistics: those of the engine's step."""
        buffers = [buffer for layer in self._layers for buffer in layer.buffers(recurse=False)]
        trained = [buffer.clone() for buffer in buffers]
        try:
            if self._taken_step == self._engine.step:
                _copy(buffers, self._taken)
            elif self._layers:
                self._take()
                self._taken_step, self._taken = self._engine.step, [buffer.clone() for buffer in buffers]
            yield
        finally:
            _copy(buffers, trained)

    @torch.no_grad()
    def _take(self) -> None:
        """Means over the batches: of their means, and of their variances."""
        generator = self._engine.average
        assert generator is not None
        was_training = generator.training
        generator.eval()  # dropout and the like are off as in sampling
        momenta = [layer.momentum for layer in self._layers]
        for layer in self._layers:
            layer.reset_running_stats()
            layer.train()
            layer.momentum = None  # a plain mean
        with alone, _by_themselves(self._layers):
            for columns, rng in self._batches():
                z = generator.latent(len(columns["real"]), rng)
                generator(z, columns.get("labels"), **columns_of(generator, columns))
        for layer, momentum in zip(self._layers, momenta, strict=True):
            layer.momentum = momentum
        generator.train(was_training)

    def _batches(self) -> Iterator[tuple[dict[str, Tensor], torch.Generator]]:
        engine = self._engine
        size = engine.order.batch_size // (engine.accumulate * engine.processes.size)
        seed = derive_seed(engine.seed, "statistics")
        by_class = engine.variant.balanced
        order = BatchOrder(engine.dataset, size, seed, engine.device, balance=self._balance, by_class=by_class)
        for number in range(BATCHES):
            rng = default_generator(engine.device).manual_seed(derive_seed(seed, number))
            batch = engine.dataset.batch(order.indices(number))
            yield derived(engine.variant, batch, rng, engine.stage.name), rng


def _batch_norms(module: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """The layers that keep statistics; those of trained parts that stay as they are keep theirs."""
    frozen = tuple(f"{name}." for name in frozen_names(module))
    return [
        layer for name, layer in module.named_modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None
        and not name.startswith(frozen)
    ]  # fmt: skip


@contextlib.contextmanager
def _by_themselves(layers: list[nn.modules.batchnorm._BatchNorm]) -> Iterator[None]:
    """Inside, layers that share their means with other processes go by what this one has."""
    shared = [layer for layer in layers if isinstance(layer, SharedBatchNorm)]
    for layer in shared:
        layer.is_shared = False
    try:
        yield
    finally:
        for layer in shared:
            layer.is_shared = True


@torch.no_grad()
def _copy(buffers: list[Tensor], values: list[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)
