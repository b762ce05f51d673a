"""Which formats are read, and what is said of those that are not."""

from __future__ import annotations

import contextlib
import functools
import io
from pathlib import Path

from PIL import Image

# Named, so that no stranger's file reaches Pillow's rarer parsers, one of which starts Ghostscript.
_FORMATS = {"AVIF", "BMP", "GIF", "HEIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"}

_HEIF = ".heic .heics .heif .heifs .hif"
_VIDEO = ".3gp .avi .m4v .mkv .mov .mp4 .mpg .webm .wmv"
_EXPORT = "which is not read: export it as PNG or JPEG"
_UNREAD = {
    _HEIF: "HEIC images are read once pillow-heif is installed: pip install 'ganzoo-folder[heif]'",
    ".3fr .arw .cr2 .cr3 .dng .nef .orf .pef .raf .raw .rw2 .srw": f"it is a camera's raw file, {_EXPORT}",
    ".ai .eps .pdf .ps": f"it is a document, {_EXPORT}",
    ".psd .psb .xcf .kra .clip": f"it is a paint program's file, {_EXPORT}",
    ".svg .svgz": f"it is a vector drawing, {_EXPORT}",
    ".exr .hdr .jxl .dds .tga .ico .icns": f"it is an image of a format {_EXPORT}",
    _VIDEO: "it is a video, which is not read: save its frames as PNG or JPEG",
}
_BEGINNINGS = {
    b"%PDF": ".pdf", b"%!PS": ".ps", b"8BPS": ".psd", b"gimp xcf": ".xcf", b"<svg": ".svg", b"\x1aE\xdf\xa3": ".mkv",
    b"FUJIFILM": ".raf", b"\x76\x2f\x31\x01": ".exr", b"#?RADIANCE": ".hdr", b"\xff\x0a": ".jxl",
    b"\0\0\0\x0cJXL ": ".jxl",
}  # fmt: skip
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_VIDEO_BRANDS = {b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"avc1", b"M4V "}


@functools.cache
def _prepare() -> list[str]:
    """Have Pillow know its formats, with HEIF where the package that reads it is installed; their names."""
    Image.init()
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return sorted(_FORMATS & Image.OPEN.keys())


def open_image(path: Path, content: bytes | None = None) -> Image.Image:
    """The image, opened and not decoded; of the file's `content` where it was read before. Raises as `Image.open`."""
    image = Image.open(path if content is None else io.BytesIO(content), formats=_prepare())
    image.filename = ""  # else Pillow maps an uncompressed TIFF by its name, and garbles one that EXIF turns
    return image


def extensions() -> frozenset[str]:
    """The file extensions that are taken for images, such as ".png"."""
    _prepare()
    registered = Image.registered_extensions()
    return frozenset(extension for extension, name in registered.items() if name in _FORMATS)


def why_not_by_name(name: str) -> str | None:
    """Why a file of an image's or a video's extension is not read, and what to do; None for other names."""
    return _said_of(Path(name).suffix.lower())


def _said_of(extension: str) -> str | None:
    return next((reason for known, reason in _UNREAD.items() if extension in known.split()), None)


def why_not_by_content(path: Path) -> str:
    """Why a file that Pillow does not know is not read, going by its first bytes."""
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "it is empty"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS | _VIDEO_BRANDS:
        return _UNREAD[_HEIF if start[8:12] in _HEIF_BRANDS else _VIDEO]
    if start[:4] in (b"II*\0", b"MM\0*"):
        return "it is a TIFF whose pixels are of a kind that is not read: export it with 8, 16 or 32 bits"
    extension = next((known for begin, known in _BEGINNINGS.items() if start.startswith(begin)), "")
    return _said_of(extension) or "it is no image of a known format"
