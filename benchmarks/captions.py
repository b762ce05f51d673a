"""How often a picture that was made of a caption is nearer to it than to 99 others (R-precision, arXiv:1711.10485).

    OMP_NUM_THREADS=1 python -m benchmarks.captions [--seeds 0,1,2] [--set KEY=VALUE]... [--out FOLDER]

stackgan is trained on `shapes` and makes pictures of captions that it was trained with, and of held-out ones, whose
scenes it has never seen. What tells which caption belongs is trained apart, on pairs of real pictures and captions of
all scenes; the floor is how often it is right about real pictures that it has not seen. Chance is 0.01. Runs are kept
below FOLDER, and a line of captions.jsonl for each: begun again, it does what is missing.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from ganzoo_shapes import Shapes
from ganzoo_shapes.drawing import drawn
from ganzoo_shapes.scenes import all_scenes, captions, scenes_of
from ganzoo_stackgan import StackganConfig
from ganzoo_stackgan.loss import matching
from ganzoo_stackgan.networks import Eye, Reader
from torch import Tensor

import ganzoo_core as ganzoo
from ganzoo_core.datasets.words import encode
from ganzoo_core.dataspec import Split

CHOICE = 100  # captions
SETS = 10  # of so many pictures each


class Referee:
    """Tells pictures and captions together: an eye and a reader as stackgan has them, trained on real pairs alone."""

    def __init__(self, steps: int) -> None:
        self.spec = Shapes().load(Path(), "test").spec
        torch.manual_seed(7)
        config = StackganConfig(discriminator_channels=48)
        self.eye, self.reader = Eye(config, self.spec), Reader(config, self.spec)
        parameters = [*self.eye.parameters(), *self.reader.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        rng = np.random.default_rng(7)
        for _ in range(steps):
            pictures, texts = real_pairs(all_scenes(), 128, rng)
            loss = matching(self.eye(pictures), self.reader(self.numbers(texts)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    def numbers(self, texts: list[str]) -> Tensor:
        """Captions (N, L) as word numbers."""
        return encode(texts, self.spec.column("text"))

    @torch.no_grad()
    def share_found(self, pictures: Tensor, texts: list[str]) -> float:
        """How often the caption nearest to a picture (N, 3, 32, 32) is its own, among those of its set of 100."""
        seen, read = F.normalize(self.eye(pictures)), F.normalize(self.reader(self.numbers(texts)))
        right = torch.arange(CHOICE)
        sets = zip(seen.split(CHOICE), read.split(CHOICE), strict=True)
        return statistics.mean(float(((s @ r.T).argmax(1) == right).float().mean()) for s, r in sets)


def real_pairs(scenes: np.ndarray, n: int, rng: np.random.Generator) -> tuple[Tensor, list[str]]:
    """n pictures (N, 3, 32, 32) in [-1, 1] of scenes, as many different ones as there are, and their captions."""
    order = np.concatenate([rng.permutation(len(scenes)) for _ in range(-(-n // len(scenes)))])
    chosen = scenes[order[:n]]
    pictures = drawn(chosen, rng.random((n, 8), dtype=np.float32))
    texts = [captions(scene)[int(rng.integers(2))] for scene in chosen]
    return torch.from_numpy(pictures).float() / 127.5 - 1, texts


def trained(folder: Path, seed: int, settings: dict[str, str]) -> ganzoo.Run:
    """The run of a seed: a new one, or the rest of one that was stopped."""
    if (folder / "run.json").exists():
        return ganzoo.train(resume=folder, progress=False)
    return ganzoo.train("stackgan", data="shapes", out=folder, texts=settings | {"seed": str(seed)}, progress=False)


def shares(referee: Referee, generator: Any, seed: int) -> dict[str, float]:
    """By part, how often the caption of a picture is found; of real pictures where there is no generator."""
    rng = np.random.default_rng(1000 + seed)
    found = {}
    for name, split in PARTS.items():
        pictures, texts = real_pairs(scenes_of(split), CHOICE * SETS, rng)
        if generator is not None:
            sets = [texts[k : k + CHOICE] for k in range(0, len(texts), CHOICE)]
            pictures = torch.cat([generator.sample(text=one, seed=k).values for k, one in enumerate(sets)])
        found[name] = referee.share_found(pictures, texts)
    return found


PARTS: dict[str, Split] = {"known": "train", "held_out": "test"}


@click.command()
@click.option("--seeds", default="0,1,2")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Settings of stackgan.")
@click.option("--referee-steps", default=600)
@click.option("--out", type=click.Path(path_type=Path), default=Path("captions"), help="Where runs and lines are kept.")
def main(seeds: str, pairs: tuple[str, ...], referee_steps: int, out: Path) -> None:
    """Train and measure the seeds that have no line yet, and tell them all."""
    settings = dict(pair.split("=", 1) for pair in pairs)
    wanted = [int(seed) for seed in seeds.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    lines = out / "captions.jsonl"
    rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    runs = {seed: trained(out / f"seed-{seed}", seed, settings) for seed in wanted}
    missing = [seed for seed in (None, *wanted) if seed not in {row["seed"] for row in rows}]
    if missing:
        referee = Referee(referee_steps)
        for seed in missing:
            generator = None if seed is None else ganzoo.load(runs[seed].folder)
            rows.append({"seed": seed, **shares(referee, generator, seed or 0)})
            with lines.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    for name in PARTS:
        (real,) = [row[name] for row in rows if row["seed"] is None]
        found = [row[name] for row in rows if row["seed"] in wanted]
        spread = f" ± {statistics.stdev(found):.2f}" if len(found) > 1 else ""
        click.echo(f"{name}: {statistics.mean(found):.2f}{spread} of {len(found)} seeds, real pictures {real:.2f}")


if __name__ == "__main__":
    main()
