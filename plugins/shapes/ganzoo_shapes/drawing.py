"""The pictures: each from a row of random numbers of its own, all of a split drawn at once."""

from __future__ import annotations

import numpy as np
import torch

from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.datasets.words import encode, vocabulary, words_of
from ganzoo_core.dataspec import Split
from ganzoo_shapes.scenes import FORMS, SHAPES, all_scenes, captions, scenes_of

SIDE = 32
_SIZES: dict[Split, int] = {"train": 20_000, "test": 4_000}
_SEEDS: dict[Split, int] = {"train": 1612, "test": 3242}
RGB = np.array(
    [(220, 40, 40), (245, 140, 30), (240, 215, 50), (50, 160, 70), (50, 90, 210), (140, 60, 170)], dtype=np.float32
)
_RADII = ((6.0, 7.0), (3.0, 4.0))  # least and most pixels from the middle to the edge, of a large shape and a small one
_AT_ONCE = 2_000  # pictures


def load(name: str, split: Split) -> Dataset:
    """The pictures (N, 3, 32, 32) uint8 of a split with their captions, the same ones each time.

    Picture i is made of row i of the split's random numbers alone: which scene, in which words, where exactly, how
    large exactly, and how light the background.
    """
    scenes = scenes_of(split)
    texts = np.array([captions(scene) for scene in scenes])  # (S, 2)
    every = [caption for scene in all_scenes() for caption in captions(scene)]  # so that all splits have the same words
    text = Input(
        name="text", kind="text", shape=(max(len(words_of(caption)) for caption in every),),
        names=tuple(vocabulary(every)), doc="what the picture shows",
    )  # fmt: skip
    chance = np.random.default_rng(_SEEDS[split]).random((_SIZES[split], 10), dtype=np.float32)
    which = (chance[:, 0] * len(scenes)).astype(int)
    wording = (chance[:, 1] < 0.5).astype(int)
    said = encode(texts.flatten().tolist(), text)[torch.from_numpy(2 * which + wording)]
    pictures = [
        drawn(scenes[which[start : start + _AT_ONCE]], chance[start : start + _AT_ONCE, 2:])
        for start in range(0, len(chance), _AT_ONCE)
    ]
    spec = DataSpec(name, (3, SIDE, SIDE), columns=(text,))
    return Dataset(spec, torch.from_numpy(np.concatenate(pictures)), extra={"text": said})


def drawn(scenes: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Scenes (N, 3) as pictures (N, 3, 32, 32) uint8; `chance` (N, 8) in [0, 1) says the rest."""
    shapes = np.array(SHAPES)[scenes[:, :2]]  # (N, 2, 3)
    least, most = np.array(_RADII, dtype=np.float32)[shapes[..., 0]].transpose(2, 0, 1)
    radius = least + chance[:, 0:2] * (most - least)  # (N, 2)
    beside = (scenes[:, 2] == 1)[:, None]
    # Along the relation's axis they share the room that is left; across it they are near, so that it is clear.
    spare = SIDE - 2 * radius.sum(axis=1) - 3
    before = chance[:, 2] * spare
    between = chance[:, 3] * (spare - before)
    along = np.stack([1 + before + radius[:, 0], 2 + before + between + 2 * radius[:, 0] + radius[:, 1]], axis=1)
    edge = 3 + radius.max(axis=1)
    across = (edge + chance[:, 4] * (SIDE - 2 * edge))[:, None] + 4 * chance[:, 5:7] - 2
    x, y = np.where(beside, along, across), np.where(beside, across, along)
    picture = np.tile(200 + 55 * chance[:, 7].reshape(-1, 1, 1, 1), (1, 3, SIDE, SIDE))
    for k in range(2):
        inside = _cover(shapes[:, k, 2], radius[:, k], x[:, k], y[:, k])[:, None]
        picture += inside * (RGB[shapes[:, k, 1]][:, :, None, None] - picture)
    return picture.round().astype(np.uint8)


def _cover(form: np.ndarray, radius: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of each pixel a form covers, (N, 32, 32) in [0, 1]: half a pixel on either side of an edge is shaded."""
    at = np.arange(SIDE, dtype=np.float32) + 0.5
    across = np.abs(at[None, None, :] - x[:, None, None])  # (N, 1, 32)
    down = at[None, :, None] - y[:, None, None]  # (N, 32, 1)
    radius = radius[:, None, None]
    outside = np.empty((len(form), SIDE, SIDE), dtype=np.float32)  # how far from the edge, negative within
    for number, name in enumerate(FORMS):
        rows = form == number
        outside[rows] = _OUTSIDE[name](across[rows], down[rows], radius[rows])
    return np.clip(0.5 - outside, 0, 1)


_OUTSIDE = {
    "circle": lambda x, y, r: np.hypot(x, y) - r,
    "square": lambda x, y, r: np.maximum(x, np.abs(y)) - 0.9 * r,
    "triangle": lambda x, y, r: np.maximum(y - 0.9 * r, (2 * x - y - 0.9 * r) / np.sqrt(5)),
    "cross": lambda x, y, r: np.maximum(np.maximum(x, np.abs(y)) - r, np.minimum(x, np.abs(y)) - 0.35 * r),
}
