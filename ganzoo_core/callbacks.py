"""Observers of a run, such as the progress bar and TensorBoard; a plugin may add its own. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ganzoo_core.dataspec import DataSpec


@dataclass(frozen=True)
class RunInfo:
    """What callbacks know about a run. `settings`: all settings by name; `first_step`: above 0 after a resume.

    `seconds_left`: how much longer it may train, where time ends it; `total_steps` is then hardly what it comes to.
    """

    folder: Path
    variant: str
    data: DataSpec
    settings: dict[str, Any]
    device: str
    parameters: dict[str, int]
    first_step: int
    total_steps: int
    seconds_left: float | None = None


class Callback:
    """Observes a run; override the methods you need. Steps are updates of the generator.

    A callback must not touch networks or random numbers: a run with it ends bit for bit as one without. A callback that
    raises is dropped with a warning and the run continues; only a `GanzooError` ends it.
    """

    def on_start(self, run: RunInfo) -> None:
        """Called before the first step of this process."""

    def on_log(self, record: dict[str, float]) -> None:
        """Called for each line of metrics.jsonl: "step", loss terms as "player/term", D's statistics, samples/s."""

    def on_snapshot(self, step: int, samples: Any, picture: Path) -> None:
        """Called after a picture of the fixed latents at `step` was written, with the `Samples` that it shows.

        One that takes `(step, picture)`, as in API 1, gets those.
        """

    def measure(self, step: int, generator: Any) -> dict[str, float]:
        """Extra metrics of the generator, by name, for metrics.jsonl; called at each snapshot.

        `generator` is a `TrainedGenerator`. Its samples have seeds of their own, so that the run is unchanged, bit for
        bit.
        """
        return {}

    def on_step(self, step: int, look: Any) -> Literal["wait", "stop"] | None:
        """Called after each step, once all that it is due is drawn and saved.

        `look`, a `Look`, shows the game and leaves it as it was. Answer "wait" to have the run stand still: it asks
        again a little later, and a signal ends it as ever. "stop" ends it as Ctrl-C does. What is done here takes none
        of the training time that a run may be limited to.
        """
        return None

    def on_save(self, step: int, is_last: bool) -> None:
        """Called after this step's generator.safetensors was written, before its checkpoint is."""

    def on_end(self, step: int) -> None:
        """Called after the last step of this process, even if a signal or an error ended it."""
