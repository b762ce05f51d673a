"""progan and stylegan2: their layers, their growth and their losses against numbers worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_progan import Progan, ProganConfig, Stylegan2, Stylegan2Config, Stylegan2Sampling, ganzoo_variants
from ganzoo_progan.layers import (
    Blur,
    EqualConv,
    EqualLinear,
    PixelNorm,
    Spread,
    channels,
    convolved,
    down,
    sides,
    up,
)
from ganzoo_progan.loss import ProganLoss, Stylegan2Loss
from ganzoo_progan.networks import ProganDiscriminator, ProganGenerator
from ganzoo_progan.style import HalvingBlock, Modulated, StyledConv, Stylegan2Discriminator, Stylegan2Generator
from torch import nn

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.testing import train_steps

GREY = DataSpec("grey", (1, 28, 28))
COLOUR = DataSpec("colour", (3, 32, 32))
LARGE = DataSpec("large", (3, 1024, 1024))
SMALL = ProganConfig(width=8, latent_dim=8)
STYLE = Stylegan2Config(width=8, latent_dim=8)


def test_both_are_offered():
    assert ganzoo_variants() == [Progan, Stylegan2]


def test_levels():
    assert sides(GREY) == [(7, 7), (14, 14), (28, 28)]
    assert sides(COLOUR) == [(4, 4), (8, 8), (16, 16), (32, 32)]
    assert sides(DataSpec("wide", (3, 24, 32))) == [(6, 8), (12, 16), (24, 32)]


def test_channels_of_the_papers_at_1024_pixels():
    """Table 2 of arXiv:1710.10196: 512 to 32 pixels, then half as many at each level, to 16; StyleGAN2's are twice."""
    at_full = [512, 512, 512, 512]  # 4 to 32 pixels
    assert channels(ProganConfig(width=512, full_side=32), LARGE) == [*at_full, 256, 128, 64, 32, 16]
    assert channels(Stylegan2Config(width=512, full_side=64), LARGE) == [*at_full, 512, 256, 128, 64, 32]
    assert channels(ProganConfig(), GREY) == [64, 32, 16]


def test_equalised_layers():
    """Weights of deviation 1 are used at sqrt(2 / inputs), or sqrt(gain / inputs)."""
    torch.manual_seed(0)
    linear, conv = EqualLinear(200, 300), EqualConv(8, 64, gain=1.0)
    for layer, inputs, gain in ((linear, 200, 2.0), (conv, 72, 1.0)):
        assert float(layer.weight.detach().std()) == pytest.approx(1.0, abs=0.03)
        assert layer.scale == pytest.approx((gain / inputs) ** 0.5)
        assert not layer.bias.any()
    x = torch.ones(1, 200)
    torch.testing.assert_close(linear(x), 0.1 * linear.weight.sum(1)[None])
    nn.init.constant_(conv.bias, 3.0)
    middle = conv(torch.ones(1, 8, 3, 3))[0, :, 1, 1]
    torch.testing.assert_close(middle, conv.weight.sum((1, 2, 3)) * 72**-0.5 + 3)


def test_pixel_norm_by_hand():
    """(3, 4) has a root mean square of sqrt(12.5)."""
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    expected = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) / 12.5**0.5
    torch.testing.assert_close(PixelNorm()(x), expected)
    torch.testing.assert_close(PixelNorm()(x[:, :, None, None]), expected[:, :, None, None])


def test_spread_by_hand():
    """Deviations over the mini-batch: of 0 and 2 it is 1, of 5 and 5 it is 0; their mean, 0.5, is a further feature."""
    x = torch.tensor([[0.0, 5.0], [2.0, 5.0]])[:, :, None, None].expand(2, 2, 3, 3)
    torch.testing.assert_close(Spread()(x)[:, :2], x)
    torch.testing.assert_close(Spread()(x)[:, 2], torch.full((2, 3, 3), 0.5), atol=1e-4, rtol=0)


def test_filters():
    """Of a single bright pixel: [1, 3, 3, 1] / 4 either way when doubled, [1, 2, 1] / 4 when blurred."""
    x = torch.zeros(1, 2, 4, 4)
    x[0, 1, 1, 2] = 1.0
    row, double = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    blurred, doubled = Blur()(x), up()(x)
    torch.testing.assert_close(blurred[0, 1, 0:3, 1:4], row[:, None] * row)
    torch.testing.assert_close(doubled[0, 1, 1:5, 3:7], double[:, None] * double)
    assert float(blurred.sum()) == 1 and float(doubled.sum()) == 4 and not doubled[0, 0].any()
    half = down()(torch.arange(8.0).expand(1, 1, 8, 8))[0, 0, 1, 1:3]
    torch.testing.assert_close(half, torch.tensor([2.5, 4.5]))  # a slope stays one
    assert not Blur().state_dict()


def test_a_block_that_halves():
    """Both ways added, by sqrt(2) smaller."""
    block = HalvingBlock(2, 3)
    x = torch.randn(2, 2, 8, 8)
    expected = (down()(block.main(x)) + block.skip(down()(x))) / 2**0.5
    inner = slice(1, 3)  # the filters meet the border in another order
    torch.testing.assert_close(block(x)[..., inner, inner], expected[..., inner, inner])
    assert block.skip.bias is None and block(x).shape == (2, 3, 4, 4)


@pytest.mark.parametrize("network", [ProganGenerator, ProganDiscriminator])
def test_a_level_fades_in(network):
    """At alpha 0 a level's picture, or score, is that of the level below; at 1 its own; between, before tanh, a mix."""
    torch.manual_seed(0)
    net = network(SMALL, GREY)
    x = torch.randn(3, 8) if network is ProganGenerator else torch.randn(3, 1, 28, 28)

    def at(phase: str, fade: float) -> torch.Tensor:
        net.begin_phase(phase)
        net.fade.fill_(fade)
        return net(x).detach()

    below, own = at("1", 0.7), at("2", 0.7)  # the fade means nothing where nothing fades in
    torch.testing.assert_close(at("2 fades in", 0.0), below)
    torch.testing.assert_close(at("2 fades in", 1.0), own)
    if network is ProganGenerator:
        mix = 0.75 * below.atanh() + 0.25 * own.atanh()
        torch.testing.assert_close(at("2 fades in", 0.25), mix.tanh(), rtol=1e-4, atol=1e-4)
        squares = at("0", 1.0).unflatten(3, (7, 4)).unflatten(2, (7, 4))  # 28 pixels of 7
        assert torch.equal(squares, squares[:, :, :, :1, :, :1].expand_as(squares))


def test_what_is_not_in_play_has_no_gradient():
    generator = ProganGenerator(SMALL, GREY)
    generator.begin_phase("1 fades in")
    assert [next(block.parameters()).requires_grad for block in generator.blocks] == [True, True, False]
    assert [next(rgb.parameters()).requires_grad for rgb in generator.rgb] == [True, True, False]
    generator.begin_phase("1")
    assert [next(rgb.parameters()).requires_grad for rgb in generator.rgb] == [False, True, False]


def test_phases():
    phases = Progan(ProganConfig(level_steps=7)).phases(GREY)
    assert [(phase.name, phase.steps) for phase in phases] == [
        ("0", 7), ("1 fades in", 7), ("1", 7), ("2 fades in", 7), ("2", None)
    ]  # fmt: skip


def test_the_fade_is_the_progress_within_a_phase():
    training = train_steps(Progan, "digits", 0, level_steps=4, width=4, latent_dim=4, batch_size=4)
    seen = []
    for _ in range(9):
        training.train(1)
        seen.append(float(training.networks.discriminator.fade))
        assert torch.equal(training.networks.generator.fade, training.networks.discriminator.fade)
    assert seen[4:8] == [0.0, 0.25, 0.5, 0.75]


class Linear:
    """A critic of slope (3, 4) everywhere, whose norm is 5."""

    fade = torch.zeros(())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.tensor([3.0, 4.0])


def test_progan_loss_by_hand():
    """Scores 3 and 4 of real ones, 0 of fake: penalty 2 * (5 - 1)^2, drift 0.5 * (9 + 16) / 2."""
    real, fake, critic = torch.eye(2), torch.zeros(2, 2), Linear()
    logits = critic(real).requires_grad_()
    turn = SimpleNamespace(
        real=real, fake=fake, critic=critic, real_logits=logits, fake_logits=critic(fake),
        generator=SimpleNamespace(fade=torch.zeros(())), discriminator=critic, progress=torch.tensor(0.5),
    )  # fmt: skip
    terms = ProganLoss(ProganConfig(penalty_weight=2.0, drift_weight=0.5)).for_discriminator(turn)
    assert {name: pytest.approx(float(term.detach()), abs=1e-5) for name, term in terms.items()} == {
        "real": -3.5, "fake": 0.0, "penalty": 32.0, "drift": 6.25
    }  # fmt: skip
    assert float(turn.generator.fade) == float(critic.fade) == 0.5
    sum(terms.values()).backward()
    torch.testing.assert_close(logits.grad, torch.tensor([-0.5 + 0.5 * 3, -0.5 + 0.5 * 4]))


def test_r1_by_hand():
    """16 / 2 * 0.1 * (9 + 16)."""
    loss = Stylegan2Loss(Stylegan2Config(r1_weight=0.1))
    assert float(loss.r1(SimpleNamespace(real=torch.randn(2, 2), critic=Linear()))["r1"]) == pytest.approx(20.0)


def test_path_length_of_a_linear_map():
    """An image a times w: J^T y is a y, of length a |y| for each of two layers; a and its gradient by hand."""
    scale = torch.tensor(3.0, requires_grad=True)

    class Map:
        def styles(self, z: torch.Tensor) -> torch.Tensor:
            return z[:, None].expand(-1, 2, -1) * torch.ones((), requires_grad=True)

        def synthesis(self, w: torch.Tensor) -> torch.Tensor:
            return (scale * w.mean(1)).unflatten(1, (1, 2, 2))

    loss = Stylegan2Loss(Stylegan2Config(path_weight=0.5))
    torch.manual_seed(1)
    y = torch.randn(3, 4) / 2  # divided by the root of four pixels
    torch.manual_seed(1)
    term = loss.path(SimpleNamespace(z=torch.randn(3, 4, generator=torch.Generator()), generator=Map()))["path"]
    lengths = 3 * y.norm(dim=1) / 2  # each of two layers makes half of the image
    mean = 0.01 * lengths.mean()
    assert float(loss.length) == pytest.approx(float(mean))
    torch.testing.assert_close(term, 2 * (lengths - mean).square().mean())
    term.backward()
    by_hand = 2 * (2 * (lengths - mean) * lengths / 3).mean()
    torch.testing.assert_close(scale.grad, by_hand)


def test_modulation_scales_weights():
    """Equation 1: as if each sample had weights of its own, times its style of each input."""
    torch.manual_seed(0)
    layer = Modulated(2, 3, 1, 4)
    x, w = torch.randn(2, 2, 5, 5), torch.randn(2, 4)
    weights = layer.weight[None, :, :, 0, 0] * 2**-0.5 * layer.style(w)[:, None]  # (N, 3, 2)
    torch.testing.assert_close(layer(x, w), torch.einsum("noi,nihw->nohw", weights, x))
    assert torch.equal(layer.style(torch.zeros(1, 4)), torch.ones(1, 2))


def test_demodulation_leaves_deviation_1_whatever_the_style():
    """Equation 3: of independent inputs of deviation 1; LeakyReLU's slope undone where it is negative."""
    torch.manual_seed(0)
    layer = StyledConv(16, 4, (64, 64), 4).eval()
    x, w = torch.randn(1, 16, 64, 64), torch.randn(1, 4)
    out = layer(x, w) / 2**0.5
    before = torch.where(out > 0, out, out / 0.2)[:, :, 1:-1, 1:-1]
    torch.testing.assert_close(before.std((0, 2, 3)), torch.ones(4), atol=0.1, rtol=0)
    torch.testing.assert_close(layer(1000 * x, w), 1000 * layer(x, w), rtol=1e-3, atol=1e-2)
    nn.init.constant_(layer.style.weight, 0.0)
    nn.init.constant_(layer.style.bias, 7.0)
    style_7 = layer(x, w)
    nn.init.constant_(layer.style.bias, 1.0)
    torch.testing.assert_close(style_7, layer(x, w), rtol=1e-3, atol=1e-3)


def test_noise_is_new_while_training_and_stays_after():
    layer = StyledConv(2, 2, (4, 4), 3)
    x, w = torch.zeros(2, 2, 4, 4), torch.zeros(2, 3)
    assert not layer(x, w).any()  # its strength is 0 at first
    nn.init.ones_(layer.strength)
    first = layer(x, w)
    assert not torch.equal(first[0], first[1]) and not torch.equal(first, layer(x, w))
    layer.eval()
    assert torch.equal(layer(x, w), layer(x, w)) and torch.equal(layer(x, w)[0], layer(x, w)[1])


def test_stylegan2_at_32_pixels():
    """Seven convolutions and four images; 1 + 3 blocks; each layer has a w, and the last image one more."""
    generator, discriminator = Stylegan2Generator(STYLE, COLOUR), Stylegan2Discriminator(STYLE, COLOUR)
    assert len(generator.convs) == 7 and len(generator.rgb) == 4 and generator.layers == 8
    assert sum(isinstance(m, EqualLinear) for m in generator.mapping) == 8
    assert sum(isinstance(m, HalvingBlock) for m in discriminator.layers) == 3
    assert generator(torch.randn(2, 8)).shape == (2, 3, 32, 32)
    assert discriminator(torch.randn(2, 3, 32, 32)).shape == (2,)


@pytest.mark.parametrize(("mixing", "share"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_styles_are_mixed_from_a_layer_on(mixing, share):
    torch.manual_seed(1)
    generator = Stylegan2Generator(Stylegan2Config(width=4, latent_dim=4, mixing=mixing), GREY)
    z = torch.randn(600, 4)
    own = (generator.styles(z) == generator.mapping(z)[:, None]).all(2)  # (N, 6)
    assert own[:, 0].all()  # the first is always its own
    assert (own.int().diff(dim=1) <= 0).all()  # what is mixed stays so to the last
    mixed = ~own[:, -1]
    assert float(mixed.float().mean()) == pytest.approx(share, abs=0.06)
    if share:
        counts = torch.bincount(own[mixed].sum(1), minlength=6)[1:6]  # from layer 1 to layer 5, equally often
        assert (counts > 0.12 * mixed.sum()).all()


def test_truncation():
    """Samples of the mean style at 0, of one's own at 1; the mean follows the styles while training."""
    torch.manual_seed(0)
    generator = Stylegan2Generator(STYLE, GREY)
    z = torch.randn(5, 8)
    w = generator.mapping(z).detach()
    generator.styles(z)
    torch.testing.assert_close(generator.mean, 0.005 * w.mean(0))
    generator.eval()
    for psi in (0.0, 0.5, 1.0):
        generator.sampling = Stylegan2Sampling(truncation=psi)
        expected = generator.mean + psi * (w - generator.mean)
        torch.testing.assert_close(generator.styles(z).detach(), expected[:, None].expand(-1, 6, -1))


def test_penalties_are_seldom_and_rates_follow():
    """R1 in steps 0, 16; path length in 0, 4, 8, ...; Adam slowed by 16/17 and 4/5, the mapping a hundredth."""
    training = train_steps(Stylegan2, "digits", 0, width=4, latent_dim=4, batch_size=4)
    d, r1, g, path = training.players
    moves: dict[str, list[int]] = {"d": [], "g": []}
    for name, player in (("d", d), ("g", g)):
        player.optimizer.register_step_post_hook(lambda *_, name=name: moves[name].append(len(training.records)))
    training.train(17)
    assert [moves["d"].count(step) for step in range(17)] == [2] + 15 * [1] + [2]
    assert [moves["g"].count(step) for step in range(17)] == [1 + (step % 4 == 0) for step in range(17)]
    assert r1.optimizer is d.optimizer and path.optimizer is g.optimizer
    (judge,) = d.optimizer.param_groups
    assert judge["lr"] == pytest.approx(2e-3 * 16 / 17) and judge["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))
    assert sorted(group["lr"] for group in g.optimizer.param_groups) == [pytest.approx(1.6e-5), pytest.approx(1.6e-3)]


@pytest.mark.parametrize("variant", [Progan, Stylegan2])
@pytest.mark.parametrize("shape", [(1, 7, 28), (1, 28, 27), (3, 6, 8)])
def test_sides_that_do_not_fit(variant, shape):
    message = (
        f"{variant.name} takes images whose sides are multiples of 2, at least 8, but odd is "
        f"{shape[1]}x{shape[2]}; use another image size"
    )
    with pytest.raises(DataError, match=message):
        variant().check_data(DataSpec("odd", shape))


def test_networks_of_rectangles():
    data = DataSpec("wide", (3, 12, 20))
    for variant in (Progan(SMALL), Stylegan2(STYLE)):
        variant.check_data(data)
        fake = variant.generator(data)(torch.randn(2, 8))
        assert fake.shape == (2, 3, 12, 20) and variant.discriminator(data)(fake).shape == (2,)


def test_convolved_is_a_layer_and_its_slope():
    layers = nn.Sequential(*convolved(1, 1, 1))
    with torch.no_grad():
        layers[0].weight.fill_(1.0)
    x = torch.tensor([-5.0, 5.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(layers(x).flatten(), 2**0.5 * torch.tensor([-1.0, 5.0]))
