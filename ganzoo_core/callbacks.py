"""Observers of a run: what the progress bar and TensorBoard are, and what a plugin may add. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.dataspec import DataSpec


@dataclass(frozen=True)
class RunInfo:
    """What callbacks know about a run. `settings` are all settings by name; `first_step` is above 0 after a resume."""

    folder: Path
    variant: str
    data: DataSpec
    settings: dict[str, Any]
    device: str
    parameters: dict[str, int]
    first_step: int
    total_steps: int


class Callback:
    """Observes a run; override the methods you need. Steps are updates of the generator.

    A callback may not touch networks or random numbers: a run with it ends bit for bit as one without. One that raises
    is dropped with a warning, and the run goes on; only a `GanzooError` ends it.
    """

    def on_start(self, run: RunInfo) -> None:
        """Called before the first step of this process."""

    def on_log(self, record: dict[str, float]) -> None:
        """Called for a line of metrics.jsonl: "step", each loss term as "player/term", D's balance, samples/s."""

    def on_snapshot(self, step: int, picture: Path) -> None:
        """Called when a picture of the fixed latents after `step` steps was written."""

    def measure(self, step: int, generator: Any) -> dict[str, float]:
        """Metrics of the generator, by name, to be logged in metrics.jsonl; called at each snapshot.

        `generator` is a `TrainedGenerator`. Its samples come from seeds of their own, so that the run stays the
        same, bit for bit.
        """
        return {}

    def on_save(self, step: int, is_last: bool) -> None:
        """Called when generator.safetensors of this step was written; its checkpoint follows."""

    def on_end(self, step: int) -> None:
        """Called after the last step of this process, also when a signal or an error ended it."""
