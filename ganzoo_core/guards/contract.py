"""What a network, a loss and an optimizer must give, checked where it is given: each a rule of the conformance suite.

The checks read no tensor's value, so they cost a step some microseconds and never wait for a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganzoo_core.errors import ContractError, shorten


def described(value: Any) -> str:
    """A value as error messages tell it: a tensor by shape and type, anything else by its type."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')} on {value.device}"
    return "None" if value is None else f"{type(value).__name__} {shorten(repr(value), 60)}"


def checked_decay(variant: str, decay: Any) -> float:
    """What `average_decay` told. Raises `ContractError` where it is no number in [0, 1)."""
    if isinstance(decay, bool) or not isinstance(decay, float | int) or not 0 <= decay < 1:
        raise ContractError(
            "metadata", f"{variant}.average_decay must give a number from 0 to below 1, but gives {described(decay)}"
        )
    return decay


def checked_latents(generator: nn.Module, z: Any, n: int, device: torch.device) -> Tensor:
    """Latents as `latent` made them. Raises `ContractError` if they are not n, or not on the device of its `rng`."""
    if not isinstance(z, Tensor) or z.ndim == 0 or len(z) != n or z.device.type != device.type:
        name = type(generator).__name__
        raise ContractError("samples", f"{name}.latent must give {n} latents on {device}, but gives {described(z)}")
    return z


def checked_columns(variant: str, found: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """A mini-batch as `derive` left it. Raises `ContractError` unless it is all that was `given`, and more."""
    n, device = len(given["real"]), given["real"].device
    if not isinstance(found, dict) or not given.keys() <= found.keys():
        raise ContractError(
            "inputs", f"{variant}.derive must give the batch and what it adds, but gives {described(found)}"
        )
    for name, column in found.items():
        if not (isinstance(column, Tensor) and column.ndim and len(column) == n and column.device == device):
            raise ContractError(
                "inputs",
                f"{variant}.derive must give columns of {n} rows on {device}, but {name} is {described(column)}",
            )
    return found


def checked_samples(generator: nn.Module, made: Any, real: Tensor) -> Tensor:
    """What a generator made, float32 also under autocast.

    Raises `ContractError` if it is not like `real` in shape, type and device.
    """
    if not (isinstance(made, Tensor) and made.shape == real.shape and made.device == real.device and _is_float(made)):
        wanted = f"{tuple(real.shape)} float32 on {real.device}"
        name = type(generator).__name__
        raise ContractError("samples", f"{name}.forward must give samples {wanted}, but gives {described(made)}")
    return made.float()


def checked_logits(discriminator: nn.Module, output: Any, x: Tensor) -> Any:
    """What a discriminator said of x, float32 also under autocast.

    Raises `ContractError` unless it is logits, or a named tuple that begins so.
    """
    parts = output if isinstance(output, tuple) and hasattr(output, "_fields") else (output,)
    logits = parts[0] if parts else None
    if not (isinstance(logits, Tensor) and logits.ndim and len(logits) == len(x) and _is_float(logits)):
        wanted = f"logits ({len(x)},) float32, alone or first in a named tuple"
        name = type(discriminator).__name__
        raise ContractError("logits", f"{name}.forward must give {wanted}, but gives {described(output)}")
    if logits.device != x.device or not all(
        isinstance(part, Tensor) and part.ndim and len(part) == len(x) for part in parts
    ):
        raise ContractError(
            "logits",
            f"{type(discriminator).__name__}.forward must give tensors of {len(x)} rows on {x.device}, but gives "
            f"{', '.join(map(described, parts))}",
        )
    if isinstance(output, Tensor):
        return output.float()
    return type(output)(*(part.float() if part.is_floating_point() else part for part in parts))


def checked_terms(whose: str, found: Any, *, with_gradient: bool) -> dict[str, Tensor]:
    """Terms or figures. Raises `ContractError` if they are no scalars by name, or if no gradient leads back."""
    if not isinstance(found, dict):
        raise ContractError("terms", f"{whose} must be a dict of scalars by name, but are {described(found)}")
    for name, term in found.items():
        if not isinstance(name, str):
            raise ContractError("terms", f"{whose} must be named by strings, but one is named {described(name)}")
        if not isinstance(term, Tensor) or term.ndim or term.is_complex():
            what = f"{whose} must be scalar tensors, means over the batch"
            raise ContractError("terms", f"{what}, but {name} is {described(term)}")
    if with_gradient and found and not any(term.requires_grad for term in found.values()):
        raise ContractError("terms", f"{whose} must have a gradient, but {', '.join(found)} has none; was it detached?")
    return found


def _is_float(value: Tensor) -> bool:
    """Whether a tensor is float32; under autocast it may be narrower."""
    return value.dtype == torch.float32 or (value.dtype.itemsize == 2 and torch.is_autocast_enabled(value.device.type))
