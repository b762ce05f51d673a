"""The formula of scaling_on_paper.py against networks of a set bandwidth and delay, made on this machine.

    OMP_NUM_THREADS=1 python -m benchmarks.network [conv dcgan ...] [--processes 2,4] [--rates 0.1,1,4] [--delays 0,1,5]

Takes Linux and root: each process lives in a network namespace of namespaces.py. What the network gives is measured by
plain TCP: half a round trip, and bytes a second while all send at once. These two numbers, not those set, go into both
formulas:

- ring: 2 (n - 1) / n S / bandwidth + 2 (n - 1) latency, as for the GPUs.
- gloo: the same ring with a question before each message, as gloo has it on CPUs.

An average is that of the engine, its copies to and from one tensor included. A step is compared with what it takes n
processes to compute their shares side by side without a network, and the averages by gloo's formula on top.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks.namespaces import Network, network
from benchmarks.scaling import live, take
from benchmarks.scaling_on_paper import Ring, counted
from ganzoo_core.distributed.processes import Processes, join

SIZES = (400, 500_000, 2_000_000, 12_000_000, 31_000_000)  # a BatchNorm's message; conv, wgan, cgan and dcgan in a step
PROBE_S = 0.2  # of sending, twice
PORT = 29600


def talk(hosts: list[str], place: dict[str, str], wire: Connection) -> None:
    """A process: answer with what its link gives, or how long averages of a size took, in seconds."""
    os.environ.update(place)
    import torch

    torch.set_num_threads(1)
    processes = join()
    wire.send(processes.size)
    while asked := wire.recv():
        size, repeats = asked
        if size is None:
            wire.send(link(processes, hosts, repeats))
            continue
        numbers, seconds = [torch.ones(size // 4)], []
        for _ in range(repeats + 1):
            processes.mean(torch.zeros(1))  # begin together
            start_s = time.perf_counter()
            processes.average(numbers)
            seconds.append(time.perf_counter() - start_s)
        wire.send(statistics.median(seconds[1:]))


def link(processes: Processes, hosts: list[str], size: int) -> tuple[float, float]:
    """What TCP gives: half a round trip in seconds, and bytes a second while each sends to the next, all at once."""
    rank, trips = processes.rank, []
    with (
        socket.create_server((hosts[rank], PORT)) as server,
        _connected(hosts[(rank + 1) % len(hosts)]) as there,
        server.accept()[0] as here,
    ):
        for _ in range(40 if rank == 0 else 0):
            start_s = time.perf_counter()
            there.sendall(b"?")
            there.recv(1)
            trips.append((time.perf_counter() - start_s) / 2)
        for _ in range(40 if rank == 1 else 0):
            here.sendall(here.recv(1))
        processes.max_of_last("meet", 0)
        processes.wait_pending()
        sending = threading.Thread(target=there.sendall, args=(bytes(2 * size),))
        sending.start()
        here.recv(size, socket.MSG_WAITALL)  # until TCP has found out how fast it may send
        start_s = time.perf_counter()
        here.recv(size, socket.MSG_WAITALL)
        rate = size / (time.perf_counter() - start_s)
        sending.join()
        return statistics.median(trips or [0]), rate


def _connected(host: str) -> socket.socket:
    for _ in range(200):
        try:
            other = socket.create_connection((host, PORT))
            other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return other
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise click.ClickException(f"nobody answers at {host}")


def ask(wires: list[Connection], *words: Any) -> Any:
    """Put a question to all; what the first says."""
    for wire in wires:
        wire.send(words)
    first, *_ = [wire.recv() for wire in wires]
    return first


def begun(wires: list[Connection]) -> list[Connection]:
    for wire in wires:
        wire.recv()
    return wires


@dataclass
class Trainers:
    """Processes that train a variant together, and others that compute such shares each by itself; bytes of a step."""

    together: list[Connection]
    apart: list[Connection]
    sent: list[int]

    def step_s(self, wires: list[Connection], count: int) -> float:
        take(wires, count)
        return statistics.median(take(wires, count)[0] / count for _ in range(5 if count > 1 else 3))


def new_trainers(made: Network, name: str, task: dict[str, Any], batch: int, port: int) -> Trainers:
    """Of a variant, or of one with `sync_batchnorm` where + follows its name; `batch` is that of each process."""
    variant, shared, _ = name.partition("+")
    step = counted(variant, task["data"], bool(shared))
    its = task | {"config": {"batch_size": batch * len(made.hosts)}, "sync_batchnorm": bool(shared)}
    together = begun(made.start(live, variant, its, 1, port=port))
    apart = begun(made.start(live, variant, its | {"config": {"batch_size": batch}}, 1, is_joined=False, port=port))
    return Trainers(together, apart, step["bytes"] + step["batchnorm_bytes"])


def averages(made: Network, talkers: list[Connection], found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An average of each size."""
    ring = Ring(len(made.hosts), found["bandwidth"], found["latency_s"])
    for size in SIZES:
        formulas = {"ring_s": ring.average_s(size), "gloo_s": ring.gloo_s(size)}
        repeats = min(30, max(3, round(1 / formulas["gloo_s"])))
        yield found | {"what": f"{size / 1e6:g} MB", "measured_s": ask(talkers, size, repeats), **formulas}


def steps(trainers: Trainers, found: dict[str, Any]) -> dict[str, Any]:
    """A step of a variant: what it takes, what its computing takes, and what the formulas add to this."""
    ring = Ring(found["processes"], found["bandwidth"], found["latency_s"])
    alone_s, sent = trainers.step_s(trainers.apart, 5), trainers.sent
    formulas = {
        "ring_s": alone_s + sum(map(ring.average_s, sent)),
        "gloo_s": alone_s + sum(map(ring.gloo_s, sent)),
    }
    measured_s = trainers.step_s(trainers.together, min(10, max(1, round(0.5 / formulas["gloo_s"]))))
    return found | {"computing_s": alone_s, "messages": len(sent), "measured_s": measured_s, **formulas}


def measure(size: int, names: tuple[str, ...], task: dict[str, Any], batch: int, grid: list[Any]) -> Iterator[Any]:
    """All figures of so many processes: averages and steps, for each bandwidth and delay."""
    with network(size) as made:
        made.set(1, 0)
        talkers = begun(made.start(talk, [made.address(rank) for rank in range(size)], port=29513))
        trainers = {name: new_trainers(made, name, task, batch, 29514 + at) for at, name in enumerate(names)}
        for rate, delay in grid:
            made.set(rate, delay)
            latency_s, bandwidth = ask(talkers, None, round(rate * 1e9 / 8 * PROBE_S))
            found = {"processes": size, "rate_gbit": rate, "delay_ms": delay}
            found |= {"latency_s": latency_s, "bandwidth": bandwidth}
            yield from averages(made, talkers, found)
            for name, its in trainers.items():
                yield steps(its, found | {"what": name})
        for its in trainers.values():
            for wire in its.together + its.apart:
                wire.send(0)
        for wire in talkers:
            wire.send(None)


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--processes", default="2,4")
@click.option("--rates", default="0.1,1,4", help="Gb/s each way.")
@click.option("--delays", default="0,1,5", help="Milliseconds each way, on top of the relay's.")
@click.option("--batch-size", default=8, help="Of each process.")
@click.option("--data", default="mnist")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...],
    processes: str,
    rates: str,
    delays: str,
    batch_size: int,
    data: str,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Measure averages, and steps of VARIANTS, against the formulas; dcgan+ is dcgan with sync_batchnorm."""
    grid = [(float(rate), float(delay)) for rate in rates.split(",") for delay in delays.split(",")]
    task = {"data": data, "data_dir": data_dir}
    table = Table("n", "set: Gb/s, ms", "link: Gb/s, ms", "what", "measured ms", "ring ms", "ratio", "gloo ms", "ratio")
    for size in map(int, processes.split(",")):
        for row in measure(size, variants or ("conv", "dcgan", "dcgan+"), task, batch_size, grid):
            if as_json:
                print(json.dumps(row), flush=True)
            table.add_row(*cells(row))
    if not as_json:
        Console(width=150).print(table)


def cells(row: dict[str, Any]) -> Iterator[str]:
    """A row of the table."""
    yield f"{row['processes']}"
    yield f"{row['rate_gbit']:g}, {row['delay_ms']:g}"
    yield f"{8 * row['bandwidth'] / 1e9:.3f}, {1e3 * row['latency_s']:.2f}"
    yield row["what"] + (f" ({1e3 * row['computing_s']:.0f} ms alone)" if "computing_s" in row else "")
    yield f"{1e3 * row['measured_s']:.2f}"
    for formula in ("ring_s", "gloo_s"):
        yield f"{1e3 * row[formula]:.2f}"
        yield f"{row['measured_s'] / row[formula]:.2f}"


if __name__ == "__main__":
    main()
