"""A run's device and precision, and the device's random generator."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ganzoo_core.errors import SettingError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def pick_device(name: str) -> torch.device:
    """The device that "auto", "cpu", "cuda" or "mps" stands for. Raises `SettingError` if there is none."""
    available: dict[str, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "cpu": lambda: True,
    }
    if name == "auto":
        name = next(kind for kind, is_available in available.items() if is_available())
    if not available[name]():
        raise SettingError(
            f"device must be one this machine has, but is {name!r}{_why_not(name)}; "
            f"--device auto takes the best there is"
        )
    return torch.device(name, torch.cuda.current_device()) if name == "cuda" else torch.device(name)


def _why_not(name: str) -> str:
    """What is known of why torch has no such device."""
    if name == "cuda" and torch.version.cuda is None and torch.version.hip is None:
        return ", for which this PyTorch is not built (https://pytorch.org/get-started/locally has the build that is)"
    return " (PyTorch finds no NVIDIA GPU, or no driver for one)" if name == "cuda" else ""


def check_compile(is_asked: bool, device: torch.device) -> None:
    """Raise `SettingError` for networks to be compiled for a processor: their steps take 1.2 to 2.2 times as long."""
    if is_asked and device.type == "cpu":
        raise SettingError(
            "compile must be false on a processor, where compiled steps take longer (benchmarks/NOTES.md); leave out "
            "--compile, or give --no-compile where a resumed run began with it"
        )


def pick_precision(name: str, device: torch.device, has_pixels: bool) -> str:
    """The precision, "fp32" or "bf16", that "auto" stands for on a device, for data with or without pixels.

    It is bf16 if the device is quicker in it, for images and voxels: their values have eight bits, as bf16 has.
    Points and curves need more: bf16 numbers near 1 are 0.004 apart, half the width of a mode of ring8.
    """
    if name != "auto":
        return name
    return "bf16" if has_pixels and _has_bf16(device) else "fp32"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and has_quick_bf16()


def has_quick_bf16() -> bool:
    """Whether the processor's products are quicker in bf16 than in float32: by AMX, or by AMD's AVX512-BF16.

    Intel's AVX512-BF16, where a virtual machine has no AMX, takes 1.5 to 1.7 times as long as float32
    (benchmarks/NOTES.md).
    """
    if torch.cpu._is_amx_tile_supported():
        return True
    return torch.cpu._is_avx512_bf16_supported() and "AuthenticAMD" in _processor()


def _processor() -> str:
    """What Linux and Windows tell of the processor."""
    told = Path("/proc/cpuinfo")
    return told.read_text(encoding="utf-8", errors="replace") if told.exists() else platform.processor()


def default_generator(device: torch.device) -> torch.Generator:
    """The random generator that a device's random operations (dropout, `torch.rand`) use.

    Reseeding it directly does what `torch.manual_seed` does, without touching every other device.
    """
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


def to_device(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to the device, convolutions in channels_last: the same kernels give the same numbers."""
    module.to(device)
    if any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in module.modules()):
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.ndim == 4:  # Module.to would also try it on five dimensions, and fail
                tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return module


def keep_freed_memory() -> None:
    """Have the C library (glibc) keep freed memory, as the next step needs as much again; elsewhere it does nothing.

    By default it returns large blocks to the system, and each page of a new one costs a fault.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    for option, value in {_M_MMAP_THRESHOLD: 32 * 2**20, _M_TRIM_THRESHOLD: 256 * 2**20}.items():
        libc.mallopt(option, value)
