"""What a checkpoint holds beside networks and optimizers: digests of frozen networks, the last values of lazy terms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import FileError, shorten
from ganzoo_core.interfaces import Player
from ganzoo_core.networks import Frozen, frozen_names
from ganzoo_core.storage.tensor_files import check_finite, check_fit, forms

CARRIED, FROZEN = "carried", "frozen"  # how their names begin


def frozen_parts(parts: Mapping[str, nn.Module]) -> Iterator[tuple[str, Frozen]]:
    """The `Frozen` networks in the parts of a game, by where they are."""
    for part, module in parts.items():
        for name, network in module.named_modules(prefix=part):
            if isinstance(network, Frozen):
                yield name, network


def digest_of(module: nn.Module) -> Tensor:
    """A digest (16,) uint8, on the CPU, of all that a module holds."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in module.state_dict().items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return torch.tensor(list(found.digest()), dtype=torch.uint8, device="cpu")


def check_frozen(own: dict[str, Tensor], stored: dict[str, Tensor], path: Any) -> None:
    """Raise `FileError` where a frozen network is another than the run's."""
    check_fit(path, "run", own, *forms(stored))
    for name, digest in own.items():
        if not torch.equal(digest, stored[name]):
            raise FileError(
                f"{path} does not fit this run: the frozen network {name} is another than it was begun with; bring "
                f"back the weights that were there"
            )


def carried(stored: dict[str, Tensor], players: Sequence[Player], path: Any, device: torch.device) -> dict[str, Tensor]:
    """The last terms of players who move in one of several steps. Raises `FileError` for what are none."""
    lazy = tuple(f"{player.name}/" for player in players if player.every > 1)
    for name, value in stored.items():
        if not name.startswith(lazy) or value.ndim or value.dtype != torch.float32:
            raise FileError(f"{path} does not fit this run: it has an unknown tensor {shorten(name)}")
        check_finite(Path(path), name, value)
    return {name: value.to(device) for name, value in stored.items()}


def own_buffers(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The buffers of a module that are not those of its `Frozen` parts."""
    frozen = tuple(f"{name}." for name in frozen_names(module))
    return ((name, buffer) for name, buffer in module.named_buffers() if not name.startswith(frozen))
