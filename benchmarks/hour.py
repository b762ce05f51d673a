"""How good an hour makes a GAN: FID after an eighth, a quarter, a half and all of an hour's training on two cores.

    GANZOO_DATA=DIR python -m benchmarks.hour dcgan projection --data folder:DIR --seeds ""
    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.hour dcgan projection --data folder:DIR [--seeds 0,1,2]

The first call measures what a step takes, in wall time on `--threads` threads where nothing else runs, the least of
some rounds. A run then takes as many steps as the time holds, so that what else the machine does meanwhile, and on how
many threads the run itself is, does not matter. All seeds come to a stage before one goes on to the next. Runs are kept
below `--out` and gone on with, and a line is added to hour.jsonl in it for what was measured, which is not done again;
a second call for other variants may run beside the first. Judged are 10,000 samples of what a run ends with, as
`ganzoo compare` does it.
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table

import ganzoo_core as ganzoo
from benchmarks.leaderboard.__main__ import FIGURES
from benchmarks.lines import Line, add, figure, matching, read
from benchmarks.machine import processor
from benchmarks.train import engine_step
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.training.engine import Engine
from ganzoo_tools.comparison.job import SAMPLING_SEEDS
from ganzoo_tools.comparison.race import STAGES
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_tools.evaluation.reference import Reference, load_reals

SAMPLES = 10_000


def step_s(plan: Plan, data: Dataset, threads: int, rounds: int = 5, least_s: float = 3.0) -> float:
    """Wall seconds of a step on so many threads: the least of some rounds."""
    step = engine_step(Engine(plan.variant, data, plan.run), plan.run.log_every)
    before, best = torch.get_num_threads(), float("inf")
    torch.set_num_threads(threads)
    for number in range(rounds + 1):
        started_s, n = time.perf_counter(), 0
        while time.perf_counter() - started_s < least_s:
            step()
            n += 1
        if number:  # the first warms up
            best = min(best, (time.perf_counter() - started_s) / n)
    torch.set_num_threads(before)
    return best


def train(folder: Path, plan: Plan, seed: int, steps: int) -> None:
    """Begin a run in its folder or go on with it, until it has so many steps."""
    if (folder / "run.json").exists():
        ganzoo.train(resume=folder, steps=steps)
    else:
        ganzoo.train(plan.variant.name, **plan.settings() | {"seed": seed, "steps": steps}, out=folder)


def judged(folder: Path, reals: Reference) -> Line:
    """Metrics of a run as it stands."""
    found = evaluate(folder, n=SAMPLES, seeds=SAMPLING_SEEDS, device="cpu", reals=reals)
    figures = {name: found.figures[name].mean for name in FIGURES if name in found.figures}
    return {"figures": figures, "samples": found.conditions["samples"]}


def table(lines: list[Line], variants: tuple[str, ...]) -> Table:
    """Mean FID over seeds, from which to which, at each stage."""
    result = Table("variant", "minutes", "steps", "seeds", "FID", "KID", "coverage")
    for variant in variants:
        rows = [line for line in matching(lines, {"variant": variant}) if "figures" in line]
        for minutes in sorted({line["minutes"] for line in rows}):
            some = matching(rows, {"minutes": minutes})
            cells = [figure([line["figures"][name] for line in some]) for name in ("fid", "kid", "coverage")]
            result.add_row(variant, f"{minutes:g}", f"{some[0]['steps']:,}", str(len(some)), *cells)
    return result


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True)
@click.option("--data", "data_name", default="digits", show_default=True)
@click.option("--set", "assignments", multiple=True, help="KEY=VALUE of variant and data, for all.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--stages", default=len(STAGES), show_default=True, help="How many of the four, from the first on.")
@click.option("--threads", default=2, show_default=True, help="On which a step is timed.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/hour"), show_default=True)
def main(
    variants: tuple[str, ...],
    data_name: str,
    assignments: tuple[str, ...],
    seeds: str,
    minutes: float,
    stages: int,
    threads: int,
    out: Path,
) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    out.mkdir(parents=True, exist_ok=True)
    path, texts = out / "hour.jsonl", dict(item.split("=", 1) for item in assignments)
    plans = {variant: resolve(variant, {"data": data_name, "device": "cpu"}, texts) for variant in variants}
    source = next(iter(plans.values())).source
    data = source.load(data_folder(None))
    costs_s = {variant: cost_s(plan, data, threads, path) for variant, plan in plans.items()}
    reals = load_reals(source, data_folder(None), SAMPLES)
    for share in STAGES[:stages]:
        for seed in map(int, filter(None, seeds.split(","))):
            for variant, plan in plans.items():
                key = {"variant": variant, "seed": seed, "minutes": minutes * share}
                if not matching(read(path), key):
                    folder, steps = out / f"{variant}-seed{seed}", int(60 * minutes * share / costs_s[variant])
                    train(folder, plan, seed, steps)
                    add(path, key | {"steps": steps} | judged(folder, reals))
    Console(width=100).print(table(read(path), variants))


def cost_s(plan: Plan, data: Dataset, threads: int, path: Path) -> float:
    """Seconds of a step: as they were measured before, or measured now."""
    key = {"variant": plan.variant.name, "threads": threads, "processor": processor()}
    if not (known := matching(read(path), key)):
        known = [key | {"step_s": step_s(plan, data, threads)}]
        add(path, known[0])
    return float(known[0]["step_s"])


if __name__ == "__main__":
    main()
