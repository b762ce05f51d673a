"""srgan and esrgan: their layers, losses by hand, phases, and that they enlarge better than interpolation does."""

from __future__ import annotations

import builtins
import math
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_srgan
import pytest
import torch
import torch.nn.functional as F
from ganzoo_srgan import Esrgan, EsrganConfig, Srgan, SrganConfig
from ganzoo_srgan.loss import PerceptualLoss, RelativisticPerceptualLoss, Vgg
from ganzoo_srgan.networks import Dense, Scaled, Verdict, smaller
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

COLOUR = DataSpec("colour", (3, 32, 32))
SMALL = {"blocks": 1, "width": 8, "discriminator_width": 4, "batch_size": 8}


def shapes(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight") and p.ndim > 1]


def test_srgans_generator_has_figure_4s_layers():
    generator = Srgan(SrganConfig(blocks=2, width=64)).generator(COLOUR)
    block = [(64, 64, 3, 3)] * 2
    assert shapes(generator) == [
        (64, 3, 9, 9), *block, *block, (64, 64, 3, 3), (256, 64, 3, 3), (256, 64, 3, 3), (3, 64, 9, 9),
    ]  # fmt: skip
    kinds = [type(layer) for layer in generator.modules()]
    assert [kinds.count(kind) for kind in (nn.BatchNorm2d, nn.PReLU, nn.PixelShuffle)] == [5, 5, 2]


def test_esrgans_generator_has_dense_blocks_and_no_batch_normalisation():
    generator = Esrgan(EsrganConfig(blocks=1, width=8, growth=4)).generator(COLOUR)
    dense = [(4, 8, 3, 3), (4, 12, 3, 3), (4, 16, 3, 3), (4, 20, 3, 3), (8, 24, 3, 3)]
    assert shapes(generator) == [
        (8, 3, 3, 3), *dense, *dense, *dense, (8, 8, 3, 3), (32, 8, 3, 3), (32, 8, 3, 3), (8, 8, 3, 3), (3, 8, 3, 3),
    ]  # fmt: skip
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in generator.modules())


def test_a_fifth_of_a_block_is_added_and_of_three_blocks_again():
    x = torch.ones(1, 1, 1, 1)
    assert Scaled(nn.Identity())(x).item() == pytest.approx(1.2)
    three = Scaled(*(Scaled(nn.Identity()) for _ in range(3)))
    assert three(x).item() == pytest.approx(1 + 0.2 * 1.2**3)


def test_a_dense_layer_sees_all_before_it_and_begins_small():
    torch.manual_seed(0)
    dense = Dense(64, 32)
    for number, layer in enumerate(dense.layers):
        n_in = 9 * (64 + 32 * number)
        assert layer.weight.std().item() == pytest.approx(0.1 * math.sqrt(2 / (1 + 0.2**2) / n_in), rel=0.05)
        assert not layer.bias.any()
    small = Dense(1, 1)
    for layer in small.layers:
        nn.init.zeros_(layer.weight)
        layer.weight.data[:, :, 1, 1] = 1.0  # each gives the sum of what it sees: 1, 2, 4, 8, 16
    assert small(torch.ones(1, 1, 1, 1)).item() == 16
    assert small(-torch.ones(1, 1, 1, 1)).item() == pytest.approx(-1 * 1.2**4)  # each adds a fifth: LeakyReLU(0.2)


@pytest.mark.parametrize(
    ("side", "widths", "pixels"),
    [(16, [4, 4, 8, 8], 4), (28, [4, 4, 8, 8, 16, 16], 4), (32, [4, 4, 8, 8, 16, 16], 4),
     (96, [4, 4, 8, 8, 16, 16, 32, 32], 6)],
)  # fmt: skip
def test_the_discriminator_has_figure_4s_pairs(side: int, widths: list[int], pixels: int):
    discriminator = Srgan(SrganConfig(discriminator_width=4)).discriminator(DataSpec("any", (3, side, side)))
    convolutions = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == widths
    assert [layer.stride[0] for layer in convolutions] == [1, 2] * (len(widths) // 2)
    verdict = discriminator(torch.zeros(2, 3, side, side))
    assert (verdict.logits.shape, verdict.features.shape) == ((2,), (2, widths[-1], pixels, pixels))
    assert verdict.features.min() < 0  # before the activation
    assert discriminator.mixes_samples


@pytest.mark.parametrize("variant", [Srgan, Esrgan])
def test_what_a_network_answers_is_added_to_the_interpolated_source(variant: type[Srgan]):
    generator = variant(variant.Config(blocks=1, width=4)).generator(COLOUR).eval()
    last = [layer for layer in generator.last if isinstance(layer, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, 0.5)
    made = generator(torch.zeros(2, 0), source=torch.tensor([0.25, 0.75]).view(2, 1, 1, 1).expand(2, 3, 4, 4))
    torch.testing.assert_close(made[0], torch.full((3, 16, 16), 0.75))
    torch.testing.assert_close(made[1], torch.ones(3, 16, 16))


@pytest.mark.parametrize("variant", [Srgan, Esrgan])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_picture_of_any_size_becomes_scale_times_as_large(variant: type[Srgan], scale: int):
    made = variant(variant.Config(scale=scale, blocks=1, width=4))
    (source,) = made.inputs(COLOUR)
    assert (source.name, source.shape, source.any_size) == ("source", (3, 32 // scale, 32 // scale), True)
    generator = made.generator(COLOUR).eval()
    assert generator(torch.zeros(2, 0), source=torch.zeros(2, 3, 5, 7)).shape == (2, 3, 5 * scale, 7 * scale)


def test_the_small_pictures_are_those_of_bicubic_interpolation_without_aliasing():
    rng = torch.Generator().manual_seed(0)
    real = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1
    batch = Srgan().derive({"real": real}, rng, None)
    assert batch["source"].shape == (2, 3, 8, 8) and batch["real"] is real
    # Stripes of one pixel are grey from afar; plain bicubic interpolation would keep some.
    stripes = torch.ones(1, 1, 32, 32)
    stripes[..., ::2] = -1
    assert smaller(stripes, 4)[..., 2:-2].abs().max() < 0.05
    steps = torch.ones(1, 1, 32, 32)
    steps[..., 16:] = -1  # overshoots at the edge
    assert smaller(steps, 4).abs().max() == 1


def turn() -> SimpleNamespace:
    """Two pictures of one pixel. D says log-odds log 3 and 0 of the real ones, 0 and -log 3 of the generated ones."""
    three = math.log(3)
    real = Verdict(torch.tensor([three, 0.0]), torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    fake = Verdict(torch.tensor([0.0, -three]), torch.tensor([0.0, 3.0]).view(2, 1, 1, 1))
    for tensor in (*real, *fake):
        tensor.requires_grad_()
    return SimpleNamespace(
        real=torch.tensor([0.5, -0.5]).view(2, 1, 1, 1),
        fake=torch.tensor([0.5, 0.1]).view(2, 1, 1, 1).requires_grad_(),
        on_real=real, on_fake=fake, real_logits=real.logits, fake_logits=fake.logits, labels=None,
    )  # fmt: skip


def values(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def test_srgans_terms_by_hand():
    case = turn()
    loss = PerceptualLoss(SrganConfig(pixel_weight=2.0, feature_weight=0.5, adversarial_weight=0.1))
    assert values(loss.for_pretrainer(case)) == pytest.approx({"pixels": 0.36 / 2})
    terms = loss.for_generator(case)
    assert values(terms) == pytest.approx(
        {
            "adversarial": 0.1 * (math.log(2) + math.log(4)) / 2,
            "pixels": 2 * 0.36 / 2,
            "features": 0.5 * (1 + 9) / 2,
        }
    )
    sum(terms.values()).backward()
    close(case.fake.grad.flatten(), [0.0, 2 * 2 * 0.6 / 2])
    close(case.on_fake.logits.grad, [0.1 * (1 / 2 - 1) / 2, 0.1 * (1 / 4 - 1) / 2])
    close(case.on_fake.features.grad.flatten(), [0.5 * 2 * -1 / 2, 0.5 * 2 * 3 / 2])
    assert values(loss.for_discriminator(case)) == pytest.approx(
        {"real": (math.log(4 / 3) + math.log(2)) / 2, "fake": (math.log(2) + math.log(4 / 3)) / 2}
    )


def test_esrgans_terms_by_hand():
    """With log 3 = 2a the real logits are 2a and 0, of mean a, the generated ones 0 and -2a, of mean -a."""
    a = math.log(3) / 2
    far, near = math.log1p(math.exp(-3 * a)), math.log1p(math.exp(-a))
    loss = RelativisticPerceptualLoss(EsrganConfig(pixel_weight=2.0, feature_weight=0.5, adversarial_weight=0.1))
    assert values(loss.for_pretrainer(turn())) == pytest.approx({"pixels": 0.3})
    case = turn()
    terms = loss.for_discriminator(case)
    assert values(terms) == pytest.approx({"real": (far + near) / 2, "fake": (near + far) / 2})
    sum(terms.values()).backward()
    p, q = 1 / (1 + math.exp(3 * a)), 1 / (1 + math.exp(a))  # what is left to learn of the far pair, of the near one
    both = (p + q) / 2
    close(case.on_real.logits.grad, [-p / 2 - both / 2, -q / 2 - both / 2])
    close(case.on_fake.logits.grad, [q / 2 + both / 2, p / 2 + both / 2])
    case = turn()
    terms = loss.for_generator(case)
    assert values(terms) == pytest.approx(
        {"adversarial": 0.1 * (far + 3 * a + near + a), "pixels": 2 * 0.6 / 2, "features": 0.5 * (1 + 3) / 2}
    )
    sum(terms.values()).backward()
    close(case.fake.grad.flatten(), [0.0, 2 / 2])
    left = 1 - both
    close(case.on_fake.logits.grad, [-0.1 * ((1 - q) / 2 + left / 2), -0.1 * ((1 - p) / 2 + left / 2)])
    close(case.on_fake.features.grad.flatten(), [-0.5 / 2, 0.5 / 2])
    assert loss.mixes_samples


def close(found: torch.Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected))


def test_terms_that_are_off_are_not_computed():
    for settings in ({"content": "pixels"}, {"feature_weight": 0.0}):
        assert PerceptualLoss(SrganConfig(**settings)).for_generator(turn()).keys() == {"adversarial", "pixels"}
    loss = PerceptualLoss(SrganConfig(pixel_weight=0.0))
    assert loss.for_generator(turn()).keys() == {"adversarial", "features"}


def test_features_are_compared_without_augmentation():
    """Two draws of an augmentation would differ where the pictures do not."""
    case = turn()
    case.discriminator = lambda x, labels: Verdict(x.flatten(), 2 * x)
    terms = PerceptualLoss(SrganConfig(augment="ada", feature_weight=1.0)).for_generator(case)
    assert terms["features"].item() == pytest.approx(4 * 0.36 / 2)


@pytest.fixture
def vgg19(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    import torchvision.models

    asked: list[object] = []

    def make(weights: object) -> SimpleNamespace:
        asked.append(weights)
        return SimpleNamespace(features=nn.Sequential(*(nn.Identity() for _ in range(37))))  # what it is given

    monkeypatch.setattr(torchvision.models, "vgg19", make)
    return asked


def test_vggs_features_are_of_pictures_as_it_was_trained_on(vgg19: list[object]):
    vgg = Vgg(36)
    assert (len(vgg.network), str(vgg19[0])) == (36, "VGG19_Weights.IMAGENET1K_V1")
    white = [(1 - mean) / std / 12.75 for mean, std in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))]
    for channels in (1, 3, 4):
        torch.testing.assert_close(vgg(torch.ones(1, channels, 1, 1)).flatten(), torch.tensor(white))


def test_vgg_is_frozen_and_counts_for_the_content(vgg19: list[object]):
    for variant, layers in ((Srgan, 36), (Esrgan, 35)):
        loss = variant(variant.Config(content="vgg", pixel_weight=0.0, feature_weight=1.0)).loss()
        assert len(loss.vgg.network) == layers
        assert not loss.state_dict() and not list(loss.parameters())
        assert loss.for_generator(turn())["features"].item() > 0


def test_vgg_that_can_not_be_had_is_said_to_be_so(vgg19: list[object], monkeypatch: pytest.MonkeyPatch):
    import torchvision.models

    def refuse(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "vgg19", refuse)
    way_out = "leave out content=vgg: by default features are the discriminator's own"
    with pytest.raises(SettingError) as error:
        PerceptualLoss(SrganConfig(content="vgg"))
    assert str(error.value) == f"the weights of VGG19, 550 MB, can't be fetched (no route to host); {way_out}"
    usual = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("torchvision"):
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingError) as error:
        PerceptualLoss(SrganConfig(content="vgg"))
    assert str(error.value) == f"content=vgg needs torchvision (pip install torchvision); or {way_out}"


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(SettingError, match="srgan .* refuses these settings: scale must be 2, 4 or 8, but is 3"):
        ganzoo.train("srgan", scale=3)
    with pytest.raises(SettingError, match="scale must be at most 8, but is 16"):
        SrganConfig(scale=16)
    for shape in ((1, 30, 32), (1, 32, 30), (1, 12, 12)):
        with pytest.raises(DataError) as error:
            Srgan().check_data(DataSpec("odd", shape))
        assert str(error.value) == (
            f"srgan takes images whose sides are multiples of its scale, 4, at least 16, but odd is "
            f"{shape[1]}x{shape[2]}; use another image size, or another scale"
        )
    with pytest.raises(SettingError, match="latent_dim has no effect on srgan: a picture is made of a small one"):
        train_steps("srgan", blobs(), 0, latent_dim=4)


@pytest.mark.parametrize("variant", [Srgan, Esrgan])
def test_the_papers_settings_are_settings(variant: type[Srgan]):
    file = Path(ganzoo_srgan.__file__).parent / variant.name / "paper.toml"
    config = variant.Config.from_dict(tomllib.loads(file.read_text()))
    assert (config.width, config.content, config.blocks) == (64, "vgg", 16 if variant is Srgan else 23)
    assert config.pretraining_steps < config.steps


def blobs() -> Dataset:
    """Pictures (1, 16, 16) of a disc with a sharp border, anywhere."""
    rng = torch.Generator().manual_seed(0)
    middle, radius = torch.rand(256, 2, 1, 1, generator=rng) * 8 + 4, torch.rand(256, 1, 1, generator=rng) * 3 + 2
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    inside = (y - middle[:, 0]).square() + (x - middle[:, 1]).square() < radius.square()
    return Dataset(DataSpec("blobs", (1, 16, 16)), (inside * 255).to(torch.uint8)[:, None])


@pytest.mark.parametrize("variant", [Srgan, Esrgan])
def test_content_comes_first_and_then_the_game(variant: type[Srgan]):
    training = train_steps(variant, blobs(), 0, pretraining_steps=2, **SMALL)
    before = [p.clone() for p in training.networks.discriminator.parameters()]
    training.train(2)
    assert "pretrainer/pixels" in training.records[1] and "generator/pixels" not in training.records[1]
    assert all(torch.equal(p, q) for p, q in zip(before, training.networks.discriminator.parameters(), strict=True))
    training.train(1)
    names = {name for name in training.records[2] if "/" in name}
    assert names == {
        *(f"discriminator/{term}" for term in ("real", "fake")),
        *(f"generator/{term}" for term in ("adversarial", "pixels", "features")),
    }
    rates = [player.optimizer.param_groups[0]["lr"] for player in training.players]
    assert rates == [1e-3, 2e-4, 2e-4]


@pytest.mark.parametrize("variant", [Srgan, Esrgan])
def test_what_was_learnt_is_nearer_than_interpolation(variant: type[Srgan]):
    training = train_steps(variant, blobs(), 200, pretraining_steps=200, pretrainer_lr=2e-3, **SMALL)
    real = training.dataset.batch(torch.arange(64))["real"]
    source = smaller(real, 4)
    learnt = training.sample(inputs={"source": source}).values
    bicubic = F.interpolate(source, (16, 16), mode="bicubic", antialias=True).clamp(-1, 1)
    assert F.mse_loss(learnt, real) < 0.7 * F.mse_loss(bicubic, real)
