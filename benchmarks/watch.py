"""What `ganzoo run --watch` costs a run: its speed with a page open and without, in turns, in one process.

OMP_NUM_THREADS=1 python -m benchmarks.watch [vanilla cgan wgan-gp] [--data ring8] [--seconds 20] [--rounds 5]

The page is read as a browser reads it, from its events to the last byte, by a process of its own. A step is counted in
CPU seconds of the run's process, the threads that serve the page among them: other programs on the machine then do not
count, and a page that is served by an idle core costs no more than is said here. "itself" is what the page takes of
that time: its part of each step, and all threads but the one that trains. That can be told on a busy machine too, where
the speeds of two runs spread far.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ganzoo_core as ganzoo
from ganzoo_tools.watching.watch import Watch

READER = """
import sys, urllib.request
frames = 0
try:
    for line in urllib.request.urlopen(sys.argv[1] + "events"):
        frames += line == b"event: plane\\n"
        if line == b"event: end\\n":
            break
finally:
    print(frames)
"""


class Watched(Watch):
    """With a reader from the first step on; `spent_s`: CPU time of its part of the steps."""

    spent_s = 0.0

    def on_start(self, run: ganzoo.RunInfo) -> None:
        super().on_start(run)
        command = [sys.executable, "-c", READER, self.server.url]
        self.reader = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def on_step(self, step: int, look: Any) -> Any:
        started_s = time.thread_time()
        try:
            return super().on_step(step, look)
        finally:
            self.spent_s += time.thread_time() - started_s


class Timed(ganzoo.Callback):
    """Notes the CPU time of each record, all in all and what the page took of it."""

    def __init__(self, watch: Watched) -> None:
        self.watch = watch
        self.marks: list[tuple[float, float, float]] = []

    def on_log(self, record: dict[str, float]) -> None:
        all_s = time.process_time()
        self.marks.append((record["step"], all_s, self.watch.spent_s + all_s - time.thread_time()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=["vanilla", "cgan", "wgan-gp"])
    parser.add_argument("--data", default="ring8")
    parser.add_argument("--seconds", type=float, default=20, help="of training each")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'variant':<12}  {'without':>12}  {'with':>12}  {'cost':>6}  {'spread':>16}  {'itself':>6}  frames/s")
    for variant in options.variants:
        rounds = [one_round(variant, options.data, options.seconds, swap=k % 2 == 1) for k in range(options.rounds)]
        costs = sorted(100 * (1 - watched / alone) for alone, watched, *_ in rounds)
        alone, watched, itself, frames = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{variant:<12}  {alone:6.0f} step/s  {watched:6.0f} step/s  {statistics.median(costs):4.1f} %  "
            f"{costs[0]:5.1f} to {costs[-1]:4.1f} %  {100 * itself:4.1f} %  {frames:8.1f}"
        )


def one_round(variant: str, data: str, seconds: float, *, swap: bool) -> tuple[float, ...]:
    """Steps a CPU second without and with a page, in either order, the page's share, and frames a second."""
    found: dict[bool, Any] = {is_watched: speed(variant, data, seconds, is_watched) for is_watched in (swap, not swap)}
    return found[False][0], *found[True]


def speed(variant: str, data: str, seconds: float, is_watched: bool) -> tuple[float, float, float]:
    """Of the last two thirds of a run, as what draws is imported before: steps a CPU second, and the page's share.

    And frames a second of all of it.
    """
    watch = Watched()
    timed = Timed(watch)
    with tempfile.TemporaryDirectory() as folder:
        ganzoo.train(
            variant, data=data, seconds=seconds, device="cpu", out=Path(folder) / "run", snapshots=[1],
            callbacks=[timed, *([watch] if is_watched else [])],
        )  # fmt: skip
    (first, began_s, spent_s), (last, ended_s, spent_by_then_s) = timed.marks[len(timed.marks) // 3], timed.marks[-2]
    frames = int(watch.reader.communicate()[0]) if is_watched else 0  # by then the run has ended
    took_s = ended_s - began_s
    return (last - first) / took_s, (spent_by_then_s - spent_s) / took_s, frames / seconds


if __name__ == "__main__":
    main()
