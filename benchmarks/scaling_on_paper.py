"""Computed, not measured: communication against computation on 1, 8 and 64 GPUs, per variant and batch.

    python -m benchmarks.scaling_on_paper [cgan dcgan ...] [--data mnist] [--json]

Counted on this machine, by one step: the floating-point operations, the operators that torch calls, the bytes that each
averaging sends, and the messages of `sync_batchnorm`. The rest is assumed, and printed with the tables:

- A GPU's step takes the larger of two times: that of the operations at a share of the peak, and that of the calls.
- An average of S bytes over n processes takes a ring's 2 (n - 1) / n S / bandwidth + 2 (n - 1) latency
  (Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009), and hides
  behind nothing.
- 64 GPUs are 8 machines of 8: a ring within each machine, then one between the machines, each of which has one
  network card for its 8 GPUs.

benchmarks/network.py checks the formula between processes on a processor.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import click
import torch
import torch.distributed as dist
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.train import NoModules
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.distributed.sync_batch_norm import share_batch_norm
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.engine import Engine

PEAK_FLOPS = 989e12  # one H100 SXM in bf16, dense, by its data sheet
SHARE_OF_PEAK = 0.2  # assumed; small layers are far from the peak
GLOO_SEGMENT = 2**20  # bytes
CALL_S = 5e-6  # assumed: from one kernel to the next, as Python calls them


@dataclass(frozen=True)
class Ring:
    """So many members, and what joins them: bytes a second each way, and seconds that a message takes."""

    members: int
    bandwidth: float
    latency_s: float

    def average_s(self, size: float) -> float:
        """Time of a ring's average of so many bytes."""
        n = self.members
        return 2 * (n - 1) / n * size / self.bandwidth + 2 * (n - 1) * self.latency_s

    def gloo_s(self, size: float) -> float:
        """Time of gloo's average, which is a ring with a question before each message (its allreduce.cc).

        A member sends its chunk in two segments or more, of 1 MB at most, two under way at a time. A segment leaves
        once the receiver has said that it is ready. So a pair of segments takes two latencies, or sending both where
        that is longer.
        """
        chunk = size / self.members
        segments = max(2, math.ceil(chunk / GLOO_SEGMENT))
        pairs, segment_s = (self.members - 1) * segments / 2, chunk / segments / self.bandwidth
        sending_s = 2 * self.latency_s + 2 * pairs * segment_s
        waiting_s = 2 * self.latency_s * pairs + (pairs + 1) * segment_s
        return 2 * max(sending_s, waiting_s)


@dataclass(frozen=True)
class Cluster:
    """Processes of a GPU each, in a ring, or in a ring of rings: an average goes through one, then through the next."""

    name: str
    rings: tuple[Ring, ...]

    @property
    def processes(self) -> int:
        return math.prod(ring.members for ring in self.rings)

    def average_s(self, size: float) -> float:
        """Time of an average of so many bytes."""
        return sum(ring.average_s(size) for ring in self.rings)


NVLINK = Ring(8, 300e9, 5e-6)
CLUSTERS = (
    Cluster("8 GPUs, NVLink", (NVLINK,)),
    Cluster("64 GPUs, 100 Gb/s", (NVLINK, Ring(8, 11e9, 15e-6))),
    Cluster("64 GPUs, 10 Gb/s", (NVLINK, Ring(8, 1.1e9, 30e-6))),
)


class Calls(TorchDispatchMode):
    """Counts the operators that are called, views aside, and the bytes of each message that a layer sends."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.sizes: list[int] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operator.name() == "c10d::allreduce_":
            self.sizes.append(sum(tensor.nbytes for tensor in args[0]))
        elif not any(r.alias_info is not None and not r.alias_info.is_write for r in operator._schema.returns):
            self.count += 1
        return operator(*args, **(kwargs or {}))


class Noted(SingleProcess):
    """One process that notes what several would average."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def average(self, tensors: Any) -> None:
        if tensors:
            self.sizes.append(sum(tensor.nbytes for tensor in tensors))

    def share_batch_norm(self, networks: Iterable[nn.Module]) -> None:
        for network in networks:
            share_batch_norm(network)


@contextlib.contextmanager
def group_of_one() -> Iterator[None]:
    """Let layers send messages, to nobody."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


@group_of_one()
def counted(name: str, data: str, sync_batchnorm: bool = False) -> dict[str, Any]:
    """What a step of a variant does: operations a sample, calls, the bytes of each averaging and BatchNorm message."""
    source = find_source(data)[0]
    spec = DataSpec(data, source.shape or (1, 28, 28), source.classes or ())
    variant_class = registry().variant(name)[0]
    variant, processes = variant_class(variant_class.Config()), Noted()
    size = variant.config.batch_size
    samples = torch.randint(0, 256, (size, *spec.shape), dtype=torch.uint8)
    labels = torch.arange(size) % spec.num_classes if spec.num_classes else None
    run = RunSettings(data=data, device="cpu", sync_batchnorm=sync_batchnorm)
    engine = Engine(variant, Dataset(spec, samples, labels), run, processes)
    engine.train_step()
    processes.sizes.clear()
    flops = FlopCounterMode(display=False)
    flops.mod_tracker = NoModules()  # its own hangs hooks on the input that a gradient penalty differentiates by
    with flops, Calls() as calls:
        engine.train_step()
    return {
        "variant": name,
        "flops": flops.get_total_flops() / size,
        "calls": calls.count,
        "bytes": processes.sizes,
        "batchnorm_bytes": calls.sizes,
    }


def computed(step: dict[str, Any], batch: int) -> dict[str, Any]:
    """Milliseconds of a step on one GPU, and on each cluster those of computing, averaging and BatchNorm's messages."""
    row: dict[str, Any] = {"batch_size": batch, "one_gpu_ms": 1e3 * _computing_s(step, batch)}
    for cluster in CLUSTERS:
        computing_s = _computing_s(step, batch / cluster.processes)
        averaging_s, batchnorm_s = (sum(map(cluster.average_s, step[key])) for key in ("bytes", "batchnorm_bytes"))
        row[cluster.name] = {
            "computing_ms": 1e3 * computing_s,
            "averaging_ms": 1e3 * averaging_s,
            "batchnorm_ms": 1e3 * batchnorm_s,
            "speedup": row["one_gpu_ms"] / 1e3 / (computing_s + averaging_s + batchnorm_s),
        }
    return row


def pays_from(step: dict[str, Any], cluster: Cluster) -> int:
    """The least batch, a power of two, with which a cluster is half as many times sooner as it has GPUs."""
    batch = cluster.processes
    while computed(step, batch)[cluster.name]["speedup"] < cluster.processes / 2:
        batch *= 2
    return batch


def _computing_s(step: dict[str, Any], batch: float) -> float:
    return max(step["flops"] * batch / (PEAK_FLOPS * SHARE_OF_PEAK), step["calls"] * CALL_S)


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--data", default="mnist")
@click.option("--batch", "batches", type=int, multiple=True, default=(256, 4096, 65536))
@click.option("--json", "as_json", is_flag=True)
def main(variants: tuple[str, ...], data: str, batches: tuple[int, ...], as_json: bool) -> None:
    """Compute how VARIANTS, or all, would scale."""
    names = [cluster.name for cluster in CLUSTERS]
    table = Table("variant", "MFLOP/sample", "calls", "MB/step", "batch", "1 GPU ms", *names)
    halves = Table(
        "variant", "BatchNorm", "messages", "kB", *(f"ms, {n}" for n in names), *(f"from, {n}" for n in names)
    )
    for name in variants or registry().variants():
        step, shared = counted(name, data), counted(name, data, sync_batchnorm=True)
        for batch in batches:
            row = computed(step, batch)
            if as_json:
                print(json.dumps(step | row | {"sync_batchnorm": computed(shared, batch)}), flush=True)
            head = (name, f"{step['flops'] / 1e6:.1f}", f"{step['calls']}", f"{sum(step['bytes']) / 1e6:.2f}")
            cells = ("{computing_ms:.2f} + {averaging_ms:.2f}: {speedup:.1f}x".format(**row[c]) for c in names)
            table.add_row(*head, f"{batch}", f"{row['one_gpu_ms']:.2f}", *cells)
        for how, one in (("own", step), ("shared", shared)):
            sent, row = one["batchnorm_bytes"], computed(one, batches[0])
            if sent or one is step:
                costs = (f"{row[c]['batchnorm_ms']:.2f}" for c in names)
                starts = (f"{pays_from(one, cluster):,}" for cluster in CLUSTERS)
                halves.add_row(name, how, f"{len(sent)}", f"{sum(sent) / 1e3:.1f}", *costs, *starts)
    if not as_json:
        say(table, halves)


def say(*tables: Table) -> None:
    """Print tables, and what they assume."""
    console = Console(width=170)
    console.print(*tables)
    console.print("computed, not measured; in ms: computing + averaging, and how much sooner than on one GPU")
    console.print("from: the least batch with which it is half as many times sooner as there are GPUs")
    console.print(f"assumed: {SHARE_OF_PEAK:.0%} of {PEAK_FLOPS / 1e12:.0f} TFLOP/s, {CALL_S * 1e6:.0f} us a call")
    for cluster in CLUSTERS:
        for ring in cluster.rings:
            link = f"{ring.bandwidth / 1e9:g} GB/s, {ring.latency_s * 1e6:.0f} us a message"
            console.print(f"assumed: {cluster.name}: a ring of {ring.members}, {link}")


if __name__ == "__main__":
    main()
