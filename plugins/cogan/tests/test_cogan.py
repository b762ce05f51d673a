"""cogan: its layers, what its domains share, its presets, its refusals, and that it makes counterparts."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_cogan
import pytest
import torch
from ganzoo_cogan import Cogan, CoganConfig
from ganzoo_cogan.networks import PerDomain

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.testing import train_steps

TWO = DataSpec("two", (1, 28, 28), ("filled", "outlined"))
PAPER = Path(ganzoo_cogan.__file__).parent / "paper.toml"
SMALL = {"generator_channels": 4, "discriminator_channels": 4, "discriminator_width": 16, "batch_size": 8}


def sizes(network: torch.nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]


def test_the_layers_of_28x28() -> None:
    paper = Cogan(CoganConfig.from_dict(tomllib.loads(PAPER.read_text())))
    generator, discriminator = paper.generator(TWO), paper.discriminator(TWO)
    assert sizes(generator) == [
        *((1024 * 7 * 7, 100), (512, 1024, 3, 3), (512, 256, 4, 4), (256, 128, 4, 4)),
        (2 * 1, 128, 5, 5),
    ]
    assert sizes(discriminator) == [(2 * 20, 1, 5, 5), (50, 20, 5, 5), (500, 50 * 4 * 4), (1, 500)]
    assert not discriminator.mixes_samples


def test_a_domain_takes_its_own_layer() -> None:
    """Each sample is what a convolution with its own domain's weights makes of it, and moves no other's."""
    torch.manual_seed(0)
    layer = PerDomain(2, 3, 3, domains=2, padding=1)
    x = torch.randn(3, 2, 5, 5)
    made = layer(x, torch.tensor([0, 1, 1]))
    for row, domain in enumerate((0, 1, 1)):
        own = slice(3 * domain, 3 * domain + 3)
        weight, bias = layer.layers.weight[own], layer.layers.bias[own]
        torch.testing.assert_close(made[row], torch.nn.functional.conv2d(x[row], weight, bias, padding=1))
    layer(x, torch.tensor([1, 1, 1])).sum().backward()
    assert layer.layers.weight.grad[:3].eq(0).all() and layer.layers.weight.grad[3:].ne(0).any()


def test_what_comes_before_the_last_layer_does_not_see_the_domain() -> None:
    torch.manual_seed(0)
    generator, discriminator = Cogan().generator(TWO).eval(), Cogan().discriminator(TWO)
    z, x = torch.randn(1, 100).expand(2, -1), torch.rand(1, 1, 28, 28).expand(2, -1, -1, -1)
    shared = generator.shared(z)
    torch.testing.assert_close(shared[0], shared[1])
    both = torch.tensor([0, 1])
    assert (generator(z, both)[0] - generator(z, both)[1]).abs().max() > 1e-3
    assert (discriminator(x, both)[0] - discriminator(x, both)[1]).abs() > 1e-4
    with torch.no_grad():
        for network in (generator.last, discriminator.first):
            for parameter in network.parameters():
                first, second = parameter.chunk(2)
                second.copy_(first)
    torch.testing.assert_close(generator(z, both)[0], generator(z, both)[1])
    torch.testing.assert_close(discriminator(x, both)[0], discriminator(x, both)[1])


def test_the_terms_by_hand() -> None:
    """D gives log-odds 0 and log 3 to a real sample of each domain, log 3 and 0 to the fakes."""
    real = torch.tensor([0.0, math.log(3)], requires_grad=True)
    fake = torch.tensor([math.log(3), 0.0], requires_grad=True)
    loss, turn = Cogan().loss(), SimpleNamespace(real_logits=real, fake_logits=fake)
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"real": (math.log(2) + math.log(4 / 3)) / 2, "fake": (math.log(4) + math.log(2)) / 2}
    )
    sum(terms.values()).backward()
    torch.testing.assert_close(real.grad, torch.tensor([-1 / 4, -1 / 8]))
    torch.testing.assert_close(fake.grad, torch.tensor([3 / 8, 1 / 4]))
    fake.grad = None
    (term,) = loss.for_generator(turn).values()
    term.backward()
    assert term.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)
    torch.testing.assert_close(fake.grad, torch.tensor([-1 / 8, -1 / 4]))


def test_more_than_two_domains_and_other_sizes() -> None:
    data = DataSpec("three", (3, 16, 20), ("a", "b", "c"))
    variant = Cogan(CoganConfig(**SMALL))
    variant.check_data(data)
    samples = variant.generator(data)(torch.randn(3, 100), torch.tensor([2, 0, 1]))
    assert samples.shape == (3, 3, 16, 20) and samples.abs().max() <= 1
    assert variant.discriminator(data)(samples, torch.tensor([2, 0, 1])).shape == (3,)


def test_what_it_cannot_take_is_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match="cogan needs labels, but plain has none; choose labelled data"):
        Cogan().check_data(DataSpec("plain", (1, 28, 28)))
    with pytest.raises(DataError) as error:
        Cogan().check_data(DataSpec("alone", (1, 28, 28), ("one",)))
    assert str(error.value) == "cogan couples two domains or more, but alone has one class; add another"
    for height, width in [(30, 28), (28, 30), (12, 12)]:
        with pytest.raises(DataError) as error:
            Cogan().check_data(DataSpec("odd", (1, height, width), ("a", "b")))
        assert str(error.value) == (
            f"cogan takes images whose sides are multiples of 4, at least 16, but odd is {height}x{width}; "
            "use another image size"
        )


def squares() -> Dataset:
    """A white square somewhere on black, 16x16, and in the other domain a black one on white."""
    places = torch.randint(10, (400, 2), generator=torch.Generator().manual_seed(0))
    rows, columns = (((torch.arange(16) - at[:, None]).float() - 2.5).abs() < 3 for at in places.T)
    images = (rows[:, :, None] & columns[:, None, :])[:, None].to(torch.uint8) * 255
    labels = torch.arange(400) % 2
    images[1::2] = 255 - images[1::2]
    return Dataset(DataSpec("squares", (1, 16, 16), ("white", "black")), images, labels)


def test_one_latent_comes_to_make_counterparts() -> None:
    """The negative of what it makes in one domain is nearer to what it makes in the other of the same latent."""
    settings = {"generator_channels": 8, "discriminator_channels": 8, "discriminator_width": 64}
    training = train_steps("cogan", squares(), 150, **settings)
    white, black = (training.sample(64, labels=[label]).values for label in ("white", "black"))
    apart, others = ((white + x).abs().mean() for x in (black, black.roll(1, 0)))
    assert apart < 0.75 * others
    assert 0.05 < (white > 0).float().mean() < 0.3
