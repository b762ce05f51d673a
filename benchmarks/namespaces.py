"""Hosts that are network namespaces of this machine, and reach each other at a set bandwidth with a set delay.

Takes Linux, root, `ip` and `tc`. Each has one way out, a tun device. `tc` sets the bandwidth of what it sends (tbf); a
relay reads that, holds it for the delay, and hands it to the host of its address. (netem would do both, where a kernel
has it.)
"""

from __future__ import annotations

import ctypes
import fcntl
import multiprocessing
import os
import select
import shutil
import struct
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click

BURST_S = 0.6e-3  # what a link that was idle may send at once: a piece of 64 kB at 1 Gb/s
WIRE = "wire"
HEADER = 10  # bytes that a tun device puts in front of a packet
_TUN, _BARE, _WITH_HEADER = 0x1, 0x1000, 0x4000
_TUNSETIFF, _TUNSETOFFLOAD, _CHECKSUMS_AND_SEGMENTS = 0x400454CA, 0x400454D0, 0x3
_TIMER_SLACK = 29


@dataclass
class Network:
    """Namespaces that reach each other through a relay."""

    hosts: list[str]
    delay_s: Any  # shared with the relay

    def address(self, rank: int) -> str:
        return f"10.213.78.{rank + 1}"

    def set(self, rate_gbit: float, delay_ms: float) -> None:
        """A bandwidth for what each host sends, and a delay for all."""
        self.delay_s.value = delay_ms / 1e3
        burst = max(8_000, round(rate_gbit * 1e9 / 8 * BURST_S))
        for host in self.hosts:
            limit = ["rate", f"{rate_gbit * 1e3:g}mbit", "burst", f"{burst}", "limit", "8mb"]
            _call("ip", "netns", "exec", host, "tc", "qdisc", "replace", "dev", WIRE, "root", "tbf", *limit)
            _call("ip", "-n", host, "link", "set", WIRE, "gso_max_size", f"{min(2**16, burst) - 256}")

    def start(
        self, target: Callable[..., None], *arguments: Any, is_joined: bool = True, port: int
    ) -> list[Connection]:
        """A process in each host, in one group or each alone; the ends to talk to them by."""
        spawn, wires = multiprocessing.get_context("spawn"), []
        for rank, host in enumerate(self.hosts):
            size = len(self.hosts) if is_joined else 1
            place = {"TORCHELASTIC_RUN_ID": "benchmark", "MASTER_ADDR": self.address(0), "MASTER_PORT": port}
            place |= {"RANK": rank if is_joined else 0, "WORLD_SIZE": size, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
            place |= {"GLOO_SOCKET_IFNAME": WIRE}
            words = {name: str(value) for name, value in place.items()}
            ours, theirs = spawn.Pipe()
            spawn.Process(target=_within, args=(host, target, *arguments, words, theirs), daemon=True).start()
            theirs.close()  # so that a process that fails ends the wait
            wires.append(ours)
        return wires


@contextmanager
def network(size: int) -> Iterator[Network]:
    """So many hosts, for as long as it lasts. Raises `click.ClickException` where this machine does not allow it."""
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            raise click.ClickException(f"making a network takes Linux and its command {tool}, which is not here")
    fork = multiprocessing.get_context("fork")
    made = Network([f"ganzoo-{os.getpid()}-{rank}" for rank in range(size)], fork.Value("d", 0.0))
    tuns: list[int] = []
    try:
        for rank in range(size):
            tuns.append(_new_host(made, rank))
        relaying = fork.Process(target=relay, args=(tuns, made.delay_s), daemon=True)
        relaying.start()
        yield made
        relaying.kill()
    finally:
        for tun in tuns:
            os.close(tun)
        for host in made.hosts:
            subprocess.run(["ip", "netns", "delete", host], capture_output=True, check=False)


def _new_host(made: Network, rank: int) -> int:
    """Make a namespace; the relay's end of its wire."""
    host, name = made.hosts[rank], f"ganzoo{rank}"
    _call("ip", "netns", "add", host)
    tun = _tun(name)
    _call("ip", "link", "set", name, "netns", host)
    way = ["10.213.78.0/24", "dev", WIRE, "congctl", "cubic"]  # which most machines have
    for words in (
        ["link", "set", name, "name", WIRE],
        ["address", "add", f"{made.address(rank)}/24", "dev", WIRE],
        ["link", "set", "lo", "up"],
        ["link", "set", WIRE, "up", "txqueuelen", "10000"],
        ["route", "replace", *way],
    ):
        _call("ip", "-n", host, *words)
    return tun


def relay(tuns: list[int], delay_s: Any) -> None:
    """Hand each packet to the host of its address, when its time has come."""
    ctypes.CDLL(None).prctl(_TIMER_SLACK, 1000)  # ns, in the place of 50 us
    waiting: deque[tuple[float, int, bytes]] = deque()
    while True:
        now_s = time.perf_counter()
        while waiting and waiting[0][0] <= now_s:
            _, host, packet = waiting.popleft()
            os.write(tuns[host], packet)
        patience = max(0.0, waiting[0][0] - time.perf_counter()) if waiting else None
        for tun in select.select(tuns, [], [], patience)[0]:
            packet = os.read(tun, HEADER + 2**16)
            host = packet[HEADER + 19] - 1  # the last number of its IPv4 address
            if packet[HEADER] >> 4 == 4 and 0 <= host < len(tuns):
                waiting.append((time.perf_counter() + delay_s.value, host, packet))


def _tun(name: str) -> int:
    """A tun device that takes TCP's packets in pieces of up to 64 kB."""
    try:
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN | _BARE | _WITH_HEADER))
        fcntl.ioctl(device, _TUNSETOFFLOAD, _CHECKSUMS_AND_SEGMENTS)
    except OSError as error:
        raise click.ClickException(f"this machine can't make a tun device: {error}") from error
    return device


def _call(*words: str) -> None:
    try:
        subprocess.run(words, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or error
        raise click.ClickException(f"this machine can't make such a network: {' '.join(words)}: {told}") from error


def _within(host: str, target: Callable[..., None], *arguments: Any) -> None:
    """Go on in a network namespace; threads to come are in it too."""
    with Path("/run/netns", host).open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
            raise OSError(ctypes.get_errno(), f"can't enter {host}")
    target(*arguments)
