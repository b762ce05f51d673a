"""GIFs: of a run's snapshots, and of whatever else moves."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.drawing import gifs
from ganzoo_core.drawing.gifs import MOST_BYTES, durations_ms, gif_bytes, snapshot_frames
from ganzoo_core.drawing.pictures import TITLE_SIZE
from ganzoo_core.errors import FileError, Interrupted
from ganzoo_core.runs.run_folder import RunFolder


def noise(side: int, frames: int) -> list[Image.Image]:
    """Pictures that no compression makes smaller."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(frames)]


def read(data: bytes, path: Path) -> tuple[list[np.ndarray], list[int]]:
    """The frames (H, W, 3) of a GIF and how long each is shown."""
    path.write_bytes(data)
    with Image.open(path) as gif:
        frames, durations = [], []
        for k in range(gif.n_frames):
            gif.seek(k)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
            durations.append(gif.info["duration"])
    return frames, durations


@pytest.mark.parametrize("n", [1, 2, 5, 10, 16, 60])
def test_a_round_takes_some_seconds_and_holds_the_last_frame(n: int) -> None:
    times = durations_ms(n)
    assert len(times) == n and times[-1] == 1000 and all(time % 10 == 0 and 20 <= time <= 1000 for time in times)
    assert sum(times) <= 2700
    assert n < 5 or sum(times) >= 2000


def test_frames_come_back_in_their_order_and_colours(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 99, 199)]
    frames, durations = read(gif_bytes([Image.new("RGB", (30, 20), c) for c in colours]), tmp_path / "x.gif")
    assert [tuple(frame[5, 5]) for frame in frames] == colours
    assert durations == durations_ms(4)


def test_equal_frames_give_equal_bytes() -> None:
    assert gif_bytes(noise(40, 3)) == gif_bytes(noise(40, 3))


def test_a_frame_alone_is_no_mistake(tmp_path: Path) -> None:
    (frame,), (duration,) = read(gif_bytes([Image.new("RGB", (30, 20), "red")]), tmp_path / "x.gif")
    assert tuple(frame[0, 0]) == (255, 0, 0) and duration == 1000


def test_frames_of_different_sizes_stand_on_the_same_paper(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (10, 30), "red"), Image.new("RGB", (20, 10), "blue")]
    frames, _ = read(gif_bytes(pictures), tmp_path / "x.gif")
    assert [frame.shape for frame in frames] == [(30, 20, 3)] * 2
    assert tuple(frames[0][0, 15]) == (255, 255, 255) and tuple(frames[1][0, 15]) == (0, 0, 255)


@pytest.mark.parametrize(("most_bytes", "side"), [(MOST_BYTES, 100), (20_000, 50), (5_000, 25), (1, 25)])
def test_what_would_be_large_makes_do_with_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int, side: int
) -> None:
    monkeypatch.setattr(gifs, "MOST_BYTES", most_bytes)
    frames, durations = read(gif_bytes(noise(100, 4)), tmp_path / "x.gif")
    assert [frame.shape for frame in frames] == [(side, side, 3)] * 4 and durations == durations_ms(4)


# a run's


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ganzoo.Run:
    out = tmp_path_factory.mktemp("animation") / "run"
    return ganzoo.train("toy", data="digits", steps=12, snapshots=[1, 2, 5, 10], device="cpu", out=out)


def ganzoo_sample(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sample", *map(str, arguments)])


def test_a_run_ends_with_its_snapshots_in_motion(run: ganzoo.Run, tmp_path: Path) -> None:
    data = (run.folder / "samples.gif").read_bytes()
    frames, durations = read(data, tmp_path / "x.gif")
    assert len(data) < MOST_BYTES and durations == durations_ms(5)
    for frame, step in zip(frames, (1, 2, 5, 10, 12), strict=True):
        with Image.open(run.folder / "samples" / f"step-{step:06d}.png") as image:
            snapshot = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(frame[2 * TITLE_SIZE :] - snapshot).max() <= 24  # of 256: there are 128 colours
        assert (frame[: 2 * TITLE_SIZE] < 128).any()
    assert len({frame[: 2 * TITLE_SIZE].tobytes() for frame in frames}) == 5


def test_sampling_to_a_gif_gives_the_same(run: ganzoo.Run, in_tmp: Path) -> None:
    result = ganzoo_sample(run.folder, "-o", "x.GIF")
    assert (result.exit_code, result.stdout) == (0, "x.GIF\n")
    assert Path("x.GIF").read_bytes() == (run.folder / "samples.gif").read_bytes()


@pytest.mark.parametrize("option", [["-n", "8"], ["--label", "3"], ["--seed", "0"], ["--grid", "a=1"]])
def test_a_gif_takes_no_choice_of_latents(run: ganzoo.Run, in_tmp: Path, option: list[str]) -> None:
    result = ganzoo_sample(run.folder, *option, "-o", "x.gif")
    assert result.exit_code == 2
    assert (
        "a .gif shows the snapshots of a run as they are; leave out -n, --label, --seed, --best, --set and --grid"
        in result.stderr
    )


def test_only_a_run_has_snapshots(run: ganzoo.Run, in_tmp: Path) -> None:
    weights = run.folder / "generator.safetensors"
    result = ganzoo_sample(weights, "-o", "x.gif")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: a .gif shows the snapshots of a run, so SOURCE must be a run folder, but is {weights}; "
        f"give a .png or .npz, or let `ganzoo explore` make a .gif\n"
    )
    assert "holds no run (no run.json in it)" in ganzoo_sample(in_tmp, "-o", "x.gif").stderr
    Path("run.json").write_text("{}")
    message = f"Error: {in_tmp} has no snapshots in samples/ to show; train it: ganzoo run --resume {in_tmp}\n"
    assert ganzoo_sample(in_tmp, "-o", "x.gif").stderr == message
    assert os.listdir() == ["run.json"]


def test_a_run_that_is_stopped_early_has_nothing_to_show(in_tmp: Path) -> None:
    class Stop(ganzoo.Callback):
        def on_log(self, record):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        ganzoo.train("toy", data="digits", steps=900, log_every=5, snapshots=[900], out="run", callbacks=[Stop()])
    assert Path("run/loss.png").exists() and not Path("run/samples.gif").exists()


def test_snapshots_come_in_order_of_their_steps(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for name in ("step-1000000.png", "step-000002.png", "step-999999.png", "step-x.png", "notes.txt"):
        (tmp_path / "samples" / name).touch()
    assert [step for step, _ in RunFolder(tmp_path).snapshots()] == [2, 999_999, 1_000_000]


def test_a_damaged_snapshot_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "step-000001.png"
    Image.new("RGB", (50, 50)).save(path)
    for content in (b"", b"not a picture", path.read_bytes()[:60]):
        path.write_bytes(content)
        with pytest.raises(FileError, match=r"step-000001.png can't be read as a picture: .*; delete it, and the rest"):
            snapshot_frames([(1, path)])


def test_large_snapshots_are_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (300, 100), "red").save(tmp_path / "x.png")
    monkeypatch.setattr(gifs, "LARGEST_SIDE", 100)
    ((frame,), _) = read(gif_bytes(snapshot_frames([(1, tmp_path / "x.png")])), tmp_path / "x.gif")
    assert frame.shape[1] == 100 and tuple(frame[-1, 50]) == (255, 0, 0)
