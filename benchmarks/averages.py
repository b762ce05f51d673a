"""Which average of the generator is the best, and when: FID of several at once, of one training that has them all.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.averages vanilla [--steps 2750,6900] [--decays 0,0.99,0.999]

The training itself does not depend on how it is averaged. Decays grow from 0 as k / (k + r) after k steps; r is 3, as
in the engine, or what follows a colon: 0.999:10 is of about the last tenth until 10,000 steps. 0 is the generator that
trains. FID is of 5,000 samples, as in `benchmarks.per_minute`, each average having BatchNorm statistics of its own.
`--fresh` makes new samples for the generator's turn, where the engine judges those of the discriminator's again. A line
is written for each seed, and what is in the file is not trained again.
"""

from __future__ import annotations

import copy
from pathlib import Path
from unittest import mock

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.lines import Line, add, figure, matching, read
from benchmarks.per_minute import SAMPLES, Judge
from benchmarks.train import engine_step
from benchmarks.tricks import Unshared
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.interfaces import Batch
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.testing.in_memory import Training
from ganzoo_core.training import engine as engines
from ganzoo_core.training.averages import Averages
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Variant


def following(engine: Engine, rule: str) -> Averages:
    """An average of the engine's generator that follows by another rule; none at a decay of 0."""
    decay, _, rise = rule.partition(":")
    average = Averages(engine.networks, ("generator",), float(decay))
    average.rise = float(rise or Averages.rise)
    return average


def samples(variant: Variant, data: Dataset, engine: Engine, weights: nn.Module) -> Tensor:
    """SAMPLES (N, C, H, W) by these weights in place of the average's, with BatchNorm statistics of their own."""
    assert engine.average is not None
    usual = copy.deepcopy(engine.average.state_dict())
    engine.average.load_state_dict(weights.state_dict())
    found = Training(variant, data, engine).sample(SAMPLES, seed=0).values
    engine.average.load_state_dict(usual)
    return found


def one_run(plan: Plan, data: Dataset, rules: list[str], ends: list[int], judge: Judge) -> Line:
    """FID of each average by its rule, after each number of steps."""
    engine = Engine(plan.variant, data, plan.run)
    step = engine_step(engine, plan.run.log_every)
    averages = {rule: following(engine, rule) for rule in rules}
    found: Line = {rule: {} for rule in rules}
    while engine.step < ends[-1]:
        step()
        for average in averages.values():
            average.follow(engine.step)
        if engine.step in ends:
            for rule, average in averages.items():
                weights = average.modules.get("generator", engine.networks.generator)
                found[rule][str(engine.step)] = judge(samples(plan.variant, data, engine, weights))
    return found


@click.command(help=__doc__)
@click.argument("variant")
@click.option("--data", "data_name", default="mnist", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Of the variant and the data.")
@click.option("--steps", default="2750,6900", show_default=True)
@click.option("--decays", default="0,0.99,0.995,0.998,0.999,0.999:10", show_default=True)
@click.option("--fresh", is_flag=True, help="New samples for the generator's turn.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("averages.jsonl"), show_default=True)
def main(
    variant: str,
    data_name: str,
    assignments: tuple[str, ...],
    steps: str,
    decays: str,
    fresh: bool,
    seeds: str,
    out: Path,
) -> None:
    """Train what is not in `out` yet, and print a table of all."""
    torch.set_num_threads(1)
    texts = dict(item.split("=", 1) for item in assignments)
    plan = resolve(variant, {"data": data_name, "device": "cpu"}, texts)
    data, ends, rules = plan.source.load(data_folder(None)), [int(end) for end in steps.split(",")], decays.split(",")
    judge, usual = Judge(data), plan.variant.average_decay(data.spec)
    about = {"variant": variant, "data": data_name, "set": texts, "fresh": fresh, "steps": steps, "decays": decays}
    with mock.patch.object(engines, "Batch", Unshared if fresh else Batch):
        for seed in map(int, seeds.split(",")):
            if not matching(read(out), about | {"seed": seed}):
                seeded = resolve(variant, {"data": data_name, "device": "cpu", "seed": seed}, texts)
                add(out, about | {"seed": seed, "fid": one_run(seeded, data, rules, ends, judge)})
    table = Table("decay", *(f"FID at {end:,}" for end in ends), title=f"{variant}, whose own decay is {usual:g}")
    for rule in rules:
        lines = matching(read(out), about)
        table.add_row(rule, *(figure([line["fid"][rule][str(end)] for line in lines], ".1f") for end in ends))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
