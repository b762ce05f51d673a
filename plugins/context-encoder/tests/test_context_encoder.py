"""context-encoder and ccgan: their holes, layers, losses by hand, and that a hole is filled and all else stays."""

from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_context_encoder
import numpy as np
import pytest
import torch
from ganzoo_context_encoder import Ccgan, CcganConfig, ContextEncoder, ContextEncoderConfig, Hole
from ganzoo_context_encoder.holes import center_hole, cut, random_hole
from ganzoo_context_encoder.loss import ContextConditional, Inpainting
from ganzoo_context_encoder.networks import ChannelWise, Verdict
from PIL import Image
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

GREY, COLOUR = DataSpec("grey", (1, 16, 16), ("a", "b", "c")), DataSpec("colour", (3, 32, 32))
SMALL = {"width": 8, "discriminator_width": 4, "batch_size": 16}


def bars(n: int = 64) -> Dataset:
    """Pictures (1, 16, 16) of one bright row or column, anywhere: two classes. What is in a hole shows around it."""
    images = torch.zeros(n, 1, 16, 16, dtype=torch.uint8)
    for number in range(n):
        place = 1 + number * 5 % 14
        images[number, 0, place if number % 2 else slice(None), slice(None) if number % 2 else place] = 255
    return Dataset(DataSpec("bars", (1, 16, 16), ("column", "row")), images, torch.arange(n) % 2)


def test_a_hole_is_half_as_high_and_wide_and_in_the_middle_or_anywhere():
    images = torch.zeros(200, 3, 16, 24)
    is_hole = center_hole(images)
    assert is_hole.shape == (200, 1, 16, 24)
    assert is_hole[:, :, 4:12, 6:18].all() and is_hole.sum() == 200 * 8 * 12
    anywhere = random_hole(images, torch.Generator().manual_seed(0))
    assert (anywhere.flatten(1).sum(1) == 8 * 12).all()
    rows, columns = (anywhere.any(dim=dim).flatten(1).int().argmax(1) for dim in (3, 2))
    assert (set(rows.tolist()), set(columns.tolist())) == (set(range(9)), set(range(13)))
    again = random_hole(images, torch.Generator().manual_seed(0))
    assert torch.equal(anywhere, again)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_source_is_in_colours_and_transparent_in_the_hole(channels: int):
    real = torch.full((2, channels, 16, 16), 0.5)
    for variant, hole in ((ContextEncoder, center_hole(real)), (Ccgan, None)):
        source = variant().derive({"real": real}, torch.Generator().manual_seed(0), None)["source"]
        assert source.shape == (2, 4, 16, 16)
        is_hole = source[:, 3:] < 0
        assert hole is None or torch.equal(is_hole, hole)
        assert set(source[:, 3].unique().tolist()) == {-1.0, 1.0}
        assert (source[:, :3].masked_select(is_hole) == 0).all(), "nothing of what was there"
        assert (source[:, :3].masked_select(~is_hole) == 0.5).all()


def filled(generator: nn.Module, source: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return generator.eval()(torch.zeros(len(source), 0), source=source)


@pytest.mark.parametrize("data", [GREY, COLOUR])
@pytest.mark.parametrize("variant", [ContextEncoder, Ccgan])
def test_what_is_known_stays_to_the_bit_and_the_hole_shows_nothing_of_itself(variant, data: DataSpec):
    torch.manual_seed(0)
    generator = variant(variant.Config(width=8)).generator(data)
    real = torch.rand(2, *data.shape) * 2 - 1
    is_hole = random_hole(real, torch.Generator().manual_seed(1))
    source = cut(real, is_hole)
    made = filled(generator, source)
    assert torch.equal(made.masked_select(~is_hole), real.masked_select(~is_hole))
    assert (made - real).masked_select(is_hole).abs().min() > 0
    other = source.clone()
    other[:, :3] = torch.where(is_hole, 0.7, other[:, :3])
    assert torch.equal(filled(generator, other), made)


def test_a_hole_is_what_is_transparent_a_rectangle_or_else_the_middle():
    generator = ContextEncoder(ContextEncoderConfig(width=8)).generator(COLOUR)
    source = torch.ones(2, 4, 32, 32)
    assert torch.equal(generator.hole(source), center_hole(source))
    source[0, 3, 2, 3], source[0, 3, 4, 5] = -0.1, 0.1  # more transparent than not, and less
    found = generator.hole(source)
    assert found[0].nonzero().tolist() == [[0, 2, 3]] and torch.equal(found[1], center_hole(source)[1])
    generator.sampling = Hole(rectangle=(20, 10, 30, 2))
    expected = torch.zeros(1, 32, 32, dtype=torch.bool)
    expected[:, 10:12, 20:] = True
    assert torch.equal(generator.hole(source)[1], expected)
    expected[:, 2, 3] = True
    assert torch.equal(generator.hole(source)[0], expected)


def test_a_channel_wise_layer_mixes_each_channel_by_itself():
    layer = ChannelWise(2, 4)
    layer.weight.data = torch.stack([torch.eye(4).roll(1, 0), torch.full((4, 4), 0.5)])
    layer.bias.data = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 1, 4).clone()
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [3.0, 4.0]]]])
    torch.testing.assert_close(layer(x), torch.tensor([[[[2.0, 3.0], [4.0, 1.0]], [[6.0, 6.0], [6.0, 6.0]]]]))


def kernels(module: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for name, p in module.named_parameters() if name.endswith("weight") and p.ndim > 1]


def test_layers_at_32_pixels():
    variant = ContextEncoder(ContextEncoderConfig(width=8, discriminator_width=4))
    assert kernels(variant.generator(COLOUR)) == [
        (8, 4, 4, 4), (16, 8, 4, 4), (32, 16, 4, 4), (32, 16, 16), (32, 32, 1, 1),
        (32, 16, 4, 4), (16, 8, 4, 4), (8, 3, 4, 4),
    ]  # fmt: skip
    assert kernels(variant.discriminator(COLOUR)) == [(4, 3, 4, 4), (8, 4, 4, 4), (1, 8 * 4 * 4)]
    variant = Ccgan(CcganConfig(width=8, discriminator_width=4))
    assert kernels(variant.discriminator(COLOUR)) == [(4, 3, 4, 4), (8, 4, 4, 4), (16, 8, 4, 4), (1, 16 * 4 * 4)]
    assert kernels(variant.discriminator(GREY))[-2:] == [(1, 8 * 4 * 4), (3, 8 * 4 * 4)]


def test_a_discriminator_of_the_middle_sees_the_middle_alone():
    torch.manual_seed(0)
    x = torch.rand(4, 3, 32, 32)
    other = torch.where(center_hole(x), x, 1 - x)
    for hole, same in (("center", True), ("random", False)):
        discriminator = ContextEncoder(ContextEncoderConfig(hole=hole)).discriminator(COLOUR)
        assert torch.equal(discriminator(x), discriminator(other)) == same
    verdict = Ccgan().discriminator(GREY)(torch.rand(4, 1, 16, 16))
    assert (verdict.logits.shape, verdict.class_logits.shape) == ((4,), (4, 3))
    assert Ccgan().discriminator(COLOUR)(x).shape == (4,)


def turn() -> SimpleNamespace:
    """Two pictures of two pixels. The first has a hole of one pixel, the second is all hole."""
    three = math.log(3)
    real = Verdict(torch.tensor([three, 0.0]), torch.tensor([[0.0, three], [0.0, 0.0]]))
    fake = torch.tensor([0.0, -three])
    for tensor in (*real, fake):
        tensor.requires_grad_()
    source = torch.zeros(2, 4, 1, 2)
    source[:, 3, 0] = torch.tensor([[1.0, -1.0], [-1.0, -1.0]])
    return SimpleNamespace(
        real=torch.zeros(2, 1, 1, 2), fake=torch.tensor([[0.0, 0.5], [1.0, 0.5]]).view(2, 1, 1, 2).requires_grad_(),
        batch={"source": source}, on_real=real, real_logits=real.logits, fake_logits=fake, labels=torch.tensor([1, 0]),
    )  # fmt: skip


def values(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def test_the_generators_terms_by_hand():
    case = turn()
    loss = Inpainting(ContextEncoderConfig(reconstruction_weight=2.0, adversarial_weight=0.1))
    terms = loss.for_generator(case)
    assert values(terms) == pytest.approx(
        {"adversarial": 0.1 * (math.log(2) + math.log(4)) / 2, "reconstruction": 2 * (0.25 + (1 + 0.25) / 2) / 2}
    )
    sum(terms.values()).backward()
    close(case.fake.grad.flatten(), [0.0, 2 * 2 * 0.5 / 2, 2 * 2 * 1 / 4, 2 * 2 * 0.5 / 4])
    close(case.fake_logits.grad, [0.1 * -1 / 2 / 2, 0.1 * -3 / 4 / 2])
    assert ContextConditional(CcganConfig()).for_generator(turn()).keys() == {"adversarial"}


def test_the_discriminators_terms_by_hand():
    case = turn()
    usual = {"real": (math.log(4 / 3) + math.log(2)) / 2, "fake": (math.log(2) + math.log(4 / 3)) / 2}
    assert values(Inpainting(ContextEncoderConfig()).for_discriminator(case)) == pytest.approx(usual)
    terms = ContextConditional(CcganConfig(class_weight=0.5)).for_discriminator(case)
    assert values(terms) == pytest.approx(usual | {"class": 0.5 * (math.log(4 / 3) + math.log(2)) / 2})
    sum(terms.values()).backward()
    close(case.on_real.class_logits.grad, [[0.5 / 4 / 2, -0.5 / 4 / 2], [-0.5 / 2 / 2, 0.5 / 2 / 2]])
    close(case.on_real.logits.grad, [-1 / 4 / 2, -1 / 2 / 2])
    case.labels = None
    assert ContextConditional(CcganConfig()).for_discriminator(case).keys() == {"real", "fake"}
    assert ContextConditional(CcganConfig(class_weight=0.0)).for_discriminator(turn()).keys() == {"real", "fake"}


def close(found: torch.Tensor, expected: list) -> None:
    torch.testing.assert_close(found, torch.tensor(expected))


def test_what_it_cannot_take_is_refused_in_a_sentence():
    for shape in ((1, 30, 32), (1, 32, 30), (1, 12, 12)):
        with pytest.raises(DataError) as error:
            Ccgan().check_data(DataSpec("odd", shape))
        assert str(error.value) == (
            f"ccgan takes images whose sides are multiples of 4, at least 16, but odd is {shape[1]}x{shape[2]}; "
            "use another image size"
        )
    with pytest.raises(DataError) as error:
        ContextEncoder().check_data(DataSpec("clear", (4, 32, 32)))
    assert str(error.value) == (
        "context-encoder takes images of 1 or 3 channels, as what is transparent is the hole, but clear has 4"
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    data = bars()
    samples = data.batch(torch.arange(len(data)))["real"]
    ganzoo.train(ContextEncoder, data=samples, out=folder, steps=1, device="cpu", progress=False, **SMALL)
    return folder


def test_a_rectangle_that_is_none_is_refused_in_a_sentence(run: Path):
    for rectangle in ((1, 2, 3), (1, 2, 0, 4), (-1, 2, 3, 4)):
        with pytest.raises(SettingError) as error:
            ganzoo.load(run, rectangle=rectangle)
        told = ",".join(map(str, rectangle))
        assert str(error.value) == (
            f"context-encoder refuses these options of sampling: rectangle must be left,top,width,height, such "
            f"as 8,8,12,16, but is {told}"
        )
    with pytest.raises(SettingError) as error:
        ganzoo.load(run, rectangle=(16, 0, 4, 4)).sample(1)
    assert str(error.value) == "the rectangle 16,0,4,4 lies beside the picture, which is 16 pixels wide and 16 high"


def test_a_torn_picture_of_ones_own(run: Path, tmp_path: Path):
    """Transparent in a corner, or with a rectangle asked for: filled there, and there alone."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 1), dtype=np.uint8).repeat(3, axis=2)
    opacity = np.full((16, 16, 1), 255, dtype=np.uint8)
    opacity[:5, :7] = 0
    torn = torch.from_numpy(np.concatenate([pixels, opacity], axis=2)).permute(2, 0, 1)[None]
    made = ganzoo.load(run).sample(inputs={"source": torn}).images[0, 0]
    assert np.array_equal(made[opacity[:, :, 0] > 0], pixels[:, :, 0][opacity[:, :, 0] > 0])
    assert (made[:5, :7] != pixels[:5, :7, 0]).mean() > 0.9
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    target = str(tmp_path / "made.png")
    asked = ["--input", str(tmp_path / "whole.png"), "-o", target, "--set", "rectangle=2,4,8,3"]
    subprocess.run([sys.executable, "-m", "ganzoo_core", "sample", str(run), *asked], check=True)
    found = np.asarray(Image.open(target).convert("L"))
    inside = np.zeros((16, 16), dtype=bool)
    inside[4:7, 2:10] = True
    assert np.array_equal(found[~inside], pixels[:, :, 0][~inside])
    assert (found[inside] != pixels[:, :, 0][inside]).mean() > 0.9


def test_the_papers_settings_are_settings():
    file = Path(ganzoo_context_encoder.__file__).parent / "context-encoder" / "paper.toml"
    config = ContextEncoderConfig.from_dict(tomllib.loads(file.read_text()))
    assert (config.width, config.reconstruction_weight, config.adversarial_weight) == (64, 0.999, 0.001)


def error_in_holes(training: object, data: Dataset, variant: ganzoo.Variant) -> tuple[float, float]:
    """The mean squared error in the hole of what is made, and of the mean picture."""
    real = data.batch(torch.arange(len(data)))["real"]
    source = variant.derive({"real": real}, torch.Generator().manual_seed(0), None)["source"]
    is_hole = source[:, 3:] < 0
    made = training.sample(inputs={"source": source}).values
    errors = [(x - real).masked_select(is_hole).square().mean().item() for x in (made, real.mean(0, keepdim=True))]
    return errors[0], errors[1]


def test_the_context_encoder_goes_on_with_what_it_sees():
    data = bars()
    training = train_steps(ContextEncoder, data, 150, **SMALL)
    made, mean = error_in_holes(training, data, training.variant)
    assert made < 0.3 * mean
    untrained = train_steps(ContextEncoder, data, 0, **SMALL)
    assert error_in_holes(untrained, data, untrained.variant)[0] > mean


def test_ccgan_tells_the_classes_and_fills_holes_anywhere():
    data = bars()
    training = train_steps(Ccgan, data, 150, **SMALL)
    assert {"discriminator/class", "generator/adversarial"} <= training.records[-1].keys()
    assert training.records[-1]["discriminator/class"] < 0.4
    real = data.batch(torch.arange(32))
    told = training.networks.discriminator.eval()(real["real"]).class_logits.argmax(1)
    assert (told == real["labels"]).float().mean() > 0.9
