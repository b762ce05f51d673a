"""DiscoGAN against its paper: its networks' layers and its losses by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_cyclegan import Discogan, DiscoganConfig
from ganzoo_cyclegan.loss import Discovery
from ganzoo_cyclegan.networks import FeatureJudge, Verdict
from torch import nn

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.testing import train_steps

AB = ("a", "b")


def test_the_networks_of_the_paper() -> None:
    """At 64 pixels: four convolutions down to (512, 4, 4), and four up; the discriminator the same and one logit."""
    data = DataSpec("x", (3, 64, 64), AB)
    variant = Discogan(DiscoganConfig(generator_channels=64, discriminator_channels=64))
    down = [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4)]
    up = [(512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 3, 4, 4)]  # transposed ones: from, to
    sizes = [tuple(p.shape) for p in variant.generator(data).into[0].parameters() if p.ndim == 4]
    assert sizes == down + up
    sizes = [tuple(p.shape) for p in variant.discriminator(data).of[0].parameters() if p.ndim == 4]
    assert sizes == [*down, (1, 512, 4, 4)]


def test_a_picture_has_one_logit_and_features_of_all_normalised_layers() -> None:
    judge = FeatureJudge((1, 16, 16), 2, 3)
    verdict = judge(torch.rand(5, 1, 16, 16))
    assert verdict.logits.shape == (5,)
    assert verdict.features.shape == (5, 4 * 4 * 4 + 8 * 2 * 2)
    first = judge.layers[0](judge.first(torch.ones(1, 1, 16, 16)))
    found = judge(torch.ones(1, 1, 16, 16)).features[0, : first.numel()]
    torch.testing.assert_close(found.square().sum(), first.square().mean())


def known_turn() -> SimpleNamespace:
    """Two of each class: the logits of fakes are 0, 0, log 3, log 3; a cycle changes each pixel by 3."""
    real = torch.zeros(4, 1, 2, 2)
    fake = torch.ones(4, 1, 2, 2, requires_grad=True)
    logits = torch.tensor([0.0, 0.0, math.log(3), math.log(3)], requires_grad=True)
    on_real = Verdict(torch.zeros(4), torch.tensor([[0.0], [2.0], [5.0], [5.0]]))
    on_fake = Verdict(logits, torch.tensor([[2.0], [4.0], [5.0], [1.0]], requires_grad=True))
    turn = SimpleNamespace(real=real, fake=fake, on_real=on_real, on_fake=on_fake, fake_logits=logits)
    turn.generate = lambda source: source + 2
    return turn


def test_the_generators_terms_by_hand() -> None:
    """Mean features are 1 and 3 in the first domain, 5 and 3 in the second."""
    turn = known_turn()
    terms = Discovery(DiscoganConfig()).for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"adversarial": 0.1 * (math.log(2) + math.log(4 / 3)) / 2, "features": 0.9 * (4 + 4) / 2, "cycle": 9.0}
    )
    sum(terms.values()).backward()
    # d/dlogit: -0.1 (1 - sigmoid) / 4. d/dfeature: 0.9 * 2 * difference / 2 of each mean / 2 domains.
    torch.testing.assert_close(turn.fake_logits.grad, torch.tensor([-1 / 80, -1 / 80, -1 / 160, -1 / 160]))
    torch.testing.assert_close(turn.on_fake.features.grad.flatten(), torch.tensor([0.9, 0.9, -0.9, -0.9]))
    torch.testing.assert_close(turn.fake.grad, torch.full((4, 1, 2, 2), 2 * 3 / 16))


def test_weights_of_nothing_switch_terms_off() -> None:
    config = DiscoganConfig(feature_weight=0.0, cycle_weight=0.0, adversarial_weight=1.0)
    terms = Discovery(config).for_generator(known_turn())
    assert list(terms) == ["adversarial"]
    assert terms["adversarial"].item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_it_learns_to_come_back() -> None:
    records = train_steps(
        "discogan", "outlined-digits", 60, batch_size=8, generator_channels=8, generator_lr=2e-3
    ).records
    assert records[-1]["generator/cycle"] < 0.5 * records[0]["generator/cycle"]


@pytest.mark.parametrize(
    ("shape", "depth"), [((1, 28, 28), 2), ((1, 16, 16), 2), ((3, 32, 32), 3), ((3, 64, 64), 4), ((3, 16, 48), 2)]
)
def test_it_goes_down_to_four_pixels(shape: tuple[int, ...], depth: int) -> None:
    variant, data = Discogan(), DataSpec("x", shape, AB)
    variant.check_data(data)
    assert sum(isinstance(layer, nn.Conv2d) for layer in variant.generator(data).into[0]) == depth
    assert variant.inputs(data)[0].multiple == 2**depth


def test_what_it_cannot_take_is_refused() -> None:
    rule = "discogan takes images of two classes, its domains, whose sides are multiples of 4 and at least 16"
    for shape in ((1, 30, 28), (1, 12, 12)):
        with pytest.raises(DataError) as error:
            Discogan().check_data(DataSpec("odd", shape, AB))
        assert str(error.value) == f"{rule}, but odd has 2 classes of {shape[1]}x{shape[2]}"
