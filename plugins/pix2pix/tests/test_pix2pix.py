"""pix2pix: its layers, its loss by hand, its noise, what it takes, and that it learns pairs."""

from __future__ import annotations

import math
import tomllib
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganzoo_pix2pix import Pix2pix, Pix2pixConfig
from ganzoo_pix2pix.loss import Pix2pixLoss
from PIL import Image
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps


def pairs_of(*shape: int, source: tuple[int, ...] | None = None) -> DataSpec:
    return DataSpec("some", shape, columns=(Input(name="source", kind="image", shape=source or shape),))


def layers(network: nn.Module, kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, kind)]


def test_its_layers_at_28_pixels_grey():
    data = pairs_of(1, 28, 28)
    generator, discriminator = Pix2pix().generator(data), Pix2pix().discriminator(data)
    down, up = layers(generator, nn.Conv2d), layers(generator, nn.ConvTranspose2d)
    assert [(c.in_channels, c.out_channels) for c in down] == [(1, 32), (32, 64)]
    assert [(c.in_channels, c.out_channels) for c in up] == [(64, 32), (64, 1)]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in layers(discriminator, nn.Conv2d)] == [
        (2, 32, 2), (32, 64, 2), (64, 128, 1), (128, 1, 1),
    ]  # fmt: skip
    source = torch.zeros(2, 1, 28, 28)
    assert generator(torch.zeros(2, generator.latent_dim), source=source).shape == (2, 1, 28, 28)
    assert discriminator(source, source=source).shape == (2, 1, 5, 5)


def test_the_papers_networks_are_those_of_its_appendix():
    """C64-C128-C256-C512 five times, and back; patches of 70 pixels (sections 6.1.1 and 6.1.2)."""
    config = Pix2pixConfig(width=64, discriminator_width=64, discriminator_layers=3)
    data = pairs_of(3, 256, 256)
    generator, discriminator = Pix2pix(config).generator(data), Pix2pix(config).discriminator(data)
    assert [c.out_channels for c in layers(generator, nn.Conv2d)] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [c.in_channels for c in layers(generator, nn.ConvTranspose2d)] == [
        512, 1024, 1024, 1024, 1024, 512, 256, 128,
    ]  # fmt: skip
    assert [c.out_channels for c in layers(discriminator, nn.Conv2d)] == [64, 128, 256, 512, 1]
    assert generator.latent_dim == 3 * 512, "dropout in the decoder's first three layers"


@pytest.mark.parametrize(
    ("shape", "depth", "multiple"),
    [((3, 64, 64), None, 64), ((3, 64, 64), 3, 8), ((1, 28, 28), 8, 4), ((3, 96, 64), 6, 32), ((4, 30, 32), None, 2)],
)
def test_sides_are_halved_as_often_as_they_can_be(shape: tuple[int, int, int], depth: int | None, multiple: int):
    variant, data = Pix2pix(Pix2pixConfig(width=4, depth=depth)), pairs_of(*shape)
    variant.check_data(data)
    (given,) = variant.inputs(data)
    assert (given.name, given.any_size, given.multiple) == ("source", True, multiple)
    generator = variant.generator(data)
    assert len(layers(generator, nn.Conv2d)) == int(math.log2(multiple))
    larger = torch.rand(1, shape[0], 2 * shape[1], shape[2])
    assert generator(torch.zeros(1, generator.latent_dim), source=larger).shape == larger.shape


def test_a_grey_source_of_a_coloured_target():
    data = pairs_of(3, 32, 32, source=(1, 32, 32))
    Pix2pix().check_data(data)
    generator = Pix2pix().generator(data)
    assert generator.latent_dim == 256 + 128 + 64
    assert generator(torch.zeros(2, 448), source=torch.zeros(2, 1, 32, 32)).shape == (2, 3, 32, 32)


def test_the_same_noise_makes_the_same_picture_and_other_noise_another():
    torch.manual_seed(0)
    data = pairs_of(1, 28, 28)
    generator = Pix2pix().generator(data)
    source = torch.rand(1, 1, 28, 28).expand(2, -1, -1, -1)
    z = torch.randn(2, generator.latent_dim)
    one, other = generator(z, source=source)
    assert (one - other).abs().max() > 1e-3
    assert torch.equal(generator(z, source=source)[0], one)
    silent = Pix2pix(Pix2pixConfig(dropout=0.0)).generator(data)
    assert silent.latent_dim == 0 and silent(torch.zeros(2, 0), source=source).shape == (2, 1, 28, 28)


def test_the_discriminator_sees_the_source():
    torch.manual_seed(0)
    discriminator = Pix2pix().discriminator(pairs_of(1, 28, 28))
    x, source = torch.rand(1, 1, 28, 28), torch.rand(2, 1, 28, 28)
    one, other = discriminator(x.expand(2, -1, -1, -1), source=source)
    assert (one - other).abs().max() > 1e-4


def test_its_loss_by_hand():
    """Two samples of two patches each. log 3 as a logit is D = 3/4; 0 is 1/2."""
    three = math.log(3)
    real = torch.tensor([[three, 0.0], [three, three]], requires_grad=True)
    fake = torch.tensor([[0.0, three], [0.0, 0.0]], requires_grad=True)
    made = torch.tensor([[0.0, 0.5], [1.0, -1.0]], requires_grad=True)
    wanted = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    turn = SimpleNamespace(real_logits=real, fake_logits=fake, fake=made, real=wanted)
    loss = Pix2pixLoss(Pix2pixConfig())

    terms = loss.for_discriminator(turn)
    assert terms["real"].item() == pytest.approx((3 * math.log(4 / 3) + math.log(2)) / 4 / 2)
    assert terms["fake"].item() == pytest.approx((3 * math.log(2) + math.log(4)) / 4 / 2)
    sum(terms.values()).backward()
    # Half of (D - 1) / 4 on real patches, half of D / 4 on fake ones.
    torch.testing.assert_close(real.grad, torch.tensor([[-1 / 32, -1 / 16], [-1 / 32, -1 / 32]]))
    torch.testing.assert_close(fake.grad, torch.tensor([[1 / 16, 3 / 32], [1 / 16, 1 / 16]]))

    fake.grad = None
    terms = loss.for_generator(turn)
    assert terms["adversarial"].item() == pytest.approx((3 * math.log(2) + math.log(4 / 3)) / 4)
    assert terms["l1"].item() == pytest.approx(100 * (0 + 0.5 + 1 + 2) / 4)
    sum(terms.values()).backward()
    torch.testing.assert_close(fake.grad, torch.tensor([[-1 / 8, -1 / 16], [-1 / 8, -1 / 8]]))
    torch.testing.assert_close(made.grad, torch.tensor([[0.0, 25.0], [25.0, -25.0]]))
    assert Pix2pixLoss(Pix2pixConfig(l1_weight=10.0)).for_generator(turn)["l1"].item() == pytest.approx(8.75)


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="plain has no column 'source', it has no columns; --data pairs:PATH gives a"):
        Pix2pix().check_data(DataSpec("plain", (1, 28, 28)))
    with pytest.raises(DataError, match="pix2pix takes images, but ring holds points"):
        Pix2pix().check_data(DataSpec("ring", (2,), kind="points"))
    for source, told in [((3, 14, 14), "(image) of 3 x 14 x 14"), (None, "(numbers) of 5")]:
        column = Input(name="source", kind="image" if source else "numbers", shape=source or (5,))
        with pytest.raises(DataError) as error:
            Pix2pix().check_data(DataSpec("small", (1, 28, 28), columns=(column,)))
        assert str(error.value) == (
            f"pix2pix takes a source that is a picture as large as the target, but small has 1 x 28 x 28 and a source "
            f"{told}; use pairs of one size, such as --data pairs:PATH gives"
        )
    for height, width in [(27, 28), (28, 27), (10, 28)]:
        with pytest.raises(DataError) as error:
            Pix2pix().check_data(pairs_of(1, height, width))
        assert str(error.value) == (
            f"pix2pix takes pictures whose sides are even, and at least 12 with discriminator_layers=2, but some is "
            f"{height}x{width}; use another image size"
        )
    Pix2pix(Pix2pixConfig(discriminator_layers=1)).check_data(pairs_of(1, 6, 6))
    with pytest.raises(SettingError, match="latent_dim has no effect on Pix2pixConfig: its noise says what dropout"):
        Pix2pixConfig(latent_dim=3)


def test_the_papers_settings_can_be_read():
    values = tomllib.loads((resources.files("ganzoo_pix2pix") / "paper.toml").read_text())
    assert values.pop("epochs") == 200
    config = Pix2pixConfig(**values)
    assert (config.batch_size, config.width, config.generator_lr, config.l1_weight) == (1, 64, 2e-4, 100.0)
    assert config.discriminator_layers == 3 and config.depth == 8


def rectangles(count: int, seed: int) -> Dataset:
    """Filled rectangles, and the outline of each as its source."""
    rng = torch.Generator().manual_seed(seed)
    filled, outlined = torch.zeros(2, count, 1, 16, 16, dtype=torch.uint8)
    for k in range(count):
        top, left, height, width = torch.randint(3, 8, (4,), generator=rng).tolist()
        filled[k, :, top : top + height, left : left + width] = 255
        outlined[k] = filled[k]
        outlined[k, :, top + 1 : top + height - 1, left + 1 : left + width - 1] = 0
    return Dataset(pairs_of(1, 16, 16), filled, extra={"source": outlined})


def test_it_learns_to_fill_outlines_that_it_never_saw():
    train, test = rectangles(256, 0), rectangles(64, 1)
    given = test.batch(torch.arange(64))
    copied = float((given["source"] - given["real"]).abs().mean())

    def error(steps: int) -> float:
        made = train_steps("pix2pix", train, steps, width=8, discriminator_width=4, generator_lr=4e-3)
        return float((made.sample(64, inputs={"source": given["source"]}).values - given["real"]).abs().mean())

    assert error(200) < copied / 2 < copied < error(0)


def test_from_pairs_in_folders_to_a_larger_picture(in_tmp: Path):
    for number in range(4):
        for folder, colour in (("a", "red"), ("b", "blue")):
            (in_tmp / "shapes" / folder).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), colour).save(in_tmp / "shapes" / folder / f"{number}.png")
    run = ganzoo.train("pix2pix", data="pairs:shapes", image_size=16, width=4, batch_size=2, steps=1, out="run")
    mine = torch.zeros(1, 3, 32, 48, dtype=torch.uint8)
    samples = run.generator().sample(inputs={"source": mine})
    assert samples.values.shape == (1, 3, 32, 48) and samples.values.abs().max() <= 1
    with pytest.raises(
        DataError, match=r"source must be finite numbers \(N, 3, H, W\) with sides that are multiples of 16"
    ):
        run.generator().sample(inputs={"source": mine[..., :40]})
