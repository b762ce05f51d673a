"""How a cache is built: each file read once, guesses mended, all in order, and nothing half left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import BLUE, GREEN, RED, caches, colour_of, load, save
from PIL import Image
from pixel_files import png16

from ganzoo_core.errors import DataError
from ganzoo_folder import Pairs, PairsOptions, cache, parallel, pixel_file, reading, rows, stamps
from ganzoo_folder.decode import Decoded, Target, decode
from ganzoo_folder.options import FolderOptions
from ganzoo_folder.parallel import in_order
from ganzoo_folder.pixel_file import PixelFile
from ganzoo_folder.workers import Workers

pytestmark = pytest.mark.usefixtures("user_cache")


def ramp(high: int) -> np.ndarray:
    """8 x 8 pixels (H, W, 1) uint16, from 0 to `high`."""
    return np.linspace(0, high, 64).astype("u2").reshape(8, 8, 1)


@pytest.fixture
def pixels_digested(monkeypatch):
    """The names of files of pixels whose digest was computed after they were written."""
    names, real = [], reading.content_digest

    def spy(file):
        if isinstance(file, BufferedReader):
            names.append(file.name)
        return real(file)

    monkeypatch.setattr(reading, "content_digest", spy)
    return names


@pytest.mark.parametrize("looked_at", [1, 2])
def test_a_colour_picture_that_was_not_looked_at_first_makes_all_colour(images, monkeypatch, looked_at):
    save(images / "a.png", 100, mode="L")
    save(images / "b.png", GREEN)
    monkeypatch.setattr(cache, "_FIRST_LOOKS", looked_at)
    assert [colour_of(sample) for sample in load(images).samples] == [(100, 100, 100), GREEN]


@pytest.mark.parametrize("looked_at", [1, 3])
def test_a_deep_picture_that_was_not_looked_at_first_says_what_is_white(images, monkeypatch, caplog, looked_at):
    save(images / "a.png", 200, mode="L")
    png16(images / "b.png", ramp(300))
    png16(images / "c.png", ramp(4000))
    monkeypatch.setattr(cache, "_FIRST_LOOKS", looked_at)
    samples = load(images, on_bad_image="stop").samples
    assert [sample.max().item() for sample in samples] == [200, 19, 249]  # of 4095
    assert "2 of 3 images have more than 8 bits, with values from 0 to 4,000: 0 became black" in caplog.text


def test_a_guess_is_wrong_for_what_may_come_and_right_for_what_may_not():
    options, deep = FolderOptions(image_size="8"), cache.Look(True, (0.0, 4000.0))
    (grey,) = (cache._target(options, [cache.Look()], ""),)
    colour, twelve = cache._target(options, [cache.Look(False)], ""), cache._target(options, [deep], "")
    assert cache._fits(cache.Look(), grey, options) and not cache._fits(cache.Look(False), grey, options)
    assert cache._fits(cache.Look(), colour, options) and cache._fits(cache.Look(False), colour, options)
    assert not cache._fits(deep, grey, options) and cache._fits(deep, twelve, options)
    assert not cache._fits(cache.Look(True, (0.0, 4096.0)), twelve, options)
    assert not cache._fits(cache.Look(True, (-1.0, 5.0)), twelve, options)


def test_what_is_decoded_is_what_was_digested(images, monkeypatch, caplog):
    save(images / "a.bmp", RED)
    blue, real = save(images.parent / "blue.bmp", BLUE).read_bytes(), rows.decode

    def changed_meanwhile(path, **how):
        path.write_bytes(blue)
        return real(path, **how)

    monkeypatch.setattr(rows, "decode", changed_meanwhile)
    monkeypatch.setattr(cache, "look", lambda path, **how: cache.Look(False))
    with pytest.raises(DataError, match="1 of 1 images were changed since they were decoded"):
        load(images)
    monkeypatch.setattr(rows, "decode", real)
    assert colour_of(load(images).samples[0]) == BLUE


def test_a_large_file_is_digested_and_decoded_from_the_disk(images, monkeypatch):
    save(images / "a.png", RED)
    held = load(images)
    reads = []
    monkeypatch.setattr(stamps, "_MOST_HELD", 10)
    monkeypatch.setattr(rows, "read_content", lambda path: reads.append(stamps.read_content(path)) or reads[-1])
    again = load(images, fit="stretch")
    assert torch.equal(held.samples, again.samples)
    assert reads == [(stamps.content_digest(images / "a.png"), None)]


@pytest.mark.parametrize("mode", ["L", "I;16", "CMYK"])
@pytest.mark.parametrize("held", [False, True])
def test_an_uncompressed_tiff_is_turned_as_exif_says(tmp_path, mode, held):
    """From its path, Pillow 13 maps such a file as if it lay on the disk as it is shown."""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right: what is on the left of the file comes to be on top
    stored = Image.fromarray(np.repeat(np.repeat(np.array([[0, 255]], np.uint8), 48, 1), 64, 0))
    stored.convert("RGB" if mode == "CMYK" else mode).convert(mode).save(tmp_path / "a.tiff", exif=exif)
    content = (tmp_path / "a.tiff").read_bytes() if held else None
    made = decode(tmp_path / "a.tiff", Target(96, 64, 1, "crop", (255, 255, 255), (0, 255), None), content)
    assert isinstance(made, Decoded) and made.size == (64, 96)
    assert (made.pixels[0, :48] == 0).all() and (made.pixels[0, 48:] == 255).all()


def test_two_halves_of_a_picture_are_read_once(images, monkeypatch):
    save(images / "a.png", RED, size=(16, 8))
    reads, real = [], rows.read_content
    monkeypatch.setattr(rows, "read_content", lambda path: reads.append(path.name) or real(path))
    assert len(Pairs(PairsOptions(image_size=8), images).load(images.parent / "data")) == 1
    assert reads == ["a.png"]


def test_pixels_just_written_are_digested_on_the_way_alone(images, pixels_digested):
    save(images / "a.png")
    load(images)
    assert pixels_digested == []
    load(images)
    assert len(pixels_digested) == 1  # as they were written within two seconds of the first look


def test_a_large_cache_is_waited_for_until_its_stamp_can_be_trusted(images, monkeypatch, pixels_digested):
    save(images / "a.png")
    monkeypatch.setattr(cache, "_LARGE_BYTES", 1)
    load(images)
    load(images)
    assert pixels_digested == []


def test_a_disk_whose_clock_is_ahead_is_not_waited_for_for_ever(images, monkeypatch):
    save(images / "a.png")
    monkeypatch.setattr(cache, "_LARGE_BYTES", 1)
    monkeypatch.setattr(cache, "_SETTLE_S", 0.1)
    monkeypatch.setattr(stamps, "_SETTLED_NS", 10**15)
    assert len(load(images)) == 1


def test_a_disk_that_is_full_only_when_it_is_synced(images, monkeypatch):
    for i in range(40):
        save(images / f"{i}.png", size=(64, 64))

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixel_file, "_sync", full)
    monkeypatch.setattr(pixel_file, "_PIECE_BYTES", 1)
    monkeypatch.setattr(pixel_file, "_FLUSH_BYTES", 1)
    with pytest.raises(DataError, match=r"can't be kept in .*folder-cache \(No space left on device\); name another"):
        load(images)
    assert caches(images.parent / "data") == []


def test_ctrl_c_in_the_middle_leaves_nothing_and_the_next_load_makes_all(images, monkeypatch):
    for i in range(100):
        save(images / f"{i}.png")
    decoded, real = [], rows.decode
    monkeypatch.setattr(rows, "decode", lambda path, **how: decoded.append(path.name) or real(path, **how))

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cache, "size_notes", interrupted)
        load(images)
    home = images.parent / "data" / "folder-cache"
    assert caches(images.parent / "data") == [] and not list(home.glob(".*.building"))
    decoded.clear()
    assert len(load(images)) == len(decoded) == 100


def test_work_comes_back_in_order_with_a_bounded_part_ahead():
    begun = []
    with ThreadPoolExecutor(3) as pool:
        found = in_order(pool, lambda k: begun.append(k) or k * k, range(100), group=4, most=2)
        first = [next(found) for _ in range(5)]
        assert len(begun) <= 4 * 4
        assert first + list(found) == [k * k for k in range(100)]


def test_work_that_has_not_begun_is_cancelled_where_nobody_waits_for_it():
    begun, released = [], threading.Event()

    def work(k):
        begun.append(k)
        if k == 0:
            raise ValueError("the first")
        released.wait(60)

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(ValueError, match="the first"):
            next(in_order(pool, work, range(10), group=1, most=5))
        released.set()
    assert begun in ([0], [0, 1])


def test_an_empty_list_of_work():
    with ThreadPoolExecutor(1) as pool:
        assert list(in_order(pool, str, [])) == []


def test_threads_are_as_many_as_cores_that_may_be_used(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3}, raising=False)
    assert parallel.cores() == 1


def test_a_file_of_pixels_holds_what_was_added_and_knows_its_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_file, "_PIECE_BYTES", 100)
    monkeypatch.setattr(pixel_file, "_FLUSH_BYTES", 200)
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 5), dtype=np.uint8)
    with PixelFile(tmp_path / "samples.u8") as file:
        for image in images:
            file.add(image)
        digest = file.finish()
    assert (tmp_path / "samples.u8").read_bytes() == images.tobytes()
    assert digest == stamps.content_digest(tmp_path / "samples.u8")


@pytest.fixture
def many(tmp_path, monkeypatch):
    """A folder that is decoded by two processes, though it holds few images."""
    monkeypatch.setattr(parallel, "MANY", 20)
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    for k in range(40):
        save(tmp_path / "images" / f"{k:02}.png", (k, 2 * k, 3 * k))
    return tmp_path / "images"


@pytest.mark.skipif(os.name != "posix", reason="processes are for POSIX")
class TestProcesses:
    def test_they_make_what_threads_make(self, many, monkeypatch):
        (many / "99.png").write_bytes(b"not an image")
        by_processes = load(many, on_bad_image="skip")
        monkeypatch.setattr(parallel, "MANY", 10**9)
        shutil.rmtree(many.parent / "data")
        by_threads = load(many, on_bad_image="skip")
        assert torch.equal(by_processes.samples, by_threads.samples)
        assert by_processes.digest == by_threads.digest
        assert by_processes.notes == by_threads.notes

    def test_what_runs_in_them_is_another_process_that_ends_with_the_pool(self):
        with Workers(2) as pool:
            found = {pool.submit(os.getpid).result() for _ in range(8)}
            assert found and os.getpid() not in found
        for pid in found:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)

    def test_an_error_comes_back_as_itself(self):
        with Workers(1) as pool, pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 1, 0).result()

    def test_a_process_that_was_killed_is_stood_in_for(self):
        with Workers(1) as pool:
            os.kill(pool.submit(os.getpid).result(), signal.SIGKILL)
            assert [pool.submit(abs, -k).result() for k in range(3)] == [0, 1, 2]

    def test_they_outlive_neither_a_parent_that_is_killed(self, tmp_path):
        script = (
            "import os, signal\nfrom ganzoo_folder.workers import Workers\npool = Workers(1)\n"
            "print(pool.submit(os.getpid).result(), flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
        )
        pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120).stdout)
        for _ in range(600):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            if Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return  # ended, and nobody has asked how
            time.sleep(0.1)
        pytest.fail("it still runs")

    def test_a_limit_on_pixels_holds_in_them_too(self, many, monkeypatch):
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 50)
        with pytest.raises(DataError, match="more than the 50"):
            load(many)

    @pytest.mark.long
    def test_a_script_without_a_main_guard_may_load_many(self, many):
        script = (
            "from ganzoo_folder import Folder, parallel\nfrom ganzoo_folder.options import FolderOptions\n"
            "from pathlib import Path\nparallel.MANY = 20\nparallel.cores = lambda: 2\n"
            f"images = Path({str(many)!r})\n"
            "print(len(Folder(FolderOptions(image_size=8), images).load(images.parent / 'data')))\n"
        )
        told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
        assert told.stdout == "40\n" and not told.stderr


def test_large_images_and_few_are_left_to_threads(monkeypatch):
    monkeypatch.setattr(parallel, "cores", lambda: 4)
    for files, pixels, kind in ((100, 64, "threads"), (10_000, 256 * 256, "threads"), (10_000, 64 * 64, "processes")):
        with parallel.new_pool(files, pixels) as pool:
            assert isinstance(pool, Workers) == (kind == "processes" and os.name == "posix")
