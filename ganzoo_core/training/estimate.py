"""What a run will take: parameters, memory, operations, and time, from a second or two of its own steps."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ganzoo_core.data import Dataset
from ganzoo_core.runs.plan import Plan
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.memory import needed_memory
from ganzoo_core.training.stages import Stage

_TIMED_S = 1.5  # of each phase's steps
_LONGEST_S = 10.0  # where a lazy player wants many steps


@dataclass(frozen=True)
class PhaseEstimate:
    """One phase of a run: `name` None in a game without phases, `gflop` of a step in which every player moves."""

    name: str | None
    steps: int
    batch_size: int
    gflop: float
    step_s: float


@dataclass(frozen=True)
class Estimate:
    """What a run will take. `memory_bytes`: of the device's memory, None where that can't be worked out."""

    variant: str
    data: str
    device: str
    precision: str
    parameters: dict[str, int]
    memory_bytes: int | None
    phases: list[PhaseEstimate]

    @property
    def steps(self) -> int:
        """The run's steps."""
        return sum(phase.steps for phase in self.phases)

    @property
    def seconds(self) -> float:
        """How long its steps take; pictures and checkpoints come on top."""
        return sum(phase.steps * phase.step_s for phase in self.phases)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as JSON values."""
        return asdict(self) | {"steps": self.steps, "seconds": self.seconds}


def estimate(plan: Plan, dataset: Dataset) -> Estimate:
    """Build the run's engine and time a few steps of each of its phases; nothing is written."""
    engine = Engine(plan.variant, dataset, plan.run)
    total = plan.variant.config.steps
    phases = []
    for stage in engine.stages:
        end = total if stage.span.end is None else min(total, stage.span.end)
        if end > stage.span.start:
            phases.append(_of_phase(engine, stage, end - stage.span.start))
    return Estimate(
        plan.variant.name,
        dataset.spec.name,
        str(engine.device),
        engine.precision,
        engine.parameter_counts(),
        needed_memory(plan, dataset, engine.processes),
        phases,
    )


def _of_phase(engine: Engine, stage: Stage, steps: int) -> PhaseEstimate:
    engine.go_to(stage.span.start)
    with _Operations() as counted:  # also a step to warm up with
        engine.train_step()
    period = math.lcm(*(player.every for player in stage.players))
    _wait(engine.device)
    started_s, count = time.monotonic(), 0
    while True:
        engine.go_to(stage.span.start + count % steps)
        engine.train_step()
        count += 1
        _wait(engine.device)
        elapsed_s = time.monotonic() - started_s
        if elapsed_s >= _TIMED_S and (count % period == 0 or elapsed_s >= _LONGEST_S):
            return PhaseEstimate(stage.name, steps, stage.order.batch_size, counted.total / 1e9, elapsed_s / count)


class _Operations(TorchDispatchMode):
    """Counts floating-point operations of convolutions and products: torch's own counter can't go through penalties."""

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry  # which imports Triton

        super().__init__()
        self.total = 0
        self._formulas = flop_registry

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing is compiled inside, and skipping it imports the compiler."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, and count what it takes."""
        found = func(*args, **(kwargs or {}))
        if formula := self._formulas.get(func._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=found)
        return found


def _wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
