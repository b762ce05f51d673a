"""Sending gradients while the backward pass goes on, against sending them after it, over a slow link.

    python -m benchmarks.overlap dcgan wgan-gp [--data mnist] [--rate 1gbit] [--rounds 5] [--steps 20] [--json]

Two processes of one thread each, in two network namespaces that a link of that rate joins. Both take the same steps, in
turn with messages of 1 MiB and with one message for each backward pass. Linux, `ip`, `tc` and root.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.train import spread

HOSTS = {"ganzoo-1": "10.213.79.1", "ganzoo-2": "10.213.79.2"}
WHOLE = 2**62


@contextlib.contextmanager
def hosts(rate: str) -> Iterator[None]:
    """Two namespaces and the link between them."""
    one, two = HOSTS
    try:
        for host in HOSTS:
            _call("ip", "netns", "add", host)
        _call("ip", "link", "add", "wire-1", "netns", one, "type", "veth", "peer", "name", "wire-2", "netns", two)
        for host, address in HOSTS.items():
            wire = f"wire-{host[-1]}"
            _call("ip", "-n", host, "address", "add", f"{address}/24", "dev", wire)
            _call("ip", "-n", host, "link", "set", "lo", "up")
            _call("ip", "-n", host, "link", "set", wire, "up")
            shape = ["root", "tbf", "rate", rate, "burst", "128kb", "latency", "50ms"]
            _call("ip", "netns", "exec", host, "tc", "qdisc", "add", "dev", wire, *shape)
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "delete", host], check=False, capture_output=True)


def _call(*words: str) -> None:
    subprocess.run(words, check=True)


def start(host: str, task: dict[str, Any]) -> subprocess.Popen[str]:
    """One of the two processes."""
    rank = list(HOSTS).index(host)
    place = {"TORCHELASTIC_RUN_ID": "benchmark", "MASTER_ADDR": HOSTS["ganzoo-1"], "MASTER_PORT": 29512, "RANK": rank}
    place |= {"LOCAL_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1, "GLOO_SOCKET_IFNAME": f"wire-{host[-1]}"}
    return subprocess.Popen(
        ["ip", "netns", "exec", host, sys.executable, "-m", "benchmarks.overlap", json.dumps(task)],
        env=os.environ | {name: str(value) for name, value in place.items()} | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def work(task: dict[str, Any]) -> None:
    """Take the steps of all rounds; print how long each round took."""
    from ganzoo_core import parallel
    from ganzoo_core.datasets import data_folder
    from ganzoo_core.engine import Engine
    from ganzoo_core.registry import find_source, registry
    from ganzoo_core.run_settings import RunSettings

    source, path = find_source(task["data"])
    dataset = source(path=path).load(data_folder(Path(task["data_dir"]) if task["data_dir"] else None))
    variant_class = registry().variant(task["variant"])[0]
    run = RunSettings(data=task["data"], device="cpu")
    engine = Engine(variant_class(variant_class.Config()), dataset, run, parallel.join())
    sizes = {"several": parallel._MESSAGE_BYTES, "one": WHOLE}
    seconds: dict[str, list[float]] = {name: [] for name in sizes}
    for number in range(task["rounds"] + 1):
        for name, size in sizes.items():
            parallel._MESSAGE_BYTES = size
            start_s = time.perf_counter()
            for _ in range(task["steps"]):
                engine.train_step()
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - start_s)
    print(json.dumps(seconds))


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", default="mnist")
@click.option("--data-dir")
@click.option("--rate", default="1gbit", help="Of the link, as `tc` reads it.")
@click.option("--rounds", default=5)
@click.option("--steps", default=20, help="A round.")
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...], data: str, data_dir: str, rate: str, rounds: int, steps: int, as_json: bool
) -> None:
    """Measure what overlapping brings to VARIANTS."""
    for name in variants:
        task = {"variant": name, "data": data, "data_dir": data_dir, "rounds": rounds, "steps": steps}
        with hosts(rate):
            first, *_ = [process.communicate()[0] for process in [start(host, task) for host in HOSTS]]
        seconds = json.loads(first)
        ratio = spread([one / several for one, several in zip(seconds["one"], seconds["several"], strict=True)])
        steps_ms = {way: spread([1e3 * s / steps for s in values]) for way, values in seconds.items()}
        if as_json:
            print(json.dumps({"variant": name, "rate": rate, "step_ms": steps_ms, "ratio": ratio}), flush=True)
        else:
            shown = ", ".join("{} messages {median:.1f} ms a step".format(way, **ms) for way, ms in steps_ms.items())
            print(
                f"{name} at {rate}: messages {shown}; {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
            )


if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].startswith("{"):
        work(json.loads(sys.argv[1]))
    else:
        main()
