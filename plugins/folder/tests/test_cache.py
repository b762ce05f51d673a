"""The cache of an image folder: made once, whole or not at all, mapped and never held."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from folders import BLUE, RED, caches, colour_of, load, save

from ganzoo_core.data import BatchOrder
from ganzoo_core.errors import DataError
from ganzoo_folder import cache

pytestmark = pytest.mark.usefixtures("user_cache")


def test_the_second_load_decodes_nothing(images, monkeypatch):
    save(images / "a.png")
    first = load(images)
    monkeypatch.setattr(cache, "decode", None)
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
def test_a_damaged_cache_is_made_anew(images, file, content):
    save(images / "a.png")
    load(images)
    (cache,) = caches(images.parent / "data")
    (cache / file).write_bytes(content)
    assert colour_of(load(images).samples[0]) == RED
    assert caches(images.parent / "data") == [cache]


STALLING_BUILD = """
import sys, time
from pathlib import Path
from ganzoo_folder import Folder, FolderOptions, cache

def decode(path, target):
    if path.name == "5.png":
        print("stalled", flush=True)
        time.sleep(600)
    return real(path, target)

real, cache.decode = cache.decode, decode
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
    barrier, sizes, decoded, real = threading.Barrier(4), [], [], cache.decode
    monkeypatch.setattr(cache, "decode", lambda path, **how: decoded.append(path.name) or real(path, **how))

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


def test_an_unwritable_data_folder_falls_back_to_the_users_cache(images, user_cache):
    save(images / "a.png")
    (images.parent / "data").touch()
    assert len(load(images)) == 1
    assert len(caches(user_cache)) == 1


def test_no_place_for_the_cache(images, user_cache):
    save(images / "a.png")
    (images.parent / "data").touch()
    user_cache.parent.touch()
    with pytest.raises(DataError, match=r"can't be kept: neither .* nor .* can be written; name another place"):
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
    samples = cache._mapped(path, (n // 4, 1, 2, 2))
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
