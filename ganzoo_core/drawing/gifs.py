"""Pictures in motion: GIFs, equal ones for equal pictures."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ganzoo_core.drawing.pictures import PAPER, captioned
from ganzoo_core.errors import FileError
from ganzoo_core.storage.files import read_bounded

ROUND_MS, LAST_MS = 1_500, 1_000
FASTEST_MS, SLOWEST_MS = 20, 400
MOST_BYTES = 2_000_000
MOST_FILE_BYTES, MOST_PIXELS = 2**26, 2**26  # of a picture in a run, which may be a stranger's
LARGEST_SIDE = 1_200
# Colours a frame, and the divisor of its sides: each is tried until the file is small enough.
_ECONOMIES = ((128, 1), (64, 2), (64, 4))


def snapshot_frames(snapshots: Sequence[tuple[int, Path]]) -> list[Image.Image]:
    """The pictures of a run, each with its step above it. Raises `FileError` for one that can't be read."""
    return [captioned(read_picture(path, LARGEST_SIDE), f"step {step:,}") for step, path in snapshots]


def gif_bytes(frames: Sequence[Image.Image], times_ms: Sequence[int] | None = None) -> bytes:
    """RGB pictures as a GIF that repeats, each shown for its time; above 2 MB with fewer colours and pixels.

    Without times a round takes some 2.5 s, at the end of which the last one is held.
    """
    whole = of_one_size(frames)
    times = list(times_ms or durations_ms(len(frames)))
    for colours, divisor in _ECONOMIES:
        images = [frame.reduce(divisor).quantize(colours, dither=Image.Dither.NONE) for frame in whole]
        data = _encoded(images, times)
        if len(data) <= MOST_BYTES:
            break
    return data


def of_one_size(frames: Sequence[Image.Image], multiple: int = 1) -> list[Image.Image]:
    """The pictures on paper as large as the largest of them, its sides raised to a multiple."""
    largest = max(frame.width for frame in frames), max(frame.height for frame in frames)
    size = tuple(math.ceil(side / multiple) * multiple for side in largest)
    whole = []
    for frame in frames:
        canvas = Image.new("RGB", (size[0], size[1]), PAPER)
        canvas.paste(frame)
        whole.append(canvas)
    return whole


def durations_ms(n: int) -> list[int]:
    """How long each of n frames is shown: whole hundredths of a second, as GIFs count them."""
    each = ROUND_MS // max(1, n - 1) // 10 * 10
    return [max(FASTEST_MS, min(SLOWEST_MS, each))] * (n - 1) + [LAST_MS]


def _encoded(frames: list[Image.Image], times_ms: list[int]) -> bytes:
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=times_ms, loop=0)
    return buffer.getvalue()


def read_picture(path: Path, largest_side: int) -> Image.Image:
    """An RGB picture, one with a larger side shrunk. Raises `FileError` where it can't be read."""
    try:
        with Image.open(io.BytesIO(read_bounded(path, MOST_FILE_BYTES))) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it may have {MOST_PIXELS:,} pixels, but has {image.width * image.height:,}")
            return image.convert("RGB").reduce(math.ceil(max(image.size) / largest_side))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # of a damaged or hostile PNG
        raise FileError(f"{path} can't be read as a picture: {error}; delete it, and the rest can be shown") from error
