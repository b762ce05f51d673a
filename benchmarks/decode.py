"""How fast a folder of images gets into its cache, beside torchvision's decoding, the disk and the digest alone.

    [GANZOO_DATA=DIR] OMP_NUM_THREADS=1 python -m benchmarks.decode [-n 2000] [--size 256] [--format jpeg] [--rounds 5]

The images are CIFAR-10's where GANZOO_DATA has them (`cifar10-jpg`), enlarged and with some noise, else smooth noise.
Each round measures all in turn, on one core and on all that this process may use (Linux alone tells and sets which):

- cache: from the folder to a cache on the disk, which `ganzoo run --data folder:...` then maps
- loader: one epoch of torchvision's ImageFolder, resized, cropped and as uint8, through a DataLoader with a worker for
  each core, none for one core; nothing is kept
- decoder: torchvision.io.decode_image alone, on a thread for each core, the bound that processors set
- disk: as many bytes as the cache has, written and synced, the bound that the disk sets
- digest: BLAKE2b of as many bytes, by the one thread that can make it

A ratio is of times in the same round: above 1 the cache is the faster. Processor time says more than seconds do where
other programs run beside it. With --first-step: what passes from the start of a run to its first step.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from torchvision import datasets
from torchvision.io import decode_image, read_file
from torchvision.transforms import v2

from ganzoo_folder import Folder, FolderOptions

BATCH = 64
PIECE = 2**20
WAYS = ("cache", "loader", "decoder", "disk", "digest")
FIRST_STEP = """
import sys, time
import ganzoo_folder.folder
from ganzoo_core.cli import main
from ganzoo_core.training.engine import Engine

def told(name, work):
    def works(*arguments, **options):
        before_s, before_cpu_s = time.time(), time.process_time()
        result = work(*arguments, **options)
        print(name, before_s, before_cpu_s, time.time(), time.process_time(), flush=True)
        return result
    return works

ganzoo_folder.folder.load = told("data", ganzoo_folder.folder.load)
Engine.train_step = told("step", Engine.train_step)
main()
"""


def write_images(folder: Path, n: int, size: int, kind: str) -> None:
    """n images of `size` pixels a side in ten class folders, no two alike."""
    rng = np.random.default_rng(0)
    known = sorted(Path(os.environ.get("GANZOO_DATA", "/nowhere"), "cifar10-jpg").rglob("*.jpg"))[
        :: max(1, 10_000 // n)
    ]
    for label in range(10):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
    for i in range(n):
        small = (
            Image.open(known[i % len(known)]) if known else Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        )
        smooth = np.asarray(small.convert("RGB").resize((size, size), Image.Resampling.BICUBIC), dtype=np.int16)
        pixels = (smooth + rng.integers(-6, 7, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"class {i % 10}" / f"{i:07d}.{kind}", quality=90)


def build_cache(images: Path, data: Path, size: int) -> None:
    """The way of ganzoo."""
    shutil.rmtree(data, ignore_errors=True)
    Folder(FolderOptions(image_size=str(size)), images).load(data)


def load_epoch(images: Path, size: int, workers: int) -> None:
    """The way of torchvision's documentation."""
    taken = v2.Compose([v2.Resize(size), v2.CenterCrop(size), v2.PILToTensor()])
    found = torch.utils.data.DataLoader(datasets.ImageFolder(images, taken), BATCH, num_workers=workers)
    for _ in found:
        pass


def decode_all(files: list[str], threads: int) -> None:
    """Nothing but the decoder, so many files a thread at a time that handing over costs nothing."""
    pieces = [files[start : start + 16] for start in range(0, len(files), 16)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda piece: [decode_image(read_file(file)) for file in piece] and None, pieces):
            pass


def write_raw(file: Path, n_bytes: int) -> None:
    """So many random bytes to the disk; the file goes."""
    piece = np.random.default_rng(0).bytes(PIECE)
    with file.open("wb", buffering=0) as opened:
        for _ in range(n_bytes // PIECE):
            opened.write(piece)
        os.fsync(opened.fileno())
    file.unlink()


def digest_raw(n_bytes: int) -> None:
    """BLAKE2b of so many bytes."""
    piece, digest = bytes(PIECE), hashlib.blake2b(digest_size=16)
    for _ in range(n_bytes // PIECE):
        digest.update(piece)


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds, and seconds of processor time of this process and those it waited for."""
    before, start_s = os.times(), time.perf_counter()
    work()
    after = os.times()
    return time.perf_counter() - start_s, sum(after[:4]) - sum(before[:4])


def spread(values: list[float], form: str) -> str:
    """The median (least to most)."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def compare(home: Path, size: int, cores: list[int], rounds: int) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Measure on the first core and on all; seconds and processor seconds by cores, way and round."""
    images = home / "images"
    files = [os.fspath(file) for file in sorted(images.rglob("*.*"))]
    n_bytes = len(files) * size * size * 3
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for used in ([cores[0]], cores)[: 1 + (len(cores) > 1)]:
        os.sched_setaffinity(0, used)
        many = len(used)
        ways: dict[str, Callable[[], None]] = {
            "cache": lambda: build_cache(images, home / "data", size),
            "loader": lambda many=many: load_epoch(images, size, many if many > 1 else 0),  # type: ignore[misc]
            "decoder": lambda many=many: decode_all(files, many),  # type: ignore[misc]
            "disk": lambda: write_raw(home / "raw", n_bytes),
            "digest": lambda: digest_raw(n_bytes),
        }
        decode_all(files[:100], many)  # the first call loads libraries
        times = found[str(many)] = {way: [] for way in WAYS}
        for _ in range(rounds):
            for way, work in ways.items():
                times[way].append(timed(work))
    os.sched_setaffinity(0, cores)
    return found


def show(found: dict[str, dict[str, list[tuple[float, float]]]], n: int) -> None:
    """A table for each number of cores."""
    for many, times in found.items():
        click.echo(f"{many} core(s)")
        click.echo(
            f"{'':<9}{'images/s':<26}{'images/processor s':<26}{'ratio of s':<22}{'of processor s':<22}cores busy"
        )
        for way in WAYS:
            speeds = [[n / run[k] if run[k] else float("inf") for run in times[way]] for k in (0, 1)]
            ratios = [
                [run[k] / cache[k] for run, cache in zip(times[way], times["cache"], strict=True)] for k in (0, 1)
            ]
            busy = statistics.median(cpu_s / wall_s for wall_s, cpu_s in times[way])
            click.echo(
                f"{way:<9}{spread(speeds[0], ',.0f'):<26}{spread(speeds[1], ',.0f'):<26}"
                f"{spread(ratios[0], '.2f'):<22}{spread(ratios[1], '.2f'):<22}{busy:.2f}"
            )


def first_steps(
    home: Path, size: int, cores: list[int], rounds: int, variant: str
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Seconds and processor seconds of loading the data, from the start to the first step, and of that step.

    By cores and whether a cache is there, and by round.
    """
    command = [sys.executable, "-c", FIRST_STEP, "run", variant, "--data", f"folder:{home / 'images'}", "--quiet"]
    command += ["--data-dir", os.fspath(home / "data"), "--set", f"image_size={size}", "--out", os.fspath(home / "run")]
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for _ in range(rounds):
        for used in ([cores[0]], cores)[: 1 + (len(cores) > 1)]:
            os.sched_setaffinity(0, used)
            shutil.rmtree(home / "data", ignore_errors=True)
            for state in ("no cache", "cache"):
                shutil.rmtree(home / "run", ignore_errors=True)
                times = found.setdefault(f"{len(used)} core(s), {state}", {"data": [], "before": [], "step": []})
                start_s = time.time()
                with subprocess.Popen([*command, "--steps", "1000"], stdout=subprocess.PIPE, text=True) as run:
                    assert run.stdout is not None
                    lines = [run.stdout.readline().split() for _ in range(2)]
                    run.kill()
                if [line[:1] for line in lines] != [["data"], ["step"]]:
                    raise click.ClickException("the run ended before its first step; what it said is above")
                for what, *numbers in lines:
                    began_s, began_cpu_s, ended_s, ended_cpu_s = map(float, numbers)
                    times[what].append((ended_s - began_s, ended_cpu_s - began_cpu_s))
                times["before"].append((began_s - start_s, began_cpu_s))
    os.sched_setaffinity(0, cores)
    return found


def show_first_steps(found: dict[str, dict[str, list[tuple[float, float]]]]) -> None:
    """A line for each part."""
    names = {"data": "loading the data", "before": "from start to first step", "step": "the first step"}
    for how, times in found.items():
        for part, name in names.items():
            wall_s, cpu_s = ([run[k] for run in times[part]] for k in (0, 1))
            click.echo(f"{how:<22}{name:<26}{spread(wall_s, '.1f'):<24} s, {spread(cpu_s, '.1f')} s of a processor")


@click.command()
@click.option("-n", default=2000, show_default=True, type=click.IntRange(min=BATCH), help="How many images.")
@click.option("--size", default=256, show_default=True, help="Pixels a side.")
@click.option("--format", "kind", default="jpeg", show_default=True, type=click.Choice(["jpeg", "png"]))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--first-step", is_flag=True, help="Measure from the start of a run to its first step instead.")
@click.option("--variant", default="dcgan", show_default=True, help="Of that run.")
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to work, with the images kept; else a temporary one."
)
@click.option("--json", "as_json", is_flag=True, help="Print seconds and processor seconds of each round as JSON.")
def main(
    n: int, size: int, kind: str, rounds: int, first_step: bool, variant: str, folder: Path | None, as_json: bool
) -> None:
    """Measure how fast N images get into their cache."""
    cores = sorted(os.sched_getaffinity(0))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        if not (home / "images").exists():
            write_images(home / "images", n, size, kind)
        n = sum(1 for _ in (home / "images").rglob("*.*"))
        if first_step:
            waits = first_steps(home, size, cores, rounds, variant)
            if as_json:
                click.echo(json.dumps(waits))
            else:
                show_first_steps(waits)
            return
        found = compare(home, size, cores, rounds)
        if as_json:
            click.echo(json.dumps(found))
        else:
            show(found, n)
        shutil.rmtree(home / "data", ignore_errors=True)


if __name__ == "__main__":
    main()
