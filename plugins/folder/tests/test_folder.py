"""folder:PATH: odd files, odd folders, and the cache."""

from __future__ import annotations

import logging
import os
import re
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from folders import BLUE, GREEN, RED, WHITE, caches, colour_of, load, save
from PIL import Image

from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.runs.plan import absolute
from ganzoo_folder import Folder, decode
from ganzoo_folder.options import FolderOptions

pytestmark = pytest.mark.usefixtures("user_cache")


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


def palette_with_hole(path: Path, transparency: int | bytes = 1) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([*RED, *GREEN])
    picture.save(path, transparency=transparency)


def animation(path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def deep_colour(path: Path) -> None:
    """16 bits a channel, which Pillow reads but does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    rows = (b"\0" + struct.pack(">HHH", 65535, 128 * 257, 0) * 8) * 8
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


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
        ("16bit colour.png", deep_colour, (255, 128, 0)),
        ("half hole.png", lambda p: palette_with_hole(p, bytes([255, 128])), (127, 255, 127)),
        ("animated.png", animation, GREEN),
        ("wrong.jpg", lambda p: save(p, BLUE, format="PNG"), BLUE),
        ("wrong.png", lambda p: save(p, GREEN, format="GIF"), GREEN),
        ("猫 می‌خواهم $x^$.PNG", lambda p: save(p, BLUE), BLUE),
        (os.fsdecode(b"caf\xe9\x1b[31m\n.png"), lambda p: save(p, BLUE), BLUE),
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


def test_channels_must_be_one_three_or_four():
    with pytest.raises(SettingError, match=r"^channels must be 1, 3, 4 or none, but is 2$"):
        FolderOptions(channels=2)


def cut(path: Path, part: float = 0.5) -> None:
    """Noise in the format of the name, its end missing."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])


@pytest.mark.parametrize(
    ("name", "write", "reason"),
    [
        ("empty.png", Path.touch, "it is empty"),
        ("text.jpg", lambda p: p.write_text("text"), "it is no image of a known format"),
        ("unwelcome.png", lambda p: save(p, format="PCX"), "it is no image of a known format"),
        ("cut.png", cut, "it is damaged: image file is truncated.*"),
        ("cut.jpg", cut, r"it is damaged: image file is truncated \(\d+ bytes not processed\)"),
        ("cut.gif", cut, "it is damaged: .+"),
        ("cut.bmp", cut, r"it is damaged: image file is truncated \(\d+ bytes not processed\)"),
        ("cut.tif", cut, "it is damaged: .+"),
        ("cut.webp", cut, "it is damaged: .+"),
        ("cut.ppm", cut, "it is damaged: .+"),
        ("header.png", lambda p: cut(p, 0.002), "it is damaged: Truncated File Read"),
        (
            "float.tiff",
            lambda p: save(p, 1.5, mode="F"),
            "its pixels are numbers from 1.5 to 1.5, of which black and white are not known; set range, such as .*",
        ),
        ("bomb.png", lambda p: save(p, size=(40, 50)), "it has 40 x 50 pixels, more than the 1,500 that are read"),
        ("big bomb.png", lambda p: save(p, size=(100, 100)), "it has more than 3,000 pixels"),
        (os.fsdecode(b"caf\xe9.png"), Path.touch, "it is empty"),
    ],
)
def test_every_kind_of_bad_file_is_skipped_and_named_with_its_reason(
    name, write, reason, images, monkeypatch, caplog, recwarn
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500 if "bomb" in name else 10_000)
    save(images / "a.png", size=(10, 10))
    write(images / name)
    for _ in range(2):  # decoded, then from the cache
        caplog.clear()
        data = load(images)
        assert len(data) == 1 and list(data.left_out) == [name]
        assert re.fullmatch(reason, data.left_out[name])
        assert caplog.messages == [
            f"{images}: skipped 1 of 2 images that can't be read: {name!r} ({data.left_out[name]})"
        ]
        assert caplog.records[0].name == "ganzoo" and caplog.records[0].levelno == logging.WARNING
    assert not recwarn.list  # Pillow's own words name no file


def test_of_many_bad_images_three_are_named_and_all_are_kept(images, caplog):
    save(images / "a.png")
    for i in range(5):
        (images / f"b{i}.png").touch()
    data = load(images)
    assert caplog.messages == [
        f"{images}: skipped 5 of 6 images that can't be read: "
        "'b0.png' (it is empty), 'b1.png' (it is empty), 'b2.png' (it is empty), ..."
    ]
    assert data.left_out == {f"b{i}.png": "it is empty" for i in range(5)}


def test_a_large_photograph_is_no_bomb(images, monkeypatch):
    """A JPEG is decoded at a fraction of its size."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_500_000)
    save(images / "huge.jpg", RED, (2000, 1000))
    assert len(load(images)) == 1


def test_large_images_take_turns(images, monkeypatch):
    monkeypatch.setattr(decode, "_LARGE_PIXELS", 63)
    running, most = [], []
    real = decode._decoded

    def slow(*args):
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        return real(*args)

    monkeypatch.setattr(decode, "_decoded", slow)
    for i in range(8):
        save(images / f"{i}.png")
    assert len(load(images)) == 8 and max(most) == 1


def test_a_pipe_is_no_image(images, caplog):
    save(images / "a.png")
    os.mkfifo(images / "pipe.png")
    pipe = os.open(images / "pipe.png", os.O_RDWR)
    os.write(pipe, bytes(100))
    assert len(load(images, channels=3)) == 1 and caplog.messages == []
    os.close(pipe)


def test_other_files_are_left_out_and_said_so(images, caplog):
    save(images / "cat" / "a.png")
    (images / "cat" / "b.ini").touch()
    (images / "cat" / ".DS_Store").touch()
    (images / "notes.txt").touch()
    caplog.set_level(logging.INFO)
    assert load(images).left_out == dict.fromkeys(["notes.txt", "cat/b.ini"], "its name ends as no image's does")
    assert caplog.messages[0] == (
        f"{images}: 2 left out as names that don't end as images' do: 'notes.txt', 'cat/b.ini'"
    )


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
    assert len(load(images)) == 1
    with pytest.raises(DataError, match=r"b.png can't be read as an image: it is no image of a known format; mend it"):
        load(images, on_bad_image="stop")  # from the same cache
    assert len(caches(images.parent / "data")) == 1


def test_nothing_readable(images):
    (images / "b.png").write_text("text")
    with pytest.raises(
        DataError, match=r"^none of the 1 images in .*images can be read: 'b.png' \(it is no image of a known format\)$"
    ):
        load(images)


def test_a_class_of_bad_images_only(images):
    save(images / "cat" / "a.png")
    save(images / "dog" / "a.png").write_text("text")
    with pytest.raises(DataError, match=r"^no image of the class 'dog' in .* can be read; mend or remove it$"):
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
    (images / "kitten").mkdir()
    save(images / "kitten" / "cat" / "a.png")
    with pytest.raises(DataError, match=r"^the class folder 'kitten' in .* holds folders \('cat'\), but must"):
        load(images)


def held_out(images: Path):
    return Folder(FolderOptions(image_size=8), images).load(images.parent / "data", "test")


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "val"), ("train", "valid"), ("train", "testing")])
def test_train_and_test_are_splits_and_not_classes(images, names):
    for name, classes in zip(names, [("cat", "dog", "emu"), ("dog",)], strict=True):
        (images / name).mkdir()
        for number, class_name in enumerate(classes):
            save(images / name / class_name / "a.png", (9 * number, 0, 0))
    data = load(images)
    assert (data.spec.name, data.spec.classes, len(data)) == ("folder:images", ("cat", "dog", "emu"), 3)
    test = held_out(images)
    assert test.labels.tolist() == [1] and test.spec == data.spec


def test_splits_without_classes_and_grey_ones(images):
    for split, colour in (("train", RED), ("test", 7), ("val", 9)):
        save(images / split / "a.png", colour, mode="RGB" if split == "train" else "L")
    assert (len(load(images)), load(images).labels) == (1, None)
    assert colour_of(held_out(images).samples[0]) == (7, 7, 7)  # colour, as the training part


def test_a_class_called_train_is_one(images):
    for name in ("bus", "car", "train"):
        save(images / name / "a.png")
    assert load(images).spec.classes == ("bus", "car", "train")


def test_splits_that_do_not_fit(images):
    (images / "train").mkdir()
    (images / "test").mkdir()
    save(images / "train" / "cat" / "a.png")
    save(images / "test" / "dog" / "a.png")
    with pytest.raises(DataError, match=r"has classes that the training part lacks \('dog'\); remove them, or add"):
        held_out(images)
    (images / "test" / "dog" / "a.png").rename(images / "test" / "a.png")
    with pytest.raises(DataError, match=r"^of the splits of .* one has classes and the other has none; make"):
        held_out(images)
    (images / "testing").mkdir()
    with pytest.raises(DataError, match=r"holds 'test' and 'testing', which are the same split; keep one$"):
        load(images)


def test_classes_are_in_natural_order(images):
    for name in ("10", "9", "1", "02", "2", "a10", "a9b"):
        save(images / name / "a.png")
    assert load(images).spec.classes == ("1", "02", "2", "9", "10", "a9b", "a10")


def test_small_and_unequal_classes_are_told(images, caplog):
    caplog.set_level(logging.INFO)
    for name, count in (("cat", 6), ("dog", 2), ("emu", 1)):
        for number in range(count):
            save(images / name / f"{number}.png")
    load(images)
    assert caplog.messages == [
        f"{images}: 1 of 3 classes hold a single image: 'emu'",
        f"{images}: its 3 classes differ in size ('cat' 6, 'dog' 2, 'emu' 1); --set balance=true draws each equally "
        "often",
    ]


def test_what_systems_leave_behind_is_no_class(images, caplog):
    save(images / "cat" / "a.png")
    for name in ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", ".ipynb_checkpoints"):
        (images / name).mkdir()
        save(images / name / "a.png")
    (images / "cat" / "@eaDir").mkdir()
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._a.png"):
        (images / "cat" / name).touch()
    caplog.set_level(logging.INFO)
    data = load(images)
    assert data.spec.classes == ("cat",) and len(data) == 1
    names = ["$RECYCLE.BIN", "@eaDir", "System Volume Information", "__MACOSX", "lost+found"]
    names += ["cat/@eaDir", "cat/Thumbs.db", "cat/desktop.ini"]
    assert data.left_out == dict.fromkeys(names, "a system made it, no person")
    assert caplog.messages[0] == (
        f"{images}: 8 left out as made by a system and not by a person: '$RECYCLE.BIN', '@eaDir', "
        "'System Volume Information', ..."
    )


def test_a_folder_that_was_moved_is_the_same_data(images):
    save(images / "cat" / "a.png")
    before = load(images)
    images.rename(images.parent / "elsewhere")
    after = load(images.parent / "elsewhere")
    assert after.spec.name == "folder:elsewhere" and after.digest == before.digest
    (images.parent / "elsewhere" / "cat").rename(images.parent / "elsewhere" / "dog")
    assert load(images.parent / "elsewhere").digest != before.digest


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
    (images / "self").symlink_to(".")
    data = load(images)
    assert len(data) == 2
    names = ["broken.png", "loop.png", "outside.png", "self", "up"]
    assert data.left_out == dict.fromkeys(names, "it is a link out of the folder, in a circle or to nothing")
    assert caplog.messages == [
        f"{images}: 5 left out as links out of it, in a circle or to nothing: "
        "'broken.png', 'loop.png', 'outside.png', ..."
    ]


def test_a_class_that_is_a_link_to_a_sibling_is_one_and_to_its_parent_is_none(images, caplog):
    save(images / "cat" / "a.png")
    (images / "kitten").symlink_to("cat")
    (images / "cat" / "up").symlink_to("..")
    data = load(images)
    assert data.spec.classes == ("cat", "kitten") and list(data.left_out) == ["cat/up", "kitten/up"]


def test_paths_that_lead_nowhere(tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(
        DataError, match=r"^no folder can be read at .*circle \(Too many levels of symbolic links\); fol"
    ):
        load(absolute(tmp_path / "circle"))
    with pytest.raises(DataError, match=r"^'a\\x00b' can't be a path, as it holds a null character$"):
        absolute(Path("a\0b"))


def test_no_path_and_no_test_split(images, tmp_path):
    with pytest.raises(DataError, match=r"^the data set folder needs a path: --data folder:PATH$"):
        Folder().load(tmp_path)
    with pytest.raises(DataError, match=r"^folder has no held-out part"):
        Folder(path=images).load(tmp_path, "test")


def test_a_share_of_each_class_is_held_out(images: Path) -> None:
    for name, count in (("cats", 4), ("dogs", 9), ("emu", 1)):
        for number in range(count):
            save(images / name / f"{number}.png", (10 * number, 0, 0))
    source = Folder(FolderOptions(image_size=8, held_out=25), images)
    train, test = (source.load(images.parent / "data", split) for split in ("train", "test"))
    assert test.labels.tolist() == [0, 1, 1] and [colour_of(s)[0] for s in test.samples] == [30, 30, 70]
    assert train.labels.bincount().tolist() == [3, 7, 1] and test.spec == train.spec
    with pytest.raises(DataError, match="held_out=10 needs at least 10 images of one class, but .* has 9; add some"):
        Folder(FolderOptions(image_size=8, held_out=10), images).load(images.parent / "data")
