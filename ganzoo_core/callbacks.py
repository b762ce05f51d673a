"""Observers of a run: what the progress bar and TensorBoard are, and what a plugin may add. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.variant import DataSpec


@dataclass(frozen=True)
class RunInfo:
    """A run as its observers see it. `settings` are all settings by name; `first_step` is above 0 after a resume."""

    folder: Path
    variant: str
    data: DataSpec
    settings: dict[str, Any]
    device: str
    parameters: dict[str, int]
    first_step: int
    total_steps: int


class Callback:
    """Sees a run from start to end; every method may be left out. Steps are updates of the generator.

    A callback may not touch networks or random numbers: a run with it ends bit for bit as one without.
    """

    def on_start(self, run: RunInfo) -> None:
        """Before the first step of this process."""

    def on_log(self, record: dict[str, float]) -> None:
        """A line of metrics.jsonl: "step", each loss term as "player/term", the balance of D, and samples/s."""

    def on_snapshot(self, step: int, picture: Path) -> None:
        """A picture of the fixed latents after `step` steps was written."""

    def on_end(self, step: int) -> None:
        """After the last step of this process, also when a signal or an error ended it."""
