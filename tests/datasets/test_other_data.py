"""A run goes on with the samples it was begun on, or with others knowingly; never with others unawares."""

from __future__ import annotations

import dataclasses
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core import data
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_folder import Folder
from ganzoo_folder.options import FolderOptions


def dots(n: int = 10, **columns) -> Dataset:
    samples = torch.arange(4 * n, dtype=torch.float32).view(n, 2, 2)
    return Dataset(DataSpec("dots", (2, 2)), **({"samples": samples, "labels": torch.arange(n)} | columns))


def test_the_digest_tells_data_from_other():
    one = dots()
    assert one.digest == dots().digest and len(one.digest) == 16
    others = [
        dots(11),
        dots(labels=one.labels.roll(1)),
        dots(labels=None),
        dots(samples=one.samples.roll(1, 0)),
        dots(samples=one.samples.mT),
        dots(extra={"x": torch.zeros(10)}),
        dataclasses.replace(one, spec=dataclasses.replace(one.spec, scale=2.0)),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == len(others) + 1


def test_of_large_data_some_rows_are_digested(monkeypatch):
    monkeypatch.setattr(data, "_MOST_DIGESTED", 80)  # five of ten rows
    digests = []
    for row in range(10):
        other = dots()
        other.samples[row] = -1
        digests.append(other.digest)
    assert [digest == dots().digest for digest in digests] == [False, True] * 5


@pytest.fixture
def images(in_tmp) -> Path:
    folder = in_tmp / "images"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for k in range(5):
            Image.new("L", (8, 8), 40 * k).save(folder / name / f"{k}.png")
    return folder


def begun(images: Path) -> ganzoo.Run:
    return ganzoo.train("toy", data=f"folder:{images}", image_size=8, batch_size=4, steps=2, device="cpu", width=2)


def test_another_count_of_images_is_refused(images):
    run = begun(images)
    shutil.copy(images / "cat" / "1.png", images / "cat" / "9.png")
    before = {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}
    with pytest.raises(SettingError) as caught:
        ganzoo.train(resume=run.folder, steps=3)
    message = str(caught.value)
    assert message.startswith(f"{run.folder} was begun on other samples of folder:images: data_size was 10 and would ")
    assert "data_size was 10 and would be 11, data_digest was '" in message
    assert message.endswith("or name the data in --set to go on with other samples knowingly")
    assert before == {p: p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}


def test_other_pixels_are_refused_and_the_same_back_again_are_not(images):
    run = begun(images)
    saved = (images / "dog" / "2.png").read_bytes()
    Image.new("L", (8, 8), 81).save(images / "dog" / "2.png")
    with pytest.raises(SettingError, match="was begun on other samples of folder:images: data_digest was '"):
        ganzoo.train(resume=run.folder, steps=3)
    (images / "dog" / "2.png").write_bytes(saved)
    assert ganzoo.train(resume=run.folder, steps=3).records()[-1]["step"] == 3


def test_other_samples_that_are_named_are_noted(images):
    run = begun(images)
    (images / "dog" / "2.png").unlink()
    ganzoo.train(resume=run.folder, steps=3, texts={"data": f"folder:{images}"})
    (change,) = run.info["changes"]
    assert change["data_size"] == 9 and change["data_digest"] == run.info["data_digest"] and change["step"] == 2


def test_other_classes_are_refused_by_whatever_name(images):
    run = begun(images)
    (images / "dog").rename(images / "fox")
    for texts in ({}, {"data": f"folder:{images}"}):
        with pytest.raises(
            SettingError, match=r"other data: classes was \['cat', 'dog'\] and would be \['cat', 'fox'\]"
        ):
            ganzoo.train(resume=run.folder, steps=3, texts=texts)


def test_a_folder_that_was_moved_is_named_anew_and_goes_on(images):
    run, straight = begun(images), begun(images)
    ganzoo.train(resume=straight.folder, steps=3)
    before = run.info
    moved = images.rename(images.parent / "moved")
    with pytest.raises(
        DataError, match=r"images \(No such file.*; if it was moved, say where it is now: --data folder"
    ):
        ganzoo.train(resume=run.folder, steps=3)
    ganzoo.train(resume=run.folder, steps=3, data=f"folder:{moved}")
    after = run.info
    assert (after["data"], after["data_digest"]) == (before["data"], before["data_digest"])
    assert after["settings"]["data"] == f"folder:{moved}"
    assert after["changes"][0]["settings"] == {"data": f"folder:{moved}", "steps": 3}
    weights = [(one.folder / "generator.safetensors").read_bytes() for one in (run, straight)]
    assert weights[0] == weights[1]


def test_a_moved_folder_of_other_images_is_refused(images):
    run = begun(images)
    moved = images.rename(images.parent / "moved")
    Image.new("L", (8, 8), 81).save(moved / "dog" / "2.png")
    with pytest.raises(SettingError, match="was begun on other samples of folder:moved: data_digest was '"):
        ganzoo.train(resume=run.folder, steps=3, data=f"folder:{moved}")
    with pytest.raises(SettingError, match="begun with other settings: data was 'folder:.*' and would be 'digits'"):
        ganzoo.train(resume=run.folder, steps=3, data="digits")


def altered(run: ganzoo.Run, **values) -> None:
    """As if another ganzoo had begun it."""
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_run_of_a_folder_from_before_its_name_left_the_digest_goes_on(images):
    run = begun(images)
    source = Folder(FolderOptions(image_size=8), images).load(images.parent / "data")
    altered(run, data_digest=source.digest_as("folder:images"))
    assert ganzoo.train(resume=run.folder, steps=3).records()[-1]["step"] == 3


def test_a_run_with_the_classes_in_another_order_is_refused(images):
    run = begun(images)
    altered(run, data=run.info["data"] | {"classes": ["dog", "cat"]})
    with pytest.raises(SettingError, match="begun with the classes in another order, by an older ganzoo, which put 10"):
        ganzoo.train(resume=run.folder, steps=3)


def test_a_balanced_run_that_was_resumed_ends_as_an_uninterrupted_one(images):
    for k in range(3):
        (images / "dog" / f"{k}.png").unlink()
    how = {"data": f"folder:{images}", "image_size": 8, "batch_size": 4, "device": "cpu", "width": 2, "balance": True}
    straight, run = ganzoo.train("toy", steps=6, **how), ganzoo.train("toy", steps=2, **how)
    ganzoo.train(resume=run.folder, steps=6)
    weights = [(one.folder / "generator.safetensors").read_bytes() for one in (run, straight)]
    assert weights[0] == weights[1]
    plain = ganzoo.train("toy", steps=6, **(how | {"balance": False}))
    assert (plain.folder / "generator.safetensors").read_bytes() != weights[0]


def test_a_changed_option_of_the_data_is_named(images):
    run = begun(images)
    with pytest.raises(SettingError) as caught:
        ganzoo.train(resume=run.folder, steps=3, texts={"image_size": "16"})
    assert str(caught.value) == (
        f"{run.folder} can't go on with other data: image_size was 8 and would be 16, which makes shape was [3, 8, 8] "
        f"and would be [3, 16, 16]; leave it as it was, or begin a new run"
    ).replace("[3,", f"[{run.info['data']['shape'][0]},")


def test_a_folder_that_was_moved_and_renamed_is_the_same_data(images):
    run = begun(images)
    moved = images.rename(images.with_name("photos"))
    ganzoo.train(resume=run.folder, steps=3, texts={"data": f"folder:{moved}"})
    whole = ganzoo.train(
        "toy", data=f"folder:{moved}", image_size=8, batch_size=4, steps=3, device="cpu", width=2, out="whole"
    )
    assert run.info["data"]["name"] == "folder:images" and run.info["settings"]["data"] == f"folder:{moved}"
    (change,) = run.info["changes"]
    assert set(change) == {"step", "settings"} and set(change["settings"]) == {"steps", "data"}
    assert torch.equal(run.sample(4).values, whole.sample(4).values)


def test_of_a_text_beside_each_image_some_are_named(images, monkeypatch):
    monkeypatch.setattr("ganzoo_core.runs.metadata._MOST_LEFT_OUT", 3)
    for k in range(5):
        (images / "cat" / f"{k}.txt").write_text("a cat")
    info = begun(images).info
    assert list(info["data_left_out"]) == ["cat/0.txt", "cat/1.txt", "cat/2.txt"] and info["data_left_out_count"] == 5


def test_a_run_keeps_how_its_images_were_made(images):
    deep = Image.fromarray(np.full((8, 8), 4000, np.uint16))
    deep.save(images / "cat" / "deep.png")
    run = begun(images)
    assert run.info["data_notes"] == [
        "1 of 11 images have more than 8 bits, with values from 4,000 to 4,000: 0 became black and 4095 white; "
        "--set range=LOW..HIGH takes others"
    ]
    assert ganzoo.train(resume=run.folder, steps=3).info["data_notes"] == run.info["data_notes"]


def write_mnist(folder: Path, count: int) -> None:
    """So many images in MNIST's format, in place of the 60,000."""
    folder.mkdir(parents=True, exist_ok=True)
    images = struct.pack(">IIII", 2051, count, 28, 28) + bytes(range(28)) * 28 * count
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    labels = struct.pack(">II", 2049, count) + bytes(k % 10 for k in range(count))
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)


def test_replaced_files_of_a_published_set_are_refused(in_tmp):
    write_mnist(in_tmp / "data/MNIST/raw", 20)
    run = ganzoo.train("toy", data="mnist", batch_size=4, steps=2, device="cpu", width=2)
    write_mnist(in_tmp / "data/MNIST/raw", 18)
    with pytest.raises(
        SettingError, match=r"begun on other samples of mnist: data_size was 20 and would be 18, data_d"
    ):
        ganzoo.train(resume=run.folder, steps=3)
    write_mnist(in_tmp / "data/MNIST/raw", 20)
    ganzoo.train(resume=run.folder, steps=3)
