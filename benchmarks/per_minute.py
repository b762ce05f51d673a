"""FID after the same processor time: the engine beside the scripts' loop, on the same networks, data and judge.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.per_minute vanilla dcgan [--data mnist] [--seeds 0,1,2]

Both loops have the variant's own networks, batch size and learning rates; the scripts' has nothing else of the engine's
(benchmarks/textbook.py), and is sampled as scripts do it: the generator that trained, in training mode. Of the engine's
it is what a run ends with, the averaged generator. FID is of 5,000 samples against as many training pictures, in the
features of a classifier of the data set. What a step costs is measured first, both loops in turn in one process, in
processor time on one thread, the least of some rounds; each is then trained for as many steps as the seconds hold, so
that what else the machine does in the meantime does not matter. A line is written for what was measured and for each
run, and what is in the file is not done again; `--seeds ""` measures alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.equal_time import in_turns
from benchmarks.lines import Line, add, figure, matching, read
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


def step_s(
    loops: Sequence[str], name: str, data: Dataset, settings: dict[str, str], rounds: int = 5, least_s: float = 1.0
) -> dict[str, float]:
    """Processor seconds of a step of each loop, the least of rounds in which they take turns."""
    steps = [(new_loop(loop, name, data, settings, 0)[0], 1) for loop in loops]
    return dict(zip(loops, in_turns(steps, rounds, least_s), strict=True))


def one_run(loop: str, name: str, data: Dataset, judge: Judge, key: Line, ends: dict[str, int]) -> Line:
    """FID after each number of steps, by the seconds that it stands for."""
    step, samples = new_loop(loop, name, data, key["settings"], key["seed"])
    line: Line = key | {"fid": {}, "steps": ends}
    done = 0
    for end, steps in ends.items():
        for _ in range(steps - done):
            step()
        done, line["fid"][end] = steps, judge(samples())
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
    judge, ends = Judge(data), [f"{float(end):g}" for end in seconds.split(",")]
    lines = read(out)
    table = Table("variant", "loop", "ms a step", "seeds", *(f"FID, {end} s" for end in ends), f"steps in {ends[-1]} s")
    settings = dict(item.split("=", 1) for item in assignments)

    def note(line: Line) -> None:
        lines.append(line)
        add(out, line)

    for variant in variants:
        about = {"variant": variant, "data": data_name, "settings": settings}
        if not matching(lines, about | {"kind": "step"}):
            note(about | {"kind": "step", "s": step_s(LOOPS, variant, data, settings)})
        cost_s = matching(lines, about | {"kind": "step"})[0]["s"]
        for seed in filter(None, seeds.split(",")):
            for loop in loops.split(","):
                key = about | {"loop": loop, "seed": int(seed), "seconds": seconds}
                if not matching(lines, key):
                    note(one_run(loop, variant, data, judge, key, {e: round(float(e) / cost_s[loop]) for e in ends}))
        for loop in loops.split(","):
            done = matching(lines, about | {"loop": loop, "seconds": seconds})
            fids = [[line["fid"][end] for line in done] for end in ends]
            cells = [figure(v, ".2f") for v in fids]
            ms, steps = f"{cost_s[loop] * 1e3:.1f}", f"{float(ends[-1]) / cost_s[loop]:,.0f}"
            table.add_row(variant, loop, ms, str(len(done)), *cells, steps)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
