"""Two processes that share each mini-batch, against one process with one thread and one with two.

    python -m benchmarks.scaling cgan dcgan [--data mnist] [--rounds 5] [--seconds 3] [--json]

Each lives in processes of its own, on this machine, over gloo, and waits while the others run. All take the same steps
of the same mini-batches. Bytes are those that the averaging hands to torch.distributed, and what the loopback device
counts in the meantime, headers and acknowledgements included (Linux; other programs on it are counted too).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.train import shown, spread
from ganzoo_core.distributed.processes import SingleProcess, join

LAYOUTS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}
_LOOPBACK = Path("/sys/class/net/lo/statistics/tx_bytes")


def live(variant: str, task: dict[str, Any], threads: int, place: dict[str, str], wire: Connection) -> None:
    """A process: take as many steps as asked, answer with the seconds, those spent averaging, and the bytes."""
    os.environ.update(place)  # what torchrun would tell it
    import torch

    from ganzoo_core.datasets import data_folder
    from ganzoo_core.registry import registry
    from ganzoo_core.runs.plan import find_source
    from ganzoo_core.runs.run_settings import RunSettings
    from ganzoo_core.training.engine import Engine

    torch.set_num_threads(threads)
    source, path = find_source(task["data"])
    dataset = source(path=path).load(data_folder(task["data_dir"]))
    variant_class = registry().variant(variant)[0]
    config = variant_class.Config.from_dict(task["config"])
    run = RunSettings(data=task["data"], device="cpu", sync_batchnorm=task.get("sync_batchnorm", False))
    engine = Engine(variant_class(config), dataset, run, join())
    clock = Clock(engine.processes)
    wire.send(config.batch_size)
    while steps := wire.recv():
        clock.seconds, clock.bytes = 0.0, 0
        on_wire, start_s = _sent(), time.perf_counter()
        for _ in range(steps):
            engine.processes.max_of_last("signal", 0)  # as the loop asks whether to stop
            updates = engine.train_step()
            if engine.step % 50 == 0:
                engine.measure(updates)
        wire.send((time.perf_counter() - start_s, clock.seconds, clock.bytes / steps, (_sent() - on_wire) / steps))


class Clock:
    """Counts the bytes that a process averages with the others, and how long that takes, waiting included."""

    def __init__(self, processes: SingleProcess) -> None:
        self.seconds, self.bytes = 0.0, 0
        average = processes.average

        def counted(tensors: Sequence[Tensor]) -> None:
            start_s = time.perf_counter()
            average(tensors)
            self.seconds += time.perf_counter() - start_s
            self.bytes += sum(tensor.nbytes for tensor in tensors)

        if processes.size > 1:
            processes.average = counted  # type: ignore[method-assign]


def _sent() -> int:
    return int(_LOOPBACK.read_text()) if _LOOPBACK.exists() else 0


def start(variant: str, task: dict[str, Any], processes: int, threads: int) -> list[Connection]:
    """Start the processes of a layout; the ends to talk to them by."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    spawn, wires = multiprocessing.get_context("spawn"), []
    for rank in range(processes):
        place = {"TORCHELASTIC_RUN_ID": "benchmark", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": rank}
        place |= {"LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        ours, theirs = spawn.Pipe()
        words = {name: str(value) for name, value in place.items()}
        spawn.Process(target=live, args=(variant, task, threads, words, theirs), daemon=True).start()
        theirs.close()  # so that a process that fails ends the wait
        wires.append(ours)
    return wires


def take(wires: list[Connection], steps: int) -> tuple[float, float, float, float]:
    """Let a layout take steps; what its first process says."""
    for wire in wires:
        wire.send(steps)
    first, *_ = [wire.recv() for wire in wires]
    return first


def measure(variant: str, task: dict[str, Any], rounds: int, seconds: float) -> dict[str, Any]:
    """Samples per second of each layout in each round, and what two processes send."""
    layouts = {name: start(variant, task, *layout) for name, layout in LAYOUTS.items()}
    batch, *_ = [wire.recv() for wires in layouts.values() for wire in wires]
    one, _, two = layouts.values()
    take(one, 5)
    steps = max(5, round(10 * seconds / take(one, 10)[0]))
    for wires in layouts.values():
        take(wires, max(5, steps // 4))
    rates: dict[str, list[float]] = {name: [] for name in layouts}
    sent = []
    for _ in range(rounds):
        for name, wires in layouts.items():
            spent = take(wires, steps)
            rates[name].append(steps * batch / spent[0])
            if wires is two:
                sent.append((spent[1] / spent[0], *spent[2:]))
    for wires in layouts.values():
        for wire in wires:
            wire.send(0)
    single, threaded, double = rates.values()
    return {
        "variant": variant,
        "batch_size": batch,
        "samples_per_s": {name: spread(values) for name, values in rates.items()},
        "efficiency": spread([b / (2 * a) for a, b in zip(single, double, strict=True)]),
        "over_two_threads": spread([b / a for a, b in zip(threaded, double, strict=True)]),
        "threads_efficiency": spread([b / (2 * a) for a, b in zip(single, threaded, strict=True)]),
        "averaging_share": statistics.median(share for share, _, _ in sent),
        "averaged_bytes_per_step": sent[0][1],
        "loopback_bytes_per_step": statistics.median(wire for _, _, wire in sent),
    }


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--batch-size", type=int, help="Of both together; the variant's own by default.")
@click.option("--rounds", default=5)
@click.option("--seconds", default=3.0, help="How long one process with one thread takes for a round.")
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...],
    data: str,
    data_dir: Path | None,
    batch_size: int | None,
    rounds: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Measure how VARIANTS scale from one process to two."""
    config = {} if batch_size is None else {"batch_size": batch_size}
    task = {"data": data, "data_dir": data_dir, "config": config}
    table = Table(
        "variant", "batch", *LAYOUTS, "efficiency", "over 2 threads", "averaging", "MB/step", "MB on the wire"
    )
    for name in variants:
        found = measure(name, task, rounds, seconds)
        if as_json:
            print(json.dumps(found), flush=True)
        table.add_row(
            name,
            f"{found['batch_size']}",
            *(f"{rate['median']:.0f}" for rate in found["samples_per_s"].values()),
            *(shown(found[key], "{:.2f}") for key in ("efficiency", "over_two_threads")),
            f"{found['averaging_share']:.0%}",
            f"{found['averaged_bytes_per_step'] / 1e6:.2f}",
            f"{found['loopback_bytes_per_step'] / 1e6:.2f}",
        )
    if not as_json:
        Console(width=200).print(table)


if __name__ == "__main__":
    main()
