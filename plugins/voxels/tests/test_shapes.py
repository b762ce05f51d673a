"""shapes3d: what it promises of its shapes, and that a shape depends on the seed and its index alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import label

from ganzoo_voxels import Shapes3d
from ganzoo_voxels.shapes import MAKERS, Solids, make


@pytest.fixture(scope="module")
def some() -> tuple[np.ndarray, np.ndarray]:
    return make(7, np.arange(240))


def test_each_is_one_piece_and_touches_no_wall(some):
    shapes, _ = some
    assert {label(shape)[1] for shape in shapes} == {1}
    inside = shapes[:, 1:-1, 1:-1, 1:-1]
    assert inside.sum() == shapes.sum()
    filled = shapes.mean(axis=(1, 2, 3))
    assert filled.min() > 0.01 and filled.max() < 0.25


def test_all_stand_on_the_floor_and_planes_fly(some):
    shapes, labels = some
    lowest = shapes.any(axis=(1, 3)).cumsum(axis=1).argmax(axis=1)  # the last filled row of H: rows run downwards
    flies = labels == 3
    assert set(lowest[~flies]) == {29} and lowest[flies].max() < 29


def test_no_two_are_alike(some):
    shapes, labels = some
    assert len(np.unique(shapes.reshape(len(shapes), -1), axis=0)) > 0.99 * len(shapes)
    assert np.bincount(labels).tolist() == [40] * 6


def test_a_shape_depends_on_seed_and_index_alone(some):
    shapes, labels = some
    alone, label_alone = make(7, np.array([137]))
    assert np.array_equal(alone[0], shapes[137]) and label_alone[0] == labels[137]
    assert not np.array_equal(make(8, np.array([137]))[0], alone)


def test_other_sizes_show_the_same_things(some):
    shapes, _ = some
    coarse = make(7, np.arange(240), 16)[0]
    assert coarse.shape == (240, 16, 16, 16)
    assert abs(coarse.mean() - shapes.mean()) < 0.01


def test_parts_by_hand():
    solids = Solids(2, 4)  # centres at 1/8, 3/8, 5/8, 7/8
    solids.add(solids.box((0, 0.5), (0, 0.25), (0.5, 1)), np.array([True, False]))
    assert np.argwhere(solids.filled).tolist() == [[0, z, 3, x] for z in (2, 3) for x in (0, 1)]
    ball = solids.ellipsoid((0.5, 0.5, 0.5), (0.3, 0.3, np.array([0.3, 0.6])))
    assert ball.sum(axis=(1, 2, 3)).tolist() == [8, 16]  # 0.125 from the middle each way; z at 0.375 too
    cone = solids.cone((0, 1), (0.6, 0.2))
    assert cone[0].sum(axis=(0, 2)).tolist() == [4, 4, 12, 16]  # from the top down


@pytest.mark.long
def test_splits_share_hardly_a_shape(tmp_path: Path):
    source = Shapes3d()
    train, test = source.load(tmp_path), source.load(tmp_path, "test")
    assert (len(train), len(test)) == (source.size, 600) and not list(tmp_path.iterdir())
    assert train.samples.shape[1:] == source.shape == train.spec.shape
    assert train.samples.unique().tolist() == [0, 255]
    assert [maker.__name__ for maker in MAKERS] == list(source.classes)
    known = {shape.numpy().tobytes() for shape in train.samples}
    again = sum(shape.numpy().tobytes() in known for shape in test.samples)
    assert again <= 0.03 * len(test)  # in so few voxels, parts of nearly the same sizes come out the same
