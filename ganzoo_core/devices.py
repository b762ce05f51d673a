"""Which device a run computes on, and that device's own random numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ganzoo_core.errors import SettingError


def pick_device(name: str) -> torch.device:
    """The device that "auto", "cpu", "cuda" or "mps" stands for. Raises `SettingError` where there is none."""
    available: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        name = next(kind for kind, is_available in available.items() if is_available())
    if not available[name]():
        raise SettingError(
            f"device must be one this machine has, but is {name!r}; --device auto takes the best there is"
        )
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def default_generator(device: torch.device) -> torch.Generator:
    """The generator that a device's random operations (dropout, `torch.rand`) draw from.

    Reseeding it directly is what `torch.manual_seed` does, less the touch on every other device.
    """
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device, convolutions in channels_last: the same kernels give the same numbers."""
    module.to(device)
    if any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in module.modules()):
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.ndim == 4:  # Module.to would also try it on five dimensions, and fail
                tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return module
