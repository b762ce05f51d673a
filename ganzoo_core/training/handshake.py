"""One run in several processes: what the first tells the others, and one copy of the data per machine."""

from __future__ import annotations

from pathlib import Path

from ganzoo_core.data import Dataset
from ganzoo_core.distributed.launch import note_run
from ganzoo_core.distributed.processes import Processes, ProcessGroup
from ganzoo_core.distributed.shared_data import forget_shared, load_data
from ganzoo_core.errors import DataError
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.trainer import Trainer


def lead(plan: Plan, dataset: Dataset, engine: Engine, folder: Path, seconds: float | None) -> None:
    """In the first process: tell the others, if any, what to train, and wait until they are ready."""
    note_run(folder)
    instructions = {
        "variant": plan.variant.name,
        "settings": plan.stored_settings(),
        "data_digest": dataset.digest,
        "step": engine.step,
        "folder": str(folder),
        "seconds": seconds,
    }
    engine.processes.lead(lambda: (instructions, engine.state()))
    forget_shared(engine.processes)


def lead_nowhere(processes: Processes, folder: Path) -> None:
    """In the first process: tell the others that the run in this folder is finished."""
    processes.lead(lambda: ({"folder": str(folder)}, {}))


def follow(processes: ProcessGroup, data_dir: str | Path | None) -> Path:
    """In every other process: train what the first sends, from its very tensors. Returns the folder.

    Raises `DataError` if the data here differs from that of the first process.
    """
    instructions, tensors = processes.follow()
    folder = RunFolder(Path(instructions["folder"]))
    if "variant" not in instructions:
        return folder.path
    plan = resolve(instructions["variant"], instructions["settings"])
    dataset = load_data(plan.source, data_dir, processes)
    if dataset.digest != instructions["data_digest"]:
        raise DataError(
            f"process {processes.rank} has other samples of {dataset.spec.name} than process 0; "
            f"give all machines the same, or name with --data-dir where they are"
        )
    engine = Engine(plan.variant, dataset, plan.run, processes)
    engine.restore(instructions["step"], tensors, folder.checkpoint)
    processes.wait()
    forget_shared(processes)
    Trainer(plan, dataset, engine, seconds=instructions["seconds"]).run()
    return folder.path
