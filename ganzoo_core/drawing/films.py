"""Pictures in motion as a file: a GIF, or an MP4 that browsers and phones play, which needs the extra `film`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from ganzoo_core.drawing.gifs import durations_ms, gif_bytes, of_one_size
from ganzoo_core.errors import FileError
from ganzoo_core.storage.files import as_file_error
from ganzoo_core.storage.names import visible

SUFFIXES = (".gif", ".mp4")
RATE = 50  # pictures a second of an MP4 whose pictures stand for times of their own
QUALITY = {"crf": "18", "preset": "medium"}  # x264's: 18 is hardly told from the pictures themselves


def is_film(path: Path | str) -> bool:
    """Whether what is saved under that name moves."""
    return Path(path).suffix.lower() in SUFFIXES


def check_film(path: Path | str) -> None:
    """Raise `FileError` where a file of that name can't be written for want of a package."""
    if Path(path).suffix.lower() == ".mp4":
        _av(Path(path).name)


def film_bytes(frames: Sequence[Image.Image], path: Path | str, fps: int | None = None) -> bytes:
    """RGB pictures as the film that the name of `path` asks for, a GIF or an MP4.

    `fps`: pictures a second; a GIF counts in hundredths of a second. Without, a round takes some 2.5 s, at the end of
    which the last one is held. A GIF repeats by itself. Raises `FileError` where an MP4 needs a package.
    """
    times = None if fps is None else [max(20, round(100 / fps) * 10)] * len(frames)
    if Path(path).suffix.lower() == ".gif":
        return gif_bytes(frames, times)
    av = _av(Path(path).name)
    if fps is not None:
        return _mp4(av, frames, [1] * len(frames), fps)
    return _mp4(av, frames, [max(1, round(ms * RATE / 1000)) for ms in durations_ms(len(frames))], RATE)


def _mp4(av: Any, frames: Sequence[Image.Image], repeats: Sequence[int], rate: int) -> bytes:
    """H.264 in 4:2:0, what is played everywhere; it counts pixels in pairs, so that odd sides get a row of paper.

    Equal pictures give equal bytes: one thread, and no date.
    """
    whole = of_one_size(frames, multiple=2)
    with tempfile.TemporaryDirectory(prefix="ganzoo-") as folder, as_file_error(Path(folder)):
        path = Path(folder) / "film.mp4"
        options = {"movflags": "+faststart", "fflags": "+bitexact"}  # its table first: it plays while it loads
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream("libx264", rate=Fraction(rate), options=QUALITY)
            stream.width, stream.height = whole[0].size
            stream.pix_fmt, stream.thread_count = "yuv420p", 1
            context = stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709, as browsers expect
            context.color_range = 1
            for image, times in zip(whole, repeats, strict=True):
                frame = av.VideoFrame.from_image(image).reformat(format="yuv420p", dst_colorspace="ITU709")
                for _ in range(times):
                    frame.pts = None
                    container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path.read_bytes()


def _av(name: str) -> Any:
    """The library that encodes. Raises `FileError` where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise FileError(
            f'{visible(name)} needs the package av: pip install "ganzoo-core[film]"; a .gif needs nothing more'
        ) from error
    return av
