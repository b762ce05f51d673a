"""Samples: shown, and saved as pictures and arrays."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, GanzooError, UnknownNameError
from ganzoo_core.sampling.samples import Samples, label_indices

GREY = DataSpec("grey", (1, 4, 4), ("zero", "one"))
RING = DataSpec("ring", (2,), kind="points", scale=2.0, offset=1.0)
VOXELS = DataSpec("shapes", (1, 4, 4, 4), kind="voxels")


@pytest.fixture
def digits() -> Samples:
    values = torch.linspace(-1, 1, 6 * 16).reshape(6, 1, 4, 4)
    return Samples(values, GREY, torch.tensor([0, 1, 0, 1, 0, 1]))


def test_images_are_pixels(digits: Samples) -> None:
    assert digits.images.shape == (6, 1, 4, 4) and digits.images.dtype == np.uint8
    assert digits.images.flat[0] == 0 and digits.images.flat[-1] == 255
    assert Samples(torch.zeros(2, 1, 4, 4, 4), VOXELS).images.shape == (2, 1, 4, 4, 4)


def test_points_have_no_pixels() -> None:
    with pytest.raises(DataError) as caught:
        _ = Samples(torch.zeros(3, 2), RING).images
    assert str(caught.value) == "ring holds points, which have no pixels; use `values` instead"


def test_length_and_repr(digits: Samples) -> None:
    assert len(digits) == 6
    assert repr(digits) == "Samples(6 of grey, shape (1, 4, 4))"


def test_an_npz_holds_images_and_labels(digits: Samples, tmp_path: Path) -> None:
    digits.save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert sorted(file) == ["images", "labels"]
        assert file["images"].dtype == np.uint8 and (file["images"] == digits.images).all()
        assert file["labels"].dtype == np.int64 and file["labels"].tolist() == [0, 1, 0, 1, 0, 1]


def test_an_npz_of_points_is_in_natural_units(tmp_path: Path) -> None:
    Samples(torch.tensor([[-1.0, 0.0], [0.5, 1.0]]), RING).save(str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert list(file) == ["samples"]
        assert file["samples"].dtype == np.float32 and file["samples"].tolist() == [[-1, 1], [2, 3]]


def test_equal_samples_give_equal_files(digits: Samples, tmp_path: Path) -> None:
    digits.save(tmp_path / "a.npz")
    Samples(digits.values.clone(), GREY, digits.labels).save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


@pytest.mark.parametrize("name", ["x.png", "x.PNG"])
def test_a_png_is_the_picture(digits: Samples, tmp_path: Path, name: str) -> None:
    digits.save(tmp_path / name)
    with Image.open(tmp_path / name) as saved:
        assert saved.format == "PNG" and saved.tobytes() == digits.picture().tobytes()


def test_a_notebook_shows_the_picture(digits: Samples) -> None:
    assert Image.open(io.BytesIO(digits._repr_png_())).tobytes() == digits.picture().tobytes()


@pytest.mark.parametrize("name", ["x.pt", "x.jpg"])
def test_other_suffixes_are_refused(digits: Samples, tmp_path: Path, name: str) -> None:
    with pytest.raises(GanzooError) as caught:
        digits.save(tmp_path / name)
    assert str(caught.value) == (
        f"samples are saved as .png (a picture), .npz (arrays) or a folder of images (a name that ends in / or has no "
        f"suffix), but the file is {name!r}"
    )
    assert os.listdir(tmp_path) == []


def test_a_failed_save_leaves_the_old_file_whole(
    digits: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits.save(tmp_path / "x.npz")
    before = (tmp_path / "x.npz").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileError, match="No space left on device; free some space"):
        Samples(-digits.values, GREY).save(tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["x.npz"]


@pytest.mark.parametrize("width", [20, 60])
def test_the_terminal_is_kept_within_its_width(digits: Samples, width: int) -> None:
    for samples in (digits, Samples(digits.values, GREY), Samples(torch.zeros(3, 2), RING)):
        console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        lines = console.render_lines(samples.terminal(width), pad=False)
        assert lines
        assert max(sum(segment.cell_length for segment in line) for line in lines) <= width
        assert any("▀" in segment.text for line in lines for segment in line)
    assert "…" not in "".join(segment.text for line in lines for segment in line)


@pytest.mark.parametrize(
    ("classes", "label", "index"),
    [
        (("01", "02", "03"), "02", 1),
        (("01", "02", "03"), "2", 1),
        (("01", "02", "03"), 2, 1),
        (("1", "2", "10"), "10", 2),
        (("1", "2", "10"), "002", 1),
        (("001.Albatross", "002.Auk"), "2", 1),
        (("2", "cat"), "2", 0),
        (("2", "02"), "02", 1),
        (("cat", "dog", "emu"), "2", 2),
        (("cat", "dog", "emu"), 0, 0),
        (("x=1", "x=2"), "1", 1),
        (("cat", "dog"), "dog", 1),
    ],
)
def test_a_label_is_a_name_a_number_that_names_begin_with_or_an_index(classes, label, index) -> None:
    assert label_indices(DataSpec("x", (1, 2, 2), classes), [label]) == [index]


@pytest.mark.parametrize(
    ("classes", "label"),
    [
        (("01", "02", "03"), "0"),
        (("1", "2", "10"), "0"),
        (("1", "2", "10"), "3"),
        (("2", "02", "cat"), "0002"),
        (("7-up", "7-down"), "7"),
        (("2", "cat"), "1"),
        (("cat", "dog"), "2"),
        (("cat", "dog"), "-1"),
        (("cat", "dog"), "1.0"),
        (("cat", "dog"), "9" * 5000),
        (("9" * 5000, "dog"), "5"),
    ],
)
def test_a_number_that_names_no_class_is_refused_and_never_an_index_of_numbered_ones(classes, label) -> None:
    with pytest.raises(UnknownNameError, match=r"^there is no label called '"):
        label_indices(DataSpec("x", (1, 2, 2), classes), [label])
