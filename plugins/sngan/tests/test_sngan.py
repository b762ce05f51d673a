"""sngan, projection, sagan, biggan: their layers against the papers' equations, and what biggan adds by hand."""

from __future__ import annotations

import pytest
import torch
from ganzoo_sngan import (
    Biggan,
    BigganConfig,
    BigganSampling,
    Projection,
    ProjectionConfig,
    Sagan,
    Sngan,
    SnganConfig,
    ganzoo_variants,
)
from ganzoo_sngan.big import OrthogonalHinge
from ganzoo_sngan.layers import Attention, CodedNorm, DownBlock, UpBlock, plain, spectral
from ganzoo_sngan.networks import ResnetDiscriminator, ResnetGenerator, attention_place
from torch import nn

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError

TEN = tuple("0123456789")
GREY = DataSpec("grey", (1, 28, 28), TEN)
COLOUR = DataSpec("colour", (3, 32, 32), TEN)


def test_the_four_are_offered():
    assert ganzoo_variants() == [Sngan, Projection, Sagan, Biggan]
    assert [variant.conditional for variant in ganzoo_variants()] == [False, True, True, True]


def test_networks_of_the_paper_at_32_pixels():
    """Table 4 of arXiv:1802.05957: 4x4x256 to 32x32x3 by three blocks; four blocks of 128, two of which halve."""
    config = SnganConfig(generator_width=256, discriminator_width=128)
    generator, discriminator = ResnetGenerator(config, COLOUR), ResnetDiscriminator(config, COLOUR)
    assert generator.body.first == (256, 4, 4) and len(generator.body.blocks) == 3
    blocks = [layer for layer in discriminator.layers if isinstance(layer, DownBlock)]
    assert [block.halves for block in blocks] == [True, True, False, False]
    assert discriminator.layers(torch.zeros(1, 3, 32, 32)).shape == (1, 128, 8, 8)
    block = 2 * (3 * 3 * 256 * 256 + 256) + 256 * 256 + 256 + 2 * 2 * 256
    last = 2 * 256 + 3 * 3 * 256 * 3 + 3
    assert sum(p.numel() for p in generator.parameters()) == 128 * 4096 + 4096 + 3 * block + last


def test_every_layer_of_the_discriminator_has_spectral_norm_1():
    torch.manual_seed(0)
    discriminator = ResnetDiscriminator(ProjectionConfig(attention_side=16), GREY)
    for _ in range(30):  # steps of the power method
        discriminator(torch.zeros(2, 1, 28, 28), torch.tensor([0, 1]))
    discriminator.eval()
    layers = [m for m in discriminator.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 4 * 2 + 2 + 4 + 2  # of four blocks, their short cuts, attention, the linear one and classes
    for layer in layers:
        norm = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        torch.testing.assert_close(norm, torch.ones(()), rtol=0.05, atol=0)


def test_the_logit_of_a_class_is_a_product_with_its_embedding():
    """Equation 9 of arXiv:1802.05637: vᵀ h + b, and w_yᵀ h on top."""
    discriminator = ResnetDiscriminator(ProjectionConfig(), GREY).eval()
    x, labels = torch.randn(2, 1, 28, 28), torch.tensor([3, 7])
    h = discriminator.layers(x).sum((2, 3))
    expected = h @ discriminator.linear.weight[0] + discriminator.linear.bias[0]
    expected = expected + (discriminator.classes.weight.T[labels] * h).sum(1)
    torch.testing.assert_close(discriminator(x, labels), expected)


def test_blocks_at_their_start():
    """With convolutions of 0 the short cut alone is left, at twice and at half the sides."""
    up, down = UpBlock(2, 3, 0, plain), DownBlock(2, 3, plain)
    for block in (up, down):
        nn.init.zeros_(block.conv_2.weight)
    x = torch.randn(2, 2, 4, 4)
    torch.testing.assert_close(up(x, None), up.skip(x).repeat_interleave(2, 2).repeat_interleave(2, 3))
    means = x.view(2, 2, 2, 2, 2, 2).mean((3, 5))
    torch.testing.assert_close(down(x), down.skip(means))


def test_a_code_scales_and_shifts():
    norm = CodedNorm(2, 3)
    with torch.no_grad():
        norm.linear.weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 2]]))
    x = torch.randn(4, 2, 3, 3)
    plain_norm = nn.BatchNorm2d(2, affine=False)(x)
    code = torch.tensor([[1.0, 2.0, 3.0]]).expand(4, -1)
    factors, shifts = torch.tensor([2.0, 3.0]).view(2, 1, 1), torch.tensor([3.0, 6.0]).view(2, 1, 1)
    torch.testing.assert_close(norm(x, code), plain_norm * factors + shifts)


def test_attention_starts_as_nothing_and_weighs_places():
    """Of one channel by hand: o_j is the mean of the pooled values, weighed by softmax of query times key."""
    attention = Attention(1, plain)
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).repeat(1, 1, 1, 2)  # pools to (3 + 1) and (4): 4, 4
    x[..., 2:] = 0.0  # the second window pools to 0
    assert torch.equal(attention(x), x)
    for layer in (attention.query, attention.key, attention.value, attention.out):
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.ones_(attention.gamma)
    weight = torch.softmax(torch.stack([4.0 * x.flatten(), 0 * x.flatten()]), dim=0)[0]  # of the value 4
    torch.testing.assert_close(attention(x), x + (4 * weight).view_as(x))


@pytest.mark.parametrize(
    ("sides", "at_most", "place"),
    [
        ([(14, 14), (28, 28)], 16, 0),
        ([(8, 8), (16, 16), (32, 32)], 16, 1),
        ([(16, 16), (8, 8)], 16, 0),
        ([(14, 14), (7, 7)], 7, None),  # 7 can't be pooled
        ([(14, 14)], 0, None),
    ],
)
def test_attention_stands_at_the_largest_maps_that_are_small_enough(sides, at_most, place):
    assert attention_place(sides, at_most) == place


def test_sagan_has_attention_and_spectral_layers_in_both():
    config = Sagan.Config()
    generator, discriminator = Sagan(config).generator(COLOUR), Sagan(config).discriminator(COLOUR)
    for network in (generator, discriminator):
        assert sum(isinstance(m, Attention) for m in network.modules()) == 1
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        assert convolutions and all(hasattr(m, "parametrizations") for m in convolutions)
    plain_one = Sngan().generator(COLOUR)
    assert not any(hasattr(m, "parametrizations") for m in plain_one.modules())


def test_biggan_cuts_z_in_parts():
    generator = Biggan(BigganConfig(latent_dim=98)).generator(COLOUR)
    assert generator.parts == [26, 24, 24, 24]
    z, labels = torch.randn(3, 98), torch.tensor([0, 1, 2])
    generator.train()
    seen = []
    generator.body.blocks[1].register_forward_hook(lambda module, inputs, output: seen.append(inputs[1]))
    generator(z, labels)
    torch.testing.assert_close(seen[0], torch.cat([z[:, 50:74], generator.embedding.weight.T[labels]], dim=1))


def test_truncated_latents():
    """Between -t and t, and spread as the normal distribution is there."""
    generator = Biggan().generator(GREY)
    generator.sampling = BigganSampling(truncation=0.5)
    z = generator.latent(400, torch.Generator().manual_seed(0)).flatten()
    assert z.abs().max() <= 0.5 and z.dtype == torch.float32
    normal = torch.randn(400_000, generator=torch.Generator().manual_seed(1))
    inside = normal[normal.abs() <= 0.5]
    torch.testing.assert_close(z.std(), inside.std(), rtol=0.02, atol=0)
    assert abs(float(z.mean())) < 0.01
    generator.sampling = BigganSampling()
    rng = torch.Generator().manual_seed(5)
    expected = torch.randn(4, 96, generator=torch.Generator().manual_seed(5))
    assert torch.equal(generator.latent(4, rng), expected)


def test_orthogonal_term_by_hand():
    """Rows (1, 2) and (3, 4): their product is 11, twice; its gradient is 4 * 11 times the other row."""
    layers = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        layers[0].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    value = OrthogonalHinge.unlikeness(layers)
    assert value.item() == 242.0
    value.backward()
    torch.testing.assert_close(layers[0].weight.grad, 44 * torch.tensor([[3.0, 4.0], [1.0, 2.0]]))


def test_spectral_divides_by_the_largest_singular_value():
    layer = spectral(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        layer.parametrizations.weight.original.copy_(torch.tensor([[4.0, 0.0], [0.0, 1.0]]))
    for _ in range(30):
        layer(torch.zeros(1, 2))
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[1.0, 0.0], [0.0, 0.25]]))


@pytest.mark.parametrize("variant", [Sngan, Projection, Sagan, Biggan])
def test_sides_that_do_not_fit(variant):
    message = f"{variant.name} takes images whose sides are multiples of 4, at least 8, but odd is 30x28; use another"
    with pytest.raises(DataError, match=message):
        variant().check_data(DataSpec("odd", (1, 30, 28), TEN))
