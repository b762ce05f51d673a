"""wgan: its layers, its loss, who moves how often and within what bounds, and that it learns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_wgan import Wgan, WganConfig
from torch import nn

from ganzoo_core import Dataset, DataSpec, Networks
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import Training, train_steps

RING = DataSpec("ring", (2,), (), "points")
CURVES = DataSpec("curves", (15,), (), "curves")


def images(side: int, channels: int = 1) -> DataSpec:
    return DataSpec("pictures", (channels, side, side))


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in module.named_parameters() if p.ndim > 1}


def test_the_networks_for_28_pixels():
    generator, critic = Wgan().generator(images(28)), Wgan().discriminator(images(28))
    assert shapes(generator) == {
        "project.0.weight": (64 * 7 * 7, 100),
        "grow.0.weight": (64, 32, 4, 4),
        "paint.0.weight": (32, 1, 4, 4),
    }
    assert shapes(critic) == {
        "shrink.0.weight": (32, 1, 4, 4),
        "shrink.2.weight": (64, 32, 4, 4),
        "score.weight": (1, 64 * 7 * 7),
    }
    count = sum(p.numel() for p in critic.parameters())
    assert count == (16 + 1) * 32 + (32 * 16 + 1) * 64 + 2 * 64 + (64 * 49 + 1)
    count = sum(p.numel() for p in generator.parameters())
    assert count == 101 * 3136 + 2 * 64 + (64 * 16 * 32 + 32) + 2 * 32 + (32 * 16 + 1)


@pytest.mark.parametrize(("side", "doublings", "base"), [(28, 2, 7), (32, 3, 4), (64, 4, 4), (128, 5, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_other_sizes(side, doublings, base, channels):
    variant = Wgan(WganConfig(generator_channels=4, critic_channels=2))
    generator, critic = variant.generator(images(side, channels)), variant.discriminator(images(side, channels))
    assert generator.project[0].out_features == 4 * 2 ** (doublings - 1) * base * base
    assert critic.score.in_features == 2 * 2 ** (doublings - 1) * base * base
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in generator.modules()) == doublings
    assert sum(isinstance(m, nn.Conv2d) for m in critic.modules()) == doublings
    x = generator(torch.randn(2, 100))
    assert x.shape == (2, channels, side, side) and x.abs().max() <= 1
    assert critic(x).shape == (2,)


@pytest.mark.parametrize(("height", "width", "base"), [(32, 48, (4, 6)), (96, 64, (6, 4)), (28, 64, (7, 16))])
def test_images_that_are_not_square(height, width, base):
    spec = DataSpec("wide", (4, height, width))
    generator, critic = Wgan().generator(spec), Wgan().discriminator(spec)
    assert generator.project[1].unflattened_size[1:] == base
    x = generator(torch.randn(2, generator.latent_dim))
    assert x.shape == (2, 4, height, width) and critic(x).shape == (2,)


@pytest.mark.parametrize("spec", [RING, CURVES])
def test_points_and_curves_go_through_linear_layers(spec):
    generator, critic = Wgan().generator(spec), Wgan().discriminator(spec)
    n = spec.shape[0]
    assert list(shapes(generator).values()) == [(128, 2), (128, 128), (128, 128), (n, 128)]
    assert list(shapes(critic).values()) == [(128, n), (128, 128), (128, 128), (1, 128)]
    x = generator(torch.randn(5, 2))
    assert x.shape == (5, n) and x.abs().max() <= 1
    assert critic(x).shape == (5,)


def test_the_critic_ends_in_a_linear_layer_and_has_no_sigmoid():
    for spec in (images(28), RING):
        layers = list(Wgan().discriminator(spec).modules())
        assert isinstance(layers[-1], nn.Linear)
        assert not any(isinstance(m, nn.Sigmoid | nn.LogSigmoid | nn.Tanh) for m in layers)


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 30, 30), "30x30"), ((1, 30, 28), "30x28"), ((3, 32, 42), "32x42"), ((3, 6, 6), "6x6")]
)
def test_other_sizes_are_refused(shape, size):
    message = (
        f"wgan takes images whose shorter side is 4 to 7 .* such as 28, 32, 64 or 128, and whose longer side halves as "
        f"often, but odd is {size}; use another image size"
    )
    with pytest.raises(DataError, match=message):
        Wgan().check_data(DataSpec("odd", shape))


def test_voxels_are_refused():
    with pytest.raises(DataError, match="wgan takes images or points or curves, but cubes holds voxels"):
        Wgan().check_data(DataSpec("cubes", (1, 8, 8, 8), (), "voxels"))


def test_the_loss_by_hand():
    """Real scores 1 and 3, fake ones 5 and -2: no log, so every gradient is plus or minus one half."""
    on_real, on_fake = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([5.0, -2.0], requires_grad=True)
    turn, loss = SimpleNamespace(real_logits=on_real, fake_logits=on_fake), Wgan().loss()
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == {"real": -2.0, "fake": 1.5}
    sum(terms.values()).backward()
    assert on_real.grad.tolist() == [-0.5, -0.5] and on_fake.grad.tolist() == [0.5, 0.5]
    assert {k: v.item() for k, v in loss.for_generator(turn).items()} == {"adversarial": -1.5}
    assert {k: v.item() for k, v in loss.figures(turn).items()} == {"wasserstein_distance": 0.5}


def small(steps: int) -> Training:
    rng = torch.Generator().manual_seed(0)
    points = Dataset(RING, torch.rand(64, 2, generator=rng))
    return train_steps(Wgan, points, steps, widths=(16,), batch_size=8)


def test_the_critic_moves_five_times_by_rmsprop_and_is_clipped_each_time():
    training = small(0)
    critic, generator = training.players
    assert critic.parameters == list(training.networks.discriminator.parameters())
    for player in training.players:
        assert isinstance(player.optimizer, torch.optim.RMSprop)
        (group,) = player.optimizer.param_groups
        assert group["lr"] == 5e-5 and group["momentum"] == 0
    order, bounds = [], []
    for player in training.players:
        player.optimizer.register_step_pre_hook(lambda *_: bounds.append(max(p.abs().max() for p in critic.parameters)))
        player.optimizer.register_step_post_hook(lambda *_, name=player.name: order.append(name))
    training.train(2)
    assert order == 2 * (5 * ["discriminator"] + ["generator"])
    bound = torch.tensor(0.01)
    assert bounds[0] > bound  # as drawn; afterwards each update starts from clipped weights
    assert all(b <= bound for b in bounds[1:])
    assert max(p.abs().max() for p in generator.parameters) > bound


def test_each_learning_rate_reaches_its_player():
    variant = Wgan(WganConfig(generator_lr=1e-4, discriminator_lr=2e-4))
    parameters = [nn.Parameter(torch.zeros(1))]
    assert variant.optimizer("generator", parameters).param_groups[0]["lr"] == 1e-4
    assert variant.optimizer("discriminator", parameters).param_groups[0]["lr"] == 2e-4


@pytest.mark.parametrize("name", ["beta1", "beta2"])
def test_rmsprop_heeds_no_moments_of_adam(name):
    assert name not in WganConfig.names() and name not in WganConfig().to_dict()
    with pytest.raises(SettingError, match=f"{name} has no effect on wgan: it is trained with RMSProp, .*; leave it"):
        train_steps("wgan", "ring8", 0, **{name: 0.3})


def test_on_images_the_learning_rate_is_ten_times_the_papers():
    variant = Wgan()
    for data, lr in ((images(28), 5e-4), (RING, 5e-5)):
        networks = Networks(variant.generator(data), variant.discriminator(data), variant.loss())
        assert [player.optimizer.param_groups[0]["lr"] for player in variant.players(networks)] == [lr, lr]
        groups = [{"params": [parameter]} for parameter in networks.discriminator.parameters()]  # as with lr_factors
        assert {group["lr"] for group in variant.optimizer("discriminator", groups).param_groups} == {lr}


def test_the_distance_is_logged():
    (record,) = small(1).records
    expected = -(record["discriminator/real"] + record["discriminator/fake"])
    assert record["wasserstein_distance"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.long
def test_it_learns_curves():
    """How far the curves are from the family a (x^2 + 1) - 1, in natural units, and that they spread over it."""
    training = train_steps(Wgan, "sine", 0, ema_decay=0.98)
    spec = training.dataset.spec
    height = torch.linspace(-1, 1, 15) ** 2 + 1

    def distance_and_spread() -> tuple[float, float]:
        curves = training.sample(500).values * spec.scale + spec.offset
        a = ((curves + 1) / height).mean(dim=1, keepdim=True)
        return float((curves - (a * height - 1)).square().mean(dim=1).sqrt().mean()), float(a.std())

    assert distance_and_spread()[0] > 0.5
    training.train(600)
    distance, spread = distance_and_spread()
    assert distance < 0.2 and 0.2 < spread < 0.4, (distance, spread)  # uniform on [1, 2]: 0.29
