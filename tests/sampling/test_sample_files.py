"""Any number of samples as arrays or as a folder of images: the right bytes, whole or not at all, in little memory."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor
from torchvision.datasets import ImageFolder

import ganzoo_core as ganzoo
from ganzoo_core import TrainedGenerator
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, SettingError, UnknownNameError
from ganzoo_core.sampling import trained_generator
from ganzoo_core.sampling.sample_files import SampleArrays, class_folders, write_samples
from ganzoo_core.sampling.samples import Samples
from ganzoo_folder import Folder
from ganzoo_folder.options import FolderOptions

GREY = DataSpec("grey", (1, 4, 4), ("zero", "one"))
COLOUR = DataSpec("colour", (3, 5, 7))
CUT_OUT = DataSpec("cut-out", (4, 5, 7))
RING = DataSpec("ring", (2,), kind="points", scale=2.0, offset=1.0)


def values(n: int, spec: DataSpec) -> Tensor:
    return torch.rand(n, *spec.shape, generator=torch.Generator().manual_seed(n)) * 2 - 1


def some(n: int, spec: DataSpec) -> Samples:
    return Samples(values(n, spec), spec, torch.arange(n) % spec.num_classes if spec.classes else None)


def in_batches(samples: Samples, size: int = 64) -> Iterator[SampleArrays]:
    for k in range(0, len(samples), size):
        labels = None if samples.labels is None else samples.labels[k : k + size]
        yield Samples(samples.values[k : k + size], samples.spec, labels).arrays()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ganzoo.Run:
    out = tmp_path_factory.mktemp("trained") / "run"
    return ganzoo.train("toy-conditional", data="digits", steps=3, device="cpu", out=out)


@pytest.fixture(scope="module")
def generator(run: ganzoo.Run) -> TrainedGenerator:
    return run.generator()


# arrays


@pytest.mark.parametrize("spec", [GREY, COLOUR, RING], ids=lambda spec: spec.name)
@pytest.mark.parametrize("layout", ["plain", "channels_last"])
def test_an_npz_has_the_bytes_that_numpy_writes(spec: DataSpec, layout: str, tmp_path: Path) -> None:
    samples = some(150, spec)
    if layout == "channels_last" and spec.kind == "images":
        samples = Samples(samples.values.to(memory_format=torch.channels_last), spec, samples.labels)
    expected = io.BytesIO()
    arrays = {"images": samples.images} if samples.has_pixels else {"samples": (samples.values * 2 + 1).numpy()}
    np.savez(expected, **arrays, **({} if samples.labels is None else {"labels": samples.labels.numpy()}))
    samples.save(tmp_path / "whole.npz")
    write_samples(tmp_path / "batches.npz", spec, in_batches(samples), len(samples))
    assert (tmp_path / "whole.npz").read_bytes() == expected.getvalue()
    assert (tmp_path / "batches.npz").read_bytes() == expected.getvalue()


@pytest.mark.parametrize("name", ["x.npz", "x"])
def test_a_few_batches_are_in_memory_at_once(name: str, tmp_path: Path) -> None:
    alive: set[int] = set()
    most = 0

    def batches() -> Iterator[SampleArrays]:
        nonlocal most
        for _ in range(40):
            batch = some(64, GREY).arrays()
            alive.add(id(batch.array))
            weakref.finalize(batch.array, alive.discard, id(batch.array))
            most = max(most, len(alive))
            yield batch

    write_samples(tmp_path / name, GREY, batches(), 40 * 64)
    assert 2 <= most <= 3


# folders


@pytest.mark.parametrize("spec", [GREY, COLOUR, CUT_OUT], ids=lambda spec: spec.name)
def test_a_folder_holds_each_image_under_its_number(spec: DataSpec, tmp_path: Path) -> None:
    samples = some(150, spec)
    write_samples(tmp_path / "new" / "images", spec, in_batches(samples), len(samples))
    names = [f"{i:06d}.png" for i in range(150)]
    if spec.classes:
        names = [f"{spec.classes[i % 2]}/{name}" for i, name in enumerate(names)]
    assert files(tmp_path / "new" / "images") == sorted(names)
    for i, name in enumerate(names):
        assert np.array_equal(pixels(tmp_path / "new" / "images" / name), samples.images[i])


def test_equal_samples_give_equal_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        some(70, COLOUR).save(tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files(tmp_path / "a"))


def test_a_folder_is_read_back_by_ganzoo_and_torchvision(tmp_path: Path) -> None:
    samples = some(20, DataSpec("shirts", (3, 8, 8), ("T-shirt/top", "../..", "Ankle boot")))
    samples.save(tmp_path / "images")
    classes = sorted(os.listdir(tmp_path / "images"))
    assert classes == ["Ankle-boot", "T-shirt-top", "class"]
    own = Folder(FolderOptions(image_size=8), tmp_path / "images").load(tmp_path / "data")
    theirs = ImageFolder(str(tmp_path / "images"))
    assert list(own.spec.classes) == theirs.classes == classes
    assert own.labels is not None and own.labels.tolist() == theirs.targets
    by_class = [image for k in (2, 0, 1) for image in samples.images[k::3]]  # by name, as folders are read
    for ours, (image, _), expected in zip(own.samples, theirs, by_class, strict=True):
        assert np.array_equal(ours.numpy(), expected)
        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), expected)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("cat", "dog"), ["cat", "dog"]),
        (("a/b", "a b"), ["0-a-b", "1-a-b"]),
        (("Cat", "cat", "dog"), ["0-Cat", "1-cat", "2-dog"]),
        (("\u00e9", "e\u0301"), ["0-\u00e9", "1-\u00e9"]),
        (("", ".hidden", "/"), ["0-class", "1-hidden", "2-class"]),
        (("x" * 300, "\udc80"), ["x" * 60, "class"]),
    ],
)
def test_class_names_as_folders(classes: tuple[str, ...], expected: list[str]) -> None:
    assert class_folders(DataSpec("named", (1, 4, 4), classes)) == expected


def test_the_numbers_of_many_samples_have_as_many_digits(tmp_path: Path) -> None:
    write_samples(tmp_path / "x", COLOUR, [some(1, COLOUR).arrays()], 10_000_001)
    assert files(tmp_path / "x") == ["00000000.png"]


@pytest.mark.parametrize("name", ["x", "x.v2/", "there.png"])
def test_what_is_taken_for_a_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "there.png").mkdir()
    some(3, COLOUR).save(f"{tmp_path}/{name}")
    assert files(tmp_path / name) == ["000000.png", "000001.png", "000002.png"]


def test_a_folder_must_be_empty(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    some(3, COLOUR).save(tmp_path)
    with pytest.raises(FileError) as caught:
        some(5, COLOUR).save(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not empty: it holds 000000.png, 000001.png, 000002.png; name a new or an empty folder"
    )
    assert len(files(tmp_path)) == 4


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(FileError, match="could not write .*x: File exists; something of that name is in the way"):
        some(3, COLOUR).save(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "mine"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (RING, "ring holds points, and a folder takes images alone; save them as .npz (arrays) or .png (a picture)"),
        (
            DataSpec("wave", (15,), kind="curves"),
            "wave holds curves, and a folder takes images alone; save them as .npz (arrays) or .png (a picture)",
        ),
        (
            DataSpec("solids", (1, 4, 4, 4), kind="voxels"),
            "solids holds voxels, and a folder takes images alone; save them as .npz (arrays) or .png (a picture)",
        ),
        (
            DataSpec("bands", (5, 4, 4)),
            "an image in a folder must have 1, 3 or 4 channels, but those of bands have 5; save them as .npz (arrays)",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, DataSpec) else "",
)
def test_what_no_folder_takes(spec: DataSpec, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        some(3, spec).save(tmp_path / "x")
    assert str(caught.value) == message
    assert os.listdir(tmp_path) == []


# what goes wrong


@pytest.mark.parametrize("name", ["x.npz", "x", "there/"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["ctrl-c", "disk"])
def test_what_fails_midway_leaves_nothing(name: str, error: BaseException, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()

    def batches() -> Iterator[SampleArrays]:
        for _ in range(5):
            yield some(64, GREY).arrays()
        raise error

    kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else FileError
    with pytest.raises(kind) as caught:
        write_samples(f"{tmp_path}/{name}", GREY, batches(), 1000)
    if kind is FileError:
        assert f"could not write {tmp_path / name}: No space left on device; free some space" in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test_an_image_that_can_not_be_written_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_path = Path.open

    def refuse(self: Path, mode: str = "r", *args: object) -> object:
        if self.name == "000003.png":
            raise OSError(28, "No space left on device")
        return open_path(self, mode, *args)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FileError, match="could not write .*x: No space left on device; free some space or write els"):
        write_samples(tmp_path / "x", COLOUR, in_batches(some(300, COLOUR)), 300)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x.npz", "x"])
def test_ctrl_c_is_one_sentence(run, in_tmp: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = trained_generator.generate

    def interrupted(*args: object) -> Tensor:
        if args[5] == 128:
            raise KeyboardInterrupt
        return generate(*args)

    monkeypatch.setattr(trained_generator, "generate", interrupted)
    result = CliRunner().invoke(main, ["sample", str(run.folder), "-n", "1000", "-o", name])
    assert (result.exit_code, result.output) == (1, "Error: stopped by Ctrl-C\n")
    assert os.listdir(in_tmp) == []


# from a trained generator


def test_batches_are_the_samples(generator: TrainedGenerator) -> None:
    whole = generator.sample(150, labels=["3", "1", "4"], seed=5)
    batches = list(generator.batches(150, labels=["3", "1", "4"], seed=5))
    assert [len(batch) for batch in batches] == [64, 64, 22]
    assert torch.equal(torch.cat([batch.values for batch in batches]), whole.values)
    assert torch.equal(torch.cat([batch.labels for batch in batches]), whole.labels)  # type: ignore[arg-type]


def test_batches_of_what_can_not_be_asked_for(generator: TrainedGenerator, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="n must be at least 1, but is 0"):
        generator.batches(0)  # at once, not with the first batch
    with pytest.raises(UnknownNameError, match="no label called 'eleven'"):
        generator.save_samples(tmp_path / "x.npz", 3, labels=["eleven"])


@pytest.mark.parametrize("name", ["x.npz", "x.png"])
def test_saved_samples_are_the_samples_saved(generator: TrainedGenerator, name: str, tmp_path: Path) -> None:
    generator.save_samples(tmp_path / name, 150, labels=["7", "2"], seed=3)
    generator.sample(150, labels=["7", "2"], seed=3).save(tmp_path / f"expected{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"expected{name}").read_bytes()


def test_samples_saved_into_a_folder(generator: TrainedGenerator, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generator.save_samples(tmp_path / "x", 150, seed=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(64, 150), (128, 150), (150, 150)]
    images = generator.sample(150, seed=3).images
    assert all(np.array_equal(pixels(tmp_path / f"x/{i % 10}/{i:06d}.png"), images[i]) for i in range(150))


def test_a_folder_from_the_command_line(run: ganzoo.Run, in_tmp: Path) -> None:
    result = CliRunner().invoke(main, ["sample", str(run.folder), "-n", "30", "--label", "7", "-o", "sevens.v1/"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "sevens.v1\n", "")
    assert files(in_tmp / "sevens.v1") == [f"7/{i:06d}.png" for i in range(30)]
    again = CliRunner().invoke(main, ["sample", str(run.folder), "-o", "sevens.v1"])
    assert again.exit_code == 1
    assert again.stderr == "Error: sevens.v1 is not empty: it holds 7; name a new or an empty folder\n"
