"""vanilla: its layers, its game, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from ganzoo_vanilla import Vanilla, VanillaConfig
from torch import nn

from ganzoo_core import DataSpec
from ganzoo_core.testing import train_steps

DIGITS = DataSpec("digits", (1, 28, 28), tuple("0123456789"))


def linear_sizes(module: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in module.modules() if isinstance(m, nn.Linear)]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_default_networks():
    generator, discriminator = Vanilla().generator(DIGITS), Vanilla().discriminator(DIGITS)
    assert linear_sizes(generator) == [(100, 256), (256, 512), (512, 1024), (1024, 784)]
    assert linear_sizes(discriminator) == [(784, 1024), (1024, 512), (512, 256), (256, 1)]
    assert count(generator) == 100 * 256 + 256 + 256 * 512 + 512 + 512 * 1024 + 1024 + 1024 * 784 + 784
    assert count(discriminator) == 784 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 256 + 256 + 256 + 1
    slopes = {m.negative_slope for n in (generator, discriminator) for m in n.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    assert [m.p for m in discriminator.modules() if isinstance(m, nn.Dropout)] == [0.3] * 3
    assert not any(isinstance(m, nn.Dropout) for m in generator.modules())


def test_the_classic_networks_with_one_hidden_layer():
    classic = Vanilla(VanillaConfig(generator_widths=(128,), discriminator_widths=(128,), dropout=0.0))
    assert linear_sizes(classic.generator(DIGITS)) == [(100, 128), (128, 784)]
    assert linear_sizes(classic.discriminator(DIGITS)) == [(784, 128), (128, 1)]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2,), (15,), (1, 8, 8, 8)])
def test_samples_of_any_shape(shape):
    spec = DataSpec("any", shape, kind="images" if len(shape) > 1 else "points")
    x = Vanilla().generator(spec)(torch.randn(5, 100 if len(shape) > 1 else 2))
    assert x.shape == (5, *shape) and x.dtype == torch.float32 and x.abs().max() <= 1
    assert Vanilla().discriminator(spec)(x).shape == (5,)


def test_points_and_curves_get_small_networks_without_dropout():
    ring = DataSpec("ring", (2,), (), "points")
    discriminator = Vanilla().discriminator(ring)
    assert linear_sizes(Vanilla().generator(ring)) == [(2, 128), (128, 128), (128, 2)]
    assert linear_sizes(discriminator) == [(2, 128), (128, 128), (128, 1)]
    assert [m.p for m in discriminator.modules() if isinstance(m, nn.Dropout)] == [0.0] * 2


@pytest.mark.parametrize(("name", "expected"), [("non-saturating", math.log(2)), ("minimax", -math.log(2))])
def test_the_generators_loss_at_even_odds(name, expected):
    """At logit 0, -log D = log 2 and log(1 - D) = -log 2."""
    from types import SimpleNamespace

    turn = SimpleNamespace(fake_logits=torch.zeros(3))
    terms = Vanilla(VanillaConfig(loss=name)).loss().for_generator(turn)
    assert terms["adversarial"].item() == pytest.approx(expected)


def test_k_discriminator_steps_and_two_learning_rates():
    training = train_steps(Vanilla, "ring8", 0, n_critic=3, generator_lr=1e-3, discriminator_lr=2e-3, batch_size=8)
    assert [(p.name, p.steps, p.optimizer.param_groups[0]["lr"]) for p in training.players] == [
        ("discriminator", 3, 2e-3),
        ("generator", 1, 1e-3),
    ]


def test_the_average_is_shorter_on_colour_pictures_unless_it_is_set():
    def decay(shape, kind="images", **config):
        return Vanilla(VanillaConfig(**config)).average_decay(DataSpec("x", shape, ("a", "b"), kind=kind))

    assert [decay((1, 28, 28)), decay((3, 32, 32)), decay((4, 32, 32))] == [0.99, 0.9, 0.9]
    assert [decay((2,), "points"), decay((1, 16, 16, 16), "voxels"), decay((30, 2), "curves")] == [0.99] * 3
    assert [decay((3, 32, 32), ema_decay=0.5), decay((1, 28, 28), ema_decay=0)] == [0.5, 0]


@pytest.mark.long
def test_it_learns_ring8():
    """Good: within three standard deviations of a mode. Next to no sample of an untrained generator is."""
    training = train_steps(Vanilla, "ring8", 0, generator_lr=1e-3, discriminator_lr=1e-3)

    def judged() -> dict[str, float]:
        return training.dataset.exact_metrics(training.sample(1000).values * training.dataset.spec.scale)

    assert judged()["good_share"] < 0.02
    training.train(4000)
    assert judged()["modes_covered"] >= 6 and judged()["good_share"] > 0.2, judged()
