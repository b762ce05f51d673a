"""Several processes train one run: the numbers of one, resumed by any number, ended by a sentence when one dies."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from ganzoo_core import checkpoint
from ganzoo_core.parallel import Alone

PLAIN = ["vanilla", "--data", "ring8", "--batch-size", "32", "--steps", "12", "--device", "cpu", "--quiet",
         "--set", "log_every=4", "--set", "dropout=0", "--set", "ema_decay=0.9"]  # fmt: skip


def train(forks, processes: int, *arguments: object) -> None:
    code, errors = start(forks, processes, *arguments).wait(), forks._last.errors
    assert code == 0, errors


def start(forks, processes: int, *arguments: object):
    if processes == 1:
        return forks.start("run", *arguments)
    return forks.start("run", *arguments, together=[processes, str(Path("pids").absolute())])


def records(folder: str | Path) -> list[dict]:
    """What was logged of steps, less the times."""
    lines = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "samples_per_s"} for line in lines if "d_real" in line]


def assert_close(found: str, expected: str, tolerance: float = 2e-3) -> None:
    """The same lines of metrics and the same checkpoint, but for rounding."""
    for a, b in zip(records(found), records(expected), strict=True):
        assert a.keys() == b.keys()
        assert a == pytest.approx(b, rel=tolerance, abs=tolerance)
    (header, a), (_, b) = (checkpoint.load(Path(f) / "checkpoint.safetensors", "checkpoint") for f in (found, expected))
    assert header["step"] == 12 and a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=tolerance, atol=tolerance, msg=name)


def files(folder: str) -> set[str]:
    return {str(path.relative_to(folder)) for path in Path(folder).rglob("*")}


def test_two_and_four_processes_give_the_numbers_of_one(in_tmp, forks):
    train(forks, 1, *PLAIN, "--out", "one")
    train(forks, 2, *PLAIN, "--out", "two")
    train(forks, 4, *PLAIN, "--out", "four")
    train(forks, 2, *PLAIN, "--set", "accumulate=2", "--out", "two-twice")
    for name in ("two", "four", "two-twice"):
        assert_close(name, "one")
        assert files(name) == files("one"), "one process alone writes"
    info = json.loads(Path("two/run.json").read_text())
    assert info["environment"]["processes"] == 2


def test_a_run_goes_on_with_another_number_of_processes(in_tmp, forks):
    train(forks, 1, *PLAIN, "--out", "whole")
    train(forks, 2, *PLAIN, "--steps", "4", "--out", "parts")
    train(forks, 1, "--resume", "parts", "--steps", "8", "--quiet")
    train(forks, 4, "--resume", "parts", "--steps", "12", "--quiet")
    assert_close("parts", "whole")
    changes = json.loads(Path("parts/run.json").read_text())["changes"]
    assert [change["environment"]["processes"] for change in changes] == [1, 4]
    train(forks, 2, "--resume", "parts", "--steps", "12", "--quiet")  # done already: all end at once


def test_shared_batch_norm_gives_the_numbers_of_one(in_tmp, forks):
    shared = ["toy-conditional", *PLAIN[1:9], "--set", "log_every=4", "--set", "sync_batchnorm=true"]
    train(forks, 1, *shared, "--out", "one")
    train(forks, 2, *shared, "--out", "two")
    for name in ("generator.norm.running_mean", "generator.norm.running_var"):
        one, two = (checkpoint.load(Path(f) / "checkpoint.safetensors", "checkpoint")[1][name] for f in ("one", "two"))
        torch.testing.assert_close(two, one, rtol=0.05, atol=0.01, msg=name)


def test_a_process_that_dies_ends_the_others(in_tmp, forks):
    process = start(
        forks, 2, *PLAIN[:5], "--steps", "1000000", *PLAIN[7:], "--set", "checkpoint_every_s=0.2", "--out", "run"
    )
    wait_for(lambda: Path("run/metrics.jsonl").exists() and len(records("run")) > 20)
    _, other = map(int, Path("pids").read_text().split())
    os.kill(other, signal.SIGKILL)
    assert process.wait(30) == 1
    header, _ = checkpoint.load(Path("run/checkpoint.safetensors"), "checkpoint")
    train(forks, 1, "--resume", "run", "--steps", header["step"] + 4, "--quiet")


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def test_a_signal_to_one_process_stops_all_and_saves(in_tmp, forks):
    process = start(forks, 2, *PLAIN[:5], "--steps", "1000000", *PLAIN[7:], "--out", "run")
    wait_for(lambda: Path("run/metrics.jsonl").exists() and len(records("run")) > 2)
    _, other = map(int, Path("pids").read_text().split())
    os.kill(other, signal.SIGTERM)
    assert process.wait(30) == 1
    assert "stopped by SIGTERM at step" in process.errors and process.errors.count("Error") == 1
    header, _ = checkpoint.load(Path("run/checkpoint.safetensors"), "checkpoint")
    assert f"at step {header['step']} of" in process.errors


def test_a_mini_batch_must_divide_by_the_processes(in_tmp, forks):
    process = start(forks, 3, *PLAIN, "--out", "run")
    assert process.wait(60) == 1 and not Path("run").exists()
    assert (
        "batch_size must be a multiple of 3, as each of 3 processes takes 1 pieces of it, but is 32" in process.errors
    )


def test_one_process_pays_nothing_and_agrees_with_itself():
    alone, numbers = Alone(), torch.ones(2)
    assert alone.mean(numbers) is numbers and alone.largest(7) == 7
    alone.average([numbers])
    alone.check_equal({"x": numbers}, 1)
    alone.lead(lambda: pytest.fail("nobody to tell"))
