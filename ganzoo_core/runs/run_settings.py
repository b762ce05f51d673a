"""The settings of a run that are neither the variant's nor the data set's."""

from __future__ import annotations

from dataclasses import dataclass

from ganzoo_core.settings import Settings, option


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
    compile: bool = option(False, "compile the networks with torch.compile")
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
