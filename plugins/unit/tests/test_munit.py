"""MUNIT against its paper: its networks, its terms by hand, and that a latent says which answer is made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_unit import Munit, MunitConfig
from ganzoo_unit.loss import BothWays
from ganzoo_unit.networks import StyledDecoder
from torch import Tensor, nn

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

SMALL = {"batch_size": 4, "generator_channels": 2, "discriminator_channels": 2, "style_channels": 4}
DATA = DataSpec("x", (1, 16, 16), ("a", "b"))


def test_the_networks_of_the_paper() -> None:
    config = MunitConfig(generator_channels=64, residual_blocks=4, style_layers=4, style_channels=256)
    generator = Munit(config).generator(DataSpec("x", (3, 64, 64)))
    sizes = [tuple(p.shape) for p in generator.contents[1].parameters() if p.ndim == 4]
    assert sizes == [(64, 3, 7, 7), (128, 64, 3, 3), (256, 128, 3, 3), *[(256, 256, 3, 3)] * 8]
    sizes = [tuple(p.shape) for p in generator.styles[1].parameters() if p.ndim > 1]
    down = [(128, 64, 4, 4), (256, 128, 4, 4), (256, 256, 4, 4), (256, 256, 4, 4)]
    assert sizes == [(64, 3, 7, 7), *down, (8, 256)]
    sizes = [tuple(p.shape) for p in generator.decoders[1].scales.parameters() if p.ndim > 1]
    assert sizes == [(256, 8), (256, 256), (8 * 2 * 256, 256)]
    assert generator.latent_dim == 8


def test_a_style_sets_mean_and_deviation_of_each_channel() -> None:
    """Of two channels, with the first layer of the block passing on what it gets."""
    decoder = StyledDecoder(1, MunitConfig(generator_channels=1, residual_blocks=1, latent_dim=2))
    given = torch.randn(3, 4, 8, 8)
    with torch.no_grad():
        decoder.layers[0].weight.zero_()
        decoder.layers[0].weight[range(4), range(4), 1, 1] = 1.0
    scales = torch.zeros(3, 2, 2, 4, 1, 1)
    scales[:, 0, 0], scales[:, 0, 1, 1] = 2.0, 5.0
    styled = decoder._styled(given, scales, 0)
    torch.testing.assert_close(styled.mean((2, 3)), torch.tensor([0.0, 5.0, 0.0, 0.0]).expand(3, 4), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        styled.std((2, 3), correction=0), torch.full((3, 4), 3.0), atol=1e-2, rtol=0
    )  # 1 + 2, of 1


def test_a_sample_has_the_content_of_the_other_class_and_the_style_z() -> None:
    generator, source, z = Munit().generator(DATA), torch.rand(4, 1, 16, 16) * 2 - 1, torch.randn(4, 8)
    labels = torch.tensor([0, 0, 1, 1])
    found = generator(z, labels, source=source)
    torch.testing.assert_close(found[:2], generator.decoders[0](generator.contents[1](source[:2]), z[:2]))
    torch.testing.assert_close(found[2:], generator.decoders[1](generator.contents[0](source[2:]), z[2:]))
    order = torch.tensor([3, 0, 2, 1])
    torch.testing.assert_close(generator.eval()(z[order], labels[order], source=source[order]), found[order])
    assert (generator(z + 1, labels, source=source) - found).abs().max() > 1e-4


class Codes(nn.Module):
    """Contents are twice the images, styles `s` more; a decoder adds both, and 1 where it is of the other class."""

    def __init__(self) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.tensor(0.5))

    def contents(self, labels: Tensor, x: Tensor) -> Tensor:
        return 2 * x

    def styles(self, labels: Tensor, x: Tensor) -> Tensor:
        return x + self.s

    def decoders(self, labels: Tensor, content: Tensor, style: Tensor, *, of_other: bool = False) -> Tensor:
        return content + style + float(of_other)


def known_turn() -> SimpleNamespace:
    """Real images are 0 and 4, what fakes are made of 4 and 0, in the styles 1 and 0; fakes are 3 and 5."""
    return SimpleNamespace(
        real=torch.tensor([[0.0], [4.0]]), labels=torch.tensor([0, 1]), batch={"source": torch.tensor([[4.0], [0.0]])},
        fake=torch.tensor([[3.0], [5.0]], requires_grad=True), z=torch.tensor([[1.0], [0.0]]), generator=Codes(),
        fake_logits=torch.tensor([0.0, 3.0], requires_grad=True), real_logits=torch.tensor([1.0, 3.0]),
    )  # fmt: skip


def test_the_generators_terms_by_hand() -> None:
    """Styles are 0.5 and 4.5, so that images come back as 0.5 and 12.5; fakes' contents are 6 and 10, of 8 and 0."""
    turn = known_turn()
    terms = BothWays(MunitConfig(cycle_weight=2.0)).for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == {
        "adversarial": (1 + 4) / 2,
        "image": 10 * (0.5 + 8.5) / 2,
        "content": (2 + 10) / 2,
        "style": (2.5 + 5.5) / 2,
        "cycle": 2 * ((6 + 4.5 + 1 - 4) + (10 + 0.5 + 1)) / 2,  # in the styles of what they were made of
    }
    sum(terms.values()).backward()
    torch.testing.assert_close(turn.fake_logits.grad, torch.tensor([-1.0, 2.0]))
    # d/dfake: content 2 sign / 2, style sign / 2, cycle 2 * 2 sign / 2.
    torch.testing.assert_close(turn.fake.grad, torch.tensor([[-1 + 0.5 + 2], [1 + 0.5 + 2]]))
    assert turn.generator.s.grad.item() == 10 + 1 + 2
    assert list(BothWays(MunitConfig()).for_generator(known_turn())) == ["adversarial", "image", "content", "style"]


def test_the_discriminators_terms_by_hand() -> None:
    terms = BothWays(MunitConfig()).for_discriminator(known_turn())
    assert {name: term.item() for name, term in terms.items()} == {"real": (0 + 4) / 4, "fake": (0 + 9) / 4}


def test_a_batch_in_parts_gives_the_numbers_of_the_whole() -> None:
    settings = SMALL | {"batch_size": 8, "cycle_weight": 1.0}
    whole, parts = (train_steps("munit", "outlined-digits", 2, accumulate=n, **settings) for n in (1, 4))
    assert whole.records[-1] == pytest.approx(parts.records[-1], rel=1e-3, abs=1e-3)


def squares(count: int = 128) -> Dataset:
    """Outlined squares, and filled ones of one of two greys."""
    rng, labels = torch.Generator().manual_seed(0), torch.arange(count) % 2
    images = torch.zeros(count, 1, 16, 16, dtype=torch.uint8)
    for k in range(count):
        top, left, height, width = torch.randint(3, 8, (4,), generator=rng).tolist()
        images[k, :, top : top + height, left : left + width] = 255 // (1 + k // 2 % 2 * 3)
        if k % 2 == 0:
            images[k, :, top : top + height, left : left + width] = 255
            images[k, :, top + 1 : top + height - 1, left + 1 : left + width - 1] = 0
    return Dataset(DataSpec("squares", (1, 16, 16), ("outlined", "filled")), images, labels)


@pytest.mark.long
def test_the_latent_says_which_answer_is_made() -> None:
    """Of one outline squares of different greys are made."""
    data = squares()
    training = train_steps("munit", data, 250, generator_channels=8, discriminator_channels=8)
    source = data.batch(torch.arange(0, 32, 2))["real"]
    many = torch.stack(
        [training.sample(16, seed=s, inputs={"source": source}, labels=["filled"]).values for s in range(8)]
    )
    spread = many.mean(dim=(2, 3, 4)).std(dim=0).mean()
    answers = torch.stack([data.batch(torch.arange(1 + 2 * k, 128, 4))["real"].mean() for k in range(2)]).std()
    assert spread > 0.3 * answers


def test_what_it_cannot_take_is_refused() -> None:
    with pytest.raises(
        DataError, match="munit takes images of two classes, its domains, whose sides are multiples of 4"
    ):
        Munit().check_data(DataSpec("odd", (1, 30, 28), ("a", "b")))
    with pytest.raises(SettingError, match="latent_dim must be at least 1, but is 0"):
        MunitConfig(latent_dim=0)
