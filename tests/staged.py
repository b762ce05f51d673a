"""A toy of all that contract 2 lets a game have: phases, lazy players, a further network, a frozen one, lr factors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Discriminator, Frozen, Generator, Networks, Phase, hookimpl, option
from ganzoo_core.interfaces import new_player
from ganzoo_core.losses import NonSaturating, r1_penalty
from ganzoo_core.seeds import normal
from ganzoo_core.settings import Settings

GANZOO_API = 2


@dataclass(frozen=True, kw_only=True)
class StagedConfig(ganzoo.Config):
    steps: int = option(20, "updates of the generator", minimum=1)
    batch_size: int = option(16, "samples per update", minimum=1)
    latent_dim: int = option(4, "coordinates of the latent vector z", minimum=1)
    encoder_lr: float = option(3e-3, "learning rate of the encoder", minimum=0)
    ema_decay: float = option(0.9, "decay", minimum=0, maximum=0.99999)
    warm_steps: int = option(5, "steps of the first phase", minimum=1)
    low_steps: int = option(6, "steps of the second phase", minimum=1)


@dataclass(frozen=True, kw_only=True)
class StagedSampling(Settings):
    truncation: float = option(1.0, "how far a sample is from the middle", minimum=0, maximum=1)


class StagedGenerator(Generator):
    """A second layer is in play in the phase `high` alone."""

    def __init__(self, latent_dim, shape):
        super().__init__()
        self.latent_dim, self.shape, self.is_high = latent_dim, shape, False
        self.mapping = nn.Linear(latent_dim, 8)
        self.low = nn.Linear(8, math.prod(shape))
        self.high = nn.Linear(8, math.prod(shape))
        self.register_buffer("fade", torch.zeros(()))

    def begin_phase(self, phase):
        self.is_high = phase == "high"
        self.high.requires_grad_(self.is_high)

    def forward(self, z, labels=None):
        hidden = F.leaky_relu(self.mapping(z), 0.2)
        x = self.low(hidden)
        x = x + self.fade * self.high(hidden) if self.is_high else x
        x = torch.tanh(x).unflatten(1, self.shape)
        return x if self.training else x * self.sampling.truncation


class StagedDiscriminator(Discriminator):
    def __init__(self, shape, latent_dim):
        super().__init__()
        self.hidden = nn.Linear(math.prod(shape) + latent_dim, 8)
        self.output = nn.Linear(8, 1)

    def forward(self, x, labels=None, *, code=None):
        code = x.new_zeros(len(x), self.hidden.in_features - x[0].numel()) if code is None else code
        return self.output(F.softplus(self.hidden(torch.cat([x.flatten(1), code], 1)))).squeeze(1)


class StagedLoss(NonSaturating):
    """`features`: a fixed network that it compares by. It counts its turns, as "same" in each microbatch."""

    joins: ClassVar[dict[str, str]] = {"turns": "same", "seen": "sum", "mean_logit": "mean"}

    def __init__(self, shape):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            self.features = Frozen(nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 3)))
        self.register_buffer("turns", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean_logit", torch.zeros(()))

    def pretraining(self, turn):
        return {"content": (self.features(turn.fake) - self.features(turn.real)).square().mean()}

    def for_discriminator(self, turn):
        turn.generator.fade.copy_(turn.progress)
        self.turns += 1
        self.seen += len(turn.real)
        code = turn.further["encoder"](turn.real.flatten(1)).detach()
        pair = F.softplus(-turn.critic(turn.real, code=code)).mean()
        with torch.no_grad():
            self.mean_logit.copy_(turn.real_logits.mean())
        return super().for_discriminator(turn) | {"pair": pair * (1 + 0.001 * self.turns + 0.0001 * turn.step)}

    def r1(self, turn):
        return {"r1": 5 * r1_penalty(turn.critic, turn.real)}

    def encoding(self, turn):
        return {"latent": (turn.further["encoder"](turn.fake.flatten(1)) - turn.z).square().mean()}

    def path(self, turn):
        fake = turn.generate()
        noise = normal(*fake.shape, like=fake)
        return {"path": (fake * noise).flatten(1).sum(1).square().mean()}


class Staged(ganzoo.Variant):
    """Three phases and six players."""

    name = "staged"
    title = "A toy in stages"
    paper = "arXiv:0000.00000"
    year = 2026
    kinds = ("points",)
    averaged = ("generator", "encoder")
    Config = StagedConfig
    Sampling = StagedSampling

    def generator(self, data):
        return StagedGenerator(self.config.latent_dim, data.shape)

    def discriminator(self, data):
        return StagedDiscriminator(data.shape, self.config.latent_dim)

    def loss(self):
        return StagedLoss((2,))

    def further_networks(self, data):
        return {"encoder": nn.Linear(math.prod(data.shape), self.config.latent_dim)}

    def phases(self, data):
        c = self.config
        return (
            Phase("warm", c.warm_steps, batch_size=c.batch_size // 2, learning_rates={"pretrainer": 0.01}),
            Phase("low", c.low_steps),
            Phase("high", learning_rates={"generator": 1e-3}),
        )

    def players(self, networks: Networks):
        g, d, loss = networks
        game = ("low", "high")
        steps = self.config.n_critic
        judge = new_player(self, "discriminator", [d], loss.for_discriminator, steps=steps, phases=game)
        maker = new_player(self, "generator", [g], loss.for_generator, phases=game, lr_factors={"mapping": 0.01})
        encoder = [networks.further["encoder"]]
        return [
            new_player(self, "pretrainer", [g], loss.pretraining, phases=("warm",)),
            judge,
            ganzoo.Player("r1", judge.parameters, judge.optimizer, loss.r1, every=3, phases=game),
            maker,
            ganzoo.Player("path", maker.parameters, maker.optimizer, loss.path, every=2, phases=("high",)),
            new_player(self, "encoder", encoder, loss.encoding),
        ]


@hookimpl
def ganzoo_variants():
    return [Staged]
