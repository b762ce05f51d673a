"""Modes covered and good samples, worked out by hand."""

from __future__ import annotations

import math

import torch

from ganzoo_core.datasets.toy import mode_coverage

CORNERS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])


def test_counts_by_hand() -> None:
    samples = torch.tensor(
        [
            [0.1, 0.0],  # good, nearest to the first
            [0.0, -0.2],  # good, nearest to the first again
            [4.0, 0.3],  # good, nearest to the second: exactly 3 standard deviations away
            [0.0, 4.31],  # not good, though nearest to the third
            [2.0, 2.0],  # good for nobody
        ]
    )
    assert mode_coverage(samples, CORNERS, 0.1) == (2, torch.tensor(0.6).item())


def test_one_good_sample_covers_a_mode() -> None:
    samples = torch.cat([torch.zeros(2499, 2), torch.tensor([[4.0, 0.0]])])
    assert mode_coverage(samples, CORNERS, 0.1) == (2, 1.0)


def test_no_good_sample_covers_nothing() -> None:
    assert mode_coverage(torch.full((7, 2), 9.0), CORNERS, 0.1) == (0, 0.0)


def test_distance_is_euclidean_not_per_coordinate() -> None:
    # 0.25 off in both coordinates: inside the square of 3 standard deviations, outside the circle.
    assert mode_coverage(torch.tensor([[0.25, 0.25]]), CORNERS, 0.1) == (0, 0.0)


def test_modes_in_double_precision_fit_float_samples() -> None:
    modes = CORNERS.double()
    assert mode_coverage(CORNERS, modes, 0.1) == (3, 1.0)


def test_true_samples_are_good_as_often_as_theory_says() -> None:
    rng = torch.Generator().manual_seed(0)
    samples = CORNERS.repeat(10_000, 1) + 0.1 * torch.randn(30_000, 2, generator=rng)
    covered, share = mode_coverage(samples, CORNERS, 0.1)
    assert covered == 3
    assert abs(share - (1 - math.exp(-4.5))) < 0.002
