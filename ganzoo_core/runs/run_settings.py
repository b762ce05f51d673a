"""The settings of a run that are neither the variant's nor the data set's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ganzoo_core.errors import SettingError
from ganzoo_core.settings import Settings, option

_GOAL = re.compile(r"(?P<metric>[A-Za-z_]\w*)=(?P<value>[-+0-9.eE]+)")


@dataclass(frozen=True, kw_only=True)
class RunSettings(Settings):
    """The settings of a run that are neither the variant's nor the data set's."""

    data: str = option("digits", "name of the data set, or folder:PATH; the variant may have another default")
    balance: bool = option(False, "draw each class of the data equally often, however many samples it has")
    seed: int = option(0, "where all that is random comes from", minimum=0)
    device: str = option("auto", "where to compute", choices=("auto", "cpu", "cuda", "mps"))
    precision: str = option(
        "auto",
        "arithmetic of the networks; auto: bf16 where the device has it natively, for images and voxels",
        choices=("auto", "fp32", "bf16"),
    )
    compile: bool = option(False, "compile the networks with torch.compile, on a GPU")
    cuda_graph: bool = option(True, "on a CUDA device, record a step once as a graph and replay it")
    accumulate: int = option(
        1, "pieces of a mini-batch, computed one after another to save memory; their gradients are averaged", minimum=1
    )
    sync_batchnorm: bool = option(False, "have BatchNorm take its means over all processes, not over each one's share")
    snapshots: tuple[int, ...] | None = option(
        None, "steps after which to draw the fixed latents; none: 1, 10, 100, 200, 500, 1000, ...", minimum=1
    )
    log_every: int = option(20, "steps between two lines of metrics.jsonl", minimum=1)
    checkpoint_every_s: float = option(30.0, "seconds between two checkpoints", minimum=0)
    keep: int = option(0, "older checkpoints to keep beside the last one, in checkpoints/", minimum=0)
    freeze_layers: int = option(
        0, "layers of the discriminator, from the picture on, that stay as --from gave them (arXiv:2002.10964)",
        minimum=0,
    )  # fmt: skip
    metric: str | None = option(None, "judge the generator by this as it trains, such as fid; the best is kept")
    metric_every: int | None = option(
        None, "steps between two readings of the metric; none: as few as take less than a tenth of the time", minimum=1
    )
    until: str | None = option(None, "end the run once the metric is as good as this, such as fid=20")
    patience: int | None = option(
        None, "end the run after so many readings of the metric of which none was the best", minimum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        metric, _ = self.goal() or (self.metric, None)
        if self.metric not in (None, metric):
            raise SettingError(f"until must be of the metric, {self.metric}, but is {self.until!r}; give one of them")
        for name in ("metric_every", "patience"):
            if metric is None and getattr(self, name) is not None:
                raise SettingError(f"{name} counts by a metric; give one, such as metric=fid, or leave {name} out")
        object.__setattr__(self, "metric", metric)

    def goal(self) -> tuple[str, float] | None:
        """The metric and the value that `until` names. Raises `SettingError` for what names none."""
        if self.until is None:
            return None
        found = _GOAL.fullmatch(self.until)
        try:
            if found is not None:
                return found["metric"], float(found["value"])
        except ValueError:
            pass
        raise SettingError(f"until must be METRIC=NUMBER, such as fid=20, but is {self.until!r}")

    def snapshot_steps(self, total_steps: int) -> set[int]:
        """The steps after which to draw; the last step is always one of them."""
        if self.snapshots is not None:
            return {step for step in self.snapshots if step <= total_steps} | {total_steps}
        steps = {1, 10, total_steps}
        scale = 100
        while scale <= total_steps:
            steps |= {step for step in (scale, 2 * scale, 5 * scale) if step <= total_steps}
            scale *= 10
        return steps
