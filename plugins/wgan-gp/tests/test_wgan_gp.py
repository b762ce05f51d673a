"""wgan-gp: its layers, its loss and penalty, who moves how often, and that it learns."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_wgan import Wgan, WganConfig
from ganzoo_wgan_gp import WganGp, WganGpConfig
from torch import Tensor, nn

from ganzoo_core import Dataset, DataSpec, Discriminator
from ganzoo_core.errors import DataError
from ganzoo_core.testing import Training, train_steps

RING = DataSpec("ring", (2,), (), "points")
LR = 1e-3
CURVES = DataSpec("curves", (15,), (), "curves")


def images(side: int, channels: int = 1) -> DataSpec:
    return DataSpec("pictures", (channels, side, side))


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in module.named_parameters() if p.ndim > 1}


def test_the_networks_for_28_pixels():
    generator, critic = WganGp().generator(images(28)), WganGp().discriminator(images(28))
    assert shapes(generator) == {
        "project.0.weight": (64 * 7 * 7, 128),
        "grow.0.weight": (64, 32, 4, 4),
        "paint.0.weight": (32, 1, 4, 4),
    }
    assert shapes(critic) == {
        "shrink.0.weight": (16, 1, 4, 4),
        "shrink.2.weight": (32, 16, 4, 4),
        "hidden.0.weight": (256, 32 * 7 * 7),
        "score.weight": (1, 256),
    }
    count = sum(p.numel() for p in critic.parameters())
    assert count == (16 + 1) * 16 + (16 * 16 + 1) * 32 + 2 * 32 + (1568 + 1) * 256 + 257
    count = sum(p.numel() for p in generator.parameters())
    assert count == 129 * 3136 + 2 * 64 + (64 * 16 * 32 + 32) + 2 * 32 + (32 * 16 + 1)


@pytest.mark.parametrize(("side", "doublings", "base"), [(28, 2, 7), (32, 3, 4), (64, 4, 4), (128, 5, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_other_sizes(side, doublings, base, channels):
    variant = WganGp(WganGpConfig(generator_channels=4, critic_channels=2))
    generator, critic = variant.generator(images(side, channels)), variant.discriminator(images(side, channels))
    assert generator.project[0].out_features == 4 * 2 ** (doublings - 1) * base * base
    assert critic.hidden[0].in_features == 2 * 2 ** (doublings - 1) * base * base
    assert sum(isinstance(m, nn.ConvTranspose2d) for m in generator.modules()) == doublings
    assert sum(isinstance(m, nn.Conv2d) for m in critic.modules()) == doublings
    x = generator(torch.randn(2, 128))
    assert x.shape == (2, channels, side, side) and x.abs().max() <= 1
    assert critic(x).shape == (2,)


@pytest.mark.parametrize("spec", [RING, CURVES])
def test_points_and_curves_go_through_linear_layers(spec):
    generator, critic = WganGp().generator(spec), WganGp().discriminator(spec)
    n = spec.shape[0]
    assert list(shapes(generator).values()) == [(128, 2), (128, 128), (128, 128), (n, 128)]
    assert list(shapes(critic).values()) == [(128, n), (128, 128), (128, 128), (1, 128)]
    x = generator(torch.randn(5, 2))
    assert x.shape == (5, n) and x.abs().max() <= 1
    assert critic(x).shape == (5,)


@pytest.mark.parametrize("spec", [images(28), RING, CURVES], ids=lambda spec: spec.name)
def test_all_but_the_critic_of_images_is_wgans(spec):
    ours, theirs = WganGp(WganGpConfig(latent_dim=3)), Wgan(WganConfig(latent_dim=3))
    assert repr(ours.generator(spec)) == repr(theirs.generator(spec))
    critics = ours.discriminator(spec), theirs.discriminator(spec)
    assert (type(critics[0]) is type(critics[1])) == (spec.kind != "images")


@pytest.mark.parametrize(("height", "width", "base"), [(32, 48, (4, 6)), (96, 64, (6, 4)), (28, 64, (7, 16))])
def test_images_that_are_not_square(height, width, base):
    spec = DataSpec("wide", (4, height, width))
    generator, critic = WganGp().generator(spec), WganGp().discriminator(spec)
    assert generator.project[1].unflattened_size[1:] == base
    x = generator(torch.randn(2, generator.latent_dim))
    assert x.shape == (2, 4, height, width) and critic(x).shape == (2,)


def test_the_critic_scores_each_sample_by_itself():
    """LayerNorm where DCGAN has BatchNorm: on every convolution but the first."""
    torch.manual_seed(0)
    critic, x = WganGp().discriminator(images(64)), torch.randn(4, 1, 64, 64)
    kinds = [type(m) for m in critic.shrink]
    assert kinds == [nn.Conv2d, nn.LeakyReLU] + 3 * [nn.Conv2d, nn.GroupNorm, nn.LeakyReLU]
    assert [m.num_groups for m in critic.modules() if isinstance(m, nn.GroupNorm)] == [1, 1, 1]
    assert not critic.mixes_samples
    assert torch.allclose(critic(x)[:1], critic(x[:1]), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size"), [((1, 30, 30), "30x30"), ((1, 30, 28), "30x28"), ((3, 32, 42), "32x42"), ((3, 6, 6), "6x6")]
)
def test_other_sizes_are_refused(shape, size):
    message = (
        f"wgan-gp takes images whose shorter side is 4 to 7 .* such as 28, 32, 64 or 128, and whose longer side halves "
        f"as often, but odd is {size}; use another image size"
    )
    with pytest.raises(DataError, match=message):
        WganGp().check_data(DataSpec("odd", shape))


def test_voxels_are_refused():
    with pytest.raises(DataError, match="wgan-gp takes images or points or curves, but cubes holds voxels"):
        WganGp().check_data(DataSpec("cubes", (1, 8, 8, 8), (), "voxels"))


class Half(Discriminator):
    """f(x) = scale ||x||² / 2, whose gradient at x is scale x."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.scale * x.flatten(1).square().sum(dim=1) / 2


def turn_of(critic: Discriminator, real: Tensor, fake: Tensor) -> SimpleNamespace:
    return SimpleNamespace(real=real, fake=fake, critic=critic, real_logits=critic(real), fake_logits=critic(fake))


@pytest.mark.parametrize(("shape", "penalty", "factor"), [((2,), None, 0.1), ((1, 1, 2), None, 10), ((2,), 3.0, 3)])
def test_the_loss_by_hand(shape, penalty, factor):
    """Samples of norm 1 and 2, so slopes of 2 and 4: ((2 - 1)² + (4 - 1)²) / 2 = 5. Over the batch it would be 12.06.

    d penalty / d scale = ((2 - 1) * 1 + (4 - 1) * 2) = 7. Real is fake, so that every point between is known.
    """
    x = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).unflatten(1, shape)
    critic, loss = Half(), WganGp(WganGpConfig(penalty=penalty)).loss()
    turn = turn_of(critic, x, x)
    terms = loss.for_discriminator(turn)
    values = {name: term.item() for name, term in terms.items()}
    assert values == pytest.approx({"real": -2.5, "fake": 2.5, "penalty": 5 * factor})
    sum(terms.values()).backward()
    assert critic.scale.grad.item() == pytest.approx(7 * factor, rel=1e-5)
    assert {k: v.item() for k, v in loss.for_generator(turn).items()} == {"adversarial": -2.5}


def test_the_figure_is_the_estimate_without_the_penalty():
    real, fake = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.zeros(2, 2)
    turn = turn_of(Half(), real, fake)
    assert {k: v.item() for k, v in WganGp().loss().figures(turn).items()} == {"wasserstein_distance": 2.5}


def small(steps: int) -> Training:
    rng = torch.Generator().manual_seed(0)
    points = Dataset(RING, torch.rand(64, 2, generator=rng))
    return train_steps(WganGp, points, steps, widths=(16,), batch_size=8)


def test_the_critic_moves_five_times_by_adam_then_the_generator_once():
    training, order = small(0), []
    for player in training.players:
        assert isinstance(player.optimizer, torch.optim.Adam)
        (group,) = player.optimizer.param_groups
        assert group["betas"] == (0, 0.9) and group["lr"] == LR
        assert player.after_update is None  # nothing is clipped
        player.optimizer.register_step_post_hook(lambda *_, name=player.name: order.append(name))
    training.train(2)
    assert order == 2 * (5 * ["discriminator"] + ["generator"])
    assert max(p.abs().max() for p in training.networks.discriminator.parameters()) > 0.01


def test_the_distance_is_logged_without_the_penalty():
    (record,) = small(1).records
    expected = -(record["discriminator/real"] + record["discriminator/fake"])
    assert record["wasserstein_distance"] == pytest.approx(expected, abs=1e-6)
    assert record["discriminator/penalty"] > 0


@pytest.mark.long
def test_it_learns_ring8():
    """Within fifteen standard deviations of a mode: few samples of an untrained generator, half of a trained one's."""
    training = train_steps(WganGp, "ring8", 0, ema_decay=0.99)
    angles = torch.arange(8) * torch.pi / 4
    modes = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)

    def hits() -> tuple[int, float]:
        points = training.sample(1000).values * training.dataset.spec.scale
        distances, nearest = torch.cdist(points, modes).min(dim=1)
        hit = distances <= 15 * 0.02
        return len(nearest[hit].unique()), float(hit.float().mean())

    assert hits()[1] < 0.2
    training.train(600)
    modes_covered, share = hits()
    assert modes_covered >= 7 and share > 0.4, (modes_covered, share)
