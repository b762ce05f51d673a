"""What each part of a step costs, and the least that it can cost on this machine.

    OMP_NUM_THREADS=1 python -m benchmarks.bound vanilla dcgan [--data mnist] [--loop engine|textbook] [--json]

A step's operators are timed by PyTorch's profiler and put into four parts; what no operator accounts for is Python, the
dispatcher and autograd. The least of the products is their floating-point operations over the rate of a large matrix
product; that of the others is the bytes that they read and write over the rate at which numbers as many as the
networks' weights are read and written. Both rates are measured in the same process. The profiler slows a step, so its
shares are taken, and the milliseconds are those of a step without it. One thread; the profiler reads the clock on the
wall, so nothing else should compute. Adam of the textbook's loop runs as other operators, one by one.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.machine import matmul_rate
from benchmarks.train import make_step, resolved

PARTS = ("products", "optimizers", "casts and copies", "other operators", "between operators")
_PRODUCTS = ("mm", "conv")
_OPTIMIZERS = ("_fused_", "_foreach_", "lerp_", "Optimizer")
_CASTS = ("copy", "clone", "contiguous", "to_dense")


def part_of(operator: str) -> str:
    """The part of a step that an operator belongs to."""
    for part, marks in zip(PARTS, (_PRODUCTS, _OPTIMIZERS, _CASTS), strict=False):
        if any(mark in operator for mark in marks):
            return part
    return "other operators"


class Bytes(TorchDispatchMode):
    """Counts what operators read and write, by part; what they change in place counts twice, views not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator, and add up the bytes of its tensors."""
        result = func(*args, **(kwargs or {}))
        given = [*args, *(kwargs or {}).values()]
        returned = [one.alias_info for one in func._schema.returns]
        if any(alias is not None and not alias.is_write for alias in returned):
            return result
        written = {a.name for a in func._schema.arguments if a.alias_info is not None and a.alias_info.is_write}
        named = dict(zip([a.name for a in func._schema.arguments], given, strict=False))
        read = sum(map(_size, tree_leaves(given)))
        changed = sum(_size(leaf) for name in written for leaf in tree_leaves(named.get(name)))
        made = 0 if written else sum(map(_size, tree_leaves(result)))
        self.of[part_of(str(func))] += read + changed + made
        return result


def _size(value: Any) -> int:
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


def seconds(step: Callable[[], None], steps: int, rounds: int = 5) -> float:
    """Processor time of a step, the least of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start_s = time.process_time()
        for _ in range(steps):
            step()
        best = min(best, (time.process_time() - start_s) / steps)
    return best


def shares(step: Callable[[], None], steps: int) -> dict[str, float]:
    """Each part's share of the step's time under the profiler."""
    start_s = time.process_time()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            step()
        whole_s = time.process_time() - start_s
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        if event.key.startswith("aten::"):
            spent[part_of(event.key)] += event.self_cpu_time_total / 1e6
    whole_s = max(whole_s, sum(spent.values()))
    found = {part: spent[part] / whole_s for part in PARTS[:-1]}
    return found | {PARTS[-1]: 1 - sum(found.values())}


def memory_rate(numbers: int) -> float:
    """Bytes per second of `x += y` over so many float32 numbers, the best of twenty."""
    x, y = torch.zeros(numbers), torch.ones(numbers)
    best = float("inf")
    for _ in range(20):
        start_s = time.process_time()
        for _ in range(5):
            x.add_(y)
        best = min(best, (time.process_time() - start_s) / 5)
    return 3 * 4 * numbers / best


def bound(variant: str, loop: str, task: dict[str, Any], steps: int) -> dict[str, Any]:
    """Milliseconds of a step's parts, `spent` and `least`, and the rates that bound them."""
    step, flops = make_step(loop, variant, task)
    for _ in range(3):
        step()
    with Bytes() as moved:
        step()
    whole_ms = seconds(step, steps) * 1e3
    spent = {part: share * whole_ms for part, share in shares(step, steps).items()}
    arithmetic = matmul_rate(task["precision"] if loop == "engine" else "fp32", 1, time.process_time)
    memory = memory_rate(2_000_000)
    least = {part: moved.of[part] / memory * 1e3 for part in PARTS[1:4]}
    least = {PARTS[0]: flops / arithmetic * 1e3} | least | {PARTS[-1]: 0.0}
    return {
        "variant": variant, "loop": loop, "step_ms": whole_ms, "spent": spent, "least": least,
        "gflop_per_s": arithmetic / 1e9, "gb_per_s": memory / 1e9,
    }  # fmt: skip


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--loop", "loops", type=click.Choice(["engine", "textbook"]), multiple=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "auto"]), default="auto")
@click.option("--steps", default=10, help="Of each round.")
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...], data: str, data_dir: Path | None, loops: tuple[str, ...], precision: str, steps: int,
    as_json: bool,
) -> None:  # fmt: skip
    """Say what the parts of a step of VARIANTS cost, and the least they can."""
    arithmetic = resolved(precision, data)
    task = {"data": data, "data_dir": data_dir, "precision": arithmetic, "compile": False, "threads": 1}
    task["config"] = {"batch_size": 64}
    torch.set_num_threads(1)
    table = Table("variant", "loop", "step, ms", *PARTS, "least step")
    rates: dict[str, str] = {}
    for variant in variants:
        for loop in loops or ("engine", "textbook"):
            found = bound(variant, loop, task, steps)
            if as_json:
                print(json.dumps(found), flush=True)
            rates[loop] = f"{loop} {found['gflop_per_s']:.0f} GFLOP/s, {found['gb_per_s']:.1f} GB/s"
            cells = [f"{found['spent'][part]:.2f} ({found['least'][part]:.2f})" for part in PARTS]
            table.add_row(variant, loop, f"{found['step_ms']:.2f}", *cells, f"{sum(found['least'].values()):.2f}")
    if not as_json:
        Console(width=150).print(table)
        Console(width=150).print(f"In brackets: the least, at the rates measured last: {'; '.join(rates.values())}.")


if __name__ == "__main__":
    main()
