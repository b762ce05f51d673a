"""The plane of a game of points: what the generator makes, where its loss pulls that, what D believes."""

from __future__ import annotations

import base64
import json

import torch
from torch import Tensor

from ganzoo_core.training.look import Look

GRID = 40  # places a side at which the discriminator is asked
REACH = 1.05  # of the plane beyond [-1, 1], as plots have it
MOST_REAL = 1_000
_THOUSAND = 1_000  # points are sent as whole thousandths
_LONGEST = 0.15  # of an arrow, where the data span 2
_FIRM = 0.95  # the share of arrows that is no longer than that


class Plane:
    """Draws the plane at a step, as JSON."""

    def __init__(self) -> None:
        ticks = torch.linspace(-REACH, REACH, GRID)
        down, across = torch.meshgrid(-ticks, ticks, indexing="ij")
        self._places = torch.stack([across, down], -1).reshape(-1, 2)  # row by row from the top
        self._has_surface = True
        self.real: Tensor | None = None

    def frame(self, step: int, look: Look) -> str:
        """Fakes and arrows in thousandths, x and y in turn; the surface as bytes in base64; real points once."""
        fake, pull = look.pulled()
        real = look.real[:MOST_REAL] if self.real is None else self.real[:MOST_REAL]
        told = {"step": step, "real": _whole(real), "fake": _whole(fake), "pull": _whole(arrows(pull))}
        return json.dumps(told | {"surface": self._surface(look, fake)})

    def _surface(self, look: Look, fake: Tensor) -> str | None:
        """The discriminator's belief at each place; None for one that does not judge samples alone."""
        if not self._has_surface:
            return None
        try:
            logits = look.judge(self._places.to(fake.device))
        except Exception:  # noqa: BLE001 - a stranger's network, which may want more than samples
            self._has_surface = False
            return None
        return base64.b64encode(bytes((255 * belief(logits, look.boundary)).round().int().tolist())).decode()


def belief(logits: Tensor, boundary: float | None) -> Tensor:
    """How real each place is to the discriminator, in [0, 1]: its probability; of a critic, whose scores have no
    scale, the rank by two standard deviations about the mean.
    """
    if boundary is None:
        return torch.sigmoid(2 * (logits - logits.mean()) / logits.std().clamp(min=1e-12))
    return torch.sigmoid(logits - boundary)


def arrows(pull: Tensor) -> Tensor:
    """The pulls (N, 2) at one scale, so that all but the strongest few are at most `_LONGEST` long."""
    lengths = pull.norm(dim=1, keepdim=True)
    scale = _LONGEST / torch.quantile(lengths, _FIRM).clamp(min=1e-12)
    return pull * torch.minimum(scale, _LONGEST / lengths.clamp(min=1e-12))


def _whole(points: Tensor) -> list[int]:
    found: list[int] = (points.float() * _THOUSAND).nan_to_num().clamp(-9999, 9999).round().int().flatten().tolist()
    return found
