"""What the machine is, and how quick: beside every time that a benchmark tells."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from pathlib import Path


def processor() -> str:
    """The model's name, as far as the system tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def matmul_rate(precision: str, threads: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Floating-point operations per second of a large matrix product, the best of ten, in "fp32" or "bf16"."""
    import torch

    torch.set_num_threads(threads)
    a = torch.randn(2048, 2048, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    best_s = float("inf")
    for _ in range(10):
        start_s = clock()
        a @ a
        best_s = min(best_s, clock() - start_s)
    return 2 * 2048**3 / best_s
