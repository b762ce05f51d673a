"""Networks of the meta device: what they compute as they are made has the shape that numbers would have."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core.storage.untrusted import Undrawn


def spectral() -> Tensor:
    return spectral_norm(nn.Linear(3, 5)).weight


CASES: dict[str, Callable[[], Tensor]] = {
    "eye": lambda: torch.eye(3),
    "eye by name": lambda: torch.eye(n=3),
    "eye of two sides": lambda: torch.eye(3, 5, dtype=torch.float64),
    "randn": lambda: torch.randn(2, 3, generator=torch.Generator()),
    "rand of a size": lambda: torch.rand((2, 3)),
    "a number": lambda: torch.tensor([1.0, 2.0, 1.0]) / 4,
    "a number before it": lambda: 2 * torch.ones(3),
    "a broadcast": lambda: torch.ones(3, 1) * torch.ones(4) + torch.ones(2, 1, 1),
    "a method": lambda: torch.ones(3).sub(1),
    "a method with more": lambda: torch.ones(3).add(torch.ones(3), alpha=2),
    "whole numbers": lambda: torch.arange(4) / 2,
    "of two types": lambda: torch.ones(3) * torch.ones(3, dtype=torch.float64),
    "normalised": lambda: F.normalize(torch.ones(3, 4), dim=0),
    "spectral": spectral,
}


@pytest.mark.parametrize("name", CASES)
def test_what_constructors_compute_has_its_shape_and_type(name: str) -> None:
    real = CASES[name]()
    with torch.device("meta"), Undrawn():
        found = CASES[name]()
    assert found.is_meta and (found.shape, found.dtype) == (real.shape, real.dtype)
    with Undrawn():
        computed = CASES[name]()
    if not name.startswith(("rand", "spectral")):
        assert torch.equal(computed, real)


def test_what_is_asked_for_elsewhere_has_numbers() -> None:
    with torch.device("meta"), Undrawn():
        assert torch.equal(torch.eye(2, device="cpu"), torch.tensor([[1.0, 0.0], [0.0, 1.0]], device="cpu"))


def test_what_does_not_fit_together_is_refused() -> None:
    with torch.device("meta"), Undrawn(), pytest.raises(ValueError):
        torch.ones(3) * torch.ones(4)
