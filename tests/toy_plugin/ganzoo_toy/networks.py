"""Networks and a loss with everything that a resume must bring back: BatchNorm, dropout, a buffer."""

from __future__ import annotations

import math

import torch
from torch import nn

from ganzoo_core import Discriminator, Generator
from ganzoo_core.dropout import Dropout
from ganzoo_core.losses import NonSaturating


class ToyGenerator(Generator):
    def __init__(self, latent_dim, width, shape, num_classes):
        super().__init__()
        self.latent_dim = latent_dim
        self.shape = shape
        self.embedding = nn.Embedding(num_classes, latent_dim) if num_classes else None
        self.hidden = nn.Linear(latent_dim, width)
        self.norm = nn.BatchNorm1d(width)
        self.output = nn.Linear(width, math.prod(shape))

    def forward(self, z, labels=None):
        if self.embedding is not None:
            z = z + self.embedding(labels)
        return torch.tanh(self.output(torch.relu(self.norm(self.hidden(z))))).unflatten(1, self.shape)


class ToyDiscriminator(Discriminator):
    def __init__(self, width, shape, num_classes):
        super().__init__()
        self.embedding = nn.Embedding(num_classes, width) if num_classes else None
        self.hidden = nn.Linear(math.prod(shape), width)
        self.dropout = Dropout(0.3)
        self.output = nn.Linear(width, 1)

    def forward(self, x, labels=None):
        hidden = torch.relu(self.hidden(x.flatten(1)))
        if self.embedding is not None:
            hidden = hidden + self.embedding(labels)
        return self.output(self.dropout(hidden)).squeeze(1)


class CountingLoss(NonSaturating):
    """Counts the turns in a buffer; the count scales a term, so that losing it would show."""

    def __init__(self, poison_step):
        super().__init__()
        self.register_buffer("turns", torch.zeros(()))
        self.poison_step = poison_step

    def for_discriminator(self, turn):
        self.turns += 1
        terms = super().for_discriminator(turn)
        terms["fake"] = terms["fake"] * (1 + 0.001 * self.turns)
        if self.poison_step is not None:
            terms["real"] = terms["real"] * torch.where(self.turns >= self.poison_step, torch.nan, 1.0)
        return terms
