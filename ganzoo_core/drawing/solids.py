"""Voxels as shaded solids: seen from a turnable point of view, in parallel rays, the top brighter than the sides."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from torch import Tensor

TURN, RISE = 40.0, 25.0  # degrees: how far to the side of the front, and how far above, the viewer stands
_SIDES = 64, 128  # pixels of a solid in its own size: at least, at most
_MOST_RAYS = 256  # a side; twice as many as pixels smooth the edges of small pictures, larger ones are enlarged
_SHADES = (200, 255, 130)  # of faces across D, H and W
_FAR = 0.55  # what is left of a shade at the far end
_PARALLEL = 1e-9


def solid_side(shape: tuple[int, ...]) -> int:
    """Pixels a side of the square picture of voxels (1, D, H, W): two for a voxel along the longest side."""
    least, most = _SIDES
    return min(max(2 * max(shape[1:]), least), most)


def solid_images(values: Tensor, side: int, turn: float = TURN) -> np.ndarray:
    """Voxels (N, 1, D, H, W) as squares (N, side, side) uint8 on black; a voxel above 0, of [-1, 1], is filled.

    From the front, which is D = 0, rows of H run downwards and W to the right, as in an image; `turn` degrees is how
    far the viewer has gone about the upright axis H. The scale is the same from everywhere, so that a solid can turn.
    """
    filled = (values[:, 0] > 0).cpu().numpy()  # what is not a number is empty
    finer = 2 if 2 * side <= _MOST_RAYS else 1
    factor = next(k for k in range(1, side + 1) if side % k == 0 and side // k <= _MOST_RAYS)
    small = side // factor
    crossings = _crossings(filled.shape[1:], finer * small, turn % 360)
    images = np.zeros((len(filled), small, small), np.uint8)
    for image, solid in zip(images, filled, strict=True):
        image[:] = _image(solid, crossings, finer * small).reshape(small, finer, small, finer).mean((1, 3)).round()
    return images.repeat(factor, axis=1).repeat(factor, axis=2)


class _Crossings(NamedTuple):
    """Where the rays of a picture go through the planes between voxels across one axis, in the order they meet them.

    `cells`: (rays, planes) int32, the voxel that is entered, in a grid with a border of empty ones. `first`: (rays,)
    float32, the depth of the first plane, and `step` that of one more; of all solids of this shape the near end is at 0
    and the far one at 1. `shade`: the axis's.
    """

    cells: np.ndarray
    first: np.ndarray
    step: float
    shade: int


@functools.lru_cache(maxsize=4)
def _crossings(shape: tuple[int, ...], side: int, turn: float) -> list[_Crossings]:
    """The crossings of a picture's rays with each axis's planes."""
    a, e = math.radians(turn), math.radians(RISE)
    ahead = (math.cos(e) * math.cos(a), math.sin(e), math.cos(e) * math.sin(a))  # along D, H, W
    right = np.array([-math.sin(a), 0.0, math.cos(a)])
    down = np.array([-math.sin(e) * math.cos(a), math.cos(e), -math.sin(e) * math.sin(a)])
    depth, height, width = shape
    reach = math.hypot(depth, width)  # of a turning solid, across
    room = max(reach, height * math.cos(e) + reach * math.sin(e))
    radius = math.hypot(reach, height) / 2
    places = ((np.arange(side) + 0.5) / side - 0.5) * room
    start = np.array(shape) / 2 + places[:, None, None] * down + places[None, :, None] * right  # (side, side, 3)
    start = start.reshape(-1, 3).astype(np.float32)
    found = []
    for axis in range(3):
        if abs(ahead[axis]) < _PARALLEL:
            continue
        planes = np.arange(shape[axis], dtype=np.float32)
        entered = planes if ahead[axis] > 0 else planes[::-1]
        times = (entered + (ahead[axis] < 0) - start[:, axis, None]) / ahead[axis]  # (rays, planes)
        cells = np.zeros(times.shape, np.int32)
        for other, size in enumerate(shape):
            at = entered if other == axis else start[:, other, None] + times * ahead[other]
            cells = cells * (size + 2) + np.floor(np.clip(at, -1, size)).astype(np.int32) + 1
        found.append(_Crossings(cells, (times[:, 0] / radius + 1) / 2, abs(0.5 / radius / ahead[axis]), _SHADES[axis]))
    return found


def _image(filled: np.ndarray, crossings: list[_Crossings], side: int) -> np.ndarray:
    """One solid (D, H, W) bool as (side, side) float32, 0..255: each ray shows the first filled voxel it enters."""
    grid = np.pad(filled, 1).reshape(-1)
    image = np.zeros(side * side, np.float32)
    nearest = np.full(side * side, np.inf, np.float32)
    rays = np.arange(side * side)
    for cells, first, step, shade in crossings:
        hits = grid.take(cells)
        k = hits.argmax(axis=1)
        depth = np.where(hits[rays, k], first + step * k, np.inf)
        is_nearer = depth < nearest
        nearest[is_nearer] = depth[is_nearer]
        image[is_nearer] = shade * (1 - (1 - _FAR) * depth[is_nearer])
    return image.reshape(side, side)
