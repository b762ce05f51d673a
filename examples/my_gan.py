"""A GAN of one's own in one file: ganzoo run examples/my_gan.py:MyGan"""

import torch
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core.losses import Hinge


class MyGenerator(ganzoo.Generator):
    def __init__(self, config, data):
        super().__init__()
        self.latent_dim = config.latent_dim
        channels, height, width = data.shape
        self.layers = nn.Sequential(
            nn.Linear(self.latent_dim, 64 * (height // 4) * (width // 4)), nn.ReLU(),
            nn.Unflatten(1, (64, height // 4, width // 4)),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z, labels=None):
        return self.layers(z)  # (N, channels, height, width) in [-1, 1]


class MyDiscriminator(ganzoo.Discriminator):
    def __init__(self, data):
        super().__init__()
        channels, height, width = data.shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Flatten(), nn.Linear(64 * (height // 4) * (width // 4), 1),
        )  # fmt: skip

    def forward(self, x, labels=None):
        return self.layers(x).squeeze(1)  # logits (N,): no sigmoid


class MyLoss(Hinge):
    def for_generator(self, turn):
        """The hinge loss, and a term that pulls the samples of a batch apart."""
        spread = turn.fake.flatten(1).std(0).mean()
        return super().for_generator(turn) | {"spread": -0.1 * torch.log(spread + 1e-3)}

    mixes_samples = True


class MyGan(ganzoo.Variant):
    """My first GAN."""

    Generator, Discriminator, Loss = MyGenerator, MyDiscriminator, MyLoss
