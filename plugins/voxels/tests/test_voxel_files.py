"""voxels:PATH: each format, which way is up, one size for all, splits, and files that strangers made."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from ganzoo_core.errors import DataError, FileError, GanzooError, SettingError
from ganzoo_voxels import VoxelOptions, Voxels
from ganzoo_voxels.files import filled, read_shapes
from ganzoo_voxels.folder import fit


def binvox(dim: tuple[int, int, int], pairs: list[tuple[int, int]], head: bytes = b"#binvox 1\n") -> bytes:
    lines = b"dim %d %d %d\ntranslate -0.5 -0.5 -0.5\nscale 1\ndata\n" % dim
    return head + lines + bytes(number for pair in pairs for number in pair)


def corner() -> np.ndarray:
    """An empty (4, 3, 2) but for [0, 0, 0] and [0, 0, 1]."""
    shape = np.zeros((4, 3, 2), bool)
    shape[0, 0] = True
    return shape


def reading(folder: Path, data: bytes, name: str = "a.npy", up: str = "auto") -> list[np.ndarray]:
    (folder / name).write_bytes(data)
    return read_shapes(folder / name, up)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_is_read_as_it_is(tmp_path, order):
    (shape,) = reading(tmp_path, npy(np.asarray(corner(), order=order)))
    assert np.array_equal(shape, corner())


def test_the_axis_that_is_up_becomes_h_turned_over(tmp_path):
    grid = np.zeros((2, 3, 4), bool)
    grid[1, 0, 3] = True  # x = 1, y = 0, z = 3
    (y_up,) = reading(tmp_path, npy(grid), up="y")
    assert y_up.shape == (4, 3, 2) and np.argwhere(y_up).tolist() == [[3, 2, 1]]  # y = 0 is the last row
    (z_up,) = reading(tmp_path, npy(grid), up="z")
    assert z_up.shape == (3, 4, 2) and np.argwhere(z_up).tolist() == [[0, 0, 1]]  # z = 3 is the first row


def test_a_binvox_by_hand(tmp_path):
    # x slowest, then z, then y: 2x2x2 with (x, z, y) = (0, 1, 0) and (0, 1, 1) filled, that is numbers 2 and 3.
    (shape,) = reading(tmp_path, binvox((2, 2, 2), [(0, 2), (1, 2), (0, 4)]), "a.binvox")
    assert np.argwhere(shape).tolist() == [[1, 0, 0], [1, 1, 0]]  # (D, H, W) = (z, y from the top, x)
    (tall,) = reading(tmp_path, binvox((1, 1, 3), [(1, 1), (0, 2)]), "b.binvox")
    assert np.argwhere(tall).tolist() == [[0, 2, 0]]  # the lowest y is the last row


def test_many_shapes_in_one_archive(tmp_path):
    images = np.zeros((5, 1, 4, 4, 4), np.uint8)
    images[:, :, 1] = 255
    labels = np.zeros(5, np.int64)
    assert len(reading(tmp_path, npz(images=images, labels=labels), "a.npz")) == 5
    assert len(reading(tmp_path, npz(chair=corner()), "b.npz")) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 1, 0, 1], np.uint8), [0, 1, 0, 1]),
        (np.array([0, 127, 128, 255], np.uint8), [0, 0, 1, 1]),
        (np.array([0, 0.4, 0.6, 1]), [0, 0, 1, 1]),
        (np.array([-1, -0.1, 0.1, 1], np.float32), [0, 0, 1, 1]),
        (np.array([False, True, False, True]), [0, 1, 0, 1]),
    ],
)
def test_filled_is_above_the_middle(values, expected):
    assert filled(values.reshape(1, 1, 4)).flatten().astype(int).tolist() == expected


BOMB = io.BytesIO()
with zipfile.ZipFile(BOMB, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("a.npy", b"")
ORDINARY = npy(np.zeros((2, 2, 2), np.uint8))
LYING = ORDINARY.replace(b"(2, 2, 2), ", b"(9999, 9, 2), ")[:128] + bytes(8)
WRONG = {
    "object.npy": (npy(np.array([[[{}]]], dtype=object)), "voxels must be numbers, but are object"),
    "text.npy": (npy(np.array([[["a"]]])), "voxels must be numbers, but are <U1"),
    "flat.npy": (npy(np.zeros((2, 2))),
                 r"voxels must be \(D, H, W\), \(N, D, H, W\) or \(N, 1, D, H, W\), but are \(2, 2\)"),
    "nan.npy": (npy(np.full((2, 2, 2), np.nan)),
                r"voxels must be in \[0, 1\], \[-1, 1\] or 0..255, but are nan to nan"),
    "deep.npy": (npy(np.full((2, 2, 2), 4000)), "but are 4000 to 4000"),
    "mixed.npy": (npy(np.array([[[-1, 255]]])), "but are -1 to 255"),
    "long.npy": (npy(np.zeros((1, 1, 513), bool)), "a shape may have 512 voxels a side, but has 513"),
    "lying.npy": (LYING, r"its header says \(9999, 9, 2\) of uint8, which is not what it holds"),
    "short.npy": (ORDINARY[:-1], "its header says .* which is not what it holds"),
    "damaged.npy": (b"\x93NUMPY\x01\x00\xff", "it is damaged, or no .npy"),
    "new.npy": (b"\x93NUMPY\x03\x00" + bytes(100), r"it is damaged, or no .npy \(ValueError\)"),
    "no.npz": (b"no archive", "it is damaged, or no .npz"),
    "empty.npz": (BOMB.getvalue(), "it is damaged, or no .npz"),
    "several.npz": (npz(a=corner(), b=corner()),
                    "it must hold one array, or one called images or voxels or voxel or arr_0, but holds 2"),
    "no.binvox": (b"#binvox 2\n", "it is no .binvox of version 1, with dim and data"),
    "nodim.binvox": (b"#binvox 1\ndata\n\0\1", "it is no .binvox of version 1"),
    "more.binvox": (binvox((2, 2, 2), [(1, 9)]),
                    "its header says 2x2x2 voxels, which is too much, or not the 9 that it holds"),
    "huge.binvox": (binvox((9999, 9999, 9999), [(1, 255)]), "its header says 9999x9999x9999 voxels, which is too much"),
    "none.binvox": (binvox((0, 2, 2), []), "its header says 0x2x2 voxels"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_shape_is_refused_with_a_reason(tmp_path, name):
    data, words = WRONG[name]
    with pytest.raises(DataError, match=words):
        reading(tmp_path, data, name)


def test_an_archive_that_says_it_is_huge_is_not_unpacked(tmp_path):
    data = bytearray(npz(a=np.zeros((2, 2, 2), bool)))
    entry = data.rindex(b"PK\x01\x02")  # the directory's: the size unpacked is at 24
    data[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    with pytest.raises(DataError, match="it may hold 1,073,741,824 bytes unpacked, but says it holds 2,147,483,648"):
        reading(tmp_path, bytes(data), "a.npz")


def test_a_cube_is_kept_and_a_larger_one_shrinks_by_halves():
    cube = np.zeros((8, 8, 8), bool)
    cube[:2, :2, :1] = True  # half of the first eighth
    assert fit(cube, 8).numpy().sum() == 4
    assert torch.nonzero(fit(cube, 4)).tolist() == [[0, 0, 0]]
    assert fit(cube, 16).sum() == 4 * 8
    assert not fit(cube, 2).any()


def test_other_boxes_stand_in_the_middle_of_a_cube():
    assert torch.nonzero(fit(np.ones((1, 2, 4), bool), 4)).unique(dim=0).amin(0).tolist() == [1, 1, 0]
    assert fit(np.ones((1, 2, 4), bool), 4).sum() == 8


def folder(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / name, np.ones((3, 3, 3), bool))
    return tmp_path


def loaded(path: Path, split: str = "train", **options):
    return Voxels(VoxelOptions(**{"side": 8} | options), path).load(path, split)


def test_one_folder_has_no_labels(tmp_path):
    found = loaded(folder(tmp_path / "things", "b.npy", "a.npy"))
    assert found.spec.to_dict() | {"scale": 1, "offset": 0} == {
        "name": "voxels:things", "shape": [1, 8, 8, 8], "classes": [], "kind": "voxels", "scale": 1, "offset": 0,
    }  # fmt: skip
    assert found.samples.shape == (2, 1, 8, 8, 8) and found.samples.dtype == torch.uint8 and found.labels is None


def test_subfolders_are_classes_and_2_comes_before_10(tmp_path):
    found = loaded(folder(tmp_path, "v10/a.npy", "v2/a.npy", "v2/b.npy"))
    assert found.spec.classes == ("v2", "v10") and found.labels.tolist() == [0, 0, 1]


def test_train_and_test_are_splits(tmp_path):
    path = folder(tmp_path, "train/a/1.npy", "train/b/1.npy", "test/b/1.npy")
    assert loaded(path).labels.tolist() == [0, 1]
    assert loaded(path, "test").labels.tolist() == [1]
    assert loaded(path, "test").spec == loaded(path).spec


def test_what_can_not_be_read_is_left_out_and_named(tmp_path, caplog):
    path = folder(tmp_path, "a.npy")
    (path / "bad.npy").write_bytes(b"nothing")
    np.save(path / "empty.npy", np.zeros((2, 2, 2), bool))
    (path / "link.npy").symlink_to("/dev/zero")
    (path / ".hidden.npy").write_bytes(b"")
    found = loaded(path)
    assert len(found) == 1
    assert found.left_out == {
        "bad.npy": "it is damaged, or no .npy (ValueError)",
        "empty.npy": "it holds an empty shape",
        "link.npy": "it is a link out of the folder",
    }
    assert "skipped 3 of 4 files: 'bad.npy' (it is damaged, or no .npy (ValueError)), 'empty.npy'" in caplog.text


FOLDERS = {
    ("nothing.txt",): "holds no voxels; files ending in .npy .npz .binvox are read",
    ("a.npy", "more/b.npy"): "holds voxel files beside folders of them ('more'); keep one",
    ("train/a.npy", "test/x/a.npy"): "one has classes and the other has none; make them alike",
    ("train/a/1.npy", "test/b/1.npy"): "has classes that the training part lacks ('b'); remove them, or add them",
}


@pytest.mark.parametrize("names", FOLDERS, ids=range(len(FOLDERS)))
def test_unfit_folders_are_refused(tmp_path, names):
    path = folder(tmp_path, *[name for name in names if name.endswith(".npy")])
    with pytest.raises(DataError) as error:
        loaded(path, "test" if "train/a" in names[0] else "train")
    assert FOLDERS[names] in str(error.value)


def test_further_messages(tmp_path):
    with pytest.raises(
        DataError, match="no folder can be read at nowhere .* voxels:PATH takes a folder of voxel files"
    ):
        loaded(Path("nowhere"))
    with pytest.raises(DataError, match="the data set voxels needs a path: --data voxels:PATH"):
        Voxels().load(tmp_path)
    with pytest.raises(DataError, match="voxels has no held-out part: .* put the files of .* called train and test"):
        loaded(folder(tmp_path, "a.npy"), "test")
    (tmp_path / "a.npy").write_bytes(b"")
    with pytest.raises(DataError, match="no voxel file in .* can be read: it is damaged"):
        loaded(tmp_path)
    with pytest.raises(SettingError, match="side must be at least 8, but is 4"):
        VoxelOptions(side=4)
    many = np.ones((300, 1, 1, 1), bool)
    np.save(tmp_path / "a.npy", many)
    with pytest.raises(GanzooError, match="it holds 300 shapes, which is too many with side=128"):
        loaded(tmp_path, side=128)
    (tmp_path / "b").mkdir()
    with pytest.raises(FileError):
        read_shapes(tmp_path / "c.npy", "auto")
