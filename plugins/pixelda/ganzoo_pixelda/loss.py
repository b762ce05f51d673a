"""PixelDA's objective (arXiv:1612.05424, section 3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ganzoo_core import Turn
from ganzoo_core.losses import NonSaturating
from ganzoo_pixelda import PixeldaConfig


class PixeldaLoss(NonSaturating):
    """Equation 4: alpha times the domain's loss, beta times the task's, gamma times the content's.

    The generator maximises log D(G) in place of minimising log(1 - D(G)), as the authors' code does. No label of a real
    picture is read: the task's labels are those of the sources.
    """

    def __init__(self, config: PixeldaConfig) -> None:
        super().__init__()
        self.config = config

    def for_discriminator(self, turn: Turn) -> dict[str, Tensor]:
        """The domain's terms (equation 2), and what T says of adapted pictures and of sources (equation 3)."""
        return _weighted(self.config.domain_weight, super().for_discriminator(turn)) | _weighted(
            self.config.task_weight,
            {"task_adapted": _task(turn, turn.fake), "task_source": _task(turn, turn.batch["source"])},
        )

    def for_generator(self, turn: Turn) -> dict[str, Tensor]:
        """log D(G), what T says of adapted pictures (equation 3), and the content's term where it is asked for."""
        terms = _weighted(self.config.domain_weight, super().for_generator(turn))
        terms |= _weighted(self.config.task_weight, {"task": _task(turn, turn.fake)})
        if self.config.content_weight:
            terms["content"] = self.config.content_weight * content_loss(turn.batch["source"], turn.fake)
        return terms


def content_loss(source: Tensor, adapted: Tensor) -> Tensor:
    """Equation 5, masked pairwise mean squared error: a scalar, the mean over samples.

    ||d * m||² / k - (d m)² / k² with d = source - adapted, k numbers in each: a change of all by the same costs little.
    The mask m is 1 where a source is brighter than middle grey; the paper's, of rendered sources, where an object is.
    """
    mask = (source > 0).to(adapted.dtype)
    masked = ((source - adapted) * mask).flatten(1)  # (N, k)
    return (masked.square().mean(1) - masked.mean(1).square()).mean()


def _task(turn: Turn, pictures: Tensor) -> Tensor:
    return F.cross_entropy(turn.further["classifier"](pictures).float(), turn.batch["source_labels"])


def _weighted(weight: float, terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight * term for name, term in terms.items()}
