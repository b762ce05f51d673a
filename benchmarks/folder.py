"""A folder of images from its cache against the same images held in memory: speed, and memory that can't be dropped.

    python -m benchmarks.folder [-n 100000] [--size 32] [--batch-size 64] [--seconds 5] [--folder DIR]

The images are colour noise, a PNG each, and made anew unless DIR holds them. Both ways take turns, A B A B, each in a
process of its own, over the same batches as training takes them. Linux only, which alone tells what a process holds.
To see it under a limit, page cache included: systemd-run --user --scope -p MemoryMax=800M python -m benchmarks.folder
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from ganzoo_core.data import BatchOrder
from ganzoo_core.datasets import Folder, FolderOptions

ROUNDS = 3


def write_images(folder: Path, n: int, size: int) -> None:
    """n PNGs of noise that no two of share, in ten class folders."""
    rng = np.random.default_rng(0)
    for label in range(10):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"class {i % 10}" / f"{i:07d}.png", compress_level=1)


def memory_mb(kind: str) -> float:
    """What this process holds: RssAnon can't be dropped, RssFile can be read again from the disk."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def measure(folder: Path, size: int, batch_size: int, seconds: float, in_memory: bool) -> dict[str, float]:
    """Load the folder, take an epoch's batches, then more for some seconds: images/s, seconds, and megabytes."""
    before = memory_mb("RssAnon")
    start_s = time.perf_counter()
    data = Folder(FolderOptions(image_size=size), folder / "images").load(folder / "data")
    load_s = time.perf_counter() - start_s
    if in_memory:
        data = type(data)(data.spec, data.samples.clone(), data.labels)
    order = BatchOrder(data, batch_size, 0, torch.device("cpu"))
    peak, start_s = memory_mb("RssAnon"), time.perf_counter()
    epoch = len(data) // batch_size
    for number in range(epoch):  # touches every page once
        data.batch(order.indices(number))
    first_epoch_s, batches, start_s = time.perf_counter() - start_s, 0, time.perf_counter()
    while (elapsed_s := time.perf_counter() - start_s) < seconds:
        data.batch(order.indices(epoch + batches))
        batches += 1
        if batches % 100 == 0:
            peak = max(peak, memory_mb("RssAnon"))
    return {
        "images_per_s": batches * batch_size / elapsed_s,
        "first_epoch_images_per_s": epoch * batch_size / first_epoch_s,
        "load_s": load_s,
        "peak_anonymous_mb": peak - before,
        "file_mb": memory_mb("RssFile"),
        "set_mb": data.samples.nbytes / 2**20,
    }


def in_own_process(way: str, arguments: list[str]) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.folder", "--measure", way, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


@click.command()
@click.option("-n", default=20_000, help="How many images.")
@click.option("--size", default=32, help="Pixels a side.")
@click.option("--batch-size", default=64)
@click.option("--seconds", default=5.0, help="How long each measurement takes.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the images; else they are thrown away.")
@click.option("--measure", "way", type=click.Choice(["cache", "memory"]), hidden=True)
def main(n: int, size: int, batch_size: int, seconds: float, folder: Path | None, way: str | None) -> None:
    """Compare a folder's cache with the same images in memory."""
    if way is not None:
        assert folder is not None
        click.echo(json.dumps(measure(folder, size, batch_size, seconds, way == "memory")))
        return
    with contextlib.ExitStack() as stack:
        kept = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (kept / "images").exists():
            write_images(kept / "images", n, size)
        common = ["--folder", str(kept), "--size", str(size), "--batch-size", str(batch_size)]
        first = in_own_process("cache", [*common, "--seconds", "0.1"])
        common += ["--seconds", str(seconds)]
        pairs = [(in_own_process("cache", common), in_own_process("memory", common)) for _ in range(ROUNDS)]
    report(first, pairs)


def report(first: dict[str, float], pairs: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    """Print what was found."""
    print(f"set           {first['set_mb']:,.0f} MB decoded")
    print(f"first load    {first['load_s']:.1f} s, {first['peak_anonymous_mb']:,.0f} MB more held after it")
    print(f"later loads   {statistics.median(cache['load_s'] for cache, _ in pairs):.2f} s")
    for name, results in zip(("cache", "memory"), zip(*pairs, strict=True), strict=True):
        speeds = sorted(result["images_per_s"] for result in results)
        held = max(result["peak_anonymous_mb"] for result in results)
        slow = statistics.median(result["first_epoch_images_per_s"] for result in results)
        print(
            f"{name:<8}      {speeds[ROUNDS // 2]:,.0f} images/s ({speeds[0]:,.0f} to {speeds[-1]:,.0f}), "
            f"{slow:,.0f} in the first epoch; {held:,.0f} MB held, {results[-1]['file_mb']:,.0f} MB of files mapped"
        )
    ratios = sorted(cache["images_per_s"] / memory["images_per_s"] for cache, memory in pairs)
    print(f"ratio         {ratios[ROUNDS // 2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
