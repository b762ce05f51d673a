"""Killed at any moment and resumed, a run ends bit for bit where it would have ended."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from forks import assert_same_run

from ganzoo_core import registry

# Dropout, BatchNorm, a loss with state, an averaged generator, several updates of D, bf16, older checkpoints; and a
# checkpoint after every step, so that most moments are in the middle of writing one.
TOY = ["toy", "--data", "ring8", "--batch-size", "8", "--set", "ema_decay=0.9", "--set", "n_critic=2", "--precision",
       "bf16", "--keep", "2", "--set", "log_every=5", "--set", "checkpoint_every_s=0", "--snapshots", "3,10",
       "--device", "cpu"]  # fmt: skip


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
    longest_s = time.monotonic() - start_s
    while killed < kills:
        number += 1
        folder = Path(f"killed-{number}")
        while killed < kills:
            start_s = time.monotonic()
            process = go_on(forks, folder, begin)
            if not lives_for(process, moments.uniform(0, longest_s)):
                assert process.wait() == 0, process.errors
                longest_s = min(longest_s, time.monotonic() - start_s)  # the machine is less busy than it was
                break
            killed += 1
            torn += any(folder.rglob(".ganzoo-*"))
        process = go_on(forks, folder, begin)
        assert process.wait() == 0, process.errors
        assert_same_run(folder, Path("whole"))
    return torn


def lives_for(process, seconds: float) -> bool:
    """Kill it after that time; False where it came to its end before."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s and process.is_running():
        time.sleep(0.001)
    process.send(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.long
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


BRIEF = [*TOY[:-6], "--set", "checkpoint_every_s=0", "--snapshots", "1", "--device", "cpu", "--steps", "3"]


def killed_at(forks, number: int) -> None:
    folder = Path(f"killed-{number}")
    process = forks.start("run", *BRIEF, "--out", folder, "--quiet", die_at=[number])
    assert process.wait() == -signal.SIGKILL, process.errors
    process = go_on(forks, folder, BRIEF)
    assert process.wait() == 0, process.errors
    assert_same_run(folder, Path("whole"))


def whole_run(forks) -> int:
    """How many operations on files it takes to be killed at."""
    count = Path("count").absolute()
    code, errors = forks.run("run", *BRIEF, "--out", "whole", "--quiet", count_operations=[str(count)])
    assert code == 0, errors
    return int(count.read_text())


@pytest.mark.long
def test_killed_at_some_operations_on_files(in_tmp, forks):
    """The first, those around the last checkpoint, and some between."""
    count = whole_run(forks)
    for number in (1, 9, count // 2, count - 12, count - 3):
        killed_at(forks, number)


@pytest.mark.slow
def test_killed_at_each_operation_on_files(in_tmp, forks, capsys):
    count = whole_run(forks)
    for number in range(1, count + 1):
        killed_at(forks, number)
    with capsys.disabled():
        print(f"\nkilled at each of {count} operations on files")
