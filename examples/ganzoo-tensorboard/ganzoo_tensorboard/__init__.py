"""TensorBoard for every run: once installed, each writes event files to `<run>/tensorboard/`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core import hookimpl
from ganzoo_core.callbacks import Callback, RunInfo

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

GANZOO_API = 2


@hookimpl
def ganzoo_callbacks(run: RunInfo) -> list[Callback]:
    """TensorBoard's writer; none where the environment says GANZOO_TENSORBOARD=0."""
    return [] if os.environ.get("GANZOO_TENSORBOARD") == "0" else [TensorBoard()]


class TensorBoard(Callback):
    """Writes every number of a record as a scalar and every snapshot as an image."""

    writer: SummaryWriter

    def on_start(self, run: RunInfo) -> None:
        """Open the log; after a resume, hide what the interrupted run wrote beyond its checkpoint."""
        from torch.utils.tensorboard import SummaryWriter

        purge_step = run.first_step + 1 if run.first_step else None
        self.writer = SummaryWriter(str(run.folder / "tensorboard"), purge_step=purge_step)

    def on_log(self, record: dict[str, float]) -> None:
        """Loss terms as `player/term`, the rest under `balance/` and `speed/`."""
        for key, value in record.items():
            if key != "step" and value is not None:
                self.writer.add_scalar(_tag(key), value, int(record["step"]))

    def on_snapshot(self, step: int, samples: Any, picture: Path) -> None:
        """The samples as one image."""
        import numpy as np

        self.writer.add_image("samples", np.asarray(samples.picture()), step, dataformats="HWC")
        self.writer.flush()

    def on_end(self, step: int) -> None:
        """Write what is still in memory and close the log."""
        self.writer.close()


def _tag(key: str) -> str:
    if "/" in key:
        return key
    return f"speed/{key}" if key.endswith("_per_s") else f"balance/{key}"
