"""Formats that are not read are named, with what to do."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from folders import RED, load, save
from PIL import Image

from ganzoo_core.errors import DataError
from ganzoo_folder import formats

pytestmark = pytest.mark.usefixtures("user_cache")
HEIC = "HEIC images are read once pillow-heif is installed: pip install 'ganzoo-folder[heif]'"
HEIC_START = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.fixture(autouse=True)
def without_heif(monkeypatch):
    Image.init()  # what it registers only once is not to go with the copies below
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "EXTENSION", dict(Image.EXTENSION))
    formats._prepare.cache_clear()
    yield
    formats._prepare.cache_clear()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.HEIC", HEIC),
        ("a.heif", HEIC),
        ("a.nef", "it is a camera's raw file, which is not read: export it as PNG or JPEG"),
        ("a.pdf", "it is a document, which is not read: export it as PNG or JPEG"),
        ("a.psd", "it is a paint program's file, which is not read: export it as PNG or JPEG"),
        ("a.svg", "it is a vector drawing, which is not read: export it as PNG or JPEG"),
        ("a.exr", "it is an image of a format which is not read: export it as PNG or JPEG"),
        ("a.mp4", "it is a video, which is not read: save its frames as PNG or JPEG"),
    ],
)
def test_files_of_other_formats_are_left_out_with_what_to_do(images, caplog, name, reason):
    save(images / "ok.png")
    (images / name).write_bytes(b"something")
    assert load(images).left_out == {name: reason}
    assert caplog.messages == [f"{images}: 1 left out: {name!r} ({reason})"]


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (HEIC_START, HEIC),
        (b"\0\0\0\x18ftypmp42", "it is a video, which is not read: save its frames as PNG or JPEG"),
        (b"%PDF-1.7", "it is a document, which is not read: export it as PNG or JPEG"),
        (b"8BPS", "it is a paint program's file, which is not read: export it as PNG or JPEG"),
        (b"<svg xmlns", "it is a vector drawing, which is not read: export it as PNG or JPEG"),
        (b"\0\0\0\x18ftypwhat", "it is no image of a known format"),
    ],
)
def test_other_formats_under_an_images_name_are_known_by_their_beginning(images, start, reason):
    save(images / "ok.png")
    (images / "a.jpg").write_bytes(start)
    assert load(images).left_out == {"a.jpg": reason}


def test_a_folder_of_nothing_else_says_what_to_do(images):
    (images / "a.heic").write_bytes(HEIC_START)
    with pytest.raises(DataError) as caught:
        load(images)
    assert f"images holds no images but 'a.heic': {HEIC}; files ending in" in str(caught.value)
    (images / "a.heic").unlink()
    save(images / "cat" / "a.png")
    (images / "dog").mkdir()
    (images / "dog" / "b.mov").touch()
    with pytest.raises(DataError, match=r"holds no images but 'dog/b.mov': it is a video, which is not read: save its"):
        load(images)


def test_heic_is_read_where_the_package_for_it_is_there(images, monkeypatch):
    """Stands in for pillow-heif, which registers its opener so."""

    def register_heif_opener() -> None:
        Image.register_open("HEIF", lambda file, name: Image.new("RGB", (8, 8), RED), lambda start: b"heic" in start)
        Image.register_extension("HEIF", ".heic")

    monkeypatch.setattr(Image, "ID", list(Image.ID))
    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(register_heif_opener=register_heif_opener))
    (images / "a.heic").write_bytes(HEIC_START)
    data = load(images)
    assert data.samples[0, :, 0, 0].tolist() == list(RED) and not data.left_out
