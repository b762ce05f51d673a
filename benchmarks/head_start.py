"""What it saves to begin with weights that others have: steps to a FID on a tenth of MNIST, anew and from digits.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.head_start [RUN] [--seeds 0,1,2] [--out head_start.jsonl]

dcgan on 6,000 pictures of MNIST begins anew, with the weights that come with it, which know scikit-learn's digits and
are of the generator alone, and with those of RUN, a run on digits of the same settings, both players'. FID is of 2,000
samples against the other 54,000 pictures, in the features of a classifier trained on these. A line is written for each
run, and what is in the file is not trained again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
import torch

import ganzoo_core as ganzoo
from benchmarks.few_pictures import Judge, parted
from benchmarks.lines import add, figure, read
from ganzoo_core.datasets import data_folder
from ganzoo_core.runs.plan import named_source

STAGES = (25, 50, 100, 200, 400, 800)
SETTINGS = {"small_channels": "16"}  # those of the weights
SAMPLES = 2000


def one_run(data: tuple[Any, Any], judge: Judge, start: str | None, seed: int) -> dict[str, float]:
    """FID after each stage."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder:
        out = Path(folder) / "run"
        for steps in STAGES:
            if out.exists():
                run = ganzoo.train(resume=out, data=data, steps=steps, progress=False)
            else:
                settings = SETTINGS | {"seed": str(seed)}
                run = ganzoo.train(
                    "dcgan",
                    data=data,
                    out=out,
                    steps=steps,
                    texts=settings,
                    start=start,
                    snapshots=(1,),
                    progress=False,
                )
            values = run.generator().sample(SAMPLES, seed=seed).values
            found[str(steps)] = judge(values)["fid"]
    return found


@click.command(help=__doc__)
@click.argument("run", required=False)
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("head_start.jsonl"), show_default=True)
def main(run: str | None, seeds: str, out: Path) -> None:
    """Train what is not in `out` yet, and print the means of all."""
    few, others = parted(named_source("mnist").load(data_folder(None)), 6000)
    judge = Judge(others, few)
    judge.n = SAMPLES
    data = few.batch(torch.arange(len(few)))["real"], few.labels
    lines = read(out)
    starts = {"anew": None, "weights of digits": "dcgan"} | ({"run on digits": run} if run else {})
    for seed in map(int, seeds.split(",")):
        for name, start in starts.items():
            if not any((line["start"], line["seed"]) == (name, seed) for line in lines):
                lines.append({"start": name, "seed": seed, "fid": one_run(data, judge, start, seed)})
                add(out, lines[-1])
    for name in starts:
        for steps in map(str, STAGES):
            fids = [line["fid"][steps] for line in lines if line["start"] == name]
            click.echo(f"{name}, {steps} steps: {figure(fids)}")


if __name__ == "__main__":
    main()
