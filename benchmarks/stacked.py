"""How many of 1,000 modes does a GAN find? Three digits in a picture's three channels (arXiv:1611.02163, section 3.3).

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.stacked [dcgan sngan] [--seeds 0,1,2]

Each picture is made of three of MNIST's training digits, drawn at random, one for each of red, green and blue, so that
every number from 000 to 999 is a mode and all are as likely. All variants, by default those that need neither labels
nor anything else, train for as long as `--steps` steps of dcgan take: with its first seed a variant is timed beside
dcgan, and other seeds take as many steps. A classifier of the digits reads each channel of 25,600 samples. Counted is
how many numbers are there, and how far their shares are from equal: KL(shares || equal) in nats. Beside it, what as
many real pictures come to. With `--data digits` they are scikit-learn's 1,797. A line of stacked.jsonl beside this file
is written for each seed, and what is there is not trained again; docs/modes.md is made of it, which `--only-page` does
alone. `--pictures` is a folder for pictures of samples.
"""

from __future__ import annotations

import contextlib
import statistics
from pathlib import Path

import click
import torch
from torch import Tensor

from benchmarks.equal_time import steps_like
from benchmarks.lines import Line, add, figure, matching, read
from ganzoo_core import Dataset, DataSpec
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.errors import DataError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source, resolve
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.testing import train_steps
from ganzoo_tools.evaluation.classifier import Classifier, in_pieces
from ganzoo_tools.evaluation.keeping import cached_classifier

HERE = Path(__file__).parent
RESULTS = HERE / "stacked.jsonl"
PAGE = HERE.parent / "docs" / "modes.md"
SAMPLES = 25_600  # as in arXiv:1611.02163
MODES = 1000
MARK, MARK_STEPS = "dcgan", 759
TOOK = "two minutes of one thread of an Intel Xeon without AMX"

INTRODUCTION = f"""# Does it find all modes?

A GAN whose pictures are good may still make few of those that there are. Stacked MNIST counts it
([arXiv:1611.02163](https://arxiv.org/abs/1611.02163), section 3.3): three digits, drawn at random, are a picture's red,
green and blue, so that each number from 000 to 999 is a mode and all are as likely. A classifier of digits reads 25,600
samples. Below is how many of the 1,000 modes are among them, and how far their shares are from equal, KL(shares ||
equal) in nats: 6.9 where all are one number. Every variant that makes pictures of noise alone has its own defaults and
as much time as {MARK_STEPS} steps of `{MARK}` take: {TOOK}. Figures are means
over seeds, from the least to the most.

![Digits over each other: sharp and various; soft and various; a few, again and again](img/modes.png)

Two rows each of `lsgan`, `aae` and `clustergan`, seed 0: nearly all modes; soft ones; the same few again and again.

<!-- not run: hours of training, on data that is a download -->
```bash
GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.stacked
```

So short a time also counts who learns quickly: where few modes are found after few steps, it need not be a collapse.
A plugin of yours that is installed stands here from the next call on.
`dcgan`, `lsgan`, `hinge`, `bgan`, `softmax-gan` and `conv` were measured with players equally fast (4e-4, `conv` 1e-3);
by default their discriminators are slower now.

"""


def stacked(digits: Dataset, n: int, seed: int) -> Dataset:
    """n pictures (3, H, W) of three digits each, without labels."""
    _, height, width = digits.spec.shape
    rows = torch.randint(len(digits), (n, 3), generator=torch.Generator().manual_seed(seed))
    return Dataset(DataSpec("stacked-digits", (3, height, width)), digits.samples[:, 0][rows])


def numbers(images: Tensor, reader: Classifier) -> Tensor:
    """The numbers (N,) from 0 to 999 that a classifier reads in images (N, 3, H, W)."""
    hundreds, tens, ones = (in_pieces(reader, images[:, k : k + 1]).argmax(1) for k in range(3))
    return 100 * hundreds + 10 * tens + ones


def judged(images: Tensor, reader: Classifier) -> dict[str, float]:
    """How many modes are there, and KL(shares || equal) in nats."""
    shares = numbers(images, reader).bincount(minlength=MODES).double() / len(images)
    present = shares[shares > 0]
    return {"modes": len(present), "KL": float((present * (present * MODES).log()).sum())}


def of_noise(spec: DataSpec) -> list[str]:
    """The installed variants that make such pictures of noise, and of labels where there are some."""
    found = []
    for name, (variant, _) in registry().variants().items():
        with contextlib.suppress(DataError):
            variant().check_data(spec)
            found += [name] if not variant().inputs(spec) else []
    return found


def one_run(variant: str, data: Dataset, reader: Classifier, seed: int, steps: int) -> tuple[Line, Tensor]:
    """What one training comes to, and pictures (N, 3, H, W) to show."""
    images = train_steps(variant, data, steps, seed=seed).sample(SAMPLES).values
    return {"steps": steps} | judged(images, reader), images[:64]


def as_long(variant: str, data: Dataset, steps: int) -> Line:
    """How many steps take as long as so many of dcgan's, and on which processor that was timed."""
    own, mark = (resolve(name, {"device": "cpu", "precision": "fp32"}) for name in (variant, MARK))
    return steps_like(own, mark, steps, data)


@click.command(help=__doc__)
@click.argument("variants", nargs=-1)
@click.option("--data", default="mnist", show_default=True)
@click.option("--steps", default=MARK_STEPS, show_default=True, help=f"Of {MARK}.")
@click.option("--seeds", default="0,1,2", show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, show_default=False)
@click.option("--page", "to", type=click.Path(path_type=Path), default=PAGE, show_default=False)
@click.option("--pictures", type=click.Path(path_type=Path))
@click.option("--only-page", is_flag=True, help="Train nothing.")
def main(
    variants: tuple[str, ...], data: str, steps: int, seeds: str, results: Path, to: Path, pictures: Path | None,
    only_page: bool,
) -> None:  # fmt: skip
    """Train what is not in the results yet, and write the page."""
    torch.set_num_threads(1)
    chosen = [] if only_page else [int(seed) for seed in seeds.split(",")]
    if chosen:
        digits = named_source(data).load(data_folder(None))
        reader, given = cached_classifier(digits, data_folder(None)), stacked(digits, SAMPLES, 0)
        real = judged(stacked(digits, SAMPLES, 1).batch(torch.arange(SAMPLES))["real"], reader)
    for seed in chosen:
        for variant in variants or of_noise(given.spec):
            key = {"variant": variant, "mark": steps, "data": data}
            known = matching(read(results), key)
            if not matching(known, {"seed": seed}):
                time = known[0] if known else as_long(variant, given, steps)
                found, shown = one_run(variant, given, reader, seed, time["steps"])
                add(results, key | {"seed": seed, "processor": time["processor"]} | found | {"real": real})
                if pictures is not None:
                    pictures.mkdir(parents=True, exist_ok=True)
                    picture(shown, given.spec, columns=16).save(pictures / f"{variant}-{seed}.png")
    write_atomically(to, page(matching(read(results), {"mark": steps, "data": data})).encode())


def page(lines: list[Line]) -> str:
    """docs/modes.md: the most modes first."""
    modes = {line["variant"]: 0.0 for line in lines}
    for variant in modes:
        modes[variant] = statistics.mean(line["modes"] for line in matching(lines, {"variant": variant}))
    rows = ["| Variant | Seeds | Modes of 1,000 | KL | Steps |", "| --- | --- | --- | --- | --- |"]
    for variant in sorted(modes, key=lambda name: -modes[name]):
        some = matching(lines, {"variant": variant})
        cells = [f"`{variant}`", str(len(some))]
        cells += [figure([line[name] for line in some], form) for name, form in (("modes", ",.0f"), ("KL", ".2f"))]
        cells.append(f"{some[0]['steps']:,}")
        rows.append("| " + " | ".join(cells) + " |")
    real = lines[0]["real"]
    rows.append(f"| real pictures |  | {real['modes']:,} | {real['KL']:.2f} |  |")
    return INTRODUCTION + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
