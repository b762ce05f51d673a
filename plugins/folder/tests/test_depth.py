"""Images of more than 8 bits: what becomes black and white."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from folders import load, save
from PIL import Image
from pixel_files import png16, tiff

from ganzoo_core.errors import SettingError
from ganzoo_folder.depth import auto_span
from ganzoo_folder.options import FolderOptions

pytestmark = pytest.mark.usefixtures("user_cache")


def ramp(dtype, *values) -> np.ndarray:
    """8 x 8 pixels of one channel: the values in the left, and in the right half."""
    return np.repeat(np.repeat(np.array(values, dtype), 8 // len(values))[None, :, None], 8, axis=0)


def grey(images, **options) -> list[int]:
    """The first image's first and last pixel, loaded without smoothing."""
    sample = load(images, **options).samples[0]
    return [int(sample[0, 0, 0]), int(sample[0, 0, -1])]


def test_a_12_bit_cameras_pngs_are_not_black_and_it_is_said(images, caplog):
    png16(images / "a.png", ramp("u2", 0, 4000))
    png16(images / "b.png", ramp("u2", 1000, 2000))
    for _ in range(2):  # decoded, then from the cache
        caplog.clear()
        samples = load(images).samples
        assert samples[:, 0, 0, [0, -1]].tolist() == [[0, 249], [62, 125]]  # one range for all
        assert caplog.messages == [
            f"{images}: 2 of 2 images have more than 8 bits, with values from 0 to 4,000: 0 became black and 4095 "
            "white; --set range=LOW..HIGH takes others"
        ]


def test_a_range_asked_for_is_taken_and_not_talked_about(images, caplog):
    png16(images / "a.png", ramp("u2", 0, 4000))
    assert grey(images, range="0..65535") == [0, 16]
    assert grey(images, range="0..8000") == [0, 128]
    assert grey(images, range="-4000..4000") == [128, 255]
    assert caplog.messages == []


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("u2", (0, 4095), [0, 255]),
        ("i2", (-1000, 1000), [3, 252]),
        ("i4", (0, 70_000), [0, 136]),
        ("i4", (-128, 127), [0, 255]),
        ("f4", (0, 1), [0, 255]),
        ("f4", (0.25, 0.5), [64, 128]),
        ("i1", (-128, 127), [0, 255]),
        ("u1", (0, 15), [0, 15]),  # 8 bits stay
    ],
)
def test_every_type_of_tiff_has_its_range(images, order, dtype, values, expected):
    tiff(images / "a.tif", ramp(np.dtype(order + dtype), *values))
    assert grey(images) == expected


def test_32_bits_without_a_sign_keep_their_upper_half(images):
    tiff(images / "a.tif", ramp("<u4", 0, 4_294_967_295))
    assert grey(images) == [0, 255]


def test_a_tiff_that_pillow_does_not_know_is_called_one(images):
    save(images / "a.png")
    tiff(images / "b.tif", ramp("<f8", 0, 1))
    assert load(images).left_out == {
        "b.tif": "it is a TIFF whose pixels are of a kind that is not read: export it with 8, 16 or 32 bits"
    }


def test_floats_beyond_1_need_a_range(images):
    tiff(images / "a.tif", ramp("<f4", -1, 3))
    tiff(images / "b.tif", ramp("<f4", 0, 1))
    data = load(images)
    assert len(data) == 1 and data.left_out == {
        "a.tif": "its pixels are numbers from -1 to 3, of which black and white are not known; set range, "
        "such as range=0..4095"
    }
    assert grey(images, range="-1..3") == [0, 255]


def test_numbers_that_are_none_are_black(images):
    tiff(images / "a.tif", ramp("<f4", np.nan, 1))
    assert grey(images, range="0..1") == [0, 255]


@pytest.mark.parametrize(("bands", "channels"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_deep_png_of_every_kind_keeps_its_channels_and_its_low_bits(images, bands, channels):
    values = np.full((8, 8, bands), 2048, "u2")
    values[:, :4, 0] = 1
    if bands in (2, 4):
        values[:, :, -1] = 65535
    png16(images / "a.png", values)
    samples = load(images).samples
    assert samples.shape[1] == channels  # 16-bit grey with opacity is grey
    assert samples[0, :, 0, -1].tolist() == [128] * channels
    assert samples[0, 0, 0, 0] == 0


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bands", [3, 4])
def test_deep_colour_tiffs_keep_their_low_bits(images, order, bands):
    values = np.full((8, 8, bands), 65535, order + "u2")
    values[:, :, :3] = 4095, 2048, 9
    tiff(images / "a.tif", values)
    assert load(images).samples[0, :, 0, 0].tolist() == [255, 128, 1]


def test_a_hole_in_a_deep_png_is_the_one_value(images):
    png16(images / "a.png", ramp("u2", 256, 257), tRNS=struct.pack(">H", 257))
    assert load(images, channels=4).samples[0, 3, 0, [0, -1]].tolist() == [255, 0]
    png16(images / "a.png", np.full((8, 8, 3), 300, "u2"), tRNS=struct.pack(">HHH", 300, 300, 300))
    assert load(images).samples[0, :, 0, 0].tolist() == [255] * 3  # the background


def test_white_is_zero(images):
    tiff(images / "a.tif", ramp("<u2", 0, 4095), photometric=0)
    assert grey(images) == [255, 0]


def test_deep_images_are_turned_as_exif_says(images):
    tiff(images / "a.tif", ramp("<u2", 0, 4095), orientation=6)
    sample = load(images).samples[0, 0]
    assert (sample[0, 0], sample[-1, 0]) == (0, 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    (images / "a.tif").unlink()
    Image.fromarray(ramp("u2", 0, 4095)[:, :, 0]).save(images / "a.png", exif=exif)
    sample = load(images).samples[0, 0]
    assert (sample[0, 0], sample[-1, 0]) == (0, 255)


def test_formats_that_state_their_largest_value_are_scaled_by_it(images):
    (images / "a.pgm").write_bytes(b"P5 8 8 4095\n" + np.full(64, 2048, ">u2").tobytes())
    assert grey(images) == [127, 127]


def test_floats_of_another_format_have_the_same_rule(images):
    (images / "a.pfm").write_bytes(b"Pf\n8 8\n-1.0\n" + np.full(64, 0.5, "<f4").tobytes())
    assert grey(images) == [128, 128]


def test_the_range_holds_every_value_and_is_a_whole_number_of_bits():
    assert auto_span([]) is None
    assert auto_span([(0, 0)]) == (0, 255)
    assert auto_span([(0, 255)]) == (0, 255)
    assert auto_span([(0, 256), (3, 9)]) == (0, 511)
    assert auto_span([(-1, 5)]) == (-128, 127)
    assert auto_span([(-129, 5)]) == (-256, 255)
    assert auto_span([(-128, 128)]) == (-256, 255)


@pytest.mark.parametrize("text", ["", "0", "4095..0", "0..0", "a..b", "0..1..2", "0..inf", "nan..1", "0-4095"])
def test_what_is_no_range(text):
    with pytest.raises(SettingError, match=r"^range must be auto or two numbers, the lower one first, such as 0..4095"):
        FolderOptions(range=text)


def test_shallow_images_beside_deep_ones_stay(images):
    png16(images / "a.png", ramp("u2", 0, 4095))
    save(images / "b.png", 100, mode="L")
    assert load(images).samples[:, 0, 0, -1].tolist() == [255, 100]
