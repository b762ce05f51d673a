"""The cache of an image folder: made once, whole or not at all, mapped and never held."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from folders import BLUE, GREEN, RED, caches, colour_of, load, save

from ganzoo_core.data import BatchOrder
from ganzoo_core.errors import DataError
from ganzoo_folder import Folder, cache, reading, rows
from ganzoo_folder.stamps import Stamp

pytestmark = pytest.mark.usefixtures("user_cache")


def test_the_second_load_decodes_nothing(images, monkeypatch):
    save(images / "a.png")
    first = load(images)
    monkeypatch.setattr(rows, "decode", None)
    again = load(images)
    assert torch.equal(first.samples, again.samples)
    again.samples.zero_()  # on this process's copy
    assert torch.equal(first.samples, load(images).samples)


def test_changed_files_are_noticed_and_the_stale_cache_goes(images):
    save(images / "a.bmp", RED)
    load(images)
    load(images, image_size=16)
    (stale, other) = caches(images.parent / "data")
    save(images / "a.bmp", BLUE)  # of the same size
    os.utime(images / "a.bmp", ns=(0, 12345))
    assert colour_of(load(images).samples[0]) == BLUE
    left = caches(images.parent / "data")
    assert len(left) == 2 and len({stale, other} & set(left)) == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("samples.u8", b""),
        ("samples.u8", bytes(8 * 8 * 3 - 1)),
        ("samples.u8", bytes(8 * 8 * 3 + 1)),
        ("index.json", b""),
        ("index.json", b"[]"),
        ("index.json", b'{"channels": 3, "bad": {}}'),
        ("index.json", b'{"channels": null, "bad": {}, "notes": []}'),
        ("index.json", b'{"channels": 3, "bad": [], "notes": []}'),
        ("index.json", b'{"channels": 1, "bad": {}, "notes": []}'),
        ("index.json", b'{"channels": 3, "bad": {"a.png": "it is empty"}, "notes": []}'),
    ],
)
def test_a_damaged_cache_is_made_anew(images, file, content, caplog):
    save(images / "a.png")
    load(images)
    (cache,) = caches(images.parent / "data")
    (cache / file).write_bytes(content)
    assert colour_of(load(images).samples[0]) == RED
    assert caches(images.parent / "data") == [cache]
    assert caplog.messages == [f"{images}: the cache {cache} is damaged, or was changed; the images are decoded anew"]


def rewritten(path: Path, content: bytes) -> None:
    """Other bytes, of the same size and with the old times, as far as a program can set them back."""
    before = path.stat()
    assert before.st_size == len(content)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def age(cache: Path) -> None:
    """As if all had been made long before it was looked at: from now on stamps are trusted."""
    index = json.loads((cache / "index.json").read_bytes())
    index["checked_ns"] += 10**12
    (cache / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("aged", [False, True])
def test_images_rewritten_with_the_same_size_and_time_are_noticed(images, aged, caplog):
    save(images / "a.bmp", RED)
    save(images / "b.bmp", GREEN)
    digest = load(images).digest
    load(images)
    if aged:
        age(*caches(images.parent / "data"))
    blue = save(images.parent / "blue.bmp", BLUE).read_bytes()
    rewritten(images / "a.bmp", blue)
    data = load(images)
    assert [colour_of(sample) for sample in data.samples] == [BLUE, GREEN] and data.digest != digest
    assert caplog.messages == [
        f"{images}: 1 of 2 images were changed since they were decoded; the images are decoded anew"
    ]


def test_a_stamp_is_trusted_once_two_seconds_have_passed():
    stamp = Stamp(1, 10**9, 5 * 10**9, 7)
    assert [stamp.is_settled(at_ns) for at_ns in (6 * 10**9, 7 * 10**9, 7 * 10**9 + 1)] == [False, False, True]


@pytest.mark.parametrize("aged", [False, True])
def test_pixels_changed_in_the_cache_are_noticed(images, aged, caplog):
    save(images / "a.png")
    load(images)
    load(images)
    (cache,) = caches(images.parent / "data")
    if aged:
        age(cache)
    rewritten(cache / "samples.u8", bytes(8 * 8 * 3))
    assert colour_of(load(images).samples[0]) == RED
    assert caplog.messages == [f"{images}: the cache {cache} is damaged, or was changed; the images are decoded anew"]


def test_an_index_that_was_changed_is_noticed(images):
    for name in "ab":
        save(images / f"{name}.png", RED if name == "a" else BLUE)
    (images / "c.png").touch()
    load(images)
    (cache,) = caches(images.parent / "data")
    text = (cache / "index.json").read_text()
    (cache / "index.json").write_text(text.replace('"it is empty"', "null").replace('", null', '", "it is bad"', 1))
    data = load(images)
    assert data.left_out == {"c.png": "it is empty"} and colour_of(data.samples[0]) == RED


def test_what_was_touched_or_restored_is_read_again_and_not_decoded(images, monkeypatch):
    save(images / "a.png")
    load(images)
    (cache_folder,) = caches(images.parent / "data")
    shutil.copy(cache_folder / "samples.u8", images.parent / "copy")
    os.replace(images.parent / "copy", cache_folder / "samples.u8")
    os.utime(images / "a.png", ns=(0, 12345))
    monkeypatch.setattr(rows, "decode", None)
    assert colour_of(load(images).samples[0]) == RED


def test_files_whose_stamps_can_be_trusted_are_not_read(images, monkeypatch):
    save(images / "a.png")
    load(images)
    load(images)
    age(*caches(images.parent / "data"))
    monkeypatch.setattr(reading, "content_digest", None)
    assert colour_of(load(images).samples[0]) == RED


@pytest.mark.parametrize("harm", [lambda path: os.truncate(path, 10), lambda path: path.write_bytes(bytes(8 * 8 * 3))])
def test_a_cache_that_is_cut_short_or_changed_while_in_use_ends_in_a_sentence(images, harm):
    save(images / "a.png")
    data = load(images)
    (cache,) = caches(images.parent / "data")
    os.utime(cache / "samples.u8", ns=(0, 0))
    data = load(images)
    assert data.batch(torch.tensor([0]))["real"][0, 0, 0, 0] == 1
    harm(cache / "samples.u8")
    with pytest.raises(DataError, match=r"samples.u8 were changed or cut short while in use; run again, or resume"):
        data.batch(torch.tensor([0]))


def test_a_cache_that_goes_while_in_use_does_no_harm(images):
    save(images / "a.png")
    data = load(images)
    shutil.rmtree(*caches(images.parent / "data"))
    assert data.batch(torch.tensor([0]))["real"][0, 0, 0, 0] == 1


def test_caches_of_deleted_folders_and_old_ones_go_but_none_in_use(images):
    kept = images.parent / "data"
    for name in ("gone", "old", "used", "fresh"):
        (images.parent / name).mkdir()
        save(images.parent / name / "a.png")
    in_use = load(images.parent / "used")
    for name in ("gone", "old", "fresh"):
        load(images.parent / name)
    shutil.rmtree(images.parent / "gone")
    shutil.rmtree(images.parent / "used")
    (kept / "folder-cache" / ".1234.building").mkdir()  # of a killed process
    for folder in caches(kept):
        name = Path(json.loads((folder / "about.json").read_bytes())["folder"]).name
        for file in folder.iterdir() if name != "fresh" else ():
            if file.name != "samples.u8" or name != "used":  # the time of what is in use is watched
                os.utime(file, (0, 0))
        if name != "fresh":
            os.utime(folder, (0, 0))
    (kept / "folder-cache" / "12-34").mkdir()  # of an older ganzoo
    os.utime(kept / "folder-cache" / "12-34", (0, 0))
    gc.collect()
    save(images / "a.png")
    load(images)
    left = {Path(json.loads((cache / "about.json").read_bytes())["folder"]).name for cache in caches(kept)}
    assert left == {"used", "fresh", "images"}
    assert in_use.batch(torch.tensor([0]))["real"][0, 0, 0, 0] == 1
    del in_use
    gc.collect()
    load(images)
    assert len(caches(kept)) == 2
    assert not list((kept / "folder-cache").glob("*.building"))


STALLING_BUILD = """
import sys, time
from pathlib import Path
from ganzoo_folder import Folder, FolderOptions, rows

def decode(path, **how):
    if path.name == "5.png":
        print("stalled", flush=True)
        time.sleep(600)
    return real(path, **how)

real, rows.decode = rows.decode, decode
images = Path(sys.argv[1])
Folder(FolderOptions(image_size=8), images).load(images.parent / "data")
"""


def test_a_killed_build_is_waited_for_and_then_made_anew(images, caplog):
    for i in range(8):
        save(images / f"{i}.png")
    caplog.set_level(logging.INFO)
    with subprocess.Popen([sys.executable, "-c", STALLING_BUILD, images], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline() == b"stalled\n"
        with ThreadPoolExecutor() as pool:
            second = pool.submit(load, images)
            while not caplog.messages:
                assert not second.done()
                time.sleep(0.01)
            assert caplog.messages == [f"another process is decoding the images of {images}; waiting for it"]
            first.kill()
            assert len(second.result()) == 8
    assert [colour_of(sample) for sample in load(images).samples] == [RED] * 8
    home = images.parent / "data" / "folder-cache"
    assert len(caches(images.parent / "data")) == 1 and not list(home.glob("*.building"))


def test_of_several_that_ask_at_once_one_decodes(images, monkeypatch):
    for i in range(20):
        save(images / f"{i}.png")
    barrier, sizes, decoded, real = threading.Barrier(4), [], [], rows.decode
    monkeypatch.setattr(rows, "decode", lambda path, **how: decoded.append(path.name) or real(path, **how))

    def build() -> None:
        barrier.wait()
        sizes.append(len(load(images)))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [20] * 4 and len(decoded) == 20
    assert len(caches(images.parent / "data")) == 1


def test_an_unwritable_data_folder_falls_back_to_the_users_cache(images, user_cache, caplog):
    save(images / "a.png")
    (images.parent / "data").touch()
    with caplog.at_level(logging.WARNING):
        assert len(load(images)) == 1
    assert len(caches(user_cache)) == 1
    (message,) = caplog.messages
    assert re.fullmatch(r".* can't be kept in .*data/folder-cache \(Not a directory\); they are kept in .*", message)
    caplog.clear()
    load(images)
    assert caplog.messages == []


def test_no_place_for_the_cache(images, user_cache):
    save(images / "a.png")
    (images.parent / "data").touch()
    user_cache.parent.touch()
    with pytest.raises(
        DataError, match=r"can't be kept in .*data/folder-cache \(Not a dir.* or .*user.* with --data-dir$"
    ):
        load(images)


def test_a_full_disk(images, monkeypatch):
    save(images / "a.png")

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_build", full)
    with pytest.raises(DataError, match=r"can't be kept in .*folder-cache \(No space left on device\); name another"):
        load(images)
    assert caches(images.parent / "data") == []


def test_progress_is_told_of_long_work(images, monkeypatch, caplog):
    monkeypatch.setattr(cache, "_REPORT_EVERY_S", -1)
    caplog.set_level(logging.INFO)
    for i in range(2):
        save(images / f"{i}.png")
    load(images)
    assert caplog.messages == [f"decoded {i} of the 2 images of {images}, once for all" for i in range(2)]


def anonymous_mb() -> float:
    """Memory that can't be dropped and read again from a file."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells what a process holds")
def test_a_set_is_mapped_and_only_the_batch_is_copied(images):
    """236 MB decoded, in a process that must not hold all of it, neither while building nor in use."""
    save(images / "0.bmp", size=(512, 512))
    for i in range(1, 300):
        os.link(images / "0.bmp", images / f"{i}.bmp")
    before = anonymous_mb()
    data = load(images, image_size=512)
    assert data.samples.nbytes > 235e6
    built = anonymous_mb()
    order = BatchOrder(data, 8, 0, torch.device("cpu"))
    most = built
    for step in range(40):
        real = data.batch(order.indices(step))["real"]
        assert real.shape == (8, 3, 512, 512) and real[0, 0, 0, 0] == 1
        most = max(most, anonymous_mb())
    assert built - before < 160 and most - before < 220
    maps = Path("/proc/self/smaps").read_text().split("samples.u8")[1].split("VmFlags")[0]
    assert re.search(r"Private_Dirty:\s+0 kB", maps) and re.search(r"Anonymous:\s+0 kB", maps)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere room is not set aside")
def test_a_set_may_be_larger_than_memory(tmp_path):
    """Mapped as numpy maps it, copy on write, the system would refuse."""
    path, n = tmp_path / "samples.u8", 2**40
    with path.open("wb") as file:
        file.truncate(n)
    with path.open("rb") as file:
        samples = reading._mapped(file, (n // 4, 1, 2, 2))
    assert samples[torch.tensor([0, n // 4 - 1])].sum() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells how a file is mapped")
def test_nothing_is_read_ahead(images):
    save(images / "a.png")
    data = load(images)
    (cache,) = caches(images.parent / "data")
    maps = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace")
    mapped = maps[maps.index(str(cache / "samples.u8")) :]
    assert "rr" in re.search(r"VmFlags:(.*)", mapped)[1].split()  # "random read" of proc(5)
    assert len(data) == 1


def test_caches_are_shown_with_what_they_hold(images):
    save(images / "a.png")
    load(images)
    (images.parent / "data" / "folder-cache" / "12-34").mkdir()
    (made,) = (path for path in caches(images.parent / "data") if path.name != "12-34")
    assert Folder.caches(images.parent / "data") == {
        images.parent / "data" / "folder-cache" / "12-34": "of an older ganzoo",
        made: f"1 images of {images} at 8",
    }


def test_a_user_without_a_home_needs_none_with_a_data_folder(images, monkeypatch):
    def homeless(name):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_dir", homeless)
    save(images / "a.png")
    assert len(load(images)) == 1 and len(Folder.caches(images.parent / "data")) == 1
