"""Two hosts with their own addresses: network namespaces, torchrun across them, and the link cut in mid-run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganzoo_core.storage import tensor_files

ADDRESSES = {"ganzoo-a": "10.213.77.1", "ganzoo-b": "10.213.77.2"}


def may_make_hosts() -> bool:
    return sys.platform == "linux" and shutil.which("ip") is not None and os.geteuid() == 0


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not may_make_hosts(), reason="takes Linux, its `ip` command and root"),
]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[None]:
    """Two hosts, joined by one cable."""
    a, b = ADDRESSES
    try:
        for host in ADDRESSES:
            ip("netns", "add", host)
        ip("link", "add", "wire-a", "netns", a, "type", "veth", "peer", "name", "wire-b", "netns", b)
        for (host, address), wire in zip(ADDRESSES.items(), ("wire-a", "wire-b"), strict=True):
            ip("-n", host, "address", "add", f"{address}/24", "dev", wire)
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "link", "set", wire, "up")
        yield
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr}")
    finally:
        for host in ADDRESSES:
            subprocess.run(["ip", "netns", "delete", host], capture_output=True, check=False)


def c10d(host: str) -> list[str]:
    """A rendezvous that machines may join; the first keeps it."""
    first, *_ = ADDRESSES
    where = f"--rdzv-endpoint={ADDRESSES[first]}:29511"
    return ["--rdzv-backend=c10d", where, "--rdzv-id=test", f"--rdzv-conf=is_host={host == first}"]


def fixed(host: str) -> list[str]:
    """Machines by number."""
    first, *_ = ADDRESSES
    return [f"--node-rank={list(ADDRESSES).index(host)}", f"--master-addr={ADDRESSES[first]}", "--master-port=29511"]


def start(host: str, folder: Path, rendezvous: list[str], *arguments: object) -> subprocess.Popen:
    """One process of torchrun's on a host, in a folder of its own."""
    folder.mkdir()
    torchrun = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", f"--local-addr={ADDRESSES[host]}"]
    command = [sys.executable, *torchrun, *rendezvous, "-m", "ganzoo_core", *map(str, arguments)]
    wire = f"wire-{host[-1]}"
    return subprocess.Popen(
        ["ip", "netns", "exec", host, *command],
        env=os.environ | {"GLOO_SOCKET_IFNAME": wire, "OMP_NUM_THREADS": "1", "GANZOO_PATIENCE_S": "10"},
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run(tmp_path: Path, rendezvous: Callable[[str], list[str]], *more: object) -> dict[str, subprocess.Popen]:
    plain = ["run", "vanilla", "--data", "ring8", "--batch-size", 32, "--device", "cpu", "--quiet",
             "--set", "log_every=4", "--set", "dropout=0", "--set", "checkpoint_every_s=0.2"]  # fmt: skip
    return {host: start(host, tmp_path / host, rendezvous(host), *plain, *more) for host in ADDRESSES}


def ended(process: subprocess.Popen, seconds: float) -> tuple[int, str]:
    try:
        out, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        raise
    return process.returncode, out + errors


def records(folder: Path) -> list[dict]:
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [r for r in map(json.loads, lines) if "d_real" in r]


def test_two_hosts_train_one_run(hosts, tmp_path):
    processes = run(tmp_path, c10d, "--steps", 12)
    for process in processes.values():
        code, words = ended(process, 120)
        assert code == 0, words
    written = [folder for host in ADDRESSES for folder in (tmp_path / host).glob("runs/*")]
    assert len(written) == 1, "the first process alone writes"
    assert [record["step"] for record in records(written[0])] == [4, 8, 12]


def test_a_cut_link_ends_both_and_the_checkpoint_resumes(hosts, tmp_path):
    processes = run(tmp_path, fixed, "--steps", 10_000_000)
    folder = tmp_path / "ganzoo-a" / "runs" / "vanilla-ring8-1"
    end = time.monotonic() + 120
    while len(records(folder)) < 20:
        assert time.monotonic() < end, {h: p.poll() for h, p in processes.items()}
        time.sleep(0.1)
    ip("-n", "ganzoo-a", "link", "set", "wire-a", "down")
    for process in processes.values():
        code, words = ended(process, 120)
        assert code == 1, words
        assert "another process of this run is gone" in words, words
    header, _ = tensor_files.load(folder / "checkpoint.safetensors", "checkpoint")
    last = header["step"] + 8
    resumed = [sys.executable, "-m", "ganzoo_core", "run", "--resume", str(folder), "--steps", str(last), "--quiet"]
    subprocess.run(resumed, check=True, capture_output=True)
    steps = [record["step"] for record in records(folder)]
    assert steps == list(range(4, last + 1, 4)) or steps[-1] == last
