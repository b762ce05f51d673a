"""Things made of boxes, ellipsoids and cones, many at a time: in a unit cube, x to the right, y up, z away from us."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from ganzoo_core import Dataset, DataSpec

if TYPE_CHECKING:
    from ganzoo_voxels import Shapes3d

SIZES = {"train": 3000, "test": 600}
_SEEDS = {"train": 20161024, "test": 20161025}
_FLOOR = 0.07  # where things stand
_PARAMETERS = 12  # of a shape

Number = float | np.ndarray  # one for all shapes, or one for each


class Solids:
    """`filled`: (N, D, H, W) bool, to which parts are added. A part's numbers are one for all N shapes, or (N,)."""

    def __init__(self, n: int, side: int) -> None:
        self.filled = np.zeros((n, side, side, side), bool)
        centres = ((np.arange(side) + 0.5) / side).astype(np.float32)
        self.z = centres[None, :, None, None]
        self.y = centres[None, None, ::-1, None]  # the first row is on top
        self.x = centres[None, None, None, :]

    def add(self, part: np.ndarray, where: np.ndarray | None = None) -> None:
        """Fill a part (N, D, H, W), or what that spreads to, in the shapes `where` (N,) says so."""
        self.filled |= part if where is None else part & _each(where)

    def box(self, x: tuple[Number, Number], y: tuple[Number, Number], z: tuple[Number, Number]) -> np.ndarray:
        """What lies between two numbers along each axis."""
        return _between(self.x, *x) & _between(self.y, *y) & _between(self.z, *z)

    def ellipsoid(self, centre: tuple[Number, ...], radii: tuple[Number, ...]) -> np.ndarray:
        """What lies within `radii` (x, y, z) of a centre."""
        places = zip((self.x, self.y, self.z), centre, radii, strict=True)
        return sum(((at - _each(c)) / _each(r)) ** 2 for at, c, r in places) <= 1

    def cone(self, y: tuple[Number, Number], radii: tuple[Number, Number], centre: Number = 0.5) -> np.ndarray:
        """An upright round part, with the radius at its foot and at its head; x and z of its axis are `centre`."""
        low, high = map(_each, y)
        share = (self.y - low) / (high - low)
        radius = _each(radii[0]) + share * (_each(radii[1]) - _each(radii[0]))
        return ((self.x - _each(centre)) ** 2 + (self.z - _each(centre)) ** 2 <= radius**2) & _between(self.y, *y)


def _each(number: Number) -> np.ndarray:
    """A number for each shape, to be spread over its voxels."""
    return np.reshape(number, (-1, 1, 1, 1))


def _between(at: np.ndarray, low: Number, high: Number) -> np.ndarray:
    return (at >= _each(low)) & (at < _each(high))


def _around(size: Number) -> tuple[Number, Number]:
    """The middle part of that size."""
    return 0.5 - size / 2, 0.5 + size / 2


def _legs(s: Solids, width: Number, depth: Number, top: Number, thick: Number, where: np.ndarray | None = None) -> None:
    """Four, at the corners below a top."""
    for x in ((0.5 - width / 2, 0.5 - width / 2 + thick), (0.5 + width / 2 - thick, 0.5 + width / 2)):
        for z in ((0.5 - depth / 2, 0.5 - depth / 2 + thick), (0.5 + depth / 2 - thick, 0.5 + depth / 2)):
            s.add(s.box(x, (_FLOOR, top), z), where)


def chair(s: Solids, u: Callable[[int, float, float], np.ndarray]) -> None:
    """A seat on four legs or on a foot, with a back, some with arms."""
    width, depth, seat, thick = u(0, 0.4, 0.7), u(1, 0.4, 0.65), u(2, 0.3, 0.48), u(3, 0.07, 0.12)
    has_legs, has_arms = u(4, 0, 1) < 0.75, u(5, 0, 1) < 0.4
    x, z = _around(width), _around(depth)
    s.add(s.box(x, (seat, seat + 0.08), z))
    s.add(s.box(x, (seat, seat + u(6, 0.3, 0.45)), (z[1] - thick, z[1])))
    _legs(s, width, depth, seat, thick, has_legs)
    s.add(s.cone((_FLOOR, seat), (0.07, 0.07)), ~has_legs)
    s.add(s.cone((_FLOOR, _FLOOR + 0.07), (depth / 2, depth / 2)), ~has_legs)
    for at in ((x[0], x[0] + thick), (x[1] - thick, x[1])):
        s.add(s.box(at, (seat, seat + u(7, 0.15, 0.24)), z), has_arms)


def table(s: Solids, u: Callable[[int, float, float], np.ndarray]) -> None:
    """A top, square or round, on four legs or on a foot."""
    width, depth, top, thick = u(0, 0.6, 0.88), u(1, 0.45, 0.8), u(2, 0.3, 0.6), u(3, 0.07, 0.11)
    is_round = u(4, 0, 1) < 0.3
    has_legs = (u(5, 0, 1) < 0.7) & ~is_round
    s.add(s.box(_around(width), (top, top + 0.08), _around(depth)), ~is_round)
    s.add(s.cone((top, top + 0.08), (width / 2, width / 2)), is_round)
    _legs(s, width, depth, top, thick, has_legs)
    s.add(s.cone((_FLOOR, top), (u(6, 0.05, 0.1),) * 2), ~has_legs)
    s.add(s.cone((_FLOOR, _FLOOR + 0.07), (u(7, 0.18, 0.28),) * 2), ~has_legs)


def lamp(s: Solids, u: Callable[[int, float, float], np.ndarray]) -> None:
    """A foot, a pole and a shade."""
    foot, pole, shade = u(0, 0.13, 0.26), u(1, 0.5, 0.68), u(2, 0.18, 0.28)
    s.add(s.cone((_FLOOR, _FLOOR + 0.08), (foot, foot * u(3, 0.5, 1))))
    s.add(s.cone((_FLOOR, pole + 0.05), (u(4, 0.045, 0.07),) * 2))
    low = u(5, 0.2, 0.38)
    s.add(s.cone((pole, pole + shade), (low, low * u(6, 0.35, 1))))


def plane(s: Solids, u: Callable[[int, float, float], np.ndarray]) -> None:
    """A body, swept wings, a tail with a fin."""
    y, long, thick = u(0, 0.3, 0.55), u(1, 0.36, 0.43), u(2, 0.07, 0.11)
    s.add(s.ellipsoid((0.5, y, 0.5), (thick, thick, long)))
    away = np.abs(s.x - 0.5)

    def wings(at: Number, chord: Number, span: Number, sweep: Number, low: Number) -> None:
        front = _each(at) + away * _each(sweep)
        back = _each(at) + _each(chord) + away * _each(sweep) * 0.5
        s.add((away < _each(span)) & (s.z >= front) & (s.z < back) & _between(s.y, low, low + 0.065))

    wings(u(3, 0.32, 0.42), u(4, 0.17, 0.25), u(5, 0.33, 0.45), u(6, 0, 0.6), y - 0.03)
    tail = 0.5 + long - 0.17
    wings(tail, 0.14, u(7, 0.14, 0.22), u(6, 0, 0.6), y)
    s.add(s.box(_around(0.065), (y, y + u(8, 0.16, 0.26)), (tail, tail + 0.15)))


def car(s: Solids, u: Callable[[int, float, float], np.ndarray]) -> None:
    """A body, a cabin that narrows upwards, four wheels."""
    width, long, wheel = u(0, 0.36, 0.5), u(1, 0.62, 0.86), u(2, 0.08, 0.11)
    low = _FLOOR + 0.07
    deck = low + u(3, 0.14, 0.22)
    x, z = _around(width), _around(long)
    s.add(s.box(x, (low, deck), z))
    high = u(4, 0.13, 0.22)
    slope = _each(u(5, 0, 0.9)) * (s.y - _each(deck))
    front, back = z[0] + long * u(6, 0.1, 0.35), z[1] - long * u(7, 0.03, 0.25)
    cabin = (s.z >= _each(front) + slope) & (s.z < _each(back) - slope)
    s.add(cabin & _between(s.y, deck, deck + high) & _between(s.x, x[0] + 0.03, x[1] - 0.03))
    for at in (z[0] + 0.2 * long, z[1] - 0.2 * long):
        disc = (s.y - _each(_FLOOR + wheel)) ** 2 + (s.z - _each(at)) ** 2 <= _each(wheel) ** 2
        for side in ((x[0] - 0.035, x[0] + 0.06), (x[1] - 0.06, x[1] + 0.035)):
            s.add(disc & _between(s.x, *side))


def bed(s: Solids, u: Callable[[int, float, float], np.ndarray]) -> None:
    """A mattress on four legs, with a head, pillows, some with a foot."""
    width, long, leg, high = u(0, 0.45, 0.8), u(1, 0.72, 0.88), u(2, 0.07, 0.14), u(3, 0.12, 0.22)
    x, z, top = _around(width), _around(long), _FLOOR + leg + high
    s.add(s.box(x, (_FLOOR + leg, top), z))
    _legs(s, width, long, _FLOOR + leg + 0.04, 0.1)
    s.add(s.box(x, (_FLOOR, top + u(4, 0.12, 0.3)), (z[1] - 0.07, z[1])))
    s.add(s.box(x, (_FLOOR, top + u(5, 0.06, 0.14)), (z[0], z[0] + 0.07)), u(6, 0, 1) < 0.5)
    is_double = width > 0.62
    pillow = (z[1] - 0.22, z[1] - 0.09)
    s.add(s.box(_around(width * 0.6), (top, top + 0.07), pillow), ~is_double)
    for middle in (0.5 - width / 4, 0.5 + width / 4):
        s.add(s.box((middle - width / 6, middle + width / 6), (top, top + 0.07), pillow), is_double)


MAKERS = (chair, table, lamp, plane, car, bed)


def make(seed: int, indices: np.ndarray, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """The shapes (N, D, H, W) bool of these indices (N,), and their labels (N,) int64, index modulo 6.

    A shape depends on the seed and on its index alone.
    """
    numbers = np.array([np.random.default_rng([seed, index]).random(_PARAMETERS) for index in indices.tolist()])
    labels = indices % len(MAKERS)
    shapes = np.zeros((len(indices), side, side, side), bool)
    for label, maker in enumerate(MAKERS):
        own = numbers[labels == label].astype(np.float32)  # (n, parameters)
        solids = Solids(len(own), side)

        def uniform(k: int, low: float, high: float, own: np.ndarray = own) -> np.ndarray:
            return low + (high - low) * own[:, k]

        maker(solids, uniform)
        shapes[labels == label] = solids.filled
    return shapes, labels


def load(source: Shapes3d, split: Literal["train", "test"]) -> Dataset:
    """The samples of a split: (N, 1, 32, 32, 32) uint8, 0 or 255."""
    shapes, labels = make(_SEEDS[split], np.arange(SIZES[split]), source.shape[-1])
    spec = DataSpec(source.name, source.shape, source.classes, "voxels")
    return Dataset(spec, torch.from_numpy(shapes[:, None].astype(np.uint8) * 255), torch.from_numpy(labels))
