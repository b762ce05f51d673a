"""Films: what is in an MP4, and who may write one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.drawing.films import RATE, check_film, film_bytes, is_film
from ganzoo_core.drawing.gifs import durations_ms
from ganzoo_core.drawing.pictures import TITLE_SIZE
from ganzoo_core.errors import FileError

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (255, 255, 255)]


@pytest.fixture
def av() -> Any:
    return pytest.importorskip("av", reason="av is not installed")


def flat(size: tuple[int, int]) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in COLOURS]


def read(av: Any, path: Path) -> tuple[Any, list[np.ndarray]]:
    """What the film says of itself, and its frames (H, W, 3)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        told = stream.codec_context.name, stream.pix_fmt, stream.average_rate, container.duration
        return told, [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


@pytest.mark.parametrize(("size", "even"), [((40, 30), (30, 40)), ((31, 21), (22, 32)), ((17, 16), (16, 18))])
def test_an_mp4_shows_every_picture_once_at_even_sides(
    av: Any, tmp_path: Path, size: tuple[int, int], even: tuple[int, int]
) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(film_bytes(flat(size), path, fps=10))
    (codec, layout, rate, duration), frames = read(av, path)
    assert (codec, layout, rate, duration) == ("h264", "yuv420p", 10, 400_000)
    assert [frame.shape[:2] for frame in frames] == [even] * 4
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert np.abs(frame[5, 5] - colour).max() <= 6  # as far as 4:2:0 goes
        right, below = frame[5, size[0] :], frame[size[1] :, 5]
        for beside in (right, below):  # paper, but colours are shared by two pixels
            assert not beside.size or beside.mean() > 200


def test_without_a_speed_it_takes_the_times_of_a_gif(av: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(film_bytes(flat((20, 20)), path))
    (*_, duration), frames = read(av, path)
    times = [round(ms * RATE / 1000) for ms in durations_ms(4)]
    assert len(frames) == sum(times) and duration == sum(times) * 1_000_000 // RATE
    assert [int(frames[0][5, 5].argmax()), int(frames[times[0]][5, 5].argmax())] == [0, 1]
    assert (frames[-times[-1]][5, 5] > 240).all() and not (frames[-times[-1] - 1][5, 5] > 240).all()


def test_a_gif_goes_at_a_speed_in_hundredths_of_a_second(tmp_path: Path) -> None:
    for fps, ms in ((10, 100), (25, 40), (30, 30), (50, 20)):
        (tmp_path / "x.gif").write_bytes(film_bytes(flat((20, 20)), "x.gif", fps))
        with Image.open(tmp_path / "x.gif") as gif:
            shown = [(gif.seek(k), gif.info["duration"])[1] for k in range(gif.n_frames)]
        assert shown == [ms] * 4


def test_equal_pictures_give_equal_films_that_play_while_they_load(av: Any) -> None:
    first, second = (film_bytes(flat((64, 48)), "x.mp4", fps=25) for _ in range(2))
    assert first == second
    assert 0 < first.find(b"moov") < first.find(b"mdat")


def test_films_are_known_by_their_names() -> None:
    assert [name for name in ("a.gif", "b.MP4", "c.png", "gif", "d.mp4.npz") if is_film(name)] == ["a.gif", "b.MP4"]


# `ganzoo sample RUN -o FILE.mp4`


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ganzoo.Run:
    out = tmp_path_factory.mktemp("film") / "run"
    return ganzoo.train("toy", data="digits", steps=12, snapshots=[1, 2, 5, 10], device="cpu", out=out)


def ganzoo_sample(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sample", *map(str, arguments)])


def test_snapshots_in_motion(av: Any, run: ganzoo.Run, in_tmp: Path) -> None:
    result = ganzoo_sample(run.folder, "-o", "x.MP4")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "x.MP4\n", "")
    _, frames = read(av, Path("x.MP4"))
    times = [round(ms * RATE / 1000) for ms in durations_ms(5)]
    assert len(frames) == sum(times)
    with Image.open(run.folder / "samples" / "step-000012.png") as image:
        snapshot = np.asarray(image.convert("RGB")).astype(int)
    last = frames[-1][2 * TITLE_SIZE :][: len(snapshot), : snapshot.shape[1]]
    assert np.abs(last - snapshot).mean() < 4


def test_an_mp4_takes_no_choice_of_latents_and_needs_a_run(av: Any, run: ganzoo.Run, in_tmp: Path) -> None:
    result = ganzoo_sample(run.folder, "-n", "8", "-o", "x.mp4")
    assert result.exit_code == 2 and "a .mp4 shows the snapshots of a run as they are; leave out -n" in result.stderr
    result = ganzoo_sample(run.folder / "generator.safetensors", "-o", "x.mp4")
    assert result.exit_code == 1 and "or let `ganzoo explore` make a .mp4" in result.stderr
    assert not os.listdir()


def test_what_is_missing_is_named(run: ganzoo.Run, in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    result = ganzoo_sample(run.folder, "-o", "x.mp4")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        'Error: x.mp4 needs the package av: pip install "ganzoo-core[film]"; a .gif needs nothing more\n'
    )
    with pytest.raises(FileError, match="needs the package av"):
        film_bytes(flat((20, 20)), "x.mp4")
    check_film("x.gif")
    assert not os.listdir()
