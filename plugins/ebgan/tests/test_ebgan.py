"""ebgan and began: their losses by hand, and their networks' sizes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_ebgan import AutoencoderGan, Began, BeganConfig, Ebgan, EbganConfig
from ganzoo_ebgan.loss import EnergyMargin, Equilibrium, pulling_away
from ganzoo_ebgan.networks import AutoencoderDiscriminator, DecodingGenerator

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError


def turn(real: list[float], fake: list[float]) -> SimpleNamespace:
    """Logits, which are minus the energies, and two codes whose cosine is 24/25."""
    fake_logits = torch.tensor(fake, requires_grad=True)
    on_fake = SimpleNamespace(logits=fake_logits, code=torch.tensor([[3.0, 4.0], [8.0, 6.0]]))
    return SimpleNamespace(real_logits=torch.tensor(real, requires_grad=True), fake_logits=fake_logits, on_fake=on_fake)


def test_energies_and_the_margin_by_hand() -> None:
    """Energies 1 and 3 of real samples; of fakes 0.1, which lies below the margin of 0.3, and 0.5, which doesn't."""
    given = turn([-1.0, -3.0], [-0.1, -0.5])
    terms = EnergyMargin(EbganConfig(margin=0.3)).for_discriminator(given)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({"real": 2.0, "fake": 0.1})
    (terms["real"] + terms["fake"]).backward()
    torch.testing.assert_close(given.real_logits.grad, torch.tensor([-0.5, -0.5]))
    torch.testing.assert_close(given.fake_logits.grad, torch.tensor([0.5, 0.0]))


def test_the_generators_energy_and_its_repelling_term_by_hand() -> None:
    loss = EnergyMargin(EbganConfig(repelling=0.5))
    terms = loss.for_generator(turn([-1.0, -3.0], [-0.1, -0.5]))
    expected = {"energy": 0.3, "repelling": 0.5 * (24 / 25) ** 2}
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected)
    assert EnergyMargin(EbganConfig(repelling=0.0)).for_generator(turn([-1.0], [-0.1])).keys() == {"energy"}


def test_codes_at_right_angles_are_apart() -> None:
    assert pulling_away(torch.eye(3)).item() == 0
    assert pulling_away(torch.ones(3, 2)).item() == pytest.approx(1)
    assert pulling_away(torch.ones(1, 2)).item() == 0


@pytest.mark.parametrize(
    ("shape", "small"), [((1, 28, 28), (64, 7, 7)), ((3, 32, 32), (64, 8, 8)), ((3, 14, 20), (32, 7, 10))]
)
def test_networks_halve_to_seven_or_more(shape: tuple[int, ...], small: tuple[int, ...]) -> None:
    data = DataSpec("some", shape)
    generator, discriminator = Ebgan().generator(data), Ebgan().discriminator(data)
    assert isinstance(generator, DecodingGenerator) and isinstance(discriminator, AutoencoderDiscriminator)
    assert generator.layers[1].unflattened_size == small
    z = generator.latent(5, torch.Generator().manual_seed(0))
    assert z.shape == (5, 64) and -1 <= z.min() < -0.9 and 0.9 < z.max() <= 1
    made = generator(z)
    assert made.shape == (5, *shape)
    rebuilt = discriminator(made)
    assert rebuilt.logits.shape == (5,) and rebuilt.code.shape == (5, 64)
    seen = (discriminator.decoder(discriminator.encoder(made)) - made).abs().flatten(1).mean(1)
    torch.testing.assert_close(rebuilt.logits, -seen)


def test_the_weight_of_fakes_keeps_the_balance_by_hand() -> None:
    """Energies 2 of real samples, 0.3 of fakes: gamma of 0.5 aims at 1, so that k rises by 0.1 (1 - 0.3) from 0."""
    loss, given = Equilibrium(BeganConfig(gamma=0.5, gain=0.1)), turn([-1.0, -3.0], [-0.1, -0.5])
    first, second = loss.for_discriminator(given), loss.for_discriminator(given)
    assert {name: term.item() for name, term in first.items()} == pytest.approx({"real": 2.0, "fake": 0.0})
    assert {name: term.item() for name, term in second.items()} == pytest.approx({"real": 2.0, "fake": -0.07 * 0.3})
    assert loss.k.item() == pytest.approx(0.14)
    (second["real"] + second["fake"]).backward()
    torch.testing.assert_close(given.real_logits.grad, torch.tensor([-0.5, -0.5]))
    torch.testing.assert_close(given.fake_logits.grad, torch.tensor([0.035, 0.035]))
    assert {n: f.item() for n, f in loss.figures(given).items()} == pytest.approx({"convergence": 2.7, "k": 0.14})
    assert {n: t.item() for n, t in loss.for_generator(given).items()} == pytest.approx({"energy": 0.3})


@pytest.mark.parametrize(("real", "fake", "end"), [(-9.0, -0.1, 1.0), (-0.1, -9.0, 0.0)])
def test_the_weight_of_fakes_stays_between_nothing_and_one(real: float, fake: float, end: float) -> None:
    loss = Equilibrium(BeganConfig(gamma=0.5, gain=1.0))
    for _ in range(3):
        loss.for_discriminator(turn([real], [fake]))
    assert loss.k.item() == end


@pytest.mark.parametrize(("variant", "expected"), [(Ebgan, [True, False]), (Began, [False, False])])
def test_only_ebgans_generator_is_normalised(variant: type[AutoencoderGan], expected: list[bool]) -> None:
    data = DataSpec("grey", (1, 28, 28))
    has = [
        any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
        for network in (variant().generator(data), variant().discriminator(data))
    ]
    assert has == expected


@pytest.mark.parametrize("shape", [(1, 12, 28), (1, 28, 15)])
def test_it_refuses_sides_that_do_not_halve(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="ebgan takes images whose sides are multiples of 2, at least 14, but odd is"):
        Ebgan().check_data(DataSpec("odd", shape))
