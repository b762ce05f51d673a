"""A small classifier of a labelled image set: it reads samples, and its features measure distances between them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_core.data import BatchOrder, Dataset, derive_seed


class Classifier(nn.Module):
    """Two convolutions and two linear layers. Expects images (N, C, H, W) float32 in [-1, 1] of at least 8x8."""

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
        return F.relu(self.hidden(self.convolutions(images).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """Class logits (N, num_classes)."""
        return self.output(F.dropout(self.features(images), 0.3, self.training))


def train_classifier(dataset: Dataset, *, steps: int = 1500, batch_size: int = 128, seed: int = 0) -> Classifier:
    """A classifier trained on a labelled image set, in eval mode.

    Images are shifted by up to two pixels while training, so that it reads a digit wherever it stands.
    """
    assert dataset.labels is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classifier"))
        model = Classifier(dataset.spec.shape[0], dataset.spec.num_classes)
        model.to(memory_format=torch.channels_last)
        order = BatchOrder(dataset, min(batch_size, len(dataset)), seed, torch.device("cpu"))
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for step in range(steps):
            batch = dataset.batch(order.indices(step))
            shift = torch.randint(-2, 3, (2,)).tolist()
            loss = F.cross_entropy(model(torch.roll(batch["real"], shift, (2, 3))), batch["labels"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def in_pieces(function: nn.Module, images: Tensor, size: int = 500) -> Tensor:
    """Apply a classifier, or its `features`, to many images in bounded memory."""
    return torch.cat([function(piece) for piece in images.split(size)])
