"""folder:PATH: odd files, odd folders, and the cache."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo_core.data import Dataset
from ganzoo_core.datasets import Folder, FolderOptions, folder_cache
from ganzoo_core.errors import DataError, SettingError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


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


def test_images_in_one_folder_are_unlabelled(images):
    save(images / "b.png", BLUE)
    save(images / "a.png", RED)
    save(images / ".hidden.png", GREEN)
    (images / "notes.txt").write_text("not an image, and not taken for one")
    data = load(images)
    assert (data.spec.name, data.spec.shape, data.spec.classes) == ("folder:images", (3, 8, 8), ())
    assert data.labels is None and data.samples.dtype == torch.uint8
    assert [colour_of(sample) for sample in data.samples] == [RED, BLUE]


def test_subfolders_are_classes_sorted_and_named_verbatim(images):
    save(images / "Žlutá & co" / "1.png", GREEN)
    save(images / "cat" / "1.png", RED)
    save(images / "cat" / "2.JPG", RED)
    save(images / ".git" / "1.png", BLUE)
    data = load(images)
    assert data.spec.classes == ("cat", "Žlutá & co")
    assert data.labels.dtype == torch.int64 and data.labels.tolist() == [0, 0, 1]
    assert colour_of(data.samples[2]) == GREEN


def test_the_shorter_side_is_resized_and_the_middle_cut_out(images):
    wide = np.zeros((16, 64, 3), np.uint8)
    wide[:, 16:48] = RED  # the middle 16, and what the filter looks at beside them
    wide[:, :16] = GREEN
    Image.fromarray(wide).save(images / "wide.png")
    assert (load(images).samples[0] == torch.tensor(RED).reshape(3, 1, 1)).all()


def test_shrinking_averages_and_does_not_pick(images):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(images / "stripes.png")
    assert load(images).samples.numpy() == pytest.approx(127.5, abs=6)


def test_a_huge_jpeg_is_decoded_rightly_at_a_fraction(images):
    save(images / "huge.jpg", (200, 100, 50), (2000, 1000))
    assert colour_of(load(images).samples[0]) == pytest.approx((200, 100, 50), abs=2)


def test_exif_orientation_is_applied(images):
    picture = Image.new("RGB", (8, 8), RED)
    picture.paste(BLUE, (0, 0, 8, 4))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    picture.save(images / "turned.png", exif=exif)
    sample = load(images).samples[0]
    assert tuple(sample[:, 4, 0].tolist()) == RED and tuple(sample[:, 4, 7].tolist()) == BLUE


def palette_with_hole(path: Path) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([*RED, *GREEN])
    picture.save(path, transparency=1)


def animation(path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("name", "write", "expected"),
    [
        ("rgba.png", lambda p: save(p, (255, 0, 0, 0), mode="RGBA"), WHITE),
        ("half.png", lambda p: save(p, (0, 0, 0, 128), mode="RGBA"), (127, 127, 127)),
        ("la.png", lambda p: save(p, (0, 0), mode="LA"), WHITE),
        ("opaque.png", lambda p: save(p, (9, 8, 7, 255), mode="RGBA"), (9, 8, 7)),
        ("key.png", lambda p: save(p, RED, transparency=RED), WHITE),
        ("palette.gif", lambda p: save(p, GREEN), GREEN),
        ("hole.png", palette_with_hole, WHITE),
        ("animated.gif", animation, GREEN),
        ("animated.webp", animation, (0, 255, 0)),
        ("cmyk.jpg", lambda p: save(p, (0, 255, 255, 0), mode="CMYK"), (254, 0, 0)),
        ("cmyk.tif", lambda p: save(p, (0, 255, 255, 0), mode="CMYK"), RED),
        ("16bit.png", lambda p: save(p, 128 * 257, mode="I;16"), (128, 128, 128)),
        ("16bit.tiff", lambda p: save(p, 65535, mode="I;16"), WHITE),
        ("32bit.tiff", lambda p: save(p, 128 * 257, mode="I"), (128, 128, 128)),
        ("bits.png", lambda p: save(p, 1, mode="1"), WHITE),
        ("grey.jpeg", lambda p: save(p, 100, mode="L"), (100, 100, 100)),
        ("ycbcr.jpg", lambda p: save(p, (100, 128, 128), mode="YCbCr"), (100, 100, 100)),
        ("plain.bmp", lambda p: save(p, BLUE), BLUE),
        ("plain.ppm", lambda p: save(p, BLUE), BLUE),
    ],
)
def test_every_kind_of_file_gets_its_colours(name, write, expected, images):
    write(images / name)
    assert colour_of(load(images, channels=3).samples[0]) == pytest.approx(expected, abs=2)


def test_channels_are_one_where_every_file_is_grey(images):
    for name, mode in (("a.png", "L"), ("b.png", "I;16"), ("c.png", "1"), ("d.png", "LA")):
        save(images / name, 0 if mode != "LA" else (0, 255), mode=mode)
    assert load(images).spec.shape == (1, 8, 8)
    assert load(images, channels=3).spec.shape == (3, 8, 8)
    save(images / "e.png", RED)
    assert load(images).spec.shape == (3, 8, 8)
    assert load(images, channels=1).samples[-1, 0, 0, 0] == 76  # the luma of red


def test_channels_must_be_one_or_three():
    with pytest.raises(SettingError, match=r"^channels must be 1, 3 or none, but is 2$"):
        FolderOptions(channels=2)


def test_bad_images_are_skipped_counted_and_named_every_time(images, caplog):
    save(images / "a.png")
    (images / "b.jpg").write_text("text")
    (images / "c.png").write_bytes((images / "a.png").read_bytes()[:-30])
    save(images / "d.png", format="PCX")  # readable, but by one of the parsers that are kept shut
    (images / "e.png").touch()
    save(images / "f.tiff", 0.5, mode="F")
    for _ in range(2):
        caplog.clear()
        assert len(load(images)) == 1
        assert caplog.messages == [
            f"{images}: skipped 5 of 6 images that can't be read: 'b.jpg' (it is no image of a known format), "
            "'c.png' (it is damaged: image file is truncated), 'd.png' (it is no image of a known format), ..."
        ]
        assert caplog.records[0].name == "ganzoo" and caplog.records[0].levelno == logging.WARNING


def test_a_pipe_is_no_image(images, caplog):
    save(images / "a.png")
    os.mkfifo(images / "pipe.png")
    pipe = os.open(images / "pipe.png", os.O_RDWR)
    os.write(pipe, bytes(100))
    assert len(load(images, channels=3)) == 1 and caplog.messages == []
    os.close(pipe)


def test_a_decompression_bomb_is_a_bad_image(images, monkeypatch, caplog):
    save(images / "a.png")
    save(images / "bomb.png", size=(100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert len(load(images)) == 1
    assert "'bomb.png'" in caplog.text


def test_a_bad_image_can_stop_the_run(images):
    save(images / "a.png")
    (images / "b.png").write_text("text")
    with pytest.raises(DataError) as caught:
        load(images, on_bad_image="stop")
    assert str(caught.value) == (
        f"{images / 'b.png'} can't be read as an image: it is no image of a known format; "
        "mend it, remove it, or set on_bad_image=skip"
    )
    assert caches(images.parent / "data") == []


def test_nothing_readable(images):
    (images / "b.png").write_text("text")
    with pytest.raises(
        DataError, match=r"^none of the 1 images in .*images can be read: 'b.png' \(it is no image of a known format\)$"
    ):
        load(images)


def test_a_class_of_bad_images_only(images):
    save(images / "cat" / "a.png")
    save(images / "dog" / "a.png").write_text("text")
    with pytest.raises(DataError, match=r"^no image of the class folder 'dog' in .* can be read; mend or remove it$"):
        load(images)


def test_a_missing_folder_and_a_file_in_its_place(images):
    with pytest.raises(DataError, match=r"^no folder can be read at .*nowhere \(No such file or directory\); folder:"):
        load(images / "nowhere")
    with pytest.raises(DataError, match=r"\(Not a directory\); folder:PATH takes a folder of images, or of one sub"):
        load(save(images / "a.png"))


def test_an_empty_folder(images):
    with pytest.raises(DataError, match=r"images holds no images; files ending in .*\.jpg.* \.png .* are read$"):
        load(images)


def test_images_beside_class_folders(images):
    save(images / "a.png")
    (images / "notes").mkdir()
    assert len(load(images)) == 1
    save(images / "cat" / "a.png")
    with pytest.raises(DataError, match=r"images holds images beside folders of images \('cat'\); keep one or the"):
        load(images)


def test_an_empty_class_folder(images):
    save(images / "cat" / "a.png")
    (images / "dog").mkdir()
    with pytest.raises(DataError, match=r"^the class folder 'dog' in .* holds no images; fill it, or remove it$"):
        load(images)


def test_folders_inside_class_folders(images):
    for split in ("test", "train"):
        (images / split).mkdir()
        save(images / split / "cat" / "a.png")
    with pytest.raises(DataError, match=r"^the class folder 'test' in .* holds folders \('cat'\), but must"):
        load(images)


def test_a_class_name_that_is_no_text(images):
    save(Path(os.fsdecode(os.fsencode(images) + b"/caf\xe9")) / "a.png")
    with pytest.raises(DataError, match=r"^the folder name 'caf\\udce9' is not valid UTF-8; rename the folder$"):
        load(images)


def test_links_that_lead_out_are_left_out_and_reported(images, tmp_path, caplog):
    save(images / "a.png")
    (images / "inside.png").symlink_to("a.png")
    (images / "loop.png").symlink_to("loop.png")
    (images / "broken.png").symlink_to("nowhere.png")
    (images / "outside.png").symlink_to(save(tmp_path / "secret.png"))
    (images / "up").symlink_to(tmp_path)
    assert len(load(images)) == 2
    assert caplog.messages == [
        f"{images}: left out 4 links that lead out of it, in a circle or nowhere: "
        "'broken.png', 'loop.png', 'outside.png', ..."
    ]


def test_no_path_and_no_test_split(images, tmp_path):
    with pytest.raises(DataError, match=r"^the data set folder needs a path: --data folder:PATH$"):
        Folder().load(tmp_path)
    with pytest.raises(DataError, match=r"^folder has no held-out part"):
        Folder(path=images).load(tmp_path, "test")
