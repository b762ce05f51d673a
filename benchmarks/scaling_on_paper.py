"""Computed, not measured: communication against computation on 8 GPUs and on 16 machines, per variant and batch.

    python -m benchmarks.scaling_on_paper [cgan dcgan ...] [--data mnist] [--json]

Counted on this machine, by one step: the floating-point operations, the operators that torch calls, and the bytes that
each averaging sends. The rest is assumed, and printed with the table:

- A GPU's step takes the larger of two times: that of the operations at a share of the peak, and that of the calls.
- An average of S bytes over n processes takes a ring's 2 (n - 1) / n S / bandwidth + 2 (n - 1) latency
  (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009), and hides
  behind nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train import NoModules
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine

PEAK_FLOPS = 989e12  # one H100 SXM in bf16, dense, by its data sheet
SHARE_OF_PEAK = 0.2  # assumed; small layers are far from the peak
CALL_S = 5e-6  # assumed: from one kernel to the next, as Python calls them


@dataclass(frozen=True)
class Cluster:
    """So many processes of a GPU each, and what joins them: bytes a second each way, and seconds a message takes."""

    name: str
    processes: int
    bandwidth: float
    latency_s: float

    def average_s(self, size: float) -> float:
        """Time of a ring's average of so many bytes."""
        n = self.processes
        return 2 * (n - 1) / n * size / self.bandwidth + 2 * (n - 1) * self.latency_s


CLUSTERS = (
    Cluster("8 GPUs, NVLink", 8, 300e9, 5e-6),
    Cluster("16 machines, 100 Gb/s", 16, 11e9, 15e-6),
    Cluster("16 machines, 10 Gb/s", 16, 1.1e9, 30e-6),
)


class Calls(TorchDispatchMode):
    """Counts the operators that are called, views aside."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not any(r.alias_info is not None and not r.alias_info.is_write for r in operator._schema.returns):
            self.count += 1
        return operator(*args, **(kwargs or {}))


class Noted(SingleProcess):
    """One process that notes what several would average."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def average(self, tensors: Any) -> None:
        self.sizes.append(sum(tensor.nbytes for tensor in tensors))


def counted(name: str, data: str) -> dict[str, Any]:
    """What one step of a variant does: operations per sample, calls, the bytes of each averaging."""
    source = find_source(data)[0]
    spec = DataSpec(data, source.shape or (1, 28, 28), source.classes or ())
    variant_class = registry().variant(name)[0]
    variant, processes = variant_class(variant_class.Config()), Noted()
    size = variant.config.batch_size
    samples = torch.randint(0, 256, (size, *spec.shape), dtype=torch.uint8)
    labels = torch.arange(size) % spec.num_classes if spec.num_classes else None
    engine = Engine(variant, Dataset(spec, samples, labels), RunSettings(data=data, device="cpu"), processes)
    engine.train_step()
    processes.sizes.clear()
    flops = FlopCounterMode(display=False)
    flops.mod_tracker = NoModules()  # its own hangs hooks on the input that a gradient penalty differentiates by
    with flops, Calls() as calls:
        engine.train_step()
    return {"variant": name, "flops": flops.get_total_flops() / size, "calls": calls.count, "bytes": processes.sizes}


def computed(step: dict[str, Any], batch: int) -> dict[str, Any]:
    """Milliseconds of a step on one GPU, and on each cluster those of computing and of averaging."""
    row: dict[str, Any] = {"batch_size": batch, "one_gpu_ms": 1e3 * _computing_s(step, batch)}
    for cluster in CLUSTERS:
        computing_s = _computing_s(step, batch / cluster.processes)
        averaging_s = sum(map(cluster.average_s, step["bytes"]))
        row[cluster.name] = {
            "computing_ms": 1e3 * computing_s,
            "averaging_ms": 1e3 * averaging_s,
            "speedup": row["one_gpu_ms"] / 1e3 / (computing_s + averaging_s),
        }
    return row


def _computing_s(step: dict[str, Any], batch: float) -> float:
    return max(step["flops"] * batch / (PEAK_FLOPS * SHARE_OF_PEAK), step["calls"] * CALL_S)


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--data", default="mnist")
@click.option("--batch", "batches", type=int, multiple=True, default=(256, 4096, 65536))
@click.option("--json", "as_json", is_flag=True)
def main(variants: tuple[str, ...], data: str, batches: tuple[int, ...], as_json: bool) -> None:
    """Compute how VARIANTS, or all, would scale."""
    console = Console(width=150)
    table = Table("variant", "MFLOP/sample", "calls", "MB/step", "batch", "1 GPU ms", *(c.name for c in CLUSTERS))
    for name in variants or registry().variants():
        step = counted(name, data)
        for batch in batches:
            row = computed(step, batch)
            if as_json:
                print(json.dumps(step | row), flush=True)
            head = (name, f"{step['flops'] / 1e6:.1f}", f"{step['calls']}", f"{sum(step['bytes']) / 1e6:.2f}")
            cells = ("{computing_ms:.2f} + {averaging_ms:.2f}: {speedup:.1f}x".format(**row[c.name]) for c in CLUSTERS)
            table.add_row(*head, f"{batch}", f"{row['one_gpu_ms']:.2f}", *cells)
    if not as_json:
        console.print(table)
        console.print("computed, not measured; in ms: computing + averaging, and how much sooner than on one GPU")
        console.print(f"assumed: {SHARE_OF_PEAK:.0%} of {PEAK_FLOPS / 1e12:.0f} TFLOP/s, {CALL_S * 1e6:.0f} us a call")
        for c in CLUSTERS:
            console.print(f"assumed: {c.name}: {c.bandwidth / 1e9:g} GB/s, {c.latency_s * 1e6:.0f} us a message")


if __name__ == "__main__":
    main()
