"""Whether a long run stays as it began: memory, open files and time per step, with their slopes.

    OMP_NUM_THREADS=1 python -m benchmarks.long_run vanilla --data ring8 --steps 200000

Reads /proc, so it needs Linux. Time is the processor's, which other programs on the machine disturb least.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

import ganzoo_core as ganzoo

WARM_UP = 0.1  # of the run: caches fill, the allocator finds its size


@dataclass
class Gauge(ganzoo.Callback):
    """Reads memory (MB), open files and processor time per step (ms) every `every` steps."""

    every: int
    steps: list[int] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    open_files: list[float] = field(default_factory=list)
    ms_per_step: list[float] = field(default_factory=list)
    _mark: tuple[int, float] = (0, 0.0)

    def on_start(self, run: ganzoo.RunInfo) -> None:
        """Start the clock."""
        self._mark = run.first_step, time.process_time()

    def on_log(self, record: dict[str, float]) -> None:
        """Read, where it is time."""
        step, (last_step, last_s) = int(record["step"]), self._mark
        if step - last_step < self.every:
            return
        now_s = time.process_time()
        self.steps.append(step)
        self.memory_mb.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6)
        self.open_files.append(len(os.listdir("/proc/self/fd")))
        self.ms_per_step.append((now_s - last_s) / (step - last_step) * 1000)
        self._mark = step, now_s


def slope(steps: list[int], values: list[float]) -> float:
    """The median slope of all pairs of readings (Theil and Sen's), which a busy minute of the machine does not bend."""
    x, y = np.array(steps, dtype=float), np.array(values)
    first, second = np.triu_indices(len(x), k=1)
    return float(np.median((y[second] - y[first]) / (x[second] - x[first])))


def row(name: str, steps: list[int], values: list[float], form: str) -> list[str]:
    """A figure after the warm-up and at the end (medians of a tenth of the readings), and its slope."""
    tenth = max(1, len(values) // 10)
    growth = slope(steps, values) * 100_000
    first, last = statistics.median(values[:tenth]), statistics.median(values[-tenth:])
    return [name, form.format(first), form.format(last), f"{growth:+.3f}", f"{growth / first:+.2%}"]


@click.command()
@click.argument("variant", default="vanilla")
@click.option("--data", default="ring8")
@click.option("--steps", default=200_000)
@click.option("--batch-size", default=64)
@click.option("--readings", default=200, help="How many in all.")
def main(variant: str, data: str, steps: int, batch_size: int, readings: int) -> None:
    """Train VARIANT for many steps, and show what grew."""
    gauge = Gauge(every=max(20, steps // readings))
    with tempfile.TemporaryDirectory() as folder:
        ganzoo.train(
            variant, data=data, steps=steps, batch_size=batch_size, checkpoint_every_s=5.0, keep=3,
            out=Path(folder) / "run", callbacks=[gauge],
        )  # fmt: skip
    cold = int(len(gauge.steps) * WARM_UP)
    table = Table(
        f"{variant} on {data}, {steps:,} steps", "after warm-up", "at the end", "per 100,000 steps", "that is"
    )
    for name, values, form in (
        ("memory, MB", gauge.memory_mb, "{:.1f}"),
        ("open files", gauge.open_files, "{:.0f}"),
        ("processor time a step, ms", gauge.ms_per_step, "{:.2f}"),
    ):
        table.add_row(*row(name, gauge.steps[cold:], values[cold:], form))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
