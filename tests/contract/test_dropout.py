"""Dropout by bytes: the share, the scale, the gradient, and where it steps aside."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ganzoo_core.dropout import Dropout


@pytest.mark.parametrize(("p", "share"), [(0.0, 0.0), (0.3, 77 / 256), (0.5, 0.5), (0.9, 230 / 256)])
def test_the_share_of_zeros_and_the_scale_of_the_rest(p, share):
    torch.manual_seed(0)
    y = Dropout(p)(torch.ones(1000, 1001))
    assert float((y == 0).float().mean()) == pytest.approx(share, abs=0.002)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)] if p else [1.0])
    assert float(y.mean()) == pytest.approx(1, abs=0.01)


def test_neighbours_fall_out_independently():
    torch.manual_seed(0)
    zero = Dropout(0.5)(torch.ones(1000, 1000)) == 0
    for step in (1, 7, 8, 1000):  # bytes of a word, words, rows
        both = zero.flatten()[:-step] & zero.flatten()[step:]
        assert float(both.float().mean()) == pytest.approx(0.25, abs=0.003)


def test_the_gradient_flows_where_the_number_stayed():
    x = torch.randn(5, 7, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, (y != 0) * 2.0)


def test_dtype_and_shape_stay_and_the_seed_decides():
    layer, x = Dropout(0.3), torch.randn(3, 5, 7).bfloat16()
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first) and not torch.equal(layer(x), first)
    assert first.dtype is torch.bfloat16 and first.shape == x.shape


def test_it_is_torchs_own_in_eval_mode_and_for_p_of_one():
    x = torch.randn(4, 4)
    assert Dropout(0.3).eval()(x) is x
    assert not Dropout(1.0)(x).any()
    assert isinstance(Dropout(), nn.Dropout)
