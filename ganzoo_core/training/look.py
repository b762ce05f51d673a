"""A look at the game between two steps, for who watches a run: it leaves all as it was, bit for bit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo_core.interfaces import Batch, Turn
from ganzoo_core.sampling.devices import default_generator
from ganzoo_core.seeds import alone, derive_seed
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.microbatches import total
from ganzoo_core.training.stages import Stage


class Look:
    """What the players of a run make of some fixed latents and of any samples, at the step that was made last.

    `boundary`: logit above which the discriminator takes a sample for real; None for a critic. The latents, and the
    real samples and labels beside them, are of one mini-batch, the same in a whole phase. Networks run as they do for
    samples, without dropout or augmentation.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stage: Stage | None = None
        self._batch: Batch

    @property
    def boundary(self) -> float | None:
        """Logit above which the discriminator takes a sample for real; None for a critic."""
        return self._engine.networks.loss.boundary

    @property
    def real(self) -> Tensor:
        """The real samples (N, *shape) float32 in [-1, 1] of the fixed mini-batch."""
        with self._unchanged():
            return self._turn().real

    def pulled(self) -> tuple[Tensor, Tensor]:
        """G(z) of the fixed latents, (N, *shape) in [-1, 1], and where its loss pulls each of them, of the same shape.

        That is minus the gradient of the generator's loss by each sample, times N: a mean over N samples gives each
        the N-th part of its own.
        """
        owner = next(player for player in self._engine.players if player.name in self._engine.stage.owners)
        with self._unchanged(), torch.enable_grad():
            turn = self._turn()
            fake = turn.fake
            (gradient,) = torch.autograd.grad(total(owner.terms(turn)), fake)
            return fake.detach(), -len(fake) * gradient

    def judge(self, x: Tensor) -> Tensor:
        """The discriminator's logits (N,) on samples x (N, *shape), means over patches; of a conditional variant those
        under the label that suits each best.
        """
        with self._unchanged(), torch.no_grad():
            turn, x = self._turn(), x.to(self._engine.device)
            logits = [turn.critic(x, given).float().reshape(len(x), -1).mean(1) for given in self._labels(x)]
            return torch.stack(logits).amax(0)

    def _labels(self, x: Tensor) -> list[Tensor | None]:
        """Each label (N,) in turn, or none for a variant without."""
        if not self._engine.variant.conditional:
            return [None]
        return [torch.full((len(x),), k, device=x.device) for k in range(self._engine.dataset.spec.num_classes)]

    def _turn(self) -> Turn:
        """The generator's turn on the fixed mini-batch, nothing of it computed yet."""
        engine = self._engine
        if self._stage is not engine.stage:
            default_generator(engine.device).manual_seed(derive_seed(engine.seed, "look"))
            (self._batch, *_) = engine.make_batch(engine.order.indices(0), is_shared=False)
            self._batch.make = None  # compiled code is compiled anew for each mode
            self._stage = engine.stage
        self._batch.forget()
        generator, discriminator, _ = nets = engine.networks
        return Turn(self._batch, generator, discriminator, owns_generator=True, joint=False, further=nets.further)

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Inside, networks are as they are for samples, and what they count is put back.

        Random numbers need not be: each step begins with its own.
        """
        networks = self._engine.networks.by_name().values()
        modes = [(module, module.training) for network in networks for module in network.modules()]
        buffers = [buffer for network in networks for buffer in network.buffers()]
        kept = [buffer.clone() for buffer in buffers]
        with alone:
            try:
                for module, _ in modes:
                    module.training = False
                yield
            finally:
                for module, mode in modes:
                    module.training = mode
                for buffer, value in zip(buffers, kept, strict=True):
                    buffer.copy_(value)
