"""cgan: its layers, its condition, and that it learns to do as asked."""

from __future__ import annotations

import pytest
import torch
from ganzoo_cgan import Cgan, CganConfig
from torch import nn

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.testing import train_steps

DIGITS = DataSpec("digits", (1, 28, 28), tuple("0123456789"))


def linear_sizes(module: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in module.modules() if isinstance(m, nn.Linear)]


def test_the_default_networks():
    generator, discriminator = Cgan().generator(DIGITS), Cgan().discriminator(DIGITS)
    assert linear_sizes(generator) == [(132, 256), (256, 512), (512, 1024), (1024, 784)]
    assert linear_sizes(discriminator) == [(816, 1024), (1024, 512), (512, 256), (256, 1)]
    assert generator.embedding.weight.shape == discriminator.embedding.weight.shape == (10, 32)
    assert sum(p.numel() for p in generator.parameters()) == 320 + 133 * 256 + 257 * 512 + 513 * 1024 + 1025 * 784
    assert sum(p.numel() for p in discriminator.parameters()) == 320 + 817 * 1024 + 1025 * 512 + 513 * 256 + 257


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2,), (15,)])
def test_samples_of_any_shape(shape):
    spec = DataSpec("any", shape, ("a", "b"))
    labels = torch.tensor([0, 1, 1])
    x = Cgan().generator(spec)(torch.randn(3, 100), labels)
    assert x.shape == (3, *shape) and x.abs().max() <= 1
    assert Cgan().discriminator(spec)(x, labels).shape == (3,)


def test_both_players_see_the_label():
    torch.manual_seed(0)
    generator, discriminator = Cgan().generator(DIGITS), Cgan().discriminator(DIGITS).eval()
    z = torch.randn(1, 100).expand(2, -1)
    x = generator(z, torch.tensor([3, 4]))
    assert not torch.allclose(x[0], x[1])
    logits = discriminator(x[:1].expand(2, -1, -1, -1), torch.tensor([3, 4]))
    assert not torch.allclose(logits[0], logits[1])


def test_unlabelled_data_is_refused():
    with pytest.raises(DataError, match="cgan needs labels, but bare has none"):
        Cgan().check_data(DataSpec("bare", (2,), (), "points"))


def test_the_average_is_shorter_on_colour_pictures_unless_it_is_set():
    def decay(shape, kind="images", **config):
        return Cgan(CganConfig(**config)).average_decay(DataSpec("x", shape, ("a", "b"), kind=kind))

    assert [decay((1, 28, 28)), decay((3, 32, 32)), decay((4, 32, 32))] == [0.999, 0.9, 0.9]
    assert [decay((2,), "points"), decay((1, 16, 16, 16), "voxels"), decay((30, 2), "curves")] == [0.999] * 3
    assert [decay((3, 32, 32), ema_decay=0.5), decay((1, 28, 28), ema_decay=0)] == [0.5, 0]


@pytest.mark.long
def test_it_learns_to_do_as_asked():
    """The share of points nearest to the mode asked for: an eighth by chance, whatever the labels of the fakes."""
    config = CganConfig(
        latent_dim=4, generator_widths=(128, 128), discriminator_widths=(128, 128), generator_lr=1e-3,
        discriminator_lr=1e-3, batch_size=128, ema_decay=0.99,
    )  # fmt: skip
    training = train_steps(Cgan(config), "ring8", 0)
    angles = torch.arange(8) * torch.pi / 4
    modes = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)

    def as_asked() -> float:
        made = training.sample(800, labels=range(8))
        nearest = torch.cdist(made.values * 2.5, modes).argmin(dim=1)
        return float((nearest == made.labels).float().mean())

    assert as_asked() < 0.4
    training.train(600)
    assert as_asked() > 0.9
