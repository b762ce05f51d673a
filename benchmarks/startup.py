"""How long one waits for `ganzoo list` where many plugins are installed.

    python -m benchmarks.startup [--plugins 30] [--runs 10] [--json]

The plugins are made for the occasion, each a package of its own with a config and a variant, as pip installs them.
They stand beside those of the environment. Beside the command: `import ganzoo_core`, and Python that does nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

PROGRAMS = {
    "ganzoo list": ["-m", "ganzoo_core", "list"],
    "import ganzoo_core": ["-c", "import ganzoo_core"],
    "python -c pass": ["-c", "pass"],
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


def install(folder: Path, count: int) -> None:
    """Write `count` plugin packages into a folder for `sys.path`: module, METADATA and entry point."""
    for number in range(count):
        name = f"dummy-{number:03d}"
        module = f"ganzoo_{name.replace('-', '_')}"
        (folder / module).mkdir()
        (folder / module / "__init__.py").write_text(SOURCE.replace("{name}", name))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: ganzoo-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {module}\n")


def measure(arguments: list[str], environment: dict[str, str], runs: int) -> dict[str, float]:
    """Wall-clock and processor time of `runs` runs of Python, after one that fills the caches.

    The processor's time says more where other programs run beside it.
    """
    times_s, cpu_s = [], []
    for _ in range(runs + 1):
        before, start_s = os.times(), time.perf_counter()
        subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
        times_s.append(time.perf_counter() - start_s)
        after = os.times()
        cpu_s.append(sum(after[2:4]) - sum(before[2:4]))  # of the children, user and system
    waits_s = times_s[1:]
    return {
        "min_s": min(waits_s),
        "median_s": statistics.median(waits_s),
        "max_s": max(waits_s),
        "cpu_median_s": statistics.median(cpu_s[1:]),
    }


@click.command()
@click.option("--plugins", default=30, show_default=True, type=click.IntRange(min=0), help="How many to make.")
@click.option("--runs", default=10, show_default=True, type=click.IntRange(min=1), help="Runs of each program.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(plugins: int, runs: int, as_json: bool) -> None:
    """Measure the start-up beside so many PLUGINS."""
    with tempfile.TemporaryDirectory() as name:
        install(Path(name), plugins)
        path = os.pathsep.join(part for part in (name, os.environ.get("PYTHONPATH", "")) if part)
        environment = {k: v for k, v in os.environ.items() if k != "GANZOO_PLUGINS"} | {"PYTHONPATH": path}
        figures = {title: measure(arguments, environment, runs) for title, arguments in PROGRAMS.items()}
    if as_json:
        click.echo(json.dumps({"plugins": plugins, "runs": runs, "programs": figures}, indent=2))
        return
    click.echo(f"{plugins} plugins made for this, {runs} runs each, seconds")
    click.echo(f"{'':<20}{'min':>8}{'median':>8}{'max':>8}{'cpu':>8}")
    for title, found in figures.items():
        click.echo(f"{title:<20}" + "".join(f"{value:8.3f}" for value in found.values()))


if __name__ == "__main__":
    main()
