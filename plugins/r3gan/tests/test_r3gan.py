"""r3gan: its loss and penalties by hand, and its networks at their start."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_r3gan import R3gan, R3ganConfig
from ganzoo_r3gan.loss import RelativisticPairs
from ganzoo_r3gan.networks import BiasedLeakyReLU, Block, R3ganDiscriminator, R3ganGenerator, convolution

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError

GREY = DataSpec("grey", (1, 28, 28))
COLOUR = DataSpec("colour", (3, 32, 32))


def turn(real_logits, fake_logits, progress=0.0):
    """A turn with these logits and the linear critic 3 a + 4 b, whose gradient has the square 25 everywhere."""
    return SimpleNamespace(
        real_logits=torch.tensor(real_logits), fake_logits=torch.tensor(fake_logits, requires_grad=True),
        real=torch.randn(2, 2), fake=torch.randn(2, 2), progress=torch.tensor(progress),
        critic=lambda x: x @ torch.tensor([3.0, 4.0]),
    )  # fmt: skip


def test_discriminator_terms_by_hand():
    terms = RelativisticPairs(R3ganConfig(gamma=2.0)).for_discriminator(turn([1.0, 0.0], [0.0, 2.0]))
    pairs = (math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 2
    assert terms["pairs"].item() == pytest.approx(pairs)
    assert terms["r1"].item() == pytest.approx(25.0) and terms["r2"].item() == pytest.approx(25.0)


def test_a_block_stays_in_the_precision_and_the_format_of_its_convolutions():
    block, seen = Block(R3ganConfig(), 2).to(memory_format=torch.channels_last), []
    for layer in block.modules():
        if isinstance(layer, BiasedLeakyReLU):
            layer.register_forward_hook(lambda layer, given, made: seen.append(made.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        y = block(torch.randn(2, R3ganConfig().width, 8, 8))  # contiguous, as what comes of one channel is
    assert seen == [torch.bfloat16, torch.bfloat16]
    assert y.is_contiguous(memory_format=torch.channels_last) and not y.is_contiguous()


def test_generator_term_by_hand():
    """softplus(real - fake) in the mean, whose gradient at each fake's logit is -sigmoid(real - fake) / 2."""
    given = turn([1.0, 0.0], [0.0, 2.0])
    terms = RelativisticPairs(R3ganConfig()).for_generator(given)
    assert terms.keys() == {"pairs"}
    assert terms["pairs"].item() == pytest.approx((math.log1p(math.exp(1)) + math.log1p(math.exp(-2))) / 2)
    terms["pairs"].backward()
    expected = [-1 / (1 + math.exp(-1)) / 2, -1 / (1 + math.exp(2)) / 2]
    torch.testing.assert_close(given.fake_logits.grad, torch.tensor(expected))


@pytest.mark.parametrize(("progress", "gamma"), [(0.0, 2.0), (0.5, 1.25), (1.0, 0.5)])
def test_gamma_goes_along_half_a_cosine(progress, gamma):
    loss = RelativisticPairs(R3ganConfig(gamma=2.0, last_gamma=0.5))
    assert loss.gamma(torch.tensor(progress)).item() == pytest.approx(gamma)


def test_a_block_starts_as_nothing():
    block, x = Block(R3ganConfig(), 6), torch.randn(2, 32, 8, 8)
    assert torch.equal(block(x), x)
    assert [tuple(p.shape) for p in block.parameters()] == [
        (64, 32, 1, 1), (64, 1, 1), (64, 8, 3, 3), (64, 1, 1), (32, 64, 1, 1),
    ]  # fmt: skip


def test_convolutions_keep_the_variance_through_an_activation():
    torch.manual_seed(0)
    x = torch.randn(16, 64, 16, 16)
    layer = convolution(64, 256, 3, (2 / 1.04) ** 0.5, groups=4)
    seen = BiasedLeakyReLU(256)(layer(x))[:, :, 2:-2, 2:-2]
    assert seen.square().mean().item() == pytest.approx(1.0, rel=0.1)


def test_networks_mirror_each_other():
    config = R3ganConfig()
    generator, discriminator = R3ganGenerator(config, COLOUR), R3ganDiscriminator(config, COLOUR)
    assert generator.basis.shape == (32, 4, 4) and len(generator.levels) == len(discriminator.levels) == 4
    blocks = 4 * (32 * 64 * 2 + 64 * 8 * 9 + 2 * 64)
    assert sum(p.numel() for p in generator.parameters()) == blocks + 32 * 16 + 64 * 32 + 32 * 3
    assert sum(p.numel() for p in discriminator.parameters()) == blocks + 32 * 16 + 32 + 32 * 3
    grey = R3ganGenerator(config, GREY)
    assert grey.basis.shape == (32, 7, 7) and grey(torch.randn(2, 64)).shape == (2, 1, 28, 28)


def test_z_scales_the_basis():
    """At the start blocks are nothing, so that a picture is 1x1 of the basis times what z makes, enlarged."""
    generator = R3ganGenerator(R3ganConfig(), DataSpec("small", (1, 8, 8)))
    z = torch.randn(3, 64)
    x = generator.basis * (z @ generator.linear.weight.T)[:, :, None, None]
    x = torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(generator(z), torch.tanh(generator.last(x)))


def test_what_does_not_fit():
    message = "group_width must divide width times expansion, which is 20, but is 8"
    with pytest.raises(ValueError, match=message):
        R3ganConfig(width=10)
    with pytest.raises(
        DataError, match="r3gan takes images whose sides are multiples of 2, at least 8, but odd is 27x28"
    ):
        R3gan().check_data(DataSpec("odd", (1, 27, 28)))
