"""A folder of images from its cache against the same images held in memory: speed, and memory that can't be dropped.

    python -m benchmarks.folder [-n 100000] [--size 32] [--batch-size 64] [--folder DIR]

The images are colour noise, a PNG each, and made anew unless DIR holds them. Linux only, which alone tells what a
process holds. First the cache is built, loaded again, and gone through for an epoch. Then the same images are copied
into memory, and both take the batches that training would take: 50 from the one, 50 from the other, and so on.
"""

from __future__ import annotations

import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_folder import Folder
from ganzoo_folder.options import FolderOptions

BLOCK = 50  # batches


def write_images(folder: Path, n: int, size: int) -> None:
    """n PNGs of noise in ten class folders, no two alike."""
    rng = np.random.default_rng(0)
    for label in range(10):
        (folder / f"class {label}").mkdir(parents=True, exist_ok=True)
    for i in range(n):
        pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"class {i % 10}" / f"{i:07d}.png", compress_level=1)


def held_mb() -> float:
    """Memory of this process that the system can't drop and read again from a file."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def rates(dataset: Dataset, order: BatchOrder, first: int) -> tuple[float, float]:
    """Images a second, and images a second of processor time, over one block."""
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    for number in range(first, first + BLOCK):
        dataset.batch(order.indices(number))
    images = BLOCK * order.batch_size
    return images / (time.perf_counter() - start_s), images / (time.process_time() - start_cpu_s)


@click.command()
@click.option("-n", default=20_000, help="How many images.")
@click.option("--size", default=32, help="Pixels a side.")
@click.option("--batch-size", default=64)
@click.option("--blocks", default=40, help=f"Of {BLOCK} batches each.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to keep the images; else they are thrown away.")
def main(n: int, size: int, batch_size: int, blocks: int, folder: Path | None) -> None:
    """Compare a folder's cache with the same images in memory."""
    with tempfile.TemporaryDirectory() as temporary:
        home = folder or Path(temporary)
        if not (home / "images").exists():
            write_images(home / "images", n, size)
        shutil.rmtree(home / "data", ignore_errors=True)
        compare(home, size, batch_size, blocks)


def compare(home: Path, size: int, batch_size: int, blocks: int) -> None:
    """Measure and print."""
    before_mb = held_mb()
    for what in ("first load", "second load"):
        start_s = time.perf_counter()
        cached = Folder(FolderOptions(image_size=size), home / "images").load(home / "data")
        seconds = time.perf_counter() - start_s
        print(f"{what:<16}{len(cached):,} images, {seconds:.1f} s, {held_mb() - before_mb:,.0f} MB more held")
    order = BatchOrder(cached, batch_size, 0, torch.device("cpu"))
    most_mb, epoch = held_mb(), len(cached) // batch_size
    for number in range(epoch):
        cached.batch(order.indices(number))
        most_mb = max(most_mb, held_mb())
    set_mb = cached.samples.nbytes / 2**20
    print(f"{'an epoch':<16}{most_mb - before_mb:,.0f} MB more held at most; the set is {set_mb:,.0f} MB")
    copy = Dataset(cached.spec, cached.samples.clone(), cached.labels)
    pairs = [(rates(cached, order, epoch + i * BLOCK), rates(copy, order, epoch + i * BLOCK)) for i in range(blocks)]
    for which, what in enumerate(("a second", "a processor s")):
        found = [(mapped[which], held[which]) for mapped, held in pairs]
        quarters = statistics.quantiles([mapped / held for mapped, held in found], n=4)
        speeds = [statistics.median(column) for column in zip(*found, strict=True)]
        print(
            f"{what:<16}{speeds[0]:,.0f} images from the cache, {speeds[1]:,.0f} from memory, "
            f"ratio {quarters[1]:.2f} ({quarters[0]:.2f} to {quarters[2]:.2f})"
        )


if __name__ == "__main__":
    main()
