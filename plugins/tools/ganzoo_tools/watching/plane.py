"""The plane of a game of points: what the generator makes, where its loss pulls that, what D believes."""

from __future__ import annotations

import base64
import json

import torch
from torch import Tensor

from ganzoo_core.training.look import Look
from ganzoo_tools.watching.pace import Pace

EVERY_S = 0.1  # between two drawings
SHARE, SURFACE_SHARE = 0.015, 0.008  # of the time, at most
FINE, COARSE = 40, 20  # places a side at which the discriminator is asked
_SLOW_S = 0.005  # a coarse surface that takes longer stays coarse
REACH = 1.05  # of the plane beyond [-1, 1], as plots have it
MOST_REAL = 1_000
_THOUSAND = 1_000  # points are sent as whole thousandths
_LONGEST = 0.15  # of an arrow, where the data span 2
_FIRM = 0.95  # the share of arrows that is no longer than that


class Plane:
    """Draws the plane, as JSON. `pace`: when it is due."""

    def __init__(self) -> None:
        self._real: list[int] | None = None
        self.pace = Pace(EVERY_S, SHARE)
        self._surface_pace = Pace(EVERY_S, SURFACE_SHARE)
        self._surface: str | None = None
        self._places = _places(COARSE)
        self._has_surface = True

    def frame(self, step: int, look: Look, *, at_once: bool = False) -> str:
        """Points and arrows in thousandths, x and y in turn, and the surface, a byte for each place in base64.

        A surface that takes long is drawn anew less often than the points, but for `at_once`.
        """
        if self._has_surface and (at_once or self._surface_pace.is_due):
            with self._surface_pace.measured():
                self._surface = self._drawn_surface(look)
            if len(self._places) == COARSE**2 and self._surface_pace.spent_s < _SLOW_S:
                self._places = _places(FINE)
        with self.pace.measured():
            fake, pull = look.pulled()
            if self._real is None:
                self.show_real(look.real)
            points = {"real": self._real, "fake": _whole(fake), "pull": _whole(arrows(pull))}
            return json.dumps({"step": step, "surface": self._surface} | points)

    def show_real(self, points: Tensor) -> None:
        """Show these real points (N, 2), or some of them, in place of a mini-batch's."""
        self._real = _whole(points[:MOST_REAL])

    def _drawn_surface(self, look: Look) -> str | None:
        """The discriminator's belief at each place; None for one that does not judge samples alone."""
        try:
            logits = look.judge(self._places)
        except Exception:  # noqa: BLE001 - a stranger's network, which may want more than samples
            self._has_surface = False
            return None
        return base64.b64encode(bytes((255 * belief(logits, look.boundary)).round().int().tolist())).decode()


def _places(side: int) -> Tensor:
    """The places (side * side, 2) of a grid, row by row from the top."""
    ticks = torch.linspace(-REACH, REACH, side)
    down, across = torch.meshgrid(-ticks, ticks, indexing="ij")
    return torch.stack([across, down], -1).reshape(-1, 2)


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
