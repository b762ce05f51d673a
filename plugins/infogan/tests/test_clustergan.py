"""clustergan: its latent, its layers, its loss by hand, and that its encoder comes to find the latent again."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_infogan
import pytest
import torch
from ganzoo_infogan import Clustergan, ClusterganConfig
from ganzoo_infogan.loss import LatentCycle
from ganzoo_infogan.networks import Codes

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.testing import train_steps

GREY = DataSpec("grey", (1, 28, 28))
PAPER = Path(ganzoo_infogan.__file__).parent / "clustergan" / "paper.toml"
SMALL = {"filters": 4, "width": 32}


def test_a_latent_is_a_category_then_a_little_noise() -> None:
    z = Clustergan(ClusterganConfig(**SMALL)).generator(GREY).latent(2000, torch.Generator().manual_seed(0))
    assert z.shape == (2000, 10 + 30)
    assert z[:, :10].sum(1).eq(1).all() and z[:, :10].max(1).values.eq(1).all()
    assert z[:, :10].mean(0).sub(0.1).abs().max() < 0.03
    assert z[:, 10:].std() == pytest.approx(0.1, abs=0.002)


def test_the_networks_of_the_authors() -> None:
    paper = Clustergan(ClusterganConfig.from_dict(tomllib.loads(PAPER.read_text())))
    generator, critic = paper.generator(GREY), paper.discriminator(GREY)
    down = [(64, 1, 4, 4), (128, 64, 4, 4), (1024, 6272)]
    assert sizes(generator.layers) == [(1024, 40), (6272, 1024), (128, 64, 4, 4), (64, 1, 4, 4)]
    assert sizes(generator.encoder) == [*down, (40, 1024)]
    assert sizes(critic) == [*down, (1, 1024)]
    assert not critic.mixes_samples  # a penalty on each sample's slope


def sizes(network: torch.nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]


def test_what_is_encoded_can_be_decoded() -> None:
    """A probability for each category, and the rest as the encoder gives it."""
    generator = Clustergan(ClusterganConfig(**SMALL)).generator(GREY).eval()
    x = torch.rand(3, 1, 28, 28) * 2 - 1
    z = generator.encode(x)
    torch.testing.assert_close(z[:, :10], generator.encoder(x)[:, :10].softmax(1))
    torch.testing.assert_close(z[:, 10:], generator.encoder(x)[:, 10:])
    assert generator(z).shape == x.shape


def known_turn() -> SimpleNamespace:
    """Two samples of 2x2 under a critic of slope 6; two categories and two numbers are read of them."""
    read = torch.tensor([[0.0, 0.0, 1.0, 0.0], [math.log(3), 0.0, 0.5, -1.0]], requires_grad=True)
    asked = torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.5, 1.0]])
    return SimpleNamespace(
        real=torch.ones(2, 1, 2, 2), fake=torch.zeros(2, 1, 2, 2), z=asked, read=read,
        real_logits=torch.tensor([1.0, 3.0]), fake_logits=torch.tensor([0.0, 2.0]),
        critic=lambda x: 3 * x.flatten(1).sum(1),
        generator=SimpleNamespace(encoder=lambda x: read, codes=lambda z: Codes(z[:, :2], z[:, 2:])),
    )  # fmt: skip


def test_the_terms_by_hand() -> None:
    """The category asked for has probability 1/2, then 3/4; the numbers are off by 1 and 0, then by 0 and 2."""
    turn = known_turn()
    loss = LatentCycle(ClusterganConfig(category_weight=2.0, noise_weight=3.0, penalty_weight=5.0))
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"real": -2.0, "fake": 1.0, "penalty": 5 * 25.0}
    )
    terms = loss.for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"adversarial": -1.0, "category": 2 * (math.log(2) + math.log(4 / 3)) / 2, "noise": 3 * (1 + 4) / 4}
    )
    sum(terms.values()).backward()
    # Of categories weight / 2 times softmax minus one-hot, of numbers weight times half the difference.
    torch.testing.assert_close(turn.read.grad, torch.tensor([[0.5, -0.5, 1.5, 0.0], [-0.25, 0.25, 0.0, -3.0]]))


def test_the_encoder_moves_with_the_generator() -> None:
    variant = Clustergan(ClusterganConfig(**SMALL))
    networks = ganzoo.Networks(variant.generator(GREY), variant.discriminator(GREY), variant.loss())
    critic, generator = variant.players(networks)
    assert {id(p) for p in generator.parameters} == {id(p) for p in networks.generator.parameters()}
    assert (critic.steps, generator.steps) == (2, 1)
    assert all(p.optimizer.defaults["betas"] == (0.5, 0.9) for p in (critic, generator))


def test_its_encoder_comes_to_find_the_category() -> None:
    """Of samples that it never saw; without the term it has to guess."""

    def right(weight: float) -> float:
        settings = {"categories": 8, "latent_dim": 2, "batch_size": 32, "widths": (64, 64), "generator_lr": 2e-3}
        training = train_steps("clustergan", "ring8", 100, **settings, n_critic=1, category_weight=weight)
        generator = training.networks.generator.eval()
        z = generator.latent(400, torch.Generator().manual_seed(1))
        with torch.no_grad():
            return (generator.encode(generator(z))[:, :8].argmax(1) == z[:, :8].argmax(1)).float().mean().item()

    assert right(10.0) > 0.9
    assert right(0.0) < 0.5
