"""The yardstick: the loop that single-file GAN scripts run. And a loop by hand with the engine's own tricks.

The textbook loop takes torchvision's PIL transforms through a DataLoader, plain Adam or RMSprop, float32, a generator
pass for each player, gradients of both networks in full, and `.item()` on both losses at each step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from ganzoo_core.data import Dataset
from ganzoo_core.sampling.devices import keep_freed_memory
from ganzoo_core.training.averages import EVERY as AVERAGED_EVERY
from ganzoo_core.variant import Variant

bce = F.binary_cross_entropy_with_logits


class PilImages(TorchDataset[Any]):
    """What torchvision's data sets do: an array in memory, a PIL image and its transforms at each access."""

    def __init__(self, dataset: Dataset) -> None:
        images = dataset.samples.permute(0, 2, 3, 1).contiguous().numpy()
        self.images = images[..., 0] if images.shape[-1] == 1 else images
        self.labels = torch.zeros(len(images), dtype=torch.int64) if dataset.labels is None else dataset.labels
        middle = (0.5,) * dataset.spec.shape[0]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(middle, middle)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Textbook:
    """The loop as the scripts have it, for each of `VARIANTS`. The data stays in the processor's memory."""

    VARIANTS = ("vanilla", "conv", "cgan", "dcgan", "acgan", "wgan", "wgan-gp")

    def __init__(self, variant: Variant, dataset: Dataset, device: str = "cpu") -> None:
        self.variant, self.config, self.device = variant, variant.config, device
        self.generator = variant.generator(dataset.spec).to(device)
        self.discriminator = variant.discriminator(dataset.spec).to(device)
        loader = DataLoader(PilImages(dataset), self.config.batch_size, shuffle=True, drop_last=True)
        self.batches = endless(loader)
        self.g_optimizer = self._optimizer("generator", self.generator)
        self.d_optimizer = self._optimizer("discriminator", self.discriminator)

    def _optimizer(self, player: str, module: nn.Module) -> torch.optim.Optimizer:
        lr = self.variant.optimizer(player, module.parameters()).param_groups[0]["lr"]
        if self.variant.name == "wgan":
            return torch.optim.RMSprop(module.parameters(), lr=lr)
        return torch.optim.Adam(module.parameters(), lr=lr, betas=(self.config.beta1, self.config.beta2))

    def step(self) -> None:
        """n_critic updates of the discriminator, each on a new mini-batch, then one of the generator."""
        for _ in range(self.config.n_critic):
            real, labels = (tensor.to(self.device) for tensor in next(self.batches))
            z = torch.randn(len(real), self.generator.latent_dim, device=self.device)
            fake = self.generator(z, labels)
            self.d_optimizer.zero_grad()
            d_loss = self._d_loss(real, labels, fake.detach())
            d_loss.backward()
            self.d_optimizer.step()
            if self.variant.name == "wgan":
                for parameter in self.discriminator.parameters():
                    parameter.data.clamp_(-self.config.clip, self.config.clip)
        z = torch.randn(len(real), self.generator.latent_dim, device=self.device)
        self.g_optimizer.zero_grad()
        g_loss = self._g_loss(self.generator(z, labels), labels)
        g_loss.backward()
        self.g_optimizer.step()
        d_loss.item(), g_loss.item()

    def _d_loss(self, real: Tensor, labels: Tensor, fake: Tensor) -> Tensor:
        on_real, on_fake = self.discriminator(real, labels), self.discriminator(fake, labels)
        if self.variant.name.startswith("wgan"):
            loss = on_fake.mean() - on_real.mean()
            return loss + 10 * self._penalty(real, labels, fake) if self.variant.name == "wgan-gp" else loss
        if self.variant.name == "acgan":
            (on_real, class_real), (on_fake, class_fake) = on_real, on_fake
            classes = F.cross_entropy(class_real, labels) + F.cross_entropy(class_fake, labels)
        else:
            classes = 0
        return bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake)) + classes

    def _g_loss(self, fake: Tensor, labels: Tensor) -> Tensor:
        on_fake = self.discriminator(fake, labels)
        if self.variant.name.startswith("wgan"):
            return -on_fake.mean()
        if self.variant.name == "acgan":
            on_fake, classes = on_fake
            return bce(on_fake, torch.ones_like(on_fake)) + F.cross_entropy(classes, labels)
        return bce(on_fake, torch.ones_like(on_fake))

    def _penalty(self, real: Tensor, labels: Tensor, fake: Tensor) -> Tensor:
        mix = torch.rand(len(real), 1, 1, 1, device=self.device)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        scores = self.discriminator(between, labels)
        (gradient,) = torch.autograd.grad(scores, between, torch.ones_like(scores), create_graph=True)
        return ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


class ByHand:
    """A loop without any abstraction and with the engine's tricks, for the non-saturating variants with k = 1."""

    def __init__(self, variant: Variant, dataset: Dataset, precision: str) -> None:
        self.config, self.dataset = variant.config, dataset
        self.decay = variant.average_decay(dataset.spec)
        self.generator = channels_last(variant.generator(dataset.spec))
        self.discriminator = channels_last(variant.discriminator(dataset.spec))
        self.average = copy.deepcopy(self.generator)
        self.g_optimizer = variant.optimizer("generator", self.generator.parameters())
        self.d_optimizer = variant.optimizer("discriminator", self.discriminator.parameters())
        self.g_parameters, self.d_parameters = [*self.generator.parameters()], [*self.discriminator.parameters()]
        self.order = torch.randperm(len(dataset))
        self.autocast: Callable[[], Any] = nullcontext
        if precision == "bf16":
            self.autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16)
        self.start = self.steps = 0
        keep_freed_memory()

    def step(self) -> None:
        """One update of each player, real and fake in one pass, one pass of the generator for both."""
        n = self.config.batch_size
        if self.start + n > len(self.order):
            self.order, self.start = torch.randperm(len(self.dataset)), 0
        chosen = self.order[self.start : self.start + n]
        self.start += n
        real = self.dataset.samples[chosen].to(torch.float32).div_(127.5).sub_(1)
        labels = None if self.dataset.labels is None else self.dataset.labels[chosen]
        z = torch.randn(n, self.generator.latent_dim)
        with self.autocast():
            fake = self.pass_through(self.generator, z, labels)
            both = None if labels is None else torch.cat([labels, labels])
            logits = self.pass_through(self.discriminator, torch.cat([real, fake.detach()]), both)
            d_loss = F.softplus(-logits[:n]).mean() + F.softplus(logits[n:]).mean()
        self.move(self.d_optimizer, self.d_parameters, d_loss)
        with self.autocast():
            g_loss = F.softplus(-self.pass_through(self.discriminator, fake, labels)).mean()
        self.move(self.g_optimizer, self.g_parameters, g_loss)
        self.steps += 1
        if self.steps % AVERAGED_EVERY == 0:
            with torch.no_grad():
                weight = 1 - self.decay**AVERAGED_EVERY
                torch._foreach_lerp_([*self.average.parameters()], self.g_optimizer.param_groups[0]["params"], weight)

    def pass_through(self, network: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
        """What a network makes of x."""
        return network(x, labels)

    def move(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], loss: Tensor) -> None:
        """One update."""
        optimizer.zero_grad()
        loss.backward(inputs=parameters)
        optimizer.step()


def channels_last(module: nn.Module) -> Any:
    """Convolutions in channels_last, as the engine places them."""
    if any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in module.modules()):
        module.to(memory_format=torch.channels_last)
    return module


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    """Epoch after epoch."""
    while True:
        yield from loader
