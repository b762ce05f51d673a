"""FID after the same processor time: the engine beside the scripts' loop, on the same networks, data and judge.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.per_minute vanilla dcgan [--data mnist] [--seeds 0,1,2]

Both loops have the variant's own networks, batch size and learning rates; the scripts' has nothing else of the engine's
(benchmarks/textbook.py), and is sampled as scripts do it: the generator that trained, in training mode. Of the engine's
it is what a run ends with, the averaged generator. FID is of 5,000 samples against as many training pictures, in the
features of a classifier of the data set. Time is processor time of training, on one thread: sampling and judging don't
count. A line is written for each run that is done, and what is in the file is not trained again.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.textbook import Textbook
from benchmarks.train import engine_step
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.testing.in_memory import Training
from ganzoo_core.training.engine import Engine
from ganzoo_tools.evaluation.extractors import of_classifier
from ganzoo_tools.evaluation.keeping import cached_classifier
from ganzoo_tools.evaluation.reference import Reference

SAMPLES = 5000
LOOPS = ("engine", "textbook")
Line = dict[str, Any]


class Judge:
    """FID of samples against a data set's own pictures."""

    def __init__(self, data: Dataset) -> None:
        model = cached_classifier(data, data_folder(None))
        self.reference = Reference(data, None, SAMPLES, of_classifier(model, data.digest, torch.device("cpu")))

    def __call__(self, values: Tensor) -> float:
        return self.reference.quality(self.reference.extractor(values))[0]["fid"]


def new_loop(
    loop: str, name: str, data: Dataset, settings: dict[str, str], seed: int
) -> tuple[Callable[[], None], Callable[[], Tensor]]:
    """What takes a step, and what gives SAMPLES samples (N, C, H, W) in [-1, 1]."""
    cls = registry().variant(name)[0]
    variant = cls(cls.Config.from_dict({key: cls.Config.parse(key, text) for key, text in settings.items()}))
    if loop == "engine":
        run = RunSettings(data=data.spec.name, seed=seed, device="cpu")
        engine = Engine(variant, data, run)
        training = Training(variant, data, engine)
        return engine_step(engine, run.log_every), lambda: training.sample(SAMPLES, seed=seed).values
    torch.manual_seed(seed)
    textbook = Textbook(variant, data)

    def samples() -> Tensor:
        state = torch.get_rng_state()
        batches = [textbook_batch(textbook, data) for _ in range(-(-SAMPLES // variant.config.batch_size))]
        torch.set_rng_state(state)
        return torch.cat(batches)[:SAMPLES]

    return textbook.step, samples


@torch.no_grad()
def textbook_batch(textbook: Textbook, data: Dataset) -> Tensor:
    """A batch of the generator that trains, in training mode."""
    n, classes = textbook.config.batch_size, data.spec.num_classes
    labels = torch.randint(classes, (n,)) if classes else None
    return textbook.generator(torch.randn(n, textbook.generator.latent_dim), labels)


def staged(step: Callable[[], None], ends_s: Iterable[float]) -> Iterator[tuple[float, int]]:
    """Train to each of these processor seconds in turn, and give it and the steps so far."""
    spent_s, steps = 0.0, 0
    for end_s in ends_s:
        while spent_s < end_s:
            started_s = time.process_time()
            step()
            spent_s += time.process_time() - started_s
            steps += 1
        yield end_s, steps


def one_run(loop: str, name: str, data: Dataset, judge: Judge, key: Line, ends_s: list[float]) -> Line:
    """FID and steps at each end."""
    step, samples = new_loop(loop, name, data, key["settings"], key["seed"])
    line: Line = key | {"fid": {}, "steps": {}}
    for end_s, steps in staged(step, ends_s):
        line["fid"][f"{end_s:g}"], line["steps"][f"{end_s:g}"] = judge(samples()), steps
    return line


@click.command(help=__doc__)
@click.argument("variants", nargs=-1, required=True, type=click.Choice(Textbook.VARIANTS))
@click.option("--data", "data_name", default="mnist", show_default=True)
@click.option("--image-size", help="Of a folder's pictures.")
@click.option("--seconds", default="60,150,300", show_default=True)
@click.option("--loops", default=",".join(LOOPS), show_default=True)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Hyperparameters.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("per_minute.jsonl"), show_default=True)
def main(
    variants: tuple[str, ...], data_name: str, image_size: str | None, seconds: str, loops: str, seeds: str,
    assignments: tuple[str, ...], out: Path,
) -> None:  # fmt: skip
    """Train what is not in `out` yet, and print a table of all."""
    torch.set_num_threads(1)
    data = named_source(data_name, {"image_size": image_size} if image_size else {}).load(data_folder(None))
    judge, ends_s = Judge(data), [float(end) for end in seconds.split(",")]
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    table = Table("variant", "loop", "seeds", *(f"FID, {end:g} s" for end in ends_s), f"steps in {ends_s[-1]:g} s")
    settings = dict(item.split("=", 1) for item in assignments)
    for variant in variants:
        for loop in loops.split(","):
            key = {"variant": variant, "loop": loop, "data": data_name, "settings": settings, "ends": seconds}
            for seed in map(int, seeds.split(",")):
                wanted = key | {"seed": seed}
                if not any(all(line.get(k) == v for k, v in wanted.items()) for line in lines):
                    lines.append(one_run(loop, variant, data, judge, wanted, ends_s))
                    with out.open("a") as file:
                        file.write(json.dumps(lines[-1]) + "\n")
            done = [line for line in lines if all(line.get(k) == v for k, v in key.items())]
            fids = [[line["fid"][f"{end:g}"] for line in done] for end in ends_s]
            cells = [f"{statistics.fmean(v):.2f} ({min(v):.2f} to {max(v):.2f})" for v in fids]
            steps = statistics.fmean(line["steps"][f"{ends_s[-1]:g}"] for line in done)
            table.add_row(variant, loop, str(len(done)), *cells, f"{steps:,.0f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
