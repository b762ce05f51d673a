"""Images of one shape made to another: what is cut, added, enlarged, and told of it."""

from __future__ import annotations

import pytest
from folders import BLUE, GREEN, RED, load, save
from PIL import Image

from ganzoo_core.errors import SettingError
from ganzoo_folder.options import FolderOptions

pytestmark = pytest.mark.usefixtures("user_cache")


def flag(images, size=(24, 8)) -> None:
    """Red, green and blue, side by side."""
    picture = Image.new("RGB", size, GREEN)
    width = size[0] // 3
    picture.paste(RED, (0, 0, width, size[1]))
    picture.paste(BLUE, (2 * width, 0, size[0], size[1]))
    picture.save(images / "a.png")


def corners(sample) -> list[tuple[int, ...]]:
    """The left middle and the middle pixel of the top row, and the middle one."""
    height, width = sample.shape[1:]
    return [tuple(sample[:, i, j].tolist()) for i, j in ((height // 2, 0), (0, width // 2), (height // 2, width // 2))]


def test_crop_pad_and_stretch(images):
    flag(images)
    assert corners(load(images).samples[0]) == [GREEN, GREEN, GREEN]
    assert corners(load(images, fit="stretch", image_size=24).samples[0]) == [RED, GREEN, GREEN]
    assert corners(load(images, fit="pad", image_size=24).samples[0]) == [RED, (255,) * 3, GREEN]
    assert corners(load(images, fit="pad", image_size=24, background="#102030").samples[0])[1] == (16, 32, 48)
    padded = corners(load(images, fit="pad", image_size=24, channels=4).samples[0])
    assert padded == [(*RED, 255), (255, 255, 255, 0), (*GREEN, 255)]


def test_a_size_of_two_numbers_is_height_by_width(images, caplog):
    flag(images)
    data = load(images, image_size="8x24")
    assert data.spec.shape == (3, 8, 24) and corners(data.samples[0]) == [RED, GREEN, GREEN]
    assert load(images, image_size="8").spec.shape == (3, 8, 8)
    assert load(images, image_size="24x8", fit="pad").spec.shape == (3, 24, 8)


def test_an_image_of_one_row_is_padded(images):
    save(images / "a.png", RED, (500, 1))
    assert tuple(load(images, fit="pad").samples[0][:, 3, 4].tolist()) == RED


@pytest.mark.parametrize(
    ("size", "is_told"), [((24, 16), False), ((25, 16), True), ((16, 25), True), ((16, 16), False)]
)
def test_a_crop_of_more_than_a_third_is_told(images, caplog, size, is_told):
    save(images / "a.png", RED, size)
    save(images / "b.png", RED)
    for _ in range(2):  # decoded, then from the cache
        caplog.clear()
        load(images)
        assert caplog.messages == is_told * [
            f"{images}: 1 of 2 images lost more than a third to the crop; fit=pad, fit=stretch or another image_size "
            f"(HEIGHTxWIDTH) keeps more of them"
        ]
    caplog.clear()
    load(images, fit="pad")
    load(images, fit="stretch")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("size", "fit", "is_told"),
    [
        ((7, 8), "crop", True),
        ((8, 8), "crop", False),
        ((7, 9), "stretch", True),
        ((7, 8), "pad", False),
        ((7, 7), "pad", True),
    ],
)
def test_small_images_are_counted_once(images, caplog, size, fit, is_told):
    save(images / "a.png", RED, size)
    save(images / "b.png", RED)
    load(images, fit=fit)
    assert caplog.messages == is_told * [f"{images}: 1 of 2 images are smaller than image_size=8 and were enlarged"]


def test_opacity_is_kept_where_asked_for_and_else_on_the_background(images):
    save(images / "a.png", (255, 0, 0, 128), mode="RGBA")
    assert load(images, channels=4).samples[0, :, 4, 4].tolist() == [255, 0, 0, 128]
    assert load(images, background="blue").samples[0, :, 4, 4].tolist() == [128, 0, 127]
    assert load(images, channels=1, background="black").samples[0, :, 4, 4].tolist() == [38]
    save(images / "a.png", BLUE)
    assert load(images, channels=4).samples[0, :, 4, 4].tolist() == [*BLUE, 255]


def test_grey_images_before_a_coloured_background_are_coloured(images):
    save(images / "a.png", (9, 0), mode="LA")
    assert load(images, background="red").samples[0, :, 4, 4].tolist() == list(RED)
    assert load(images, background="grey").samples[0, :, 4, 4].tolist() == [128]


def test_a_size_is_kept_as_it_was_given():
    for size in (64, "64"):
        assert FolderOptions.from_dict({"image_size": size}).to_dict()["image_size"] == 64
    assert FolderOptions(image_size="64x96").to_dict()["image_size"] == "64x96"


@pytest.mark.parametrize("text", ["", "x", "64x", "x64", "64x64x3", "-8", "8.0", "64*96", "999999", "64 x 96"])
def test_what_is_no_size(text):
    with pytest.raises(SettingError, match=r"^image_size must be pixels a side such as 64, or height x width such as "):
        FolderOptions(image_size=text)


@pytest.mark.parametrize("text", [3, "3", "64x3"])
def test_too_small_a_size(text):
    with pytest.raises(SettingError, match=rf"^image_size must be at least 4, but is {text}$"):
        FolderOptions(image_size=text)


@pytest.mark.parametrize("text", ["", "whitish", "#12345", "#11223344"])
def test_what_is_no_colour(text):
    with pytest.raises(SettingError, match=r"^background must be a colour's name such as white, or #rrggbb, but is '"):
        FolderOptions(background=text)


def test_what_is_no_fit():
    with pytest.raises(SettingError, match=r"^fit must be one of crop, pad, stretch, but is 'squeeze'$"):
        FolderOptions(fit="squeeze")
