"""The cache of an image folder: made once, whole or not at all, mapped and never held."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import Folder, FolderOptions, folder_cache
from ganzoo_core.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture(autouse=True)
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tests leave the user's own cache alone."""
    monkeypatch.setattr(folder_cache.platformdirs, "user_cache_dir", lambda name: str(tmp_path / "user" / name))
    return tmp_path / "user" / "ganzoo"


def load(path: Path, **options) -> Dataset:
    options = {"image_size": 8} | options
    return Folder(FolderOptions(**options), path).load(path.parent / "data")


def save(path: Path, colour=RED, size=(8, 8), mode="RGB", **how) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size, colour).save(path, **how)
    return path


def caches(home: Path) -> list[Path]:
    return sorted((home / "folder-cache").glob("[!.]*"))


def colour_of(sample: torch.Tensor) -> tuple[int, ...]:
    """The middle pixel."""
    return tuple(sample[:, 4, 4].tolist())


def test_the_second_load_decodes_nothing(images, monkeypatch):
    save(images / "a.png")
    first = load(images)
    monkeypatch.setattr(folder_cache, "decode", None)
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


def test_a_damaged_cache_is_made_anew(images):
    save(images / "a.png")
    load(images)
    (cache,) = caches(images.parent / "data")
    for file in ("samples.u8", "index.json"):
        (cache / file).write_bytes(b"")
        assert colour_of(load(images).samples[0]) == RED
    assert caches(images.parent / "data") == [cache]


def test_two_that_build_at_once_both_get_it(images):
    for i in range(20):
        save(images / f"{i}.png")
    barrier, sizes = threading.Barrier(4), []

    def build() -> None:
        barrier.wait()
        sizes.append(len(load(images)))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [20] * 4
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

    monkeypatch.setattr(folder_cache, "_build", full)
    with pytest.raises(DataError, match=r"can't be kept in .*folder-cache \(No space left on device\); name another"):
        load(images)
    assert caches(images.parent / "data") == []
