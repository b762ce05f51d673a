"""The built-in data sets but for folders: what they hold, and what is said when they can't be had."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import subprocess
import sys
import tarfile
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision import datasets as published

from ganzoo_core import datasets
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import digits, downloads, toy
from ganzoo_core.datasets.sources import (
    Cifar10,
    DigitPairs,
    DigitPens,
    Digits,
    FashionMnist,
    Grid25,
    Kmnist,
    Mnist,
    Ring8,
    Sine,
)
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.registry import Registry
from ganzoo_core.storage import files

LABELS, IMAGES = "train-labels-idx1-ubyte", "train-images-idx3-ubyte"
REAL_DATA = Path(os.environ.get("GANZOO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine without network; gives the addresses that were asked for."""
    asked = []

    def refuse(request, *args, **kwargs):
        asked.append(request.full_url)
        assert socket.getdefaulttimeout() == 30, "a silent network is waited for without end"
        raise URLError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return asked


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def mnist_files(folder: Path, count: int = 12, prefix: str = "train") -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(count).integers(256, size=(count, 28, 28))
    labels = np.arange(count) % 10
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images))
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))
    return images, labels


def cifar10_files(folder: Path, per_file: int = 3) -> np.ndarray:
    records = np.random.default_rng(0).integers(256, size=(6, per_file, 3073))
    records[..., 0] = np.arange(6 * per_file).reshape(6, per_file) % 10
    folder.mkdir(parents=True)
    for file, name in zip(records, [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"], strict=True):
        (folder / name).write_bytes(file.astype(np.uint8).tobytes())
    return records


def in_natural_units(data: Dataset) -> np.ndarray:
    return data.samples.numpy() * data.spec.scale + data.spec.offset


def test_listing_the_data_sets_imports_nothing_heavy():
    code = (
        "import sys; from ganzoo_core import datasets;"
        "[s().is_local(datasets.data_folder(None)) for s in datasets.ganzoo_datasets()];"
        "print({'torch', 'numpy', 'PIL', 'torchvision', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_registry_takes_them_as_any_plugin():
    registry = Registry([EntryPoint("datasets", "ganzoo_core.datasets", "ganzoo")])
    assert list(registry.datasets()) == [
        "digits", "digit-pairs", "digit-pens", "mnist", "fashion-mnist", "kmnist", "cifar10", "ring8", "grid25", "sine",
    ]  # fmt: skip
    assert registry.plugins()[0].error is None


@pytest.mark.parametrize("source", [Digits, DigitPairs, DigitPens, Ring8, Grid25, Sine])
def test_what_a_source_states_is_what_it_loads(source, tmp_path):
    data = source().load(tmp_path)
    stated = (source.name, source.shape, source.classes, source.kind, source.columns)
    assert stated == (data.spec.name, data.spec.shape, data.spec.classes, data.spec.kind, data.spec.columns)
    assert len(data) == source.size and data.samples.shape[1:] == source.shape
    assert (data.labels is not None) == bool(source.classes)
    assert source().is_local(tmp_path) and not list(tmp_path.iterdir())


def test_data_dir_given_then_variable_then_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "named"))
    assert datasets.data_folder(tmp_path / "given") == tmp_path / "given"
    assert datasets.data_folder(None) == tmp_path / "named"
    monkeypatch.setenv("GANZOO_DATA", "~/named")
    assert datasets.data_folder(None) == Path.home() / "named"
    monkeypatch.setenv("GANZOO_DATA", "")
    assert "ganzoo" in datasets.data_folder(None).name
    assert not list(tmp_path.iterdir())


def test_digits_are_the_real_ones_enlarged(tmp_path):
    from sklearn.datasets import load_digits

    data = Digits().load(tmp_path)
    original = load_digits()
    assert data.samples.dtype == torch.uint8 and data.labels.dtype == torch.int64
    assert data.labels.tolist() == original.target.tolist()
    shrunk = torch.nn.functional.interpolate(data.samples.float(), (10, 10), mode="area")[:, 0, 1:9, 1:9]
    pairs = np.stack([shrunk.numpy().ravel(), original.images.ravel()])
    assert np.corrcoef(pairs)[0, 1] > 0.95
    # Crisp: most pixels are ink or paper. Nothing is cut off: the outermost pixels are nearly always paper.
    assert ((data.samples == 0) | (data.samples == 255)).float().mean() > 0.7
    assert data.samples[:, :, [0, -1]].float().mean() < 1


def test_digits_are_read_without_scikit_learn(run_python, monkeypatch, tmp_path):
    """Where its file is another one, or is not found, scikit-learn is asked: bit for bit the same numbers."""
    program = """
from pathlib import Path
from ganzoo_core.datasets.sources import Digits
Digits().load(Path())
print({"sklearn", "scipy"} & set(sys.modules))
"""
    assert run_python(program) == "set()\n"
    read = Digits().load(tmp_path)
    for text in (b"", b"0,0,1"):
        monkeypatch.setattr(digits, "_text", lambda text=text: text)
        asked = Digits().load(tmp_path)
        assert torch.equal(asked.samples, read.samples) and torch.equal(asked.labels, read.labels)


def test_a_damaged_file_of_digits_is_as_none(monkeypatch, tmp_path):
    file = tmp_path / "datasets" / "data" / "digits.csv.gz"
    file.parent.mkdir(parents=True)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(files, "find_spec", lambda name: spec)
    whole = gzip.compress(b"0,1,2" * 100)
    for data in (b"no gzip", whole[:20], whole[:10] + b"\xff" * 8 + whole[18:]):
        file.write_bytes(data)
        assert digits._text() == b""
    file.write_bytes(whole)
    assert digits._text() == b"0,1,2" * 100
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    assert digits._text() == b""


def test_digits_have_no_test_split(tmp_path):
    with pytest.raises(DataError, match=r"^digits has no held-out part: .* use 'train', or data that has both"):
        Digits().load(tmp_path, "test")


def test_digit_pairs_are_the_digits_and_the_outline_of_each(tmp_path):
    train, test = (DigitPairs().load(tmp_path, split) for split in ("train", "test"))
    digits = Digits().load(tmp_path)
    assert (len(train), len(test)) == (1498, 299)
    assert torch.equal(test.samples, digits.samples[5::6]) and torch.equal(test.labels, digits.labels[5::6])
    assert torch.equal(train.samples[4:6], digits.samples[[4, 6]]), "the sixth is held out"
    filled, outline = train.samples.int(), train.extra["source"].int()
    assert outline.shape == filled.shape and train.extra["source"].dtype == torch.uint8
    # Where a digit is white there is no outline; and a pixel beside white becomes white when both are laid together.
    assert not outline[filled == 255].any()
    both = filled + outline
    beside = (filled[..., :-1] == 255) & (filled[..., 1:] < 255)
    assert beside.any() and (both[..., 1:][beside] == 255).all()
    assert (both <= 255).all() and 0.1 < (outline > 127).float().mean() < 0.5
    assert train.batch(torch.tensor([0]))["source"].dtype == torch.float32


def test_digit_pens_draw_each_digit_in_one_of_four_widths(tmp_path):
    train, test = (DigitPens().load(tmp_path, split) for split in ("train", "test"))
    digits = Digits().load(tmp_path)
    assert (len(train), len(test)) == (1498, 299)
    assert torch.equal(test.extra["source"], digits.samples[5::6]) and torch.equal(test.labels, digits.labels[5::6])
    assert torch.equal(train.samples[:5], train.extra["source"][:5]), "the first pen changes nothing"
    ink = [float(test.samples[pen::4].float().mean()) for pen in range(4)]
    assert ink == sorted(ink) and ink[3] > 2 * ink[0]
    assert (train.samples >= train.extra["source"]).all() and train.samples.dtype == torch.uint8


@pytest.mark.parametrize(("source", "folder"), [(Mnist, "MNIST"), (FashionMnist, "FashionMNIST"), (Kmnist, "KMNIST")])
def test_idx_files_are_read_as_they_are(source, folder, tmp_path, no_network):
    assert not source().is_local(tmp_path)
    images, labels = mnist_files(tmp_path / folder / "raw", 12)
    assert not source().is_local(tmp_path)
    mnist_files(tmp_path / folder / "raw", 5, "t10k")
    assert source().is_local(tmp_path)
    data = source().load(tmp_path)
    assert (data.spec.name, data.spec.shape, data.spec.num_classes) == (source.name, (1, 28, 28), 10)
    assert data.samples.dtype == torch.uint8 and data.samples[:, 0].tolist() == images.tolist()
    assert data.labels.dtype == torch.int64 and data.labels.tolist() == labels.tolist()
    assert len(source().load(tmp_path, "test")) == 5
    assert no_network == []


def test_class_names():
    assert FashionMnist.classes[0] == "T-shirt/top" and FashionMnist.classes[9] == "Ankle boot"
    assert Kmnist.classes == tuple(published.KMNIST.classes) and FashionMnist.classes == tuple(
        published.FashionMNIST.classes
    )
    assert Cifar10.classes[3] == "cat"


def test_cifar10_binary_files(tmp_path, no_network):
    records = cifar10_files(tmp_path / "cifar-10-batches-bin")
    assert Cifar10().is_local(tmp_path)
    data = Cifar10().load(tmp_path)
    assert data.samples.shape == (15, 3, 32, 32) and data.samples.dtype == torch.uint8
    assert data.labels.tolist() == records[:5, :, 0].ravel().tolist()
    # Red, then green, then blue, each row by row.
    assert data.samples[4, 1, 2, 3] == records[1, 1, 1 + 1024 + 2 * 32 + 3]
    assert Cifar10().load(tmp_path, "test").labels.tolist() == records[5, :, 0].tolist()


def test_without_network_the_error_says_what_where_and_what_else(tmp_path, no_network, capfd):
    with pytest.raises(DataError) as caught:
        FashionMnist().load(tmp_path)
    folder = tmp_path / "FashionMNIST" / "raw"
    assert str(caught.value) == (
        "fashion-mnist could not be fetched (Name or service not known); put train-images-idx3-ubyte.gz, "
        f"train-labels-idx1-ubyte.gz into {folder}, or use --data digits, which needs no network"
    )
    assert socket.getdefaulttimeout() is None
    assert list(folder.iterdir()) == [] and capfd.readouterr().out == ""


def test_every_mirror_is_asked(tmp_path, no_network):
    with pytest.raises(DataError, match=r"^mnist could not be fetched"):
        Mnist().load(tmp_path)
    assert {url.split("/")[2] for url in no_network} == {url.split("/")[2] for url in published.MNIST.mirrors}


def test_a_data_folder_that_cannot_be_made(tmp_path, no_network):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"^cifar10 could not be fetched \(.*Not a directory.*\); put cifar-10-binary"):
        Cifar10().load(tmp_path / "file")


def serve(monkeypatch: pytest.MonkeyPatch, content: dict[str, bytes]) -> None:
    """A network that has these files and talks on stdout."""

    def retrieve(url: str, path: str) -> None:
        print("downloading", url)
        Path(path).write_bytes(content[url.rpartition("/")[2]])

    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops: url)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", retrieve)


def test_mnist_is_fetched_checked_and_unpacked(tmp_path, monkeypatch, capfd):
    images, _ = mnist_files(tmp_path / "made")
    content = {f"{path.name}.gz": gzip.compress(path.read_bytes(), mtime=0) for path in (tmp_path / "made").iterdir()}
    serve(monkeypatch, content)
    digests = [(name, hashlib.md5(packed).hexdigest()) for name, packed in content.items()]
    monkeypatch.setattr(published.MNIST, "resources", digests)
    data = Mnist().load(tmp_path / "data")
    assert data.samples[:, 0].tolist() == images.tolist()
    assert sorted(path.name for path in (tmp_path / "data/MNIST/raw").iterdir()) == sorted(
        name.removesuffix(".gz") for name in content
    )
    assert capfd.readouterr().out == ""


def test_what_was_fetched_must_have_its_digest(tmp_path, monkeypatch):
    serve(monkeypatch, dict.fromkeys([name for name, _ in published.MNIST.resources], b"not it"))
    with pytest.raises(DataError, match=r"^mnist could not be fetched \(File not found or corrupted"):
        Mnist().load(tmp_path)
    assert not Mnist().is_local(tmp_path)


def test_an_archive_put_there_by_hand_needs_no_network(tmp_path, no_network, monkeypatch):
    cifar10_files(tmp_path / "made")
    folder = tmp_path / "data" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made", "cifar-10-batches-bin")
    packed = (folder / "cifar-10-binary.tar.gz").read_bytes()
    monkeypatch.setattr(downloads, "_CIFAR10_MD5", hashlib.md5(packed).hexdigest())
    assert Cifar10().is_local(tmp_path / "data")
    assert len(Cifar10().load(tmp_path / "data")) == 15
    assert not list(folder.glob(".ganzoo-*"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"<html>404</html>", "it is a web page, such as an error of the server"),
        (b"PK\3\4....", "it is a zip archive"),
        (idx(np.zeros((2, 28, 28))), "it is not packed by gzip; if it was unpacked, take .gz off its name"),
        (gzip.compress(bytes(range(256)))[:200], "its end is missing, after 200 bytes"),
        (gzip.compress(bytes(999), mtime=0)[:-8] + bytes(8), "it is damaged within"),
        (gzip.compress(b"it", mtime=0), "it is another archive, by its md5 digest"),
    ],
)
def test_an_archive_that_is_there_but_wrong_is_told_apart(content, why, tmp_path, no_network):
    path = tmp_path / "MNIST" / "raw" / f"{IMAGES}.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Mnist().load(tmp_path)
    assert str(caught.value) == (
        f"{path} is not what was published: {why}; replace it, or delete it and see to a network: "
        "mnist could not be fetched (Name or service not known)"
    )
    assert path.read_bytes() == content


def test_a_wrong_archive_of_cifar10_is_told_too_and_fetched_anew(tmp_path, monkeypatch, no_network):
    path = tmp_path / "cifar-10-batches-bin" / "cifar-10-binary.tar.gz"
    path.parent.mkdir()
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is not what was published: it is a web page"):
        Cifar10().load(tmp_path)
    cifar10_files(tmp_path / "made")
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "made", "cifar-10-batches-bin")
    packed = (tmp_path / "whole.tar.gz").read_bytes()
    monkeypatch.setattr(downloads, "_CIFAR10_MD5", hashlib.md5(packed).hexdigest())
    serve(monkeypatch, {"cifar-10-binary.tar.gz": packed})
    assert len(Cifar10().load(tmp_path)) == 15 and path.read_bytes() == b"<html>"


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        (IMAGES, b"", "it is empty"),
        (IMAGES, b"\n<!DOCTYPE html><p>not found", "it is a web page, such as an error of the server"),
        (IMAGES, gzip.compress(b"it", mtime=0), "it is packed by gzip still; add .gz to its name"),
        (LABELS, b"PK\3\4....", "it is a zip archive"),
        (IMAGES, idx(np.zeros(12)), "it is no idx file of 3 dimensions: it begins 00 00 08 01, not 00 00 08 03"),
        (LABELS, b"ab", "it is no idx file of 1 dimensions: it begins 61 62, not 00 00 08 01"),
        (IMAGES, idx(np.zeros((12, 28, 28)))[:-1], "it should hold 12 x 28 x 28 bytes, but holds 9407"),
        (IMAGES, idx(np.zeros((12, 28, 28)))[:8], "it should hold 12 bytes, but holds 0"),
        (IMAGES, idx(np.zeros((0, 28, 28))), "it should hold 0 x 28 x 28 bytes, but holds 0"),
        (IMAGES, idx(np.zeros((12, 20, 20))), "its images are of (20, 20) pixels, not (28, 28)"),
        (LABELS, idx(np.zeros(11)), "it labels 11 images, but there are 12"),
        (LABELS, idx(np.full(12, 10)), "it has the label 10, but there are 10 classes"),
    ],
)
def test_a_damaged_idx_file_is_named_with_the_reason(file, content, why, tmp_path):
    mnist_files(tmp_path / "MNIST/raw")
    path = tmp_path / "MNIST/raw" / file
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Mnist().load(tmp_path)
    assert str(caught.value) == f"{path} is damaged: {why}; delete it, and mnist is fetched again"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"<HTML>", "it is a web page, such as an error of the server"),
        (bytes(3072), "it should hold records of 3073 bytes, but holds 3072 bytes"),
        (bytes([10]) + bytes(3072), "it has the label 10, but there are 10 classes"),
    ],
)
def test_a_damaged_cifar10_file_is_named_with_the_reason(content, why, tmp_path):
    cifar10_files(tmp_path / "cifar-10-batches-bin")
    path = tmp_path / "cifar-10-batches-bin" / "data_batch_4.bin"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Cifar10().load(tmp_path)
    assert str(caught.value) == f"{path} is damaged: {why}; delete it, and cifar10 is fetched again"


@pytest.mark.skipif(not Mnist().is_local(REAL_DATA), reason="MNIST is not on this machine")
@pytest.mark.parametrize(("split", "ones"), [("train", 6742), ("test", 1135)])
def test_the_real_mnist(split, ones):
    data = Mnist().load(REAL_DATA, split)
    assert len(data) == (60_000 if split == "train" else 10_000)
    assert int((data.labels == 1).sum()) == ones


@pytest.mark.parametrize(
    ("source", "modes", "std"),
    [(Ring8, toy.ring8_modes(), toy.RING8_STD), (Grid25, toy.grid25_modes(), toy.GRID25_STD)],
)
def test_gaussians_lie_about_the_mode_of_their_label(source, modes, std, tmp_path):
    data = source().load(tmp_path)
    assert data.samples.dtype == torch.float32 and data.samples.abs().max() < 1
    deviations = in_natural_units(data) - modes[data.labels]
    assert deviations.std() == pytest.approx(std, rel=0.02)
    assert np.abs(deviations).max() < 6 * std
    expected = 50_000 / len(modes)
    assert data.labels.bincount().numpy() == pytest.approx(expected, abs=5 * np.sqrt(expected))


def test_modes_in_natural_units_match_the_class_names():
    ring = dict(zip(Ring8.classes, toy.ring8_modes(), strict=True))
    assert ring["E"] == pytest.approx([2, 0]) and ring["NW"] == pytest.approx([-(2**0.5), 2**0.5])
    assert ring["S"] == pytest.approx([0, -2])
    grid = dict(zip(Grid25.classes, toy.grid25_modes().tolist(), strict=True))
    assert grid["x=-4 y=2"] == [-4, 2] and grid["x=4 y=-2"] == [4, -2]


def test_sine_curves_fill_the_band_between_the_bounds(tmp_path):
    data = Sine().load(tmp_path)
    x, lower, upper = toy.sine_bounds()
    assert x[0] == -1 and x[-1] == 1 and len(x) == 15
    assert lower[0] == 1 and upper[0] == 3 and lower[7] == 0 and upper[7] == 1
    curves = in_natural_units(data)
    assert data.labels is None and data.samples.dtype == torch.float32 and data.samples.abs().max() <= 1
    assert (curves > lower - 1e-5).all() and (curves < upper + 1e-5).all()
    a = curves[:, 7:8] + 1  # at x = 0, y is a - 1
    assert np.allclose(curves, a * x**2 + a - 1, atol=1e-5)
    assert (a.mean(), a.min(), a.max()) == pytest.approx((1.5, 1, 2), abs=0.01)


@pytest.mark.parametrize("source", [Ring8, Grid25, Sine])
def test_made_data_is_the_same_every_time_and_other_for_test(source, tmp_path):
    torch.manual_seed(1)
    first = source().load(tmp_path).samples
    torch.manual_seed(2)
    assert torch.equal(first, source().load(tmp_path).samples)
    assert not torch.isin(source().load(tmp_path, "test").samples[:100], first).all(dim=1).any()


@pytest.mark.parametrize(("source", "perfect"), [(datasets.Ring8, (8, 0.97)), (datasets.Grid25, (25, 0.97))])
def test_mixtures_judge_their_own_points_and_noise(source, perfect, tmp_path):
    data = source().load(tmp_path, "test")
    own = data.exact_metrics(data.samples[:2000] * data.spec.scale)
    assert own["modes_covered"] == perfect[0] and own["good_share"] > perfect[1]
    noise = data.exact_metrics(torch.rand(2000, 2, generator=torch.Generator().manual_seed(0)) * 2 * data.spec.scale)
    assert noise["good_share"] < 0.1


def test_the_old_name_of_exact_metrics_is_accepted():
    samples, spec = torch.zeros(2, 2), DataSpec("two points", (2,), kind="points")
    with pytest.warns(DeprecationWarning, match="^Dataset's judge is called exact_metrics now$") as caught:
        old = Dataset(spec, samples, judge=lambda values: {"n": len(values)})
    assert caught[0].filename == __file__
    assert old.to(torch.device("cpu")).exact_metrics(samples) == {"n": 2}
    assert replace(old, exact_metrics=None).exact_metrics is None


def test_sine_judges_curves_by_their_bounds(tmp_path):
    data = datasets.Sine().load(tmp_path)
    curves = data.samples[:100] * data.spec.scale + data.spec.offset
    assert data.exact_metrics(curves)["inside_share"] == 1
    curves[:25, 7] += 5
    assert data.exact_metrics(curves)["inside_share"] == 0.75
