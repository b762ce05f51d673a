"""conv: its layers, whose parameters move, and that it learns."""

from __future__ import annotations

import pytest
import torch
from ganzoo_conv import Conv, ConvConfig
from sklearn.datasets import load_digits

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.losses import NonSaturating
from ganzoo_core.testing import Training, train_steps

GREY = DataSpec("grey", (1, 28, 28))
COLOUR = DataSpec("colour", (3, 32, 32))


def counts(module: torch.nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in module.named_parameters()}


def digits() -> Dataset:
    """The 1,797 digits as scikit-learn has them, (1, 8, 8)."""
    images = torch.tensor(load_digits().images * 255 / 16).round().to(torch.uint8).unsqueeze(1)
    return Dataset(DataSpec("digits", (1, 8, 8)), images)


def test_generator_has_the_layers_of_28x28():
    generator = Conv().generator(GREY)
    assert counts(generator) == {
        "layers.0.weight": 100 * 900,
        "layers.0.bias": 900,
        "layers.3.weight": 64 * 1 * 2 * 2,
        "layers.3.bias": 64,
        "layers.5.weight": 1 * 64 * 2 * 2,
        "layers.5.bias": 1,
    }
    assert generator.layers[:3](torch.zeros(2, 100)).shape == (2, 1, 30, 30)
    assert generator.layers[:4](torch.zeros(2, 100)).shape == (2, 64, 29, 29)


def test_discriminator_has_the_layers_of_28x28_and_ends_without_activation():
    discriminator = Conv().discriminator(GREY)
    assert counts(discriminator) == {
        "layers.1.weight": 1 * 1 * 2 * 2,
        "layers.1.bias": 1,
        "layers.4.weight": 196 * 128,
        "layers.4.bias": 128,
        "layers.6.weight": 128,
        "layers.6.bias": 1,
    }
    assert isinstance(discriminator.layers[-1], torch.nn.Linear)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 17, 30), (1, 1, 1)])
def test_any_size_and_colour(shape: tuple[int, ...]):
    spec = DataSpec("any", shape)
    samples = Conv().generator(spec)(torch.randn(3, 100))
    assert samples.shape == (3, *shape)
    assert samples.abs().max() <= 1
    assert Conv().discriminator(spec)(samples).shape == (3,)


def test_discriminator_sees_the_last_pixel_of_an_odd_side():
    discriminator = Conv().discriminator(DataSpec("odd", (1, 9, 9)))
    x = torch.zeros(1, 1, 9, 9, requires_grad=True)
    discriminator(x).sum().backward()
    assert x.grad[0, 0, -1, -1] != 0


def test_widths_follow_the_config():
    variant = Conv(ConvConfig(generator_channels=5, discriminator_width=7, latent_dim=11))
    assert counts(variant.generator(COLOUR)) == {
        "layers.0.weight": 11 * 3 * 34 * 34,
        "layers.0.bias": 3 * 34 * 34,
        "layers.3.weight": 5 * 3 * 4,
        "layers.3.bias": 5,
        "layers.5.weight": 3 * 5 * 4,
        "layers.5.bias": 3,
    }
    assert counts(variant.discriminator(COLOUR))["layers.4.weight"] == 3 * 16 * 16 * 7


def test_points_are_refused():
    with pytest.raises(DataError, match="conv takes images, but ring holds points; `ganzoo data` lists data sets"):
        Conv().check_data(DataSpec("ring", (2,), kind="points"))


def test_loss_and_optimizers():
    variant = Conv(ConvConfig(generator_lr=3e-4, discriminator_lr=1e-4, beta1=0.4))
    assert type(variant.loss()) is NonSaturating
    parameter = torch.nn.Parameter(torch.zeros(1))
    generator, discriminator = (variant.optimizer(name, [parameter]) for name in ("generator", "discriminator"))
    assert (generator.defaults["lr"], generator.defaults["betas"]) == (3e-4, (0.4, 0.999))
    assert (discriminator.defaults["lr"], discriminator.defaults["betas"]) == (1e-4, (0.4, 0.999))


def test_each_player_moves_once_a_step_all_its_parameters():
    training = train_steps(Conv, digits(), 0, batch_size=4)
    before = {name: p.clone() for net in training.networks for name, p in net.named_parameters(prefix=str(id(net)))}
    (record,) = training.train(1).records
    assert [name for name in record if "/" in name] == [
        "discriminator/real",
        "discriminator/fake",
        "generator/adversarial",
    ]
    for net in training.networks:
        for name, p in net.named_parameters(prefix=str(id(net))):
            assert not torch.equal(before[name], p), name
    assert [next(iter(p.optimizer.state.values()))["step"].item() for p in training.players] == [1, 1]


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_the_first_gradient_is_the_same_all_over_a_block(shape: tuple[int, ...]):
    """The discriminator's convolution starts as the mean, so it draws no stripes into the generator's samples."""
    discriminator = Conv().discriminator(DataSpec("any", shape))
    x = torch.randn(2, *shape, requires_grad=True)
    discriminator(x).sum().backward()
    blocks = x.grad.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (N, C, H/2, 2, W/2, 2)
    assert blocks.abs().max() > 0
    assert torch.equal(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))


def test_generator_starts_without_noise_in_the_draft():
    first = Conv().generator(GREY).layers[0]
    assert first.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert not first.bias.any()


def covered(real: torch.Tensor, training: Training) -> float:
    """The share of real samples with one of 500 samples nearer than their fifth neighbour among the real ones
    (arXiv:2002.09797, equation 4).
    """
    radii = torch.cdist(real, real).topk(6, largest=False).values[:, -1]  # the nearest is the sample itself
    nearest = torch.cdist(real, training.sample(500).values.flatten(1)).min(dim=1).values
    return float((nearest < radii).float().mean())


@pytest.mark.long
def test_it_learns_digits():
    """Samples lie near real digits and spread over them: 500 others of the real ones cover 0.66, untrained ones 0."""
    dataset = digits()
    real = dataset.batch(torch.arange(500))["real"].flatten(1)
    variant = Conv(ConvConfig(generator_channels=16, batch_size=32, ema_decay=0.98))
    assert covered(real, train_steps(variant, dataset, 0)) == 0
    assert covered(real, train_steps(variant, dataset, 400)) > 0.06
    assert covered(real, train_steps(variant, dataset, 400, discriminator_lr=0)) < 0.06
