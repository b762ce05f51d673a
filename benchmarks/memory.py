"""How much memory a run takes beyond what `import torch, torchvision` takes.

    python -m benchmarks.memory [cgan ...] [--data mnist] [--steps 300] [--rounds 3] [--json]

The peak of a whole process, `ganzoo run` with its pictures and its report, against that of the imports, in turn. Linux
alone tells it. The run writes to a temporary folder.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click

IMPORTS = "import torch, torchvision"
RUN = "from ganzoo_core.cli import main; main(sys.argv[1:], standalone_mode=False)"


def peak_mb() -> float:
    """The most memory that this process has held, in MB of 2^20 bytes.

    getrusage would tell that of the process which started this one, where it was larger.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def peak_of(program: str, *arguments: str) -> float:
    """The peak of a Python process that runs a program."""
    code = f"import sys; {program}; from benchmarks.memory import peak_mb; print(peak_mb())"
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def measure(variant: str, options: list[str], rounds: int) -> dict[str, object]:
    """Peaks of the imports and of a run, in turn, and by how much the run's is above, pair by pair."""
    imports, runs = [], []
    for _ in range(rounds):
        imports.append(peak_of(IMPORTS))
        with tempfile.TemporaryDirectory() as folder:
            runs.append(peak_of(RUN, "run", variant, *options, "--quiet", "--out", str(Path(folder) / "run")))
    above = [run - base for run, base in zip(runs, imports, strict=True)]
    return {
        "variant": variant,
        "imports_mb": statistics.median(imports),
        "run_mb": statistics.median(runs),
        "above_mb": {"median": statistics.median(above), "min": min(above), "max": max(above)},
    }


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--data", default="mnist", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path))
@click.option("--steps", default=300, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(variants: tuple[str, ...], data: str, data_dir: Path | None, steps: int, rounds: int, as_json: bool) -> None:
    """Measure the memory of runs of VARIANTS, cgan if none is named."""
    options = ["--data", data, "--steps", str(steps), *(["--data-dir", str(data_dir)] if data_dir else [])]
    rows = [measure(variant, options, rounds) for variant in variants or ("cgan",)]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    print(f"peak memory in MB, {steps} steps on {data}, median of {rounds}")
    print(f"{'':<10}{'imports':>10}{'run':>10}{'above':>10}{'least':>10}{'most':>10}")
    for row in rows:
        figures = [row["imports_mb"], row["run_mb"], *row["above_mb"].values()]
        print(f"{row['variant']:<10}" + "".join(f"{value:10.0f}" for value in figures))


if __name__ == "__main__":
    main()
