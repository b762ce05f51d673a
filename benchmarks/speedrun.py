"""The least time to a quality: how soon a GAN's FID on MNIST is at most the goal, and a table of records.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.speedrun dcgan [--set small_channels=32]... [--goal 15]

A run is judged after 10 seconds of training, and then each time a tenth more has passed; its time is that of the first
judgement with at most the goal. What a step costs is measured first, in processor time on one thread, the least of some
rounds, and a second holds as many steps as it says; so what else the machine does while it trains does not matter, and
sampling and judging don't count. `--seeds ""` measures the cost alone. FID is of 5,000 samples of what a run would end
with, against as many training pictures, in the features of a classifier of MNIST, as in benchmarks/per_minute.py. All
seeds must get there. What was run is added to speedrun.jsonl beside this file, and docs/speedrun.md is made of it,
which `--only-page` does alone. `--loop textbook` is the loop of the usual scripts on the same networks.
"""

from __future__ import annotations

import datetime
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import click
import torch

from benchmarks.lines import Line, add, figure, matching, read
from benchmarks.machine import matmul_rate, processor
from benchmarks.per_minute import LOOPS, Judge, new_loop, step_s
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.storage.files import write_atomically

HERE = Path(__file__).parent
RECORDS = HERE / "speedrun.jsonl"
PAGE = HERE.parent / "docs" / "speedrun.md"
FIRST_S, GROWTH = 10.0, 1.1
GOAL = 15.0

INTRODUCTION = """# Speedrun

How soon is a GAN good? The least time until FID on MNIST is at most {goal:g}, on one thread of a processor: the mean of
the seeds (least to most), and how many steps that were. FID is of 5,000 samples against as many training pictures,
in the features of a classifier of MNIST ([why](evaluate.md)); real pictures that were not trained on score {floor}.
A run is judged after 10 seconds and then each time a tenth more has passed; a second is as many steps as one holds
where nothing else runs.

Any variant and any settings may run, a plugin of yours too. All seeds from 0 to 2 must get there; what did not, has no
time.

<!-- not run: minutes of training, on data that is a download -->
```bash
GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.speedrun dcgan --set small_channels=32
```

Times of different processors can't be compared: GFLOP/s is the rate of a large product in float32 on one thread.
`textbook` is the loop of the usual single-file scripts, on the same networks, with the same settings.

"""


def ends_s(most_s: float) -> Iterator[float]:
    """When a run is judged."""
    times = (FIRST_S * GROWTH**k for k in itertools.count())
    return itertools.takewhile(lambda end_s: end_s <= most_s, times)


def one_run(
    loop: str, name: str, data: Dataset, judge: Judge, settings: dict[str, str], seed: int, limits: Line
) -> Line:
    """When and after how many steps FID was at most the goal, None where it never was; and all judgements."""
    step, samples = new_loop(loop, name, data, settings, seed)
    fids: dict[str, float] = {}
    done = 0
    for end_s in ends_s(limits["most_s"]):
        for _ in range(round(end_s / limits["step_s"]) - done):
            step()
            done += 1
        fids[f"{end_s:.1f}"] = fid = judge(samples())
        print(f"{name} seed {seed}: FID {fid:.2f} after {end_s:.1f} s, {done} steps", flush=True)
        if fid <= limits["goal"]:
            return {"seconds": end_s, "steps": done, "fid": fids}
    return {"seconds": None, "steps": None, "fid": fids}


def costs_file(records: Path) -> Path:
    """What steps cost, beside the records."""
    return records.with_name(f"{records.stem}-steps.jsonl")


def table(lines: list[Line]) -> str:
    """A line for each set of settings, the least mean time first; last what did not get there with all seeds."""
    keys = ("variant", "loop", "settings", "processor")
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(json.dumps([line[key] for key in keys]), []).append(line)

    def seconds(group: list[Line]) -> list[float]:
        found = [line["seconds"] for line in group]
        return found if len(found) > 2 and None not in found else []

    def place(group: list[Line]) -> tuple[bool, float]:
        return not seconds(group), statistics.fmean(seconds(group) or [0.0])

    rows = ["| Variant | Settings | Loop | Seconds | Steps | Seeds | Processor | GFLOP/s | Date |", "|---" * 9 + "|"]
    for group in sorted(groups.values(), key=place):
        first, times = group[0], seconds(group)
        chosen = " ".join(f"`{key}={value}`" for key, value in first["settings"].items()) or "its own"
        took = figure(times, ".0f")
        steps = f"{statistics.fmean(line['steps'] for line in group):,.0f}" if times else ""
        there = f"{sum(line['seconds'] is not None for line in group)} of {len(group)}"
        rate = f"{statistics.fmean(line['gflop_per_s'] for line in group):.0f}"
        cells = [f"`{first['variant']}`", chosen, first["loop"], took, steps, there, first["processor"], rate]
        rows.append("| " + " | ".join([*cells, max(line["date"] for line in group)]) + " |")
    return "\n".join(rows) + "\n"


def page(lines: list[Line]) -> str:
    """docs/speedrun.md."""
    goal = GOAL
    chosen = [line for line in lines if line["goal"] == goal]
    floor = f"{chosen[0]['floor']:.2g}" if chosen else "less"
    return INTRODUCTION.format(goal=goal, floor=floor) + table(chosen)


@click.command(help=__doc__)
@click.argument("variants", nargs=-1)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Hyperparameters.")
@click.option("--loop", type=click.Choice(LOOPS), default="engine", show_default=True)
@click.option("--goal", default=GOAL, show_default=True, help="The page has only what was run with this default.")
@click.option("--most", default=600.0, show_default=True, help="Seconds after which a run is given up.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--records", type=click.Path(path_type=Path), default=RECORDS, show_default=False)
@click.option("--page", "to", type=click.Path(path_type=Path), default=PAGE, show_default=False)
@click.option("--only-page", is_flag=True, help="Train nothing.")
def main(
    variants: tuple[str, ...], assignments: tuple[str, ...], loop: str, goal: float, most: float, seeds: str,
    records: Path, to: Path, only_page: bool,
) -> None:  # fmt: skip
    """Train what is not among the records yet, and write the page."""
    torch.set_num_threads(1)
    settings = dict(sorted(item.split("=", 1) for item in assignments))
    if not only_page:
        data = named_source("mnist").load(data_folder(None))
        judge = Judge(data)
        floor = judge(named_source("mnist").load(data_folder(None), "test").batch(torch.arange(5000))["real"])
    for name in () if only_page else variants:
        registry().variant(name)
        key: Line = {"variant": name, "loop": loop, "settings": settings, "processor": processor()}
        costs = matching(read(costs_file(records)), key)
        if not costs:
            rate = round(matmul_rate("fp32", 1, time.process_time) / 1e9)
            cost_s = step_s([loop], name, data, settings)[loop]
            costs = [key | {"step_s": cost_s, "gflop_per_s": rate}]
            add(costs_file(records), costs[0])
        for seed in map(int, filter(None, seeds.split(","))):
            wanted = key | {"seed": seed, "goal": goal}
            if matching(read(records), wanted):
                continue
            limits = {"goal": goal, "most_s": most, "step_s": costs[0]["step_s"]}
            found = one_run(loop, name, data, judge, settings, seed, limits)
            about = {name: costs[0][name] for name in ("gflop_per_s", "step_s")}
            about |= {"floor": floor, "torch": torch.__version__.split("+")[0], "date": str(datetime.date.today())}
            add(records, wanted | found | about)
    write_atomically(to, page(read(records)).encode())


if __name__ == "__main__":
    main()
