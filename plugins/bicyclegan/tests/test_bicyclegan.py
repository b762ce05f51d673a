"""bicyclegan: its networks, its terms by hand, what moves by which, and that a latent says which answer is made."""

from __future__ import annotations

import math
import tomllib
from importlib import resources
from types import SimpleNamespace

import pytest
import torch
from ganzoo_bicyclegan import Bicyclegan, BicycleganConfig
from ganzoo_bicyclegan.loss import BicycleganLoss, divergence
from ganzoo_bicyclegan.networks import Encoder
from torch import nn

from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

GREY = DataSpec("some", (1, 16, 16), columns=(Input(name="source", kind="image", shape=(1, 16, 16)),))


def test_the_latent_comes_in_as_channels():
    generator = Bicyclegan(BicycleganConfig(latent_dim=5)).generator(GREY)
    first = next(layer for layer in generator.modules() if isinstance(layer, nn.Conv2d))
    assert (generator.latent_dim, first.in_channels) == (5, 1 + 5)
    source = torch.rand(1, 1, 16, 16).expand(2, -1, -1, -1)
    one, other = generator(torch.randn(2, 5), source=source)
    assert one.shape == (1, 16, 16) and (one - other).abs().max() > 1e-4
    assert generator(torch.randn(1, 5), source=torch.zeros(1, 1, 32, 48)).shape == (1, 1, 32, 48)


def test_the_discriminator_sees_the_sample_alone():
    discriminator = Bicyclegan().discriminator(GREY)
    first = next(layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d))
    assert first.in_channels == 1 and discriminator(torch.zeros(2, 1, 16, 16)).shape == (2, 1, 2, 2)


def test_the_encoder_gives_a_mean_and_a_log_variance():
    encoder = Bicyclegan(BicycleganConfig(latent_dim=3, encoder_width=4)).further_networks(GREY)["encoder"]
    assert isinstance(encoder, Encoder)
    assert [c.out_channels for c in encoder.modules() if isinstance(c, nn.Conv2d)] == [4, 8, 16]
    mean, log_variance = encoder(torch.rand(2, 1, 16, 16))
    assert mean.shape == log_variance.shape == (2, 3)


def test_the_divergence_by_hand():
    """Of N(2, 1) it is 2, of N(0, e²) it is (e² - 3) / 2, both summed over coordinates."""
    mean = torch.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    log_variance = torch.tensor([[0.0, 2.0], [0.0, 0.0]], requires_grad=True)
    found = divergence(mean, log_variance)
    assert found.item() == pytest.approx((2 + (math.e**2 - 3) / 2) / 2)
    found.backward()
    torch.testing.assert_close(mean.grad, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    torch.testing.assert_close(log_variance.grad, torch.tensor([[0.0, (math.e**2 - 1) / 4], [0.0, 0.0]]))


class Reads(nn.Module):
    """An encoder whose mean is `scale` times a sample's, certain of it."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        mean = self.scale * x.mean(dim=1, keepdim=True)
        return mean, torch.full_like(mean, -100.0)


def turn_of(real: list[list[float]], fake: torch.Tensor) -> SimpleNamespace:
    """A turn in which G gives back each latent, twice, and D's logit is a sample's first number."""
    return SimpleNamespace(
        real=torch.tensor(real), fake=fake, z=torch.tensor([[1.0], [0.0]]), further={"encoder": Reads()},
        real_logits=torch.tensor([1.0, 0.0]), fake_logits=torch.tensor([0.0, 2.0]),
        generate=lambda z: z.expand(-1, 2), critic=lambda x: x[:, 0],
    )  # fmt: skip


def test_its_terms_by_hand():
    """E reads 2 and 4 from the real samples (1, 1) and (2, 2), G makes (2, 2) and (4, 4) of them."""
    fake = torch.tensor([[0.5, 0.5], [1.0, 1.0]], requires_grad=True)
    turn = turn_of([[1.0, 1.0], [2.0, 2.0]], fake)
    loss = BicycleganLoss(BicycleganConfig())
    of_d = {name: term.item() for name, term in loss.for_discriminator(turn).items()}
    assert of_d == pytest.approx({"real": 0.25, "fake": (0 + 4) / 4 / 2, "encoded": (4 + 16) / 4 / 2})
    terms = loss.for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({
        "adversarial": (1 + 1) / 4,
        "encoded": (1 + 9) / 4,
        "l1": 10 * (1 + 1 + 2 + 2) / 4,
        "kl": 0.01 * (4 + 16 + 2 * (math.exp(-100) + 100 - 1)) / 2 / 2,
        "latent": 0.5 * (0 + 2) / 2,
    })  # fmt: skip
    terms["latent"].backward()
    assert turn.further["encoder"].scale.grad is None, "E is kept still (section 4)"
    torch.testing.assert_close(fake.grad, torch.tensor([[0.0, 0.0], [0.25, 0.25]]))
    terms["l1"].backward()
    assert turn.further["encoder"].scale.grad == 10 * (1 + 2) / 2


def test_the_encoder_moves_with_the_generator():
    data = rectangles()
    training = train_steps("bicyclegan", data, 0, batch_size=8, width=4, discriminator_width=4, encoder_width=4)
    encoder = training.networks.further["encoder"]
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    (record,) = training.train(1).records
    assert all(not torch.equal(before[name], p) for name, p in encoder.named_parameters())
    assert [player.name for player in training.players] == ["discriminator", "generator"]
    assert {"generator/kl", "generator/latent", "discriminator/encoded"} <= record.keys()


def rectangles(count: int = 64) -> Dataset:
    """Rectangles of one of two greys, the outline of each its source."""
    rng = torch.Generator().manual_seed(0)
    filled, outlined = torch.zeros(2, count, 1, 16, 16, dtype=torch.uint8)
    for k in range(count):
        top, left, height, width = torch.randint(3, 8, (4,), generator=rng).tolist()
        outlined[k, :, top : top + height, left : left + width] = 255
        filled[k] = outlined[k] // (1 + k % 2 * 3)
        outlined[k, :, top + 1 : top + height - 1, left + 1 : left + width - 1] = 0
    return Dataset(GREY, filled, extra={"source": outlined})


@pytest.mark.long
def test_the_latent_says_which_answer_is_made():
    """Of one source light rectangles are made, and dark ones."""
    data = rectangles(256)
    training = train_steps("bicyclegan", data, 300, width=8, discriminator_width=8, encoder_width=8, generator_lr=3e-3)
    source = data.batch(torch.arange(16))["source"]
    many = torch.stack([training.sample(16, seed=s, inputs={"source": source}).values for s in range(8)])
    spread = many.mean(dim=(2, 3, 4)).std(dim=0).mean()
    answers = torch.stack([data.batch(torch.arange(k, 256, 2))["real"].mean() for k in range(2)]).std()
    assert spread > 0.3 * answers


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="plain has no column 'source', it has no columns; --data pairs:PATH gives a"):
        Bicyclegan().check_data(DataSpec("plain", (1, 28, 28)))
    with pytest.raises(DataError, match="bicyclegan takes pictures whose sides are even, and at least 12"):
        Bicyclegan().check_data(
            DataSpec("odd", (1, 27, 27), columns=(Input(name="source", kind="image", shape=(1, 27, 27)),))
        )
    with pytest.raises(SettingError, match="latent_dim must be at least 1, but is 0"):
        BicycleganConfig(latent_dim=0)
    with pytest.raises(SettingError, match="dropout has no effect on BicycleganConfig: its noise is the latent"):
        BicycleganConfig(dropout=0.1)


def test_the_papers_settings_can_be_read():
    values = tomllib.loads((resources.files("ganzoo_bicyclegan") / "paper.toml").read_text())
    assert values.pop("epochs") == 200
    config = BicycleganConfig(**values)
    assert (config.latent_dim, config.l1_weight, config.latent_weight, config.kl_weight) == (8, 10.0, 0.5, 0.01)
