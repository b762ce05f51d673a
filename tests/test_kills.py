"""Killed at any moment and resumed, a run ends bit for bit where it would have ended."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest

from ganzoo_core import registry

# Dropout, BatchNorm, a loss with state, an averaged generator, several updates of D, bf16, older checkpoints; and a
# checkpoint after every step, so that most moments are in the middle of writing one.
TOY = ["toy", "--data", "ring8", "--batch-size", "8", "--set", "ema_decay=0.9", "--set", "n_critic=2", "--precision",
       "bf16", "--keep", "2", "--set", "log_every=5", "--set", "checkpoint_every_s=0", "--snapshots", "3,10",
       "--device", "cpu"]  # fmt: skip


def contents(folder: Path) -> dict[str, object]:
    """A run's files: bytes, or records less their times."""
    files: dict[str, object] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name == "metrics.jsonl":
            records = [json.loads(line) for line in path.read_text().splitlines()]
            files[name] = [{k: v for k, v in record.items() if k != "samples_per_s"} for record in records]
        elif path.is_file() and name != "run.json":
            files[name] = path.read_bytes()
    return files


def assert_same(found: Path, expected: Path) -> None:
    a, b = contents(found), contents(expected)
    assert a.keys() == b.keys(), "a leftover, or a file that is missing"
    assert not [name for name in a if a[name] != b[name]]
    settings = [json.loads((folder / "run.json").read_text()) for folder in (found, expected)]
    assert settings[0] == settings[1]


def go_on(forks, folder: Path, begin: list[str], **faults):
    """Resume the run, or begin it where it was killed before there was anything to resume."""
    if (folder / "run.json").exists():
        return forks.start("run", "--resume", folder, "--quiet", **faults)
    return forks.start("run", *begin, "--out", folder, "--quiet", **faults)


def kill_and_resume(forks, begin: list[str], kills: int, seed: int = 0) -> int:
    """Kill runs at random moments `kills` times in all, resume each to its end, and compare it with the whole run.

    Returns how many kills left a half-written file.
    """
    moments, torn, killed, number = random.Random(seed), 0, 0, 0
    start_s = time.monotonic()
    code, errors = forks.run("run", *begin, "--out", "whole", "--quiet")
    assert code == 0, errors
    duration_s = time.monotonic() - start_s
    while killed < kills:
        number += 1
        folder = Path(f"killed-{number}")
        while killed < kills:
            process = go_on(forks, folder, begin)
            end_s = time.monotonic() + moments.uniform(0, duration_s)
            while time.monotonic() < end_s and process.is_running():
                time.sleep(0.001)
            if not process.is_running():
                break
            process.send(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            killed += 1
            torn += any(folder.rglob(".*.tmp"))
        process = go_on(forks, folder, begin)
        assert process.wait() == 0, process.errors
        assert_same(folder, Path("whole"))
    return torn


def test_killed_at_random_moments(in_tmp, forks):
    kill_and_resume(forks, [*TOY, "--steps", "40"], kills=4)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["toy", *sorted(set(registry.registry().variants()) - {"toy", "toy-conditional"})])
def test_killed_at_random_moments_in_all_variants(in_tmp, forks, variant, capsys):
    small = ["--batch-size", "8", "--steps", "12", "--set", "checkpoint_every_s=0", "--set", "log_every=3",
             "--set", "ema_decay=0.9", "--snapshots", "5", "--keep", "1", "--device", "cpu"]  # fmt: skip
    begin = [*TOY, "--steps", "120"] if variant == "toy" else [variant, "--data", "digits", *small]
    torn = kill_and_resume(forks, begin, kills=20)
    with capsys.disabled():
        print(f"\n{variant}: 20 kills, {torn} of them in the middle of writing a file")


def count_operations(forks, begin: list[str]) -> int:
    code, errors = forks.run(
        "run", *begin, "--out", "whole", "--quiet", count_operations=[str(Path("count").absolute())]
    )
    assert code == 0, errors
    return int(Path("count").read_text())


def killed_at(forks, begin: list[str], number: int) -> None:
    folder = Path(f"killed-{number}")
    process = forks.start("run", *begin, "--out", folder, "--quiet", die_at=[number])
    assert process.wait() == -signal.SIGKILL, process.errors
    process = go_on(forks, folder, begin)
    assert process.wait() == 0, process.errors
    assert_same(folder, Path("whole"))


BRIEF = [*TOY[:-6], "--set", "checkpoint_every_s=0", "--snapshots", "1", "--device", "cpu", "--steps", "3"]


@pytest.mark.parametrize("place", [0.02, 0.35, 0.6, 0.93])
def test_killed_at_an_operation_on_files(in_tmp, forks, place):
    count = count_operations(forks, BRIEF)
    killed_at(forks, BRIEF, 1 + int(place * count))


@pytest.mark.slow
def test_killed_at_each_operation_on_files(in_tmp, forks, capsys):
    count = count_operations(forks, BRIEF)
    for number in range(1, count + 1):
        killed_at(forks, BRIEF, number)
    with capsys.disabled():
        print(f"\nkilled at each of {count} operations on files")
