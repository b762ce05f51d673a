"""Diagnostics of a step: norms, non-finite numbers, how D performs against G."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ganzoo_core.errors import NotFiniteError
from ganzoo_core.interfaces import Turn


@torch.no_grad()
def global_norm(tensors: Iterable[Tensor]) -> Tensor:
    """The norm over all floating-point tensors, a scalar: not finite if one of their numbers is not, or nearly so.

    Ten times as fast as checking each number.
    """
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    return torch.stack([norm.float() for norm in torch._foreach_norm(floating)]).norm()


def all_finite(tensor: Tensor) -> bool:
    """Whether the tensor holds neither NaN nor an infinity."""
    return bool(tensor.isfinite().all())


def check_finite(tensors: Mapping[str, Tensor], norm: float, step: int) -> None:
    """Raise `NotFiniteError` if a tensor of that global norm holds NaN or an infinity."""
    for name, tensor in {} if math.isfinite(norm) else tensors.items():
        if not all_finite(tensor):
            raise NotFiniteError(f"the weight {name} holds a number that is not finite at step {step}", step)


@torch.no_grad()
def discriminator_stats(turn: Turn, boundary: float | None) -> dict[str, Tensor]:
    """How D performs against G, from logits that the turn has already computed; empty if its loss used none.

    `d_real`, `d_fake`: mean probability of being real; `accuracy_real`, `accuracy_fake`: shares classified correctly.
    The threshold of a critic (boundary None) is the midpoint of its two mean scores.
    """
    if not turn.has_logits:
        return {}
    on_real, on_fake = turn.real_logits.float(), turn.fake_logits.float()
    middle = (on_real.mean() + on_fake.mean()) / 2 if boundary is None else boundary
    return {
        "d_real": torch.sigmoid(on_real - middle).mean(),
        "d_fake": torch.sigmoid(on_fake - middle).mean(),
        "accuracy_real": (on_real > middle).float().mean(),
        "accuracy_fake": (on_fake <= middle).float().mean(),
    }


@torch.no_grad()
def diversity(turns: Sequence[Turn], gather: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """How far the turns' samples are from one another, as a part of how far the real ones are: `diversity`.

    The ratio of the mean distances of all pairs; 1 where the real ones are all the same. Empty where the loss asked
    for no samples, or there is only one. `gather` joins the samples of all processes.
    """
    if not all(turn.has_fake for turn in turns):
        return {}
    samples = [turn.fake for turn in turns], [turn.real for turn in turns]
    fakes, reals = (gather(torch.cat(parts).detach().float().flatten(1)) for parts in samples)
    if len(reals) < 2:
        return {}
    fake, real = (torch.pdist(points).mean() for points in (fakes, reals))
    return {"diversity": torch.where(real > 0, fake / real, torch.ones_like(real))}
