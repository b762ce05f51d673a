"""bigan and aae: their layers, their games by hand, who moves what, and that they come to rebuild what they see."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_bigan
import pytest
import torch
from ganzoo_bigan import Aae, AaeConfig, Bigan, BiganConfig
from ganzoo_bigan.loss import AdversarialPrior, Bidirectional

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

GREY = DataSpec("grey", (1, 28, 28))
PAPER = Path(ganzoo_bigan.__file__).parent


def sizes(network: torch.nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]


def test_the_networks_of_the_papers() -> None:
    bigan = Bigan(BiganConfig.from_dict(tomllib.loads((PAPER / "bigan" / "paper.toml").read_text())))
    generator, judge = bigan.generator(GREY), bigan.discriminator(GREY)
    assert sizes(generator.layers) == [(1024, 50), (1024, 1024), (784, 1024)]
    assert sizes(generator.encoder) == [(1024, 784), (1024, 1024), (50, 1024)]
    assert sizes(judge) == [(1024, 784 + 50), (1024, 1024), (1, 1024)]
    aae = Aae(AaeConfig.from_dict(tomllib.loads((PAPER / "aae" / "paper.toml").read_text())))
    generator, judge = aae.generator(GREY), aae.discriminator(GREY)
    assert sizes(generator.layers) == [(1000, 8), (1000, 1000), (784, 1000)]
    assert sizes(generator.encoder) == [(1000, 784), (1000, 1000), (8, 1000)]
    assert sizes(judge) == [(1000, 8), (1000, 1000), (1, 1000)]


def test_latents_are_uniform_or_normal() -> None:
    rng = torch.Generator().manual_seed(0)
    uniform, normal = (variant.generator(GREY).latent(4000, rng) for variant in (Bigan(), Aae()))
    assert (uniform.shape, normal.shape) == ((4000, 50), (4000, 8))
    assert uniform.abs().max() <= 1 and uniform.std() == pytest.approx(1 / math.sqrt(3), abs=0.01)
    assert normal.std() == pytest.approx(1, abs=0.02)


def test_judges_look_at_pairs_and_at_latents() -> None:
    """Without latents zeros stand in; aae's judge doesn't see the sample."""
    x, z = torch.rand(3, 1, 28, 28), torch.randn(3, 50)
    pairs = Bigan().discriminator(GREY)
    assert pairs(x, latents=z).shape == (3,)
    torch.testing.assert_close(pairs(x), pairs(x, latents=torch.zeros(3, 50)))
    assert not torch.equal(pairs(x, latents=z), pairs(x)) and not torch.equal(pairs(-x, latents=z), pairs(x, latents=z))
    latents = Aae().discriminator(GREY)
    torch.testing.assert_close(latents(x), latents(-x, latents=torch.zeros(3, 8)))
    assert not torch.equal(latents(x, latents=z[:, :8]), latents(x))


class Case:
    """Two samples of one number, and latents of one; the judge's log-odds are their sum times log 3."""

    def __init__(self) -> None:
        self.code = torch.tensor([[0.0], [1.0]], requires_grad=True)
        self.fake = torch.tensor([[0.0], [-1.0]], requires_grad=True)
        self.turn = SimpleNamespace(
            real=torch.tensor([[0.0], [0.0]]), fake=self.fake, z=torch.tensor([[1.0], [0.0]]),
            generator=SimpleNamespace(encoder=lambda x: self.code), generate=lambda z: 0.5 * z,
            critic=lambda x, latents: math.log(3) * (x + latents).squeeze(1),
        )  # fmt: skip


def values(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: term.item() for name, term in terms.items()}


def test_bigans_terms_by_hand() -> None:
    """Real pairs have log-odds 0 and log 3, generated ones log 3 and -log 3."""
    case, loss = Case(), Bidirectional()
    assert values(loss.for_discriminator(case.turn)) == pytest.approx(
        {"real": (math.log(2) + math.log(4 / 3)) / 2, "fake": (math.log(4) + math.log(4 / 3)) / 2}
    )
    assert case.turn.fake_logits.tolist() == pytest.approx([math.log(3), -math.log(3)])
    terms = loss.for_generator(case.turn)
    assert values(terms) == pytest.approx(
        {"encoder": (math.log(2) + math.log(4)) / 2, "adversarial": (math.log(4 / 3) + math.log(4)) / 2}
    )
    sum(terms.values()).backward()
    three = math.log(3)
    torch.testing.assert_close(case.code.grad, torch.tensor([[three / 2 / 2], [three * 3 / 4 / 2]]))
    torch.testing.assert_close(case.fake.grad, torch.tensor([[-three / 4 / 2], [-three * 3 / 4 / 2]]))


def test_aaes_terms_by_hand() -> None:
    """Latents of the prior have log-odds log 3 and 0, encodings 0 and log 3; what is rebuilt is off by 0 and 1/2."""
    case, loss = Case(), AdversarialPrior(AaeConfig(reconstruction_weight=4.0))
    assert values(loss.for_discriminator(case.turn)) == pytest.approx(
        {"real": (math.log(4 / 3) + math.log(2)) / 2, "fake": (math.log(2) + math.log(4)) / 2}
    )
    terms = loss.for_generator(case.turn)
    assert values(terms) == pytest.approx(
        {"adversarial": (math.log(2) + math.log(4 / 3)) / 2, "reconstruction": 4 * 0.25 / 2}
    )
    sum(terms.values()).backward()
    three = math.log(3)  # and 4 * 2 * 0.5 * 0.5 / 2 from what is rebuilt of the second
    torch.testing.assert_close(case.code.grad, torch.tensor([[-three / 2 / 2], [-three / 4 / 2 + 1.0]]))


@pytest.mark.parametrize("variant", [Bigan(), Aae()], ids=["bigan", "aae"])
def test_the_encoder_is_of_the_generators_player(variant: ganzoo.Variant) -> None:
    networks = ganzoo.Networks(variant.generator(GREY), variant.discriminator(GREY), variant.loss())
    _, generator = variant.players(networks)
    assert {id(p) for p in networks.generator.encoder.parameters()} < {id(p) for p in generator.parameters}


@pytest.mark.parametrize("name", ["bigan", "aae"])
def test_what_was_saved_encodes_and_rebuilds(name: str, tmp_path: Path) -> None:
    ganzoo.train(name, data="digits", steps=1, batch_size=8, width=16, device="cpu", out=tmp_path / "run")
    module = ganzoo.load(tmp_path / "run").module
    x = torch.rand(3, 1, 28, 28) * 2 - 1
    with torch.no_grad():
        z = module.encode(x)
        assert z.shape == (3, module.latent_dim) and module(z).shape == x.shape
        torch.testing.assert_close(module.encode(x[:1]), z[:1])  # in eval mode each by itself


def test_aae_learns_to_rebuild() -> None:
    records = train_steps("aae", "digits", 60, batch_size=32, width=64).records
    assert records[-1]["generator/reconstruction"] < 0.5 * records[0]["generator/reconstruction"]


def test_what_they_cannot_take_is_refused() -> None:
    for variant in (Bigan(), Aae()):
        with pytest.raises(DataError, match=f"{variant.name} takes images, but ring holds points"):
            variant.check_data(DataSpec("ring", (2,), kind="points"))
    with pytest.raises(SettingError, match="augment has no effect on AaeConfig: its discriminator sees latents"):
        AaeConfig(augment="flip")
    with pytest.raises(SettingError, match="latent_dim must be at least 1, but is 0"):
        AaeConfig(latent_dim=0)
