"""3d-gan: the conformance suite, its layers, its gate by hand, the paper's numbers, and that it learns."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_3d_gan
import numpy as np
import pytest
import torch
from ganzoo_3d_gan import Gan3d, Gan3dConfig
from ganzoo_3d_gan.loss import Gated
from torch import nn

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps
from ganzoo_voxels.shapes import make

SOLID = DataSpec("solid", (1, 32, 32, 32), kind="voxels")
PAPER = tomllib.loads((Path(ganzoo_3d_gan.__file__).parent / "paper.toml").read_text())
SMALL = {"batch_size": 8, "generator_channels": 4, "discriminator_channels": 4}


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p.shape) for name, p in module.named_parameters() if p.ndim > 1}


def test_the_layers_of_32_voxels():
    generator, discriminator = Gan3d().generator(SOLID), Gan3d().discriminator(SOLID)
    assert shapes(generator) == {
        "layers.1.weight": (100, 64, 4, 4, 4),
        "layers.4.weight": (64, 32, 4, 4, 4),
        "layers.7.weight": (32, 16, 4, 4, 4),
        "layers.10.weight": (16, 1, 4, 4, 4),
    }
    assert shapes(discriminator) == {
        "layers.0.weight": (16, 1, 4, 4, 4),
        "layers.2.weight": (32, 16, 4, 4, 4),
        "layers.4.weight": (64, 32, 4, 4, 4),
        "layers.6.weight": (1, 64, 4, 4, 4),
    }
    assert isinstance(generator.layers[-1], nn.Tanh) and not discriminator.mixes_samples
    slopes = {layer.negative_slope for layer in discriminator.modules() if isinstance(layer, nn.LeakyReLU)}
    assert slopes == {0.2}
    weights = [p for network in (generator, discriminator) for p in network.parameters() if p.ndim > 1]
    assert all(p.std().item() == pytest.approx(0.02, rel=0.2) for p in weights if p.numel() > 500)


def test_papers_numbers_make_figure_1():
    """512, 256, 128, 64 channels at 4, 8, 16 and 32 voxels a side, mirrored, BatchNorm in both."""
    variant = Gan3d(Gan3dConfig(**PAPER))
    data = DataSpec("solid", (1, 64, 64, 64), kind="voxels")
    with torch.device("meta"):
        generator, discriminator = variant.generator(data), variant.discriminator(data)
    widths = [layer.in_channels for layer in generator.layers if isinstance(layer, nn.ConvTranspose3d)]
    assert widths == [200, 512, 256, 128, 64]
    widths = [layer.out_channels for layer in discriminator.layers if isinstance(layer, nn.Conv3d)]
    assert widths == [64, 128, 256, 512, 1]
    norms = [sum(isinstance(part, nn.BatchNorm3d) for part in n.modules()) for n in (generator, discriminator)]
    assert norms == [4, 3] and discriminator.mixes_samples
    assert variant.optimizer("generator", [nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.0025
    assert variant.optimizer("discriminator", [nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.00001


@pytest.mark.parametrize(("shape", "middle"), [((16, 16, 16), (4, 4, 4)), ((20, 16, 32), (5, 4, 8))])
def test_other_sizes(shape: tuple[int, ...], middle: tuple[int, ...]):
    variant = Gan3d(Gan3dConfig(generator_channels=2, discriminator_channels=2))
    data = DataSpec("any", (1, *shape), kind="voxels")
    variant.check_data(data)
    generator, discriminator = variant.generator(data), variant.discriminator(data)
    assert generator.layers[1].kernel_size == middle
    samples = generator(torch.randn(3, 100))
    assert samples.shape == (3, 1, *shape) and samples.abs().max() <= 1
    assert discriminator(samples).shape == discriminator(samples[:1]).repeat(3).shape == (3,)


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="3d-gan takes voxels, but digits holds images"):
        Gan3d().check_data(DataSpec("digits", (1, 28, 28)))
    for shape in [(1, 30, 32, 32), (1, 32, 32, 12)]:
        with pytest.raises(DataError) as error:
            Gan3d().check_data(DataSpec("odd", shape, kind="voxels"))
        sides = "x".join(map(str, shape[1:]))
        assert str(error.value) == (
            f"3d-gan takes voxels whose sides are multiples of 4, at least 16, but odd is {sides}; use another size, "
            f"such as --set side=32 of voxels:PATH"
        )
    with pytest.raises(SettingError, match=r"most_accuracy must be at most 1, but is 1\.5"):
        Gan3dConfig(most_accuracy=1.5)


def turn(real: list[float], fake: list[float]) -> SimpleNamespace:
    logits = [torch.tensor(values, requires_grad=True) for values in (real, fake)]
    return SimpleNamespace(real_logits=logits[0], fake_logits=logits[1])


def test_a_batch_that_is_told_half_right_counts_by_hand():
    three = math.log(3)
    case = turn([0.0, three], [three, 0.0])  # a logit of 0 is told fake: two of four are right
    loss = Gated(Gan3dConfig())
    terms = loss.for_discriminator(case)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"real": (math.log(2) + math.log(4 / 3)) / 2, "fake": (math.log(4) + math.log(2)) / 2}
    )
    sum(terms.values()).backward()
    torch.testing.assert_close(case.real_logits.grad, torch.tensor([-1 / 4, -1 / 8]))
    torch.testing.assert_close(case.fake_logits.grad, torch.tensor([3 / 8, 1 / 4]))
    assert loss.figures(case)["updated"].item() == 1


def test_a_batch_that_is_told_too_well_does_not():
    case = turn([1.0, 1.0, 1.0], [-1.0, -1.0, 1.0])  # five of six
    loss = Gated(Gan3dConfig(most_accuracy=0.8))
    terms = loss.for_discriminator(case)
    assert [term.item() for term in terms.values()] == [0, 0] and loss.figures(case)["updated"].item() == 0
    sum(terms.values()).backward()
    assert case.real_logits.grad.tolist() == case.fake_logits.grad.tolist() == [0, 0, 0]
    assert Gated(Gan3dConfig(most_accuracy=0.9)).for_discriminator(case)["real"].item() > 0


def test_80_percent_is_not_more_than_80_percent():
    case = turn([1.0] * 4 + [-1.0], [-1.0] * 4 + [1.0])
    assert Gated(Gan3dConfig()).figures(case)["updated"].item() == 1
    always = turn([1.0], [-1.0])
    assert Gated(Gan3dConfig(most_accuracy=1)).figures(always)["updated"].item() == 1


def test_the_generators_term_by_hand():
    case = turn([0.0, 0.0], [0.0, -math.log(3)])
    (term,) = Gated(Gan3dConfig()).for_generator(case).values()
    term.backward()
    assert term.item() == pytest.approx((math.log(2) + math.log(4)) / 2)
    torch.testing.assert_close(case.fake_logits.grad, torch.tensor([-1 / 4, -3 / 8]))


def cubes(n: int = 64) -> Dataset:
    """Cubes and plates of 16 voxels a side, always at the same places."""
    solids = np.zeros((n, 1, 16, 16, 16), np.uint8)
    solids[::2, :, 4:12, 4:12, 4:12] = 255
    solids[1::2, :, 2:14, 10:12, 2:14] = 255
    return Dataset(DataSpec("cubes", (1, 16, 16, 16), kind="voxels"), torch.from_numpy(solids))


def test_a_discriminator_that_is_never_to_be_right_stays_as_it_is():
    training = train_steps(Gan3d, cubes(), 0, most_accuracy=0.0, **SMALL)
    before = [p.clone() for p in training.networks.discriminator.parameters()]
    training.train(3)
    moved = [not torch.equal(a, b) for a, b in zip(before, training.networks.discriminator.parameters(), strict=True)]
    assert [record["updated"] for record in training.records] == [0, 0, 0]
    assert not any(moved)


def test_it_learns_cubes_and_plates():
    dataset = cubes()
    real = dataset.batch(torch.tensor([0, 1]))["real"]

    def error(steps: int) -> float:
        made = train_steps(Gan3d, dataset, steps, **SMALL | {"batch_size": 16}).sample(64).values
        return (made[:, None] - real).abs().mean((2, 3, 4, 5)).min(1).values.mean().item()

    assert error(0) > 0.95  # all voxels at 0, neither empty nor filled
    assert error(120) < 0.7


def test_shapes_of_its_default_data_are_taken():
    solids, _ = make(0, np.arange(6))
    assert solids.shape[1:] == SOLID.shape[1:]
    Gan3d().check_data(SOLID)
