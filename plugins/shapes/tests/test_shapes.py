"""shapes: what its pictures show is what their captions say, the same each time, and no scene is in both splits."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from ganzoo_shapes import Shapes
from ganzoo_shapes.drawing import RGB, SIDE, drawn
from ganzoo_shapes.scenes import COLOURS, FORMS, SHAPES, SIZES, all_scenes, captions, scenes_of

from ganzoo_core import Dataset
from ganzoo_core.dataspec import Split

HALF = np.full(8, 0.5, dtype=np.float32)


@cache
def shapes(split: Split) -> Dataset:
    return Shapes().load(Path(), split)


def said(dataset: Dataset, row: int) -> str:
    names = dataset.spec.column("text").names
    return " ".join(names[number - 1] for number in dataset.extra["text"][row].tolist() if number)


def scene(first: str, relation: int, second: str) -> np.ndarray:
    """Such as scene("large red circle", 0, "small blue square")."""
    numbers = []
    for words in (first.split(), second.split()):
        numbers.append(SHAPES.index((SIZES.index(words[0]), COLOURS.index(words[1]), FORMS.index(words[2]))))
    return np.array([[*numbers, relation]])


def covered(picture: np.ndarray, colour: str) -> np.ndarray:
    """Which pixels (32, 32) are of a colour."""
    near = np.abs(picture.astype(float) - RGB[COLOURS.index(colour)][:, None, None]).max(axis=0)
    return near < 2


@pytest.mark.parametrize(("split", "size"), [("train", 20_000), ("test", 4_000)])
def test_what_it_holds(split: Split, size: int):
    dataset = shapes(split)
    assert dataset.samples.shape == (size, 3, 32, 32) and dataset.samples.dtype == torch.uint8
    assert dataset.extra["text"].shape == (size, 10)
    assert dataset.spec == shapes("train").spec
    assert len(dataset.spec.column("text").names) == 18
    assert Shapes.size == len(shapes("train"))


def test_it_is_the_same_each_time():
    assert Shapes().load(Path()).digest == shapes("train").digest


def test_no_scene_is_in_both_splits_in_either_wording():
    train, test = ({text for one in scenes_of(split) for text in captions(one)} for split in ("train", "test"))
    assert (len(all_scenes()), len(scenes_of("train")), len(scenes_of("test"))) == (4608, 4032, 576)
    assert not train & test
    held_out = {said(shapes("test"), row) for row in range(4000)}
    assert held_out <= test and len(held_out) > 1000
    assert {said(shapes("train"), row) for row in range(4000)} <= train


def test_each_word_is_learned():
    for split in ("train", "test"):
        assert shapes(split).extra["text"].unique().tolist() == list(range(19))


def test_captions_are_said_from_either_shape():
    there, back = captions(scene("large red circle", 0, "small blue square")[0])
    assert there == "a large red circle above a small blue square"
    assert back == "a small blue square below a large red circle"
    there, back = captions(scene("small green cross", 1, "small yellow triangle")[0])
    assert there == "a small green cross left of a small yellow triangle"
    assert back == "a small yellow triangle right of a small green cross"


@pytest.mark.parametrize("relation", [0, 1])
def test_the_first_shape_is_above_or_left_of_the_second(relation: int):
    rng = np.random.default_rng(0)
    for first in ("large red circle", "small red square", "small red triangle"):
        for second in ("large blue cross", "small blue square"):
            chance = rng.random((50, 8), dtype=np.float32)
            for picture in drawn(scene(first, relation, second).repeat(50, 0), chance):
                one, other = (np.argwhere(covered(picture, colour)) for colour in ("red", "blue"))
                assert len(one) and len(other)
                assert one[:, relation].max() < other[:, relation].min()


def test_forms_and_sizes_are_as_named():
    pixels = {}
    for size in SIZES:
        for form in FORMS:
            (picture,) = drawn(scene(f"{size} red {form}", 1, "small blue circle"), HALF[None])
            pixels[size, form] = covered(picture, "red").sum()
    for form in FORMS:
        assert pixels["large", form] > 2.5 * pixels["small", form]
    # Of a radius of 6.5, without the shaded edge: pi r², (1.8 r)², about half of that, and a cross of arms 0.7 r wide.
    assert 100 < pixels["large", "circle"] < 6.5**2 * np.pi
    assert 80 < pixels["large", "square"] <= 11.7**2
    assert pixels["large", "triangle"] < 0.6 * pixels["large", "square"]
    assert 40 < pixels["large", "cross"] < 95


def test_shapes_stay_inside_and_apart():
    rng = np.random.default_rng(1)
    scenes = all_scenes()[rng.integers(len(all_scenes()), size=500)]
    for picture in drawn(scenes, rng.random((500, 8), dtype=np.float32)):
        edge = np.concatenate([picture[:, 0].T, picture[:, -1].T, picture[:, :, 0].T, picture[:, :, -1].T])
        assert (edge == edge[0]).all()  # background all around
        assert edge[0].min() >= 200 and len(set(edge[0])) == 1


def test_a_picture_depends_on_its_own_numbers_alone():
    rng = np.random.default_rng(2)
    scenes, chance = all_scenes()[::300], rng.random((16, 8), dtype=np.float32)
    together = drawn(scenes, chance)
    assert np.array_equal(drawn(scenes[5:6], chance[5:6]), together[5:6])
    assert together.shape == (16, 3, SIDE, SIDE)
