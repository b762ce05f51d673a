"""The leaderboard: every variant that makes pictures of noise, for the same time on each data set.

    GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.leaderboard --out FOLDER [--boards cifar10,mnist] [--seeds 3]

All have their own defaults, and are judged after an eighth, a quarter, a half and all of their time. A board's time is
that of so many steps of dcgan; how many of a variant's take as long is timed beside dcgan when its first seed begins,
and other seeds take as many, so that it does not matter on which machine a run goes on, nor what else that does. Runs
are kept below FOLDER. What was measured is added to results.jsonl beside this file, of which docs/leaderboard.md is
made, and what `ganzoo advise` knows; what is there is not measured again, so that it can be stopped, and gone on with
on another day. First all are trained with seed 0, then with seed 1. `--only-page` writes the page again.
"""

from __future__ import annotations

import functools
import json
import statistics
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import torch

import ganzoo_core as ganzoo
from benchmarks.equal_time import steps_like
from benchmarks.lines import Line as Row
from benchmarks.lines import add, figure, matching, read
from benchmarks.stacked import of_noise
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import picture, png_bytes
from ganzoo_core.errors import GanzooError, Interrupted
from ganzoo_core.runs.plan import Plan, resolve
from ganzoo_core.storage.files import write_atomically
from ganzoo_tools.comparison.job import SAMPLING_SEEDS
from ganzoo_tools.comparison.race import STAGES
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_tools.evaluation.reference import Reference, load_reals

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
JUDGES = HERE / "judges"  # the classifiers whose features measure, the same on each machine
ADVICE = HERE.parents[1] / "plugins" / "tools" / "ganzoo_tools" / "advice" / "leaderboard.json"
PAGE = HERE.parents[1] / "docs" / "leaderboard.md"
PICTURES = Path("img", "leaderboard")  # below the page's folder: a board's folder, a variant's file
DRAWN = 16  # samples of the first seed
MARK = "dcgan"  # whose steps are the time, and whose last FID is the quality that others are timed to
FIGURES = ("fid", "kid", "precision", "recall", "coverage")

INTRODUCTION = f"""# Leaderboard

Every variant that makes pictures of noise, with its own defaults, for the same time, and its FID after an eighth, a
quarter, a half and all of that. The time is that of so many steps of `{MARK}`; how many steps of another one take as
long was timed beside it on the same machine. Features are those of a classifier of the data set
([why](evaluate.md#what-is-compared-with-what)), kept beside the results, as one trained on another processor measures
otherwise. Figures are means over seeds, and from which to which. What is blank has not been run yet. The last line is
what real pictures score. A click on a head sorts by it. Below each table are {DRAWN} samples of each first seed.

<!-- not run: hours of training, on data that is not ours to give -->
```bash
GANZOO_DATA=DIR OMP_NUM_THREADS=1 python -m benchmarks.leaderboard --out runs/leaderboard
```

A plugin of yours that is installed stands on it from the next call on. Five minutes are few: a GAN that learns slowly
and gets far, as `r3gan` does, stands low here.
"""


def boards() -> dict[str, Row]:
    """The data sets by name."""
    return tomllib.loads((HERE / "boards.toml").read_text(encoding="utf-8"))


def contestants(given: Row) -> list[str]:
    """The installed variants that make such pictures of noise, and of a label where they like, but of nothing else."""
    names = tuple(map(str, range(given["classes"])))
    found = sorted(of_noise(ganzoo.DataSpec(given["data"], tuple(given["shape"]), names)))
    return [name for name in found if name in given.get("variants", found)]


class Board:
    """A data set, and what is judged on it, in the folder `home`, by `n` samples each."""

    def __init__(self, name: str, given: Row, home: Path, n: int) -> None:
        self.name, self.given, self.home, self.n = name, given, home, n

    @functools.cached_property
    def reals(self) -> Reference:
        """What samples are judged against; loaded where something is to be measured."""
        return load_reals(self.plan(MARK).source, data_folder(None), self.n, classifiers=JUDGES)

    def plan(self, variant: str) -> Plan:
        """A variant with its own defaults on this data."""
        values = {"data": self.given["data"].format(data=data_folder(None)), "device": "cpu"}
        values["precision"] = self.given.get("precision", "auto")
        return resolve(variant, values, self.given.get("settings", {}))

    def time(self, variant: str) -> Row:
        """How many steps take the board's time, and on which processor that was timed."""
        mark, given = self.plan(MARK), self.given
        data = mark.source.load(data_folder(None))
        return steps_like(self.plan(variant), mark, given["steps"], data, given.get("threads", 1))

    def measure(self, variant: str, seed: int, steps: int) -> Row:
        """Train one variant with one seed, or go on with that, and say what it is after so many steps."""
        folder, plan = self.home / f"{variant}-seed{seed}", self.plan(variant)
        if (folder / "run.json").exists():
            ganzoo.train(resume=folder, steps=steps)
        else:
            ganzoo.train(variant, **plan.settings() | {"seed": seed, "steps": steps}, out=folder)
        found = evaluate(folder, n=self.n, seeds=SAMPLING_SEEDS, device="cpu", reals=self.reals)
        figures = {name: found.figures[name].mean for name in FIGURES if name in found.figures}
        floors = {name: found.figures[name].floor for name in figures}
        about = {"samples": self.n, "torch": torch.__version__.split("+")[0], "judge": found.conditions["digest"]}
        return {"steps": found.step} | about | {"figures": figures, "floors": floors}

    def draw(self, variant: str, to: Path) -> None:
        """A row of what the first seed makes, in the folder `to`; nothing where its run is not here."""
        folder = self.home / f"{variant}-seed0"
        if (folder / "generator.safetensors").exists():
            made = ganzoo.load(folder).sample(DRAWN, seed=0)
            to.mkdir(parents=True, exist_ok=True)
            write_atomically(to / f"{variant}.png", png_bytes(picture(made.values, made.spec, columns=DRAWN)))


def final(rows: list[Row], variant: str) -> tuple[bool, float]:
    """What variants are ranked by: whether one was not measured to the end, and its mean FID there."""
    last = max(row["seconds"] for row in rows)
    found = [row["figures"]["fid"] for row in rows if row["variant"] == variant and row["seconds"] == last]
    return not found, statistics.mean(found) if found else 0.0


def table(rows: Iterable[Row], names: Iterable[str]) -> str:
    """One board: a line for each variant, the least FID at the end first; blank what was not measured."""
    rows = list(rows)
    ends = sorted({row["seconds"] for row in rows})
    last = ends[-1]

    def values(variant: str, seconds: float, name: str) -> list[float]:
        chosen = (row for row in rows if row["variant"] == variant and row["seconds"] == seconds)
        return [row["figures"][name] for row in sorted(chosen, key=lambda r: r["seed"]) if name in row["figures"]]

    measured = [name for name in names if not final(rows, name)[0]]
    goal = statistics.mean(values(MARK, last, "fid")) if MARK in measured else None
    head = ["Variant", "Seeds", *(f"FID, {end:g} s" for end in ends), "KID", "Precision", "Recall", "Coverage", "Steps"]
    head += [f"Seconds to {MARK}'s last FID"] if goal is not None else []
    lines = [head, ["---"] * len(head)]
    for name in sorted(names, key=functools.partial(final, rows)):
        done = [row for row in rows if row["variant"] == name and row["seconds"] == last]
        line = [f"`{name}`", str(len(done)) if done else ""]
        line += [figure(values(name, end, "fid")) for end in ends]
        line += [figure(values(name, last, which)) for which in FIGURES[1:]]
        line += [figure([row["steps"] for row in done], ",.0f")]
        if goal is not None:
            soon = [end for end in ends if (f := values(name, end, "fid")) and statistics.mean(f) <= goal]
            line += [f"{soon[0]:g}" if soon else ""]
        lines.append(line)
    floors = next(row["floors"] for row in rows if row["seconds"] == last)
    real = ["real pictures", "", *[""] * (len(ends) - 1), f"{floors['fid']:.3g}"]
    real += [f"{floors[name]:.3g}" for name in FIGURES[1:]]
    lines.append(real + [""] * (len(head) - len(real)))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def drawn(rows: list[Row], board: str, names: Iterable[str], beside: Path) -> list[str]:
    """Lines of pictures that are in the page's folder `beside`, the least FID first."""
    ranked = sorted(names, key=functools.partial(final, rows))
    files = [(name, PICTURES / board / f"{name}.png") for name in ranked if not final(rows, name)[0]]
    lines = [f"| `{name}` | ![{name}]({file.as_posix()}) |" for name, file in files if (beside / file).exists()]
    return ["", f"| Variant | {DRAWN} samples |", "| --- | --- |", *lines] if lines else []


def page(rows: list[Row], every: dict[str, list[str]], beside: Path = PAGE.parent) -> str:
    """docs/leaderboard.md. `every`: the variants of each board, measured or not. `beside`: the page's folder."""
    parts = [INTRODUCTION]
    for board, given in boards().items():
        chosen = [row for row in rows if row["board"] == board]
        parts.append(f"## {given['title']}\n")
        parts.append(
            f"The time: {given['steps']:,} steps of `{MARK}`, {given['minutes']} minutes of {given['machine']}."
        )
        if chosen:
            parts.append(f"Steps were timed on: {', '.join(sorted({row['processor'] for row in chosen}))}.")
            for judge in sorted({row.get("judge", "") for row in chosen}):
                some = sorted({f"`{row['variant']}`" for row in chosen if row.get("judge", "") == judge})
                parts.append(f"Judged by {f'classifier {judge}' if judge else 'one not kept'}: {', '.join(some)}.")
            parts.append("")
        lines = [table(chosen, every[board]), *drawn(chosen, board, every[board], beside)] if chosen else []
        parts.append("\n".join(lines or ["Nothing was run on this yet."]) + "\n")
    return "\n".join(parts)


def advice(rows: list[Row]) -> str:
    """What `ganzoo advise` knows: of each board its title; of variants by seconds mean FID, of how many, mean steps."""
    found: dict[str, Any] = {}
    for board, given in boards().items():
        if "variants" in given:  # of some alone
            continue
        values: dict[str, dict[str, list[Row]]] = {}
        for row in matching(rows, {"board": board}):
            values.setdefault(row["variant"], {}).setdefault(f"{row['seconds']:g}", []).append(row)
        fids = {
            name: {
                end: [
                    round(statistics.mean(row["figures"]["fid"] for row in some), 3),
                    len(some),
                    round(statistics.mean(row["steps"] for row in some)),
                ]
                for end, some in stages.items()
            }
            for name, stages in sorted(values.items())
        }
        found[board] = {"title": given["title"], "fid": fids}
    return json.dumps(found) + "\n"


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/leaderboard"), show_default=True)
@click.option("--boards", "chosen", default="cifar10,mnist,emoji,hour", show_default=True)
@click.option("--variants", help="Only these, by comma; by default all.")
@click.option("--seeds", default=3, show_default=True)
@click.option("-n", "samples", default=10_000, show_default=True, help="Samples to judge.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, show_default=False)
@click.option("--page", "to", type=click.Path(path_type=Path), default=PAGE, show_default=False)
@click.option("--only-page", is_flag=True, help="Train nothing.")
def main(
    out: Path, chosen: str, variants: str | None, seeds: int, samples: int, results: Path, to: Path, only_page: bool
) -> None:
    """Train what is not in the results yet, and write the page."""
    every = {board: contestants(given) for board, given in boards().items()}
    names = [] if only_page else chosen.split(",")
    entered = {name: Board(name, boards()[name], out / name, samples) for name in names}
    for seed in range(seeds):
        for name, board in entered.items():
            for variant in variants.split(",") if variants else every[name]:
                try:
                    if enter(board, variant, seed, results):
                        if seed == 0:
                            board.draw(variant, to.parent / PICTURES / name)
                        write_atomically(to, page(read(results), every, to.parent).encode())
                except Interrupted as error:
                    raise click.ClickException(f"{error}; or call this again") from error
                except GanzooError as error:
                    click.echo(f"{name}, {variant}, seed {seed} is left out: {error}", err=True)
    write_atomically(to, page(read(results), every, to.parent).encode())
    if results == RESULTS:
        write_atomically(ADVICE, advice(read(results)).encode())


def enter(board: Board, variant: str, seed: int, results: Path) -> bool:
    """Add to the results what a variant with a seed is at the stages that are not there yet; whether there were any."""
    key = {"board": board.name, "variant": variant}
    ends = {share: 60 * board.given["minutes"] * share for share in STAGES}
    missing = [share for share in STAGES if not matching(read(results), key | {"seed": seed, "seconds": ends[share]})]
    if not missing:
        return False
    known = max(matching(read(results), key), key=lambda row: row["seconds"], default=None)
    if known is not None:
        time = known | {"steps": round(known["steps"] * ends[1] / known["seconds"])}
    else:
        time = board.time(variant)
    for share in missing:
        about = key | {"seed": seed, "seconds": ends[share], "processor": time["processor"]}
        add(results, about | board.measure(variant, seed, max(1, round(share * time["steps"]))))
    return True


if __name__ == "__main__":
    main()
