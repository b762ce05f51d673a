"""What can be seen, and how it is said: all scenes of two shapes, their captions, and which of them are held out."""

from __future__ import annotations

from itertools import product

import numpy as np

SIZES = ("large", "small")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
FORMS = ("circle", "square", "triangle", "cross")
SHAPES = tuple(product(range(len(SIZES)), range(len(COLOURS)), range(len(FORMS))))  # 48: (size, colour, form)
RELATIONS = (("above", "below"), ("left of", "right of"))  # of the first to the second shape, and of it to the first
_HELD_OUT = 8  # of so many scenes one
_SEED = 20161210


def all_scenes() -> np.ndarray:
    """Each scene there is, (4608, 3) int64: the upper or left shape, the other one, and the number of the relation."""
    return np.array(list(product(range(len(SHAPES)), range(len(SHAPES)), range(len(RELATIONS)))))


def scenes_of(split: str) -> np.ndarray:
    """The scenes (S, 3) of "train", or those of "test", which are one in eight and no others."""
    scenes = all_scenes()
    drawn = np.random.default_rng(_SEED).permutation(len(scenes))
    held_out = len(scenes) // _HELD_OUT
    return scenes[np.sort(drawn[:held_out] if split == "test" else drawn[held_out:])]


def captions(scene: np.ndarray) -> tuple[str, str]:
    """The two ways to say what a scene (3,) shows, from either shape."""
    first, second, relation = (int(number) for number in scene)
    there, back = RELATIONS[relation]
    return f"{_named(first)} {there} {_named(second)}", f"{_named(second)} {back} {_named(first)}"


def _named(shape: int) -> str:
    size, colour, form = SHAPES[shape]
    return f"a {SIZES[size]} {COLOURS[colour]} {FORMS[form]}"
