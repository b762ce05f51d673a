"""FID, KID, precision, recall, density, coverage and the figures by class, against numbers worked out by hand."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch

from ganzoo_core.data import Dataset
from ganzoo_core.datasets.sources import Digits
from ganzoo_core.dataspec import DataSpec
from ganzoo_tools.evaluation import distances
from ganzoo_tools.evaluation.class_report import ClassReport, classes_present, confusion_matrix, read_as_asked, variety
from ganzoo_tools.evaluation.distances import fid, kid
from ganzoo_tools.evaluation.extractors import VARIANCE, of_random_network, of_values
from ganzoo_tools.evaluation.few import drawn_quality, quality
from ganzoo_tools.evaluation.prdc import coverage, nearest, nearest_distances, prdc


def normal(n: int, size: int, seed: int) -> torch.Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed))


def whitened(n: int, size: int, seed: int) -> torch.Tensor:
    """Samples whose mean is exactly 0 and whose covariance is exactly the identity."""
    x = normal(n, size, seed).double()
    x -= x.mean(dim=0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T


def test_fid_of_two_gaussians_is_the_closed_form() -> None:
    """Diagonal covariances: |m|^2 + sum (s1 - s2)^2."""
    real = whitened(500, 3, 0) * torch.tensor([1.0, 2.0, 3.0])
    fake = whitened(400, 3, 1) * torch.tensor([2.0, 2.0, 0.5]) + torch.tensor([3.0, 0.0, -4.0])
    assert fid(real, fake) == pytest.approx(25 + 1 + 0 + 6.25, abs=1e-6)


def test_fid_of_features_is_what_scipy_says() -> None:
    mix = normal(6, 6, 2).double()
    real, fake = normal(300, 6, 3).double() @ mix, normal(200, 6, 4).double() + 0.5
    c1, c2 = np.cov(real.numpy().T), np.cov(fake.numpy().T)
    root = scipy.linalg.sqrtm(c1 @ c2)
    expected = float((real.mean(0) - fake.mean(0)).square().sum()) + np.trace(c1 + c2 - 2 * root.real)
    assert fid(real, fake) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("n", [12, 400])
def test_fid_is_found_where_eigenvalues_are_not(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    real = torch.randn(n, 24, generator=draw)
    fake = torch.randn(n + 5, 24, generator=draw) * torch.linspace(0.2, 2, 24) + 0.5
    usual = fid(real, fake)

    def fails(matrix: torch.Tensor) -> torch.Tensor:
        raise torch.linalg.LinAlgError("the algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "eigvals", fails)
    assert fid(real, fake) == pytest.approx(usual, rel=1e-6)
    flat = torch.zeros(n, 24)
    assert fid(flat, flat + 1) == pytest.approx(24)


def test_fid_of_fewer_samples_than_features_is_that_of_all_directions(monkeypatch) -> None:
    real, fake = normal(12, 64, 5), normal(9, 64, 6) * 2 + 0.5
    found = fid(real, fake)
    monkeypatch.setattr(distances, "_in_their_span", lambda real, fake: (real, fake))
    assert found == pytest.approx(fid(real, fake), rel=1e-5)


@pytest.mark.long
def test_the_error_of_few_samples_is_how_much_sets_of_them_differ() -> None:
    """Sets of 40 points of two Gaussians: the mean of the told errors against the spread over 60 sets."""
    found = [drawn_quality(normal(40, 4, seed), normal(40, 4, 1000 + seed) + 1, 20) for seed in range(60)]
    for name in ("fid", "density"):
        told = statistics.fmean(errors[name] for _, errors in found)
        assert told == pytest.approx(statistics.stdev(values[name] for values, _ in found), rel=0.3)


@pytest.mark.long
def test_other_real_samples_score_what_a_perfect_generator_does() -> None:
    real = statistics.fmean(drawn_quality(normal(40, 4, seed), None, 20)[0]["fid"] for seed in range(30))
    perfect = (drawn_quality(normal(40, 4, seed), normal(40, 4, 1000 + seed), 20) for seed in range(30))
    assert real == pytest.approx(statistics.fmean(values["fid"] for values, _ in perfect), rel=0.1)


def test_kid_is_the_unbiased_squared_mmd_by_hand() -> None:
    """Two samples of two features each: the one pair of each set, less the mean over the four mixed pairs, twice."""
    real, fake = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [2.0, 0.0]])
    # k(x, y) = (x.y / 2 + 1)^3: real pair 1, fake pair (2/2 + 1)^3 = 8, mixed 1.5^3, 2^3, 2^3, 1.
    expected = 1 + 8 - 2 * (3.375 + 8 + 8 + 1) / 4
    assert kid(real, fake) == pytest.approx(expected, abs=1e-6)


def test_kid_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    x = normal(50, 4, 0)
    assert kid(x, normal(50, 4, 1)) == kid(x, normal(50, 4, 1))
    assert torch.equal(torch.rand(3), expected)


REAL = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [10.0, 0.0]])  # radii with k = 1: 1, 1, 2, 7
FAKE = torch.tensor([[0.5, 0.0], [2.0, 0.0], [2.1, 0.0], [0.0, 50.0]])  # 1.5, 0.1, 0.1 and sqrt(2500.25)


def test_prdc_by_hand() -> None:
    found = prdc(REAL, FAKE, k=1)
    # 0.5 lies in the balls of 0 and 1; 2 in that of 3 alone, being exactly 1 from 1; 2.1 likewise; the far one in none.
    assert found["precision"] == pytest.approx(3 / 4)
    assert found["density"] == pytest.approx((2 + 1 + 1 + 0) / 4)
    assert found["coverage"] == pytest.approx(3 / 4) and coverage(REAL, FAKE, k=1) == found["coverage"]
    # 0 and 1 lie within 1.5 of 0.5; 3 is 0.9 from 2.1, whose ball is smaller, and 10 is far from all.
    assert found["recall"] == pytest.approx(2 / 4)


def test_prdc_in_pieces_is_prdc_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = normal(70, 3, 0), normal(50, 3, 1) + 0.3
    whole = prdc(real, fake)
    monkeypatch.setattr("ganzoo_tools.evaluation.prdc.ENTRIES", 16 * 50)
    assert prdc(real, fake) == whole


def test_a_copy_of_the_data_covers_it_and_a_single_point_does_not() -> None:
    real = normal(200, 2, 0)
    assert prdc(real, real + 1e-4)["coverage"] == 1
    assert prdc(real, real[:1] + 1e-3 * normal(200, 2, 1))["coverage"] < 0.1


def test_nearest_neighbours_by_hand() -> None:
    assert nearest_distances(REAL, 1).tolist() == [1, 1, 2, 7]
    distances, indices = nearest(FAKE[1:], REAL)
    assert distances[:2].tolist() == pytest.approx([1, 0.9]) and indices.tolist()[1:] == [2, 0]


def test_read_as_asked_counts_by_the_class_asked_for() -> None:
    asked, read = torch.tensor([0, 0, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 1, 2, 2])
    matrix = confusion_matrix(asked, read, 3)
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 2], [0, 0, 0]]
    # Class 2 was never asked for, so that it can't be the worst.
    assert read_as_asked(matrix) == {"read_as_asked": 0.5, "worst_class": pytest.approx(1 / 3)}


def test_a_class_is_present_from_a_tenth_of_its_real_share_on() -> None:
    real = torch.tensor([50, 25, 25])
    assert classes_present(torch.tensor([50, 25, 25]), real) == {"classes_present": 3, "class_entropy": 1.5}
    assert classes_present(torch.tensor([1000, 0, 0]), real) == {"classes_present": 1, "class_entropy": 0}
    assert classes_present(torch.tensor([900, 76, 24]), real)["classes_present"] == 2


def test_variety_is_the_spread_over_that_of_the_real_ones() -> None:
    real = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    values, read = torch.tensor([[-0.5], [0.5], [0.25]]), torch.tensor([0, 0, 1])
    assert variety(values, read, real, torch.tensor([0, 0, 1, 1]), 2) == [0.5, None]


def test_the_class_report_means_over_seeds() -> None:
    counts = torch.tensor([3, 1])
    matrix = torch.tensor([[3, 1], [0, 0]])
    found = ClassReport(("a", "b"), counts, counts, matrix, [[0.5, None], [1.0, None]]).to_dict()
    assert found["read_as_asked"] == [0.75, None] and found["variety"] == [0.75, None]
    assert found["share"] == [0.75, 0.25] and found["confusion"] == [[3, 1], [0, 0]]


def test_fitted_features_have_mean_0_and_a_fixed_variance() -> None:
    values = normal(500, 3, 0) * 7 + 4
    extractor = of_values(torch.device("cpu")).fitted(values)
    features = extractor(values)
    assert torch.equal(features, extractor.scaled(values))
    assert features.mean(dim=0).abs().max() < 1e-5
    assert float(features.var(dim=0).sum()) == pytest.approx(VARIANCE, rel=1e-4)
    assert fid(features, torch.zeros(100, 3)) == pytest.approx(VARIANCE, rel=1e-3), (
        "one average sample, again and again"
    )


def test_the_random_network_is_always_the_same() -> None:
    spec = DataSpec("x", (3, 16, 16))
    one, other = of_random_network(spec, torch.device("cpu")), of_random_network(spec, torch.device("cpu"))
    x = torch.rand(4, 3, 16, 16) * 2 - 1
    assert one.digest == other.digest != "" and torch.equal(one(x), other(x)) and one(x).shape == (4, 128)


def test_the_networks_take_voxels() -> None:
    spec = DataSpec("v", (1, 8, 16, 16), kind="voxels")
    assert of_random_network(spec, torch.device("cpu"))(torch.zeros(2, 1, 8, 16, 16)).shape == (2, 128)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return Digits().load(Path())


def test_more_noise_is_worse_in_every_figure_of_quality(digits: Dataset) -> None:
    """Noise, half noise and hardly any, in the order of an untrained, a half-trained and a trained generator."""
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
    real, other = (digits.batch(rows)["real"] for rows in order[:1200].split(600))
    raw = of_random_network(digits.spec, torch.device("cpu"))
    extractor = raw.fitted(raw(real))
    noise = normal(600, 784, 1).view_as(other).clamp(-1, 1)
    levels = [quality(extractor(real), extractor((1 - a) * other + a * noise)) for a in (1.0, 0.5, 0.1, 0.0)]
    for name in ("fid", "kid"):
        figures = [level[name] for level in levels]
        assert figures == sorted(figures, reverse=True) and len(set(figures)) == 4, (name, figures)
    for name in ("precision", "recall", "density", "coverage"):
        figures = [level[name] for level in levels]
        assert figures[0] <= figures[1] <= figures[2] and figures[0] < figures[2], (name, figures)
    assert levels[3]["fid"] < 5 and levels[0]["fid"] > 50 and math.isclose(levels[3]["kid"], 0, abs_tol=0.05)
