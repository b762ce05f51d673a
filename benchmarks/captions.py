"""How often a picture that was made of a caption is nearer to it than to 99 others (R-precision, arXiv:1711.10485).

    OMP_NUM_THREADS=1 python -m benchmarks.captions [--data folder:PATH] [--seeds 0,1,2] [--set KEY=VALUE]...
        [--out FOLDER]

stackgan is trained and makes pictures of captions that it was trained with, and of held-out ones. What tells which
caption belongs is trained apart, on real pictures and captions of both parts; the ceiling is how often it is right of
real ones. On `shapes` these are drawn anew, and the held-out captions are of scenes that stackgan has never seen. Of a
folder with captions (`--set held_out=10`) the referee has learned the very pictures that it is then asked about. Chance
is 0.01. Runs are kept below FOLDER, and a line of captions.jsonl for each: begun again, it does what is missing.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from ganzoo_shapes import Shapes
from ganzoo_shapes.drawing import drawn
from ganzoo_shapes.scenes import captions, scenes_of
from ganzoo_stackgan import StackganConfig
from ganzoo_stackgan.loss import matching
from ganzoo_stackgan.networks import Eye, Reader
from torch import Tensor

import ganzoo_core as ganzoo
from benchmarks.lines import add, figure, read
from ganzoo_core.datasets import data_folder
from ganzoo_core.datasets.words import encode
from ganzoo_core.dataspec import Split
from ganzoo_core.runs.plan import named_source

CHOICE = 100  # captions
SETS = 10  # of so many pictures each


class DrawnPairs:
    """Pictures of `shapes` with their captions, drawn anew each time."""

    def __init__(self) -> None:
        self.spec = Shapes().load(Path(), "test").spec

    def draw(self, parts: Sequence[Split], n: int, rng: np.random.Generator) -> tuple[Tensor, list[str]]:
        """n pictures (N, 3, 32, 32) in [-1, 1], of as many different scenes as there are, and their captions."""
        scenes = np.concatenate([scenes_of(part) for part in parts])
        order = np.concatenate([rng.permutation(len(scenes)) for _ in range(-(-n // len(scenes)))])
        chosen = scenes[order[:n]]
        pictures = drawn(chosen, rng.random((n, 8), dtype=np.float32))
        texts = [captions(scene)[int(rng.integers(2))] for scene in chosen]
        return torch.from_numpy(pictures).float() / 127.5 - 1, texts


class FolderPairs:
    """The pictures of a folder with their captions; one for each caption, and none without a word that is known."""

    def __init__(self, data: str, options: dict[str, str]) -> None:
        source = named_source(data, options)
        self.parts = {part: source.load(data_folder(None), part) for part in PARTS.values()}
        self.spec = self.parts["train"].spec
        words = self.spec.column("text").names
        self.texts = {
            part: [" ".join(words[k - 1] for k in row if k) for row in data.extra["text"].tolist()]
            for part, data in self.parts.items()
        }

    def draw(self, parts: Sequence[Split], n: int, rng: np.random.Generator) -> tuple[Tensor, list[str]]:
        """Up to n pictures (N, C, H, W) in [-1, 1], as whole sets where there are more than one, and their captions."""
        rows = {text: (part, row) for part in parts for row, text in enumerate(self.texts[part]) if text}
        n = min(n, len(rows) - len(rows) % CHOICE)
        chosen = [list(rows)[k] for k in rng.permutation(len(rows))[:n]]
        pictures = [self.parts[part].batch(torch.tensor([row]))["real"] for part, row in map(rows.get, chosen)]
        return torch.cat(pictures), chosen


class Referee:
    """Tells pictures and captions together: an eye and a reader as stackgan has them, trained on real pairs alone."""

    def __init__(self, pairs: DrawnPairs | FolderPairs, steps: int) -> None:
        self.spec = pairs.spec
        torch.manual_seed(7)
        config = StackganConfig(discriminator_channels=48)
        self.eye, self.reader = Eye(config, self.spec), Reader(config, self.spec)
        parameters = [*self.eye.parameters(), *self.reader.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        rng = np.random.default_rng(7)
        for _ in range(steps):
            pictures, texts = pairs.draw(tuple(PARTS.values()), 128, rng)
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
        """How often the caption nearest to a picture (N, C, H, W) is its own, among those of its set of 100."""
        seen, read = F.normalize(self.eye(pictures)), F.normalize(self.reader(self.numbers(texts)))
        right = torch.arange(CHOICE)
        sets = zip(seen.split(CHOICE), read.split(CHOICE), strict=True)
        return statistics.mean(float(((s @ r.T).argmax(1) == right).float().mean()) for s, r in sets)


def trained(folder: Path, data: str, seed: int, settings: dict[str, str]) -> ganzoo.Run:
    """The run of a seed: a new one, or the rest of one that was stopped."""
    if (folder / "run.json").exists():
        return ganzoo.train(resume=folder, progress=False)
    return ganzoo.train("stackgan", data=data, out=folder, texts=settings | {"seed": str(seed)}, progress=False)


def shares(referee: Referee, pairs: DrawnPairs | FolderPairs, generator: Any, seed: int) -> dict[str, float]:
    """By part, how often the caption of a picture is found; of real pictures where there is no generator."""
    rng = np.random.default_rng(1000 + seed)
    found = {}
    for name, part in PARTS.items():
        pictures, texts = pairs.draw([part], CHOICE * SETS, rng)
        if generator is not None:
            sets = [texts[k : k + CHOICE] for k in range(0, len(texts), CHOICE)]
            pictures = torch.cat([generator.sample(text=one, seed=k).values for k, one in enumerate(sets)])
        found[name] = referee.share_found(pictures, texts)
    return found


PARTS: dict[str, Split] = {"known": "train", "held_out": "test"}


@click.command()
@click.option("--seeds", default="0,1,2")
@click.option("--data", default="shapes", help="shapes, or a folder with captions, folder:PATH.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="Settings of stackgan and of the data.")
@click.option("--referee-steps", default=600)
@click.option("--out", type=click.Path(path_type=Path), default=Path("captions"), help="Where runs and lines are kept.")
def main(seeds: str, data: str, given: tuple[str, ...], referee_steps: int, out: Path) -> None:
    """Train and measure the seeds that have no line yet, and tell them all."""
    settings = dict(pair.split("=", 1) for pair in given)
    wanted = [int(seed) for seed in seeds.split(",")]
    out.mkdir(parents=True, exist_ok=True)
    lines = out / "captions.jsonl"
    rows = read(lines)
    runs = {seed: trained(out / f"seed-{seed}", data, seed, settings) for seed in wanted}
    missing = [seed for seed in (None, *wanted) if seed not in {row["seed"] for row in rows}]
    if missing:
        options = {key: text for key, text in settings.items() if key not in StackganConfig.names()}
        pairs = DrawnPairs() if data == "shapes" else FolderPairs(data, options)
        referee = Referee(pairs, referee_steps)
        for seed in missing:
            generator = None if seed is None else ganzoo.load(runs[seed].folder)
            rows.append({"seed": seed, **shares(referee, pairs, generator, seed or 0)})
            add(lines, rows[-1])
    for name in PARTS:
        (real,) = [row[name] for row in rows if row["seed"] is None]
        found = [row[name] for row in rows if row["seed"] in wanted]
        click.echo(f"{name}: {figure(found, '.2f')} of {len(found)} seeds, real pictures {real:.2f}")


if __name__ == "__main__":
    main()
