"""A small classifier of a labelled image set: it reads samples, and its features measure distances between them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.seeds import alone, derive_seed


class Classifier(nn.Module):
    """Two convolutions and two linear layers. Expects images (N, C, H, W) float32 in [-1, 1] of at least 8x8.

    Voxels (N, C, D, H, W) are taken as images of C * D channels.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(5),
        )
        self.hidden = nn.Linear(64 * 5 * 5, 128)
        self.output = nn.Linear(128, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Features (N, 128) float32, not negative."""
        return F.relu(self.hidden(self.convolutions(images.flatten(1, -3)).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits (N, num_classes)."""
        return self.output(F.dropout(self.features(images), 0.3, self.training))


def channels_of(spec: DataSpec) -> int:
    """The channels a classifier of such samples has."""
    return math.prod(spec.shape[:-2])


def train_classifier(dataset: Dataset, *, steps: int = 1500, batch_size: int = 128, seed: int = 0) -> Classifier:
    """A classifier trained on a labelled image set, in eval mode.

    Images are shifted by up to two pixels while training, so that it reads a digit wherever it stands.
    """
    assert dataset.labels is not None
    with alone, torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classifier"))
        model = Classifier(channels_of(dataset.spec), dataset.spec.num_classes)
        model.to(memory_format=torch.channels_last)
        order = BatchOrder(dataset, min(batch_size, len(dataset)), seed, torch.device("cpu"))
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for step in range(steps):
            batch = dataset.batch(order.indices(step))
            shift = torch.randint(-2, 3, (2,)).tolist()
            loss = F.cross_entropy(model(torch.roll(batch["real"], shift, (-2, -1))), batch["labels"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def in_pieces(
    function: Callable[[Tensor], Tensor], images: Tensor, size: int = 100, device: torch.device | None = None
) -> Tensor:
    """Apply a classifier, or its `features`, to many images in bounded memory, on `device` where one is given."""
    return torch.cat([function(piece.to(device)) for piece in images.split(size)])
