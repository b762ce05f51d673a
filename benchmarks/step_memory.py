"""The most memory that a step takes above weights and optimizers, and its time, with activations kept and dropped.

    OMP_NUM_THREADS=1 python -m benchmarks.step_memory [dcgan ...] [--image-size 64] [--set KEY=VALUE]... [--resident]

All installed variants if none is named, on the data of their own, or on random pictures of `--image-size` with labels,
sources and texts; in a run's last phase, which is of the full size. On a processor the tensors alive are counted, as
`--dry-run` does; on a card its allocator tells. `--resident`: what Linux tells of a process of its own beside it, less
the same weights and optimizers, once a step in the same process has loaded the kernels.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.distributed.shared_data import load_data
from ganzoo_core.errors import GanzooError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.sampling.tally import Tally
from ganzoo_core.training.engine import Engine

MB = 2**20
LEAST_SAMPLES = 256


def random_pictures(size: int, batch_size: int) -> Dataset:
    """Pictures of random numbers, with all that variants take beside them."""
    columns = (
        Input(name="source", kind="image", shape=(3, size, size)),
        Input(name="text", kind="text", shape=(6,), names=tuple("abcdefgh")),
        Input(name="attributes", kind="numbers", shape=(3,)),
    )
    n = max(LEAST_SAMPLES, batch_size)
    samples, source = torch.randint(0, 256, (2, n, 3, size, size), dtype=torch.uint8)
    extra = {"source": source, "text": torch.randint(0, 9, (n, 6)), "attributes": torch.randn(n, 3)}
    spec = DataSpec(f"pictures of {size}", (3, size, size), ("a", "b"), columns=columns)
    return Dataset(spec, samples, torch.arange(n) % 2, extra)


def planned(variant: str, texts: dict[str, str], data: str | None, device: str, *, is_on: bool) -> Plan:
    """The run to measure, with activations dropped or kept; without a recorded graph, whose memory is its own."""
    values = {"device": device, "cuda_graph": False, "checkpoint_activations": is_on}
    return resolve(variant, values | ({} if data is None else {"data": data}), texts)


def loaded(plan: Plan, image_size: int | None, data_dir: Path | None) -> Dataset:
    """Random pictures of that size, or the plan's own data."""
    if image_size is not None:
        return random_pictures(image_size, plan.variant.config.batch_size)
    return load_data(plan.source, data_dir, SingleProcess())


def last_phase(engine: Engine) -> Callable[[], None]:
    """What plays a step of the run's last phase in which all of its players move, again and again."""
    stage = engine.stages[-1]
    every = math.lcm(*(player.every for player in stage.players))
    first = -(-stage.span.start // every) * every

    def play() -> None:
        engine.go_to(first)
        engine.train_step()

    return play


def state_bytes(engine: Engine) -> int:
    """Weights, averages and optimizers."""
    return sum(tensor.nbytes for tensor in engine.state().values())


def peak_bytes(engine: Engine, play: Callable[[], None]) -> int:
    """The most bytes in use while it plays a step, beside the state; the step before has left gradients."""
    play()
    parameters = [p for player in engine.players for p in player.parameters if p.grad is not None]
    for parameter in parameters:
        parameter.grad = None
    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _fill(parameters)
        play()
        return torch.cuda.max_memory_allocated() - before
    with Tally() as tally:
        _fill(parameters)
        play()
    return tally.most


def _fill(parameters: list[torch.nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)


def step_s(engine: Engine, play: Callable[[], None], steps: int) -> float:
    """The processor time of a step, the median; on a card the time."""
    clock = time.process_time if engine.device.type == "cpu" else time.perf_counter
    spent = []
    for _ in range(steps):
        started = clock()
        play()
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        spent.append(clock() - started)
    return statistics.median(spent)


def measure(make: Callable[[bool], Engine], steps: int) -> dict[str, dict[str, float]]:
    """Megabytes of 2^20 bytes, and seconds, of a step with activations kept and dropped."""
    found = {}
    for name, is_on in (("kept", False), ("dropped", True)):
        engine = make(is_on)
        play = last_phase(engine)
        found[name] = {"step_mb": peak_bytes(engine, play) / MB, "state_mb": state_bytes(engine) / MB}
        if steps:
            found[name]["step_s"] = step_s(engine, play, steps)
    return found


def resident_bytes(make: Callable[[], Engine]) -> int:
    """What a step has this process hold at its peak beside the state, by Linux."""
    last_phase(make())()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, engine = _status("VmRSS"), make()
    play = last_phase(engine)
    play()
    play()
    return _status("VmHWM") - before - state_bytes(engine)


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


def resident_mb(arguments: list[str], *, is_on: bool) -> float:
    """`resident_bytes` of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.step_memory", *arguments, "--inside", "dropped" if is_on else "kept"]
    return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout) / MB


def shown(row: dict[str, Any]) -> str:
    """A row of the table."""
    cells = [row["variant"], f"{row['kept']['state_mb']:.0f}"]
    for key, form in (("step_mb", ".0f"), ("resident_mb", ".0f"), ("step_s", ".2f")):
        if key in row["kept"]:
            kept, dropped = row["kept"][key], row["dropped"][key]
            cells += [f"{kept:{form}}", f"{dropped:{form}}", f"{dropped / kept:.2f}"]
    return f"| {' | '.join(cells)} |"


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--data", help="in place of the variant's own")
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--image-size", type=int, help="random pictures of so many pixels a side")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE")
@click.option("--steps", default=3, show_default=True, help="timed; 0: none")
@click.option("--device", default="cpu", show_default=True)
@click.option("--resident", is_flag=True)
@click.option("--inside", type=click.Choice(["kept", "dropped"]), hidden=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    variants: tuple[str, ...], data: str | None, data_dir: Path | None, image_size: int | None,
    settings: tuple[str, ...], steps: int, device: str, resident: bool, inside: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure the memory of a step of VARIANTS, all if none is named."""
    texts = {"precision": "fp32"} | dict(text.split("=", 1) for text in settings)

    def make(variant: str, is_on: bool) -> Engine:
        plan = planned(variant, texts, data, device, is_on=is_on)
        return Engine(plan.variant, loaded(plan, image_size, data_dir), plan.run)

    if inside is not None:
        print(resident_bytes(lambda: make(variants[0], inside == "dropped")))
        return
    options = [option for option in sys.argv[1:] if option not in (*variants, "--resident", "--json")]
    rows = []
    for variant in variants or sorted(registry().variants()):
        try:
            row: dict[str, Any] = {"variant": variant} | measure(functools.partial(make, variant), steps)
        except GanzooError as error:
            print(f"{variant} is left out: {error}", file=sys.stderr)
            continue
        for name in ("kept", "dropped") if resident else ():
            row[name]["resident_mb"] = resident_mb([variant, *options], is_on=name == "dropped")
        rows.append(row)
        if not as_json:
            print(shown(row), flush=True)
    if as_json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
