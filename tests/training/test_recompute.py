"""With `checkpoint_activations` the backward pass computes activations again, and the numbers stay the same."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from engines import assert_equal, dataset, engine, weights
from few import FEW
from ganzoo_toy import Toy
from torch import nn
from torch.nn.utils import spectral_norm as hooked_spectral_norm
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator, Generator
from ganzoo_core.errors import SettingError
from ganzoo_core.losses import NonSaturating, gradient_penalty
from ganzoo_core.registry import registry
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.tally import Tally
from ganzoo_core.seeds import normal
from ganzoo_core.testing.cases import BATCH, cases
from ganzoo_core.training import cuda_graph, recompute
from ganzoo_core.training.engine import Engine

WIDTH = 16
FP32 = RunSettings(device="cpu", precision="fp32")


class Block(nn.Module):
    """All that a second pass could change or meet changed: averages, dropout, noise, a buffer, attributes."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Dropout(0.3))
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.style, self.calls = None, 0

    def forward(self, x, *, scale):
        self.calls += 1
        x = self.layers(x) * scale + self.style
        self.mean.lerp_(x.detach().mean(0), 0.1)
        return torch.sin(x + self.mean + normal(*x.shape, like=x)) * (1 + 0.1 * self.calls)


class OddGenerator(Generator):
    """Sets the style of its one block before each use of it."""

    def __init__(self, shape):
        super().__init__()
        self.latent_dim, self.shape = 4, shape
        self.first, self.block, self.last = nn.Linear(4, WIDTH), Block(), nn.Linear(WIDTH, math.prod(shape))

    def forward(self, z, labels=None):
        self.block.calls = 0
        x = self.first(z)
        for style in (z[:, :1], z[:, 1:2]):
            self.block.style = style
            x = self.block(x, scale=z.std())
        return torch.tanh(self.last(x)).unflatten(1, self.shape)


class OddDiscriminator(Discriminator):
    def __init__(self, shape):
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Linear(math.prod(shape), WIDTH)), nn.LeakyReLU(0.2, inplace=True),
            hooked_spectral_norm(nn.Linear(WIDTH, WIDTH)), nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.2),
            nn.Sequential(nn.ELU(), nn.Linear(WIDTH, WIDTH), nn.ELU()), nn.Linear(WIDTH, 1),
        )  # fmt: skip

    def forward(self, x, labels=None):
        return self.layers(x.flatten(1)).squeeze(1)


class Penalised(NonSaturating):
    def for_discriminator(self, turn):
        penalty = gradient_penalty(turn.critic, turn.real, turn.fake)
        return super().for_discriminator(turn) | {"penalty": penalty}


class Odd(Toy):
    def generator(self, data):
        return OddGenerator(data.shape)

    def discriminator(self, data):
        return OddDiscriminator(data.shape)

    def loss(self):
        return Penalised()


@pytest.fixture
def calls(monkeypatch):
    """What was computed by torch.utils.checkpoint."""
    found = []

    def counted(*arguments, **options):
        found.append(arguments)
        return original(*arguments, **options)

    original = recompute.checkpoint
    monkeypatch.setattr(recompute, "checkpoint", counted)
    return found


@pytest.mark.parametrize("accumulate", [1, 2])
def test_nothing_is_drawn_counted_or_averaged_twice(accumulate, calls):
    run = replace(FP32, accumulate=accumulate)
    kept, dropped = (engine(Odd, run, ema_decay=0.9, checkpoint_activations=on) for on in (False, True))
    for _ in range(4):
        assert kept.measure(kept.train_step()) == dropped.measure(dropped.train_step())
        assert_equal(weights(kept), weights(dropped))
    assert len(calls) > 4 * accumulate * 4
    assert dropped.networks.generator.block.calls == kept.networks.generator.block.calls == 2


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name not in FEW)) for name in sorted(registry().variants())]
)
def test_every_variant_trains_to_the_same_numbers(name, calls):
    tried = cases(name).tried
    if not tried:
        pytest.skip("its data is not here")
    cls = tried[0].variant_class
    kept, dropped = (
        Engine(cls(cls.Config(batch_size=BATCH, checkpoint_activations=on)), tried[0].dataset, FP32)
        for on in (False, True)
    )
    for _ in range(3):
        assert kept.measure(kept.train_step()) == dropped.measure(dropped.train_step())
    assert_equal(weights(kept), weights(dropped))
    assert calls


class Deep(Toy):
    """Sixteen layers of 64 units, each followed by a sine, which keeps its input."""

    def discriminator(self, data):
        class Judge(Discriminator):
            def __init__(self):
                super().__init__()
                layers = [layer for _ in range(16) for layer in (nn.Linear(64, 64), nn.GELU())]
                self.layers = nn.Sequential(nn.Linear(math.prod(data.shape), 64), *layers, nn.Linear(64, 1))

            def forward(self, x, labels=None):
                return self.layers(x.flatten(1)).squeeze(1)

        return Judge()


def test_activations_are_dropped():
    """1024 samples, real and fake, of 64 numbers, after each of 32 layers: 512 kB each."""
    most = []
    for on in (False, True):
        made = Engine(Deep(Deep.Config(batch_size=1024, checkpoint_activations=on)), dataset(1024), FP32)
        made.train_step()
        with Tally() as tally:
            made.train_step()
        most.append(tally.most / (2 * 1024 * 64 * 4))
    assert 33 < most[0] < 40  # 34 layers, gradients, weights' gradients
    assert 9 < most[1] < 13  # the inputs of 8 pieces, and 4 layers of the one at work with their gradients


def test_a_network_is_what_it_was_between_steps():
    made = engine(Odd, FP32, checkpoint_activations=True)
    made.train_step()
    modules = [module for network in made.networks for module in network.modules()]
    assert not any("forward" in vars(module) for module in modules)
    recomputing = recompute.Recomputing("odd", made.networks, made.device)
    with pytest.raises(ZeroDivisionError), recomputing.here():
        assert {type(module) for module in modules if "forward" in vars(module)} == {Block, nn.Sequential}
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in modules)


class Spoiling(nn.Module):
    """Its first layer writes over what it is given."""

    def __init__(self):
        super().__init__()
        self.act, self.layer = nn.LeakyReLU(0.2, inplace=True), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return self.layer(self.act(x))


class Moody(nn.Module):
    """Other layers each time: no run of it would be resumed."""

    times = 0

    def __init__(self):
        super().__init__()
        self.layer, self.act = nn.Linear(WIDTH, WIDTH), nn.Sigmoid()

    def forward(self, x):
        Moody.times += 1
        for _ in range(Moody.times % 2 + 1):
            x = self.act(self.layer(x))
        return x


@pytest.mark.parametrize(("block", "why"), [(Spoiling, "inplace operation"), (Moody, "A different number of tensors")])
def test_a_network_that_can_not_be_computed_again_is_refused(block, why):
    class Judge(Discriminator):
        def __init__(self, shape):
            super().__init__()
            self.first, self.block, self.last = nn.Linear(math.prod(shape), WIDTH), block(), nn.Linear(WIDTH, 1)
            self.more = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(3))

        def forward(self, x, labels=None):
            x = F.elu(self.block(self.first(x.flatten(1))))
            for layer in self.more:
                x = layer(x)
            return self.last(x).squeeze(1)

    class Unable(Toy):
        def discriminator(self, data):
            return Judge(data.shape)

    engine(Unable, FP32).train_step()
    with pytest.raises(SettingError, match=f"checkpoint_activations must be false for toy, as a network .*{why}"):
        engine(Unable, FP32, checkpoint_activations=True).train_step()


def test_a_piece_may_begin_with_a_layer_that_spoils_its_input(calls):
    """As the encoder's layers of arXiv:1611.07004 do in its authors' code."""
    layers = [nn.LeakyReLU(0.2, inplace=True), nn.Linear(WIDTH, WIDTH), nn.Sigmoid(), nn.Linear(WIDTH, WIDTH)]
    network, x = nn.ModuleList([nn.Sequential(*layers), nn.Sequential(*layers)]), torch.randn(5, WIDTH)
    found = []
    for networks in ([], [network]):
        with recompute.Recomputing("u-net", networks, torch.device("cpu")).here():
            network[1](network[0](x.clone())).square().sum().backward()
        found.append(layers[1].weight.grad)
        layers[1].weight.grad = None
    assert len(calls) == 2 and torch.equal(*found)


def test_lists_that_may_change_are_computed_once(calls):
    """A list handed to a block may be emptied before the backward pass."""

    class Popping(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.act = nn.Linear(2, 2), nn.Sigmoid()

        def forward(self, skips):
            return self.act(self.layer(skips.pop()))

    block = Popping()
    network = nn.ModuleList([block])
    x = torch.ones(3, 2, requires_grad=True)
    with recompute.Recomputing("popping", [network], torch.device("cpu")).here():
        block([x]).sum().backward()
        assert not calls and x.grad is not None
        with torch.no_grad():
            block([x])
        with pytest.raises(AttributeError):
            block((x,))
    assert len(calls) == 1


def test_a_compiled_network_is_refused():
    with pytest.raises(SettingError, match="checkpoint_activations must be false where networks are compiled, as the"):
        engine(Toy, replace(FP32, compile=True), checkpoint_activations=True)


def test_steps_are_not_recorded_as_a_graph(caplog):
    made = engine(Toy, FP32)
    game = made.players, made.networks.loss, made.dataset
    assert not cuda_graph.can_capture(*game, torch.device("cuda"), recomputes=True)
    assert caplog.messages == [
        "steps are not recorded as a CUDA graph: checkpoint_activations sets back random numbers in Python"
    ]
    caplog.clear()
    assert not cuda_graph.can_capture(*game, torch.device("cpu"), recomputes=True) and not caplog.messages
