"""A mini-batch in pieces gives the numbers of the whole: gradient accumulation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ganzoo_toy import Toy, ToyConditional, ToyConfig
from ganzoo_toy.networks import ToyDiscriminator
from torch import nn

from ganzoo_core import Generator
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import SettingError
from ganzoo_core.losses import NonSaturating, Wasserstein, gradient_penalty
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.seeds import uniform
from ganzoo_core.training.engine import Engine

# A critic is judged at the midpoint of its mean scores, which each piece has for itself.
BALANCE = {"d_real", "d_fake", "accuracy_real", "accuracy_fake"}


class PlainGenerator(Generator):
    """No BatchNorm, so that a sample is what it is in any piece."""

    def __init__(self):
        super().__init__()
        self.latent_dim = 4
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2), nn.Tanh())

    def forward(self, z, labels=None):
        return self.layers(z)


class Penalised(Wasserstein):
    """Draws random numbers for each sample."""

    def for_discriminator(self, turn):
        return super().for_discriminator(turn) | {"penalty": 10 * gradient_penalty(turn.critic, turn.real, turn.fake)}


class Plain(Toy):
    """Neither BatchNorm nor dropout nor a loss with state."""

    def generator(self, data):
        return PlainGenerator()

    def discriminator(self, data):
        critic = ToyDiscriminator(8, data.shape, 0)
        critic.dropout = nn.Identity()
        return critic

    def loss(self):
        return NonSaturating()

    def optimizer(self, player, parameters):
        """Adam would make whole steps of what rounding leaves of a gradient of 0, such as that of a critic's bias."""
        return torch.optim.SGD(parameters, lr=0.05)


class PlainPenalised(Plain):
    def loss(self):
        return Penalised()


class Passing(Plain):
    def loss(self):
        loss = NonSaturating()
        loss.may_pass = True
        return loss


class Unpassing(ToyConditional):
    """BatchNorm, but no state in the loss."""

    def loss(self):
        return NonSaturating()


def dataset(classes: int = 0) -> Dataset:
    samples = torch.rand(64, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    labels = torch.arange(64) % classes if classes else None
    return Dataset(DataSpec("plane", (2,), tuple("abc"[:classes]), "points"), samples, labels)


def engine(variant=Plain, accumulate: int = 1, classes: int = 0, **config) -> Engine:
    settings = RunSettings(device="cpu", accumulate=accumulate)
    return Engine(variant(replace(ToyConfig(), **config)), dataset(classes), settings)


@pytest.mark.parametrize("variant", [Plain, PlainPenalised])
@pytest.mark.parametrize(("accumulate", "n_critic"), [(2, 1), (4, 1), (2, 3)])
def test_pieces_give_the_numbers_of_the_whole(variant, accumulate, n_critic):
    whole, parted = engine(variant, n_critic=n_critic), engine(variant, accumulate, n_critic=n_critic)
    for _ in range(5):
        expected, found = whole.measure(whole.train_step()), parted.measure(parted.train_step())
        assert found.keys() == expected.keys()
        for name in expected.keys() - (BALANCE if variant is PlainPenalised else set()):
            assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), name
    for name, tensor in whole.state().items():
        torch.testing.assert_close(parted.state()[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


def test_an_undivided_engine_draws_as_ever():
    """Its numbers are those of torch.rand: runs of older releases go on bit for bit."""
    torch.manual_seed(3)
    expected = torch.rand(5, 1)
    torch.manual_seed(3)
    assert torch.equal(uniform(5, 1, like=torch.zeros(1)), expected)


def test_each_piece_has_dropout_of_its_own():
    e, seen = engine(accumulate=2), []
    e.players[0].terms = lambda turn: seen.append(torch.rand(4)) or {}
    e.train_step()
    assert len(seen) == 2 and not torch.equal(*seen)


def test_the_balance_and_the_figures_are_means_over_the_pieces():
    e = engine(PlainPenalised, accumulate=2)
    record = e.measure(updates := e.train_step())
    distances = [
        e.networks.loss.figures(turn)["wasserstein_distance"].item() for turn in updates["discriminator"].turns
    ]
    assert record["wasserstein_distance"] == pytest.approx(sum(distances) / 2)


def test_a_mini_batch_must_divide():
    with pytest.raises(
        SettingError, match=r"batch_size must be a multiple of 3, .* \(1\) times accumulate \(3\), but is 16"
    ):
        engine(accumulate=3)


def test_a_loss_that_remembers_is_refused():
    with pytest.raises(SettingError, match=r"accumulate must be 1 for toy, .* CountingLoss remembers \(turns\)"):
        engine(Toy, accumulate=2)


def test_a_loss_that_may_pass_is_refused():
    with pytest.raises(
        SettingError, match="toy can't be trained in 2 microbatches: its NonSaturating tells from a whole"
    ):
        engine(Passing, accumulate=2)


def test_batch_norm_needs_two_samples_in_a_piece():
    with pytest.raises(SettingError, match="a microbatch must hold at least 2 samples for toy-conditional"):
        engine(Unpassing, accumulate=16, classes=3)


def test_pieces_hold_less_memory_in_graphs():
    """Of several pieces the discriminator's turn keeps no graph back to the generator."""
    e, kept = engine(accumulate=2), []
    e.players[0].terms = lambda turn: kept.append((turn.fake, turn._shared._fake.requires_grad)) or {}
    e.train_step()
    assert [has_graph for _, has_graph in kept] == [False, False]
