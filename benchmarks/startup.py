"""How long one waits for `ganzoo`: for a list where many plugins are installed, a picture, a run's first step.

    python -m benchmarks.startup [--plugins 30] [--runs 10] [--begin] [--against PYTHON] [--json]

The plugins are made for the occasion, each a package of its own with a config and a variant, as pip installs them.
They stand beside those of the environment. Beside the command: `import ganzoo_core`, and Python that does nothing.

`--begin` measures what imports PyTorch, too: help, a variant, a picture of weights that come with it, and runs that end
at their first step, once it is logged. `--against` runs each with that interpreter before, such as of a virtual
environment with an older ganzoo, and prints how its time compares, pair by pair. It is the processor's time, of the
process and its children, as other programs on the machine disturb it least.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

PROGRAMS = {
    "ganzoo list": ["-m", "ganzoo_core", "list"],
    "import ganzoo_core": ["-c", "import ganzoo_core"],
    "python -c pass": ["-c", "pass"],
}

# "{out}" is a path that is free.
_DIGITS = ["-m", "ganzoo_core", "run", "--data", "digits", "--out", "{out}"]
BEGINNINGS = {
    "ganzoo --help": ["-m", "ganzoo_core", "--help"],
    "ganzoo show cgan": ["-m", "ganzoo_core", "show", "cgan"],
    "ganzoo sample cgan": ["-m", "ganzoo_core", "sample", "cgan", "-o", "{out}.png"],
    **{f"ganzoo run {name}": [*_DIGITS, name, "--device", "cpu"] for name in ("vanilla", "cgan", "dcgan")},
    "ganzoo run cgan --steps 1": [*_DIGITS, "cgan", "--steps", "1"],
    "import torch": ["-c", "import torch"],
}

SOURCE = '''"""A variant that is only ever listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import ganzoo_core as ganzoo
from ganzoo_core import hookimpl, option

GANZOO_API = 1


@dataclass(frozen=True, kw_only=True)
class DummyConfig(ganzoo.Config):
    steps: int = option(5000, "updates of the generator", minimum=1)
    width: int = option(64, "hidden units", minimum=1)
    penalty: float = option(10.0, "weight of the penalty", minimum=0)


class Dummy(ganzoo.Variant):
    name = "{name}"
    title = "Dummy Adversarial Nets"
    paper = "arXiv:1406.2661"
    year = 2014
    Config: ClassVar[type[ganzoo.Config]] = DummyConfig

    def generator(self, data):
        raise NotImplementedError("a dummy")

    discriminator = loss = generator


@hookimpl
def ganzoo_variants():
    return [Dummy]
'''

FIRST_STEP = '''"""Ends a process at the first step of its run, unless that is the last."""

import os

from ganzoo_core import Callback, hookimpl

GANZOO_API = 1


class FirstStep(Callback):
    def on_start(self, run):
        self.total = run.total_steps

    def on_step(self, step, look):
        if self.total > 1:
            os._exit(0)


@hookimpl
def ganzoo_callbacks(run):
    return [FirstStep()]
'''


def install(folder: Path, count: int) -> None:
    """Write `count` plugin packages into a folder for `sys.path`: module, METADATA and entry point."""
    for number in range(count):
        name = f"dummy-{number:03d}"
        _package(folder, name, SOURCE.replace("{name}", name))


def _package(folder: Path, name: str, source: str) -> None:
    module = f"ganzoo_{name.replace('-', '_')}"
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ganzoo-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {module}\n")


def measure(
    arguments: list[str], environment: dict[str, str], runs: int, pythons: tuple[str, ...] = (sys.executable,)
) -> list[dict[str, list[float]]]:
    """Wall-clock and processor time, in seconds, of `runs` runs of each Python in turn, after one that fills caches.

    They run in a folder of their own, so that none imports what lies in this one.
    """
    found: list[dict[str, list[float]]] = [{"wall": [], "cpu": []} for _ in pythons]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(runs + 1):
            for python, times in zip(pythons, found, strict=True):
                given = [argument.replace("{out}", str(Path(folder, "out"))) for argument in arguments]
                before_s, start_s = _children_s(), time.perf_counter()
                subprocess.run(
                    [python, *given], env=environment, cwd=folder, check=True,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                wall_s, cpu_s = time.perf_counter() - start_s, _children_s() - before_s
                shutil.rmtree(Path(folder, "out"), ignore_errors=True)
                if number:
                    times["wall"].append(wall_s)
                    times["cpu"].append(cpu_s)
    return found


def _children_s() -> float:
    """The processor's time of the children so far, finer than `os.times`, whose hundredths may be none of them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(times: dict[str, list[float]]) -> dict[str, float]:
    """The least, the middle and the most of the waits; of the processor's time, the middle."""
    return {
        "min_s": min(times["wall"]),
        "median_s": statistics.median(times["wall"]),
        "max_s": max(times["wall"]),
        "cpu_median_s": statistics.median(times["cpu"]),
    }


def compared(old: dict[str, list[float]], new: dict[str, list[float]]) -> dict[str, float]:
    """The processor's time before and now, and their ratio over the pairs."""
    ratios = sorted(b / a for a, b in zip(old["cpu"], new["cpu"], strict=True))
    return {
        "before_cpu_s": statistics.median(old["cpu"]),
        "cpu_s": statistics.median(new["cpu"]),
        "ratio": statistics.median(ratios),
        "ratio_min": ratios[0],
        "ratio_max": ratios[-1],
    }


@click.command()
@click.option("--plugins", default=30, show_default=True, type=click.IntRange(min=0), help="How many to make.")
@click.option("--runs", default=10, show_default=True, type=click.IntRange(min=1), help="Runs of each program.")
@click.option("--begin", is_flag=True, help="Measure what imports PyTorch, too.")
@click.option("--only", multiple=True, metavar="PROGRAM", help="Measure this one, by the name that the table has.")
@click.option("--against", metavar="PYTHON", help="The interpreter of an environment to compare with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(plugins: int, runs: int, begin: bool, only: tuple[str, ...], against: str | None, as_json: bool) -> None:
    """Measure the start-up beside so many PLUGINS."""
    programs = PROGRAMS | (BEGINNINGS if begin or only else {})
    if unknown := set(only) - programs.keys():
        raise click.UsageError(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(programs)}")
    programs = {title: programs[title] for title in only or programs}
    pythons = (sys.executable,) if against is None else (shutil.which(against) or against, sys.executable)
    with tempfile.TemporaryDirectory() as name:
        install(Path(name), plugins)
        _package(Path(name), "first-step", FIRST_STEP)
        path = os.pathsep.join(part for part in (name, os.environ.get("PYTHONPATH", "")) if part)
        without = ("GANZOO_PLUGINS", "PYTHONDONTWRITEBYTECODE")
        environment = {k: v for k, v in os.environ.items() if k not in without} | {"PYTHONPATH": path}
        figures: dict[str, Any] = {}
        if not as_json:
            heads = ("min", "median", "max", "cpu") if against is None else ("before", "now", "ratio", "least", "most")
            click.echo(f"{plugins} plugins made for this, {runs} runs each, seconds")
            click.echo(f"{'':<28}" + "".join(f"{head:>8}" for head in heads))
        for title, arguments in programs.items():
            found = measure(arguments, environment, runs, pythons)
            figures[title] = summary(found[0]) if against is None else compared(*found)
            if not as_json:
                click.echo(f"{title:<28}" + "".join(f"{value:8.3f}" for value in figures[title].values()))
    if as_json:
        click.echo(json.dumps({"plugins": plugins, "runs": runs, "programs": figures}, indent=2))


if __name__ == "__main__":
    main()
