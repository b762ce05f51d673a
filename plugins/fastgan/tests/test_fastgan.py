"""fastgan: its excitation, its quarters and its loss by hand, and its networks' shapes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_fastgan import Fastgan, FastganConfig
from ganzoo_fastgan.loss import RebuildingHinge
from ganzoo_fastgan.networks import (
    Excitation,
    FastganDiscriminator,
    FastganGenerator,
    Gated,
    Rebuilt,
    channels,
    quarters,
)

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError

GREY = DataSpec("grey", (1, 28, 28))
SMALL = FastganConfig(width=4, latent_dim=8)


def data(colours, height, width):
    return DataSpec("pictures", (colours, height, width))


def test_loss_by_hand():
    """Hinges 1 - 0.5 and 1 + 1; pictures that are 0.5 and 0.25 off, times the weight."""
    rebuilt = Rebuilt(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.5), torch.ones(1), torch.full((1,), 0.75))
    asked = []
    turn = SimpleNamespace(
        real_logits=torch.tensor([0.5, 2.0]), fake_logits=torch.tensor([1.0, -3.0]), on_real="judged",
        discriminator=SimpleNamespace(rebuild=lambda judged: asked.append(judged) or rebuilt),
    )  # fmt: skip
    loss = RebuildingHinge(FastganConfig(rebuild_weight=2.0))
    terms = {name: term.item() for name, term in loss.for_discriminator(turn).items()}
    assert terms == pytest.approx({"real": 0.25, "fake": 1.0, "whole": 1.0, "quarter": 0.5})
    assert asked == ["judged"], "real pictures alone are rebuilt"
    assert loss.for_generator(turn)["adversarial"].item() == pytest.approx(1.0)


def test_quarters_of_a_picture():
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(4, 1, 4, 4)
    found = quarters(x, torch.arange(4))
    assert found[:, 0].tolist() == [[[0, 1], [4, 5]], [[2, 3], [6, 7]], [[8, 9], [12, 13]], [[10, 11], [14, 15]]]


def test_a_gated_unit_is_the_librarys_and_its_gradient_keeps_the_format():
    x = torch.randn(2, 6, 5, 5).to(memory_format=torch.channels_last).requires_grad_()
    gradients = []
    for layer in (torch.nn.GLU(dim=1), Gated()):
        y = layer(x)
        gradients += torch.autograd.grad(y.square().sum(), x)
        torch.testing.assert_close(y, torch.nn.functional.glu(x, 1))
    torch.testing.assert_close(*gradients)
    assert gradients[1].is_contiguous(memory_format=torch.channels_last)


def test_excitation_scales_each_channel_alike_everywhere():
    excite = Excitation(4, 6).eval()
    early, late = torch.randn(3, 4, 7, 7), torch.rand(3, 6, 28, 28) + 1
    factor = excite(early, late) / late
    torch.testing.assert_close(factor, factor[:, :, :1, :1].expand_as(factor))
    assert factor.min() > 0 and factor.max() < 1
    assert factor[0, 0, 0, 0] != factor[1, 0, 0, 0], "early features decide"


@pytest.mark.parametrize(("side", "count"), [(4, 256), (7, 128), (8, 128), (16, 64), (28, 32), (64, 32), (512, 4)])
def test_channels_fall_as_sides_grow(side, count):
    assert channels(16, side) == count


@pytest.mark.parametrize(
    ("shape", "span", "excited"),
    [((1, 28, 28), 2, 1), ((3, 32, 32), 3, 1), ((3, 64, 64), 4, 1), ((3, 128, 128), 4, 2), ((3, 64, 48), 3, 1)],
)
def test_networks_fit_pictures(shape, span, excited):
    generator, discriminator = FastganGenerator(SMALL, data(*shape)), FastganDiscriminator(SMALL, data(*shape))
    made = generator(torch.randn(2, 8))
    assert made.shape == (2, *shape) and made.abs().max() <= 1
    assert (generator.span, len(generator.excitations)) == (span, excited)
    judged = discriminator(made)
    h, w = judged.late.shape[2:]
    assert judged.logits.shape == (2, 1, h - 3, w - 3) and judged.earlier.shape[2:] == (2 * h, 2 * w)
    assert 7 <= min(h, w) < 14
    rebuilt = discriminator.rebuild(judged)
    half = (2, shape[0], shape[1] // 2, shape[2] // 2)
    assert [part.shape for part in rebuilt] == [half] * 4


def test_what_is_to_be_rebuilt():
    discriminator, x = FastganDiscriminator(SMALL, GREY), torch.randn(8, 1, 28, 28)
    rebuilt = discriminator.rebuild(discriminator(x))
    torch.testing.assert_close(rebuilt.real_whole[:, :, 0, 0], x[:, :, :2, :2].mean((2, 3)))
    corners = x.view(8, 1, 2, 14, 2, 14)
    for sample, quarter in enumerate(rebuilt.real_quarter):
        found = [torch.equal(quarter, corners[sample, :, i, :, j]) for i in (0, 1) for j in (0, 1)]
        assert sum(found) == 1


def test_decoders_move_the_features():
    discriminator, x = FastganDiscriminator(SMALL, GREY), torch.randn(4, 1, 28, 28)
    rebuilt = discriminator.rebuild(discriminator(x))
    (rebuilt.whole.sum() + rebuilt.quarter.sum()).backward()
    moved = {name.split(".")[0] for name, p in discriminator.named_parameters() if p.grad is not None}
    assert moved == {"first", "blocks", "decode_whole", "decode_quarter"}


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 26, 26), (1, 30, 32)])
def test_pictures_that_do_not_fit_are_refused(shape):
    with pytest.raises(DataError):
        Fastgan(SMALL).check_data(data(*shape))
