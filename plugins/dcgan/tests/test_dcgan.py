"""dcgan: its layers, initialisation, sizes, whose parameters move, and that it learns."""

from __future__ import annotations

import pytest
import torch
from ganzoo_dcgan import Dcgan, DcganConfig
from ganzoo_dcgan.networks import PaperDiscriminator, PaperGenerator, SmallDiscriminator, SmallGenerator
from sklearn.datasets import load_digits
from torch import nn

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.losses import NonSaturating
from ganzoo_core.testing import Training, train_steps

GREY = DataSpec("grey", (1, 28, 28))


def spec(side: int, colours: int = 3) -> DataSpec:
    return DataSpec("images", (colours, side, side))


def counts(module: nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in module.named_parameters()}


def narrow(**settings) -> Dcgan:
    return Dcgan(DcganConfig(generator_channels=4, discriminator_channels=4, **settings))


def digits() -> Dataset:
    """The 1,797 digits of 8x8, each pixel repeated to 2x2: (1, 16, 16)."""
    images = torch.tensor(load_digits().images * 255 / 16).round().to(torch.uint8).unsqueeze(1)
    return Dataset(spec(16, 1), images.repeat_interleave(2, 2).repeat_interleave(2, 3))


def test_small_generator_has_the_layers_of_28x28():
    generator = Dcgan().generator(GREY)
    assert counts(generator) == {
        "layers.0.weight": 100 * 1024,
        "layers.0.bias": 1024,
        "layers.1.weight": 1024,
        "layers.1.bias": 1024,
        "layers.3.weight": 1024 * 128 * 7 * 7,
        "layers.3.bias": 128 * 7 * 7,
        "layers.4.weight": 128 * 7 * 7,
        "layers.4.bias": 128 * 7 * 7,
        "layers.7.weight": 128 * 64 * 4 * 4,
        "layers.7.bias": 64,
        "layers.8.weight": 64,
        "layers.8.bias": 64,
        "layers.10.weight": 64 * 1 * 4 * 4,
        "layers.10.bias": 1,
    }
    assert generator.layers[:7](torch.randn(2, 100)).shape == (2, 128, 7, 7)
    assert generator.layers[:8](torch.randn(2, 100)).shape == (2, 64, 14, 14)
    assert isinstance(generator.layers[-1], nn.Tanh)


def test_small_discriminator_has_the_layers_of_28x28_and_ends_without_activation():
    discriminator = Dcgan().discriminator(GREY)
    assert counts(discriminator) == {
        "layers.0.weight": 1 * 32 * 5 * 5,
        "layers.0.bias": 32,
        "layers.3.weight": 32 * 64 * 5 * 5,
        "layers.3.bias": 64,
        "layers.7.weight": 64 * 4 * 4 * 1024,
        "layers.7.bias": 1024,
        "layers.9.weight": 1024,
        "layers.9.bias": 1,
    }
    assert [layer.negative_slope for layer in discriminator.layers if isinstance(layer, nn.LeakyReLU)] == [0.2] * 3
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in discriminator.layers) == 2
    assert isinstance(discriminator.layers[-1], nn.Linear)
    assert not discriminator.mixes_samples  # real and fake go through together


def test_paper_generator_is_figure_1():
    with torch.device("meta"):
        generator = Dcgan().generator(spec(64))
    assert counts(generator) == {
        "layers.0.weight": 100 * 1024 * 4 * 4,
        "layers.2.weight": 1024,
        "layers.2.bias": 1024,
        "layers.4.weight": 1024 * 512 * 5 * 5,
        "layers.5.weight": 512,
        "layers.5.bias": 512,
        "layers.7.weight": 512 * 256 * 5 * 5,
        "layers.8.weight": 256,
        "layers.8.bias": 256,
        "layers.10.weight": 256 * 128 * 5 * 5,
        "layers.11.weight": 128,
        "layers.11.bias": 128,
        "layers.13.weight": 128 * 3 * 5 * 5,
        "layers.13.bias": 3,
    }


def test_paper_discriminator_strides_without_batchnorm_at_its_input():
    with torch.device("meta"):
        discriminator = Dcgan().discriminator(spec(64))
    assert counts(discriminator) == {
        "layers.0.weight": 3 * 64 * 5 * 5,
        "layers.0.bias": 64,
        "layers.2.weight": 64 * 128 * 5 * 5,
        "layers.3.weight": 128,
        "layers.3.bias": 128,
        "layers.5.weight": 128 * 256 * 5 * 5,
        "layers.6.weight": 256,
        "layers.6.bias": 256,
        "layers.8.weight": 256 * 512 * 5 * 5,
        "layers.9.weight": 512,
        "layers.9.bias": 512,
        "layers.12.weight": 512 * 4 * 4,
        "layers.12.bias": 1,
    }
    assert discriminator.mixes_samples


@pytest.mark.parametrize("side", [32, 64, 128])
@pytest.mark.parametrize("colours", [1, 3])
def test_paper_stacks_double_from_4_and_halve_to_4(side: int, colours: int):
    variant = narrow()
    generator, discriminator = variant.generator(spec(side, colours)), variant.discriminator(spec(side, colours))
    assert isinstance(generator, PaperGenerator) and isinstance(discriminator, PaperDiscriminator)
    samples = generator(torch.randn(2, 100))
    assert samples.shape == (2, colours, side, side)
    assert samples.abs().max() <= 1
    assert discriminator.layers[:-2](samples).shape == (2, 4 * side // 8, 4, 4)
    assert discriminator(samples).shape == (2,)


def test_paper_weights_start_from_a_normal_of_002():
    variant = Dcgan(DcganConfig(generator_channels=32, discriminator_channels=32))
    torch.manual_seed(0)
    for network in (variant.generator(spec(32)), variant.discriminator(spec(32))):
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.15)
                assert abs(module.weight.mean().item()) < 0.002
            if isinstance(module, nn.BatchNorm2d):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            if getattr(module, "bias", None) is not None:
                assert not module.bias.any()


@pytest.mark.parametrize(
    ("side", "arch", "kind"),
    [
        (28, "auto", SmallGenerator),
        (32, "auto", PaperGenerator),
        (32, "small", SmallGenerator),
        (64, "paper", PaperGenerator),
        (48, "auto", SmallGenerator),
        (16, "auto", SmallGenerator),
    ],
)
def test_arch_chooses_both_networks(side: int, arch: str, kind: type):
    variant, data = narrow(arch=arch), spec(side)
    variant.check_data(data)
    generator, discriminator = variant.generator(data), variant.discriminator(data)
    assert type(generator) is kind
    assert type(discriminator) is (SmallDiscriminator if kind is SmallGenerator else PaperDiscriminator)
    samples = generator(torch.randn(2, 100))
    assert samples.shape == (2, *data.shape)
    assert discriminator(samples).shape == (2,)


def test_the_small_generator_is_as_wide_as_it_is_told():
    shapes = [
        tuple(layer.weight.shape)
        for layer in narrow(small_channels=16).generator(spec(28)).modules()
        if isinstance(layer, nn.Linear | nn.ConvTranspose2d)
    ]
    assert shapes == [(256, 100), (32 * 7 * 7, 256), (32, 16, 4, 4), (16, 3, 4, 4)]


def test_what_it_cannot_make_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="dcgan takes images, but ring holds points; `ganzoo data` lists data sets"):
        Dcgan().check_data(DataSpec("ring", (2,), kind="points"))
    with pytest.raises(DataError) as error:
        narrow(arch="paper").check_data(GREY)
    assert str(error.value) == (
        "dcgan with arch=paper takes square images of 32, 64, 128 pixels a side, but grey is 28x28; "
        "use arch=small or another image size"
    )
    for shape in [(1, 30, 28), (1, 28, 30), (1, 12, 12)]:
        with pytest.raises(DataError) as error:
            narrow().check_data(DataSpec("odd", shape))
        assert str(error.value) == (
            f"dcgan takes images whose sides are multiples of 4, at least 16, but odd is {shape[1]}x{shape[2]}; "
            "use another image size"
        )
    with pytest.raises(SettingError, match="arch must be one of auto, small, paper, but is 'big'"):
        DcganConfig(arch="big")


def test_loss_and_optimizers():
    variant = Dcgan(DcganConfig(generator_lr=3e-4, discriminator_lr=1e-4))
    assert type(variant.loss()) is NonSaturating
    parameter = nn.Parameter(torch.zeros(1))
    generator, discriminator = (variant.optimizer(name, [parameter]) for name in ("generator", "discriminator"))
    assert (generator.defaults["lr"], generator.defaults["betas"]) == (3e-4, (0.5, 0.999))
    assert (discriminator.defaults["lr"], discriminator.defaults["betas"]) == (1e-4, (0.5, 0.999))


@pytest.mark.parametrize(("shape", "lr"), [((1, 28, 28), 1e-4), ((3, 16, 48), 1e-4), ((3, 32, 32), 4e-4)])
def test_the_discriminators_rate_goes_with_its_networks_unless_it_is_asked_for(shape: tuple[int, ...], lr: float):
    critic = narrow().discriminator(DataSpec("images", shape))

    def rate(player: str, **settings: float) -> float:
        groups = [{"params": [parameter]} for parameter in critic.parameters()]  # as with lr_factors
        optimizers = (narrow(**settings).optimizer(player, given) for given in (critic.parameters(), groups))
        (found,) = {group["lr"] for optimizer in optimizers for group in optimizer.param_groups}
        return found

    assert (rate("generator"), rate("discriminator"), rate("another")) == (4e-4, lr, lr)
    assert (rate("discriminator", discriminator_lr=3e-3), rate("another", discriminator_lr=3e-3)) == (3e-3, 3e-3)


@pytest.mark.parametrize("side", [28, 32])
def test_each_player_moves_once_a_step_all_its_parameters(side: int):
    samples = torch.randint(0, 256, (8, 1, side, side), dtype=torch.uint8)
    dataset = Dataset(spec(side, 1), samples)
    training = train_steps(narrow(batch_size=4), dataset, 0)
    before = {id(p): p.clone() for network in training.networks for p in network.parameters()}
    (record,) = training.train(1).records
    assert [name for name in record if "/" in name] == [
        "discriminator/real",
        "discriminator/fake",
        "generator/adversarial",
    ]
    for network in training.networks:
        for name, p in network.named_parameters():
            # A bias before BatchNorm is taken off with the mean, so rounding alone moves it.
            assert not torch.equal(before[id(p)], p), name
    assert [next(iter(p.optimizer.state.values()))["step"].item() for p in training.players] == [1, 1]


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
    variant = Dcgan(DcganConfig(batch_size=32, ema_decay=0))
    assert covered(real, train_steps(variant, dataset, 0)) == 0
    assert covered(real, train_steps(variant, dataset, 200)) > 0.06
    assert covered(real, train_steps(variant, dataset, 200, discriminator_lr=0)) < 0.06
