"""Whether a run's discriminator still tells real from generated samples."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ganzoo_core.interfaces import Discriminator, columns_of, logits_of
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.seeds import alone
from ganzoo_core.storage import tensor_files


def load_discriminator(folder: RunFolder, generator: TrainedGenerator) -> Discriminator:
    """The discriminator in a run's checkpoint, `judging`. Raises `FileError` if it is missing or does not fit."""
    _, tensors = tensor_files.load(folder.checkpoint, "checkpoint")
    with alone, torch.random.fork_rng(devices=[]):
        module = generator.variant.discriminator(generator.spec)
    tensor_files.load_into(module, tensors, "discriminator", folder.checkpoint)
    return judging(module).to(generator.device)


def judging(module: Discriminator) -> Discriminator:
    """The same without dropout; BatchNorm uses the batch's statistics, as its running ones mix real and fake ones."""
    module.eval()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.train()
    return module


@torch.no_grad()
def scores(
    discriminator: Discriminator,
    size: int,
    device: torch.device,
    values: Tensor,
    labels: Tensor | None,
    columns: Mapping[str, Tensor],
) -> Tensor:
    """Logits (N, ...) on the CPU of samples (N, *shape), in batches of `size`, which should be that of training.

    A smaller last one is left out if there are others.
    """
    whole = len(values) - len(values) % size or len(values)
    pieces = []
    for start in range(0, whole, size):
        rows = slice(start, min(start + size, whole))
        asked = None if labels is None else labels[rows].to(device)
        given = {name: column[rows].to(device) for name, column in columns_of(discriminator, columns).items()}
        pieces.append(logits_of(discriminator(values[rows].to(device), asked, **given)).float().cpu())
    return torch.cat(pieces)


def accuracies(train: Tensor, held_out: Tensor | None, fake: Tensor, boundary: float | None) -> dict[str, float]:
    """The accuracies, from logits. The threshold of a critic (boundary None) is the midpoint of its mean scores."""
    middle = float(train.mean() + fake.mean()) / 2 if boundary is None else boundary
    right = {
        "accuracy_train": train > middle,
        "accuracy_held_out": None if held_out is None else held_out > middle,
        "accuracy_fake": fake <= middle,
    }
    return {name: float(told.float().mean()) for name, told in right.items() if told is not None}
