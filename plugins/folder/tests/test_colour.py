"""Colours as a browser shows them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from folders import RED, load, save
from PIL import Image, ImageCms
from pixel_files import png16, with_chunk

pytestmark = pytest.mark.usefixtures("user_cache")
_PRIMARIES = (b"rXYZ", b"gXYZ", b"bXYZ")
D50 = (0.9642, 1.0, 0.8249)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *[round(value * 65536) for value in values])


def profile(space: bytes, gamma: float, colours: tuple[tuple[float, float, float], ...] = ()) -> bytes:
    """An ICC profile: a curve, and the XYZ of red, green and blue where it has colours."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    xyz = {name: b"XYZ " + bytes(4) + fixed(*value) for name, value in zip(_PRIMARIES, colours, strict=False)}
    curves = dict.fromkeys([b"rTRC", b"gTRC", b"bTRC"] if colours else [b"kTRC"], curve)
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78 + 1)
    tags = {b"desc": text, b"wtpt": b"XYZ " + bytes(4) + fixed(*D50)} | xyz | curves
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", start + len(body), b"lcms", 0x02100000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + fixed(*D50)
    return head.ljust(128, b"\0") + table + body


P3 = ((0.515, 0.241, -0.001), (0.292, 0.692, 0.042), (0.157, 0.067, 0.784))  # the XYZ of Display P3's, under D50


def pixel(images, **options) -> list[int]:
    return load(images, **options).samples[0, :, 4, 4].tolist()


def png(images, colour, mode="RGB", **chunks) -> None:
    with_chunk(save(images / "a.png", colour, mode=mode), **chunks)


def gamma(value: float) -> bytes:
    return struct.pack(">I", round(value * 100_000))


def chromaticity(*values: float) -> bytes:
    return struct.pack(">8I", *[round(value * 100_000) for value in values])


@pytest.mark.parametrize(
    ("value", "expected"), [(1.0, 188), (0.45455, 128), (0.4545, 128), (0.5, pytest.approx(137, abs=2)), (0, 128)]
)
@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA"])
def test_a_pngs_gamma_is_that_of_a_browser(images, value, expected, mode):
    Image.new("RGBA", (8, 8), (128, 128, 128, 255)).convert(mode).save(images / "a.png")
    with_chunk(images / "a.png", gAMA=gamma(value))
    assert pixel(images) == [expected] * (3 if mode in ("RGB", "RGBA") else 1)


def test_a_deep_pngs_gamma(images):
    png16(images / "a.png", np.full((8, 8, 1), 32896, "u2"), gAMA=gamma(1.0))
    assert pixel(images) == [188]


def test_a_png_that_says_srgb_stays(images):
    png(images, 128, mode="L", gAMA=gamma(1.0), sRGB=b"\0")
    assert pixel(images) == [128]


def test_a_pngs_primaries_are_turned_to_srgbs(images):
    p3 = chromaticity(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
    png(images, (200, 100, 100), gAMA=gamma(0.45455), cHRM=p3)
    assert pixel(images) == pytest.approx([214, 96, 97], abs=3)
    png(images, (90, 90, 90), gAMA=gamma(1.0), cHRM=chromaticity(*[0.0] * 8))  # nonsense
    assert pixel(images) == pytest.approx([159] * 3, abs=1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_an_embedded_profile_is_followed(images, suffix):
    how = {"quality": 100} if suffix in ("jpg", "webp") else {}
    save(images / f"a.{suffix}", (200, 100, 100), icc_profile=profile(b"RGB ", 2.2, P3), **how)
    assert pixel(images) == pytest.approx([214, 96, 97], abs=4)


def test_grey_and_transparent_images_follow_their_profile(images):
    linear = profile(b"GRAY", 1.0)
    save(images / "a.png", 128, mode="L", icc_profile=linear)
    assert pixel(images) == pytest.approx([188], abs=1)
    save(images / "a.png", (128, 255), mode="LA", icc_profile=linear)
    assert pixel(images) == pytest.approx([188], abs=1)
    save(images / "a.png", (200, 100, 100, 128), mode="RGBA", icc_profile=profile(b"RGB ", 2.2, P3))
    assert pixel(images, channels=4) == pytest.approx([214, 96, 97, 128], abs=3)


def test_srgb_stays_to_the_bit_and_nonsense_is_passed_over(images):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for noise in (srgb, b"nonsense", profile(b"GRAY", 1.0)):
        save(images / "a.png", (200, 100, 7), icc_profile=noise)
        assert pixel(images) == [200, 100, 7]


def test_srgb_costs_no_conversion(images, monkeypatch):
    monkeypatch.setattr(ImageCms, "profileToProfile", None)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save(images / "a.png", (200, 100, 7), icc_profile=srgb)
    assert pixel(images) == [200, 100, 7]


def test_a_cmyk_jpeg_with_a_profile_of_another_kind_is_still_read(images):
    save(images / "a.jpg", (0, 255, 255, 0), mode="CMYK", icc_profile=profile(b"RGB ", 2.2, P3))
    assert pixel(images) == pytest.approx(RED, abs=2)


@pytest.mark.parametrize(("palette", "channels"), [((0, 0, 0, 90, 90, 90), 1), ((0, 0, 0, 90, 90, 91), 3)])
def test_a_palette_of_greys_is_grey(images, palette, channels):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette(palette)
    picture.save(images / "a.png")
    assert len(pixel(images)) == channels


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P"])
def test_a_hole_of_one_colour_is_transparent(images, mode):
    colour = {"1": 1, "L": 9, "RGB": (9, 8, 7), "P": 0}[mode]
    save(images / "a.png", colour, mode=mode, transparency=colour)
    assert pixel(images, channels=4)[3] == 0
    assert pixel(images, channels=3, background="#ff8000") == [255, 128, 0]
