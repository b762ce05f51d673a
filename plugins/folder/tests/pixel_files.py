"""Files that Pillow reads and doesn't write, written by hand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

_COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
_TIFF_FORMATS = {"u": 1, "i": 2, "f": 3}


def png16(path: Path, values: np.ndarray, **chunks: bytes) -> None:
    """16-bit values (H, W, C) as a PNG: grey, grey and opacity, colour, or colour and opacity."""
    height, width, bands = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[bands], 0, 0, 0)
    parts = {"IHDR": header} | chunks | {"IDAT": zlib.compress(rows), "IEND": b""}
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name.encode(), data) for name, data in parts.items()))


def with_chunk(path: Path, **chunks: bytes) -> None:
    """The PNG with chunks put in behind its header."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + b"".join(_chunk(n.encode(), data) for n, data in chunks.items()) + content[33:])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def tiff(path: Path, values: np.ndarray, photometric: int | None = None, orientation: int = 1) -> None:
    """Values (H, W, C) of any type as a TIFF in the byte order of their dtype, not compressed."""
    height, width, bands = values.shape
    order = ">" if values.dtype.byteorder == ">" else "<"
    bits, kind = values.dtype.itemsize * 8, _TIFF_FORMATS[values.dtype.kind]
    photometric = (2 if bands > 1 else 1) if photometric is None else photometric
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0, 274: orientation, 277: bands,
            278: height, 279: values.nbytes, 339: kind}  # fmt: skip
    shorts = 8 + 2 + 12 * len(tags) + 4
    extra = struct.pack(f"{order}{2 * bands}H", *[bits] * bands, *[kind] * bands)
    tags[273] = shorts + len(extra)
    entries = b""
    for tag, value in tags.items():
        if tag in (258, 339) and bands > 2:
            entries += struct.pack(f"{order}HHII", tag, 3, bands, shorts + (0 if tag == 258 else 2 * bands))
        elif tag in (258, 339) and bands == 2:
            entries += struct.pack(f"{order}HHIHH", tag, 3, 2, value, value)
        else:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, value)
    start = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(start + entries + bytes(4) + extra + values.tobytes())
