"""What a terminal shows of a run while it trains: the panel, its sparklines and samples, in any width."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from rich.text import Text

from ganzoo_core.callbacks import RunInfo
from ganzoo_core.cli import output
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.display import gallery as gallery_module
from ganzoo_core.display import pixels
from ganzoo_core.display.gallery import WANTED, read_gallery
from ganzoo_core.display.live_panel import LivePanel
from ganzoo_core.display.panel import RunPanel
from ganzoo_core.display.progress import MovingHistory, RunProgress, sparkline, stretched
from ganzoo_core.drawing.terminal import Blocks, shades
from ganzoo_core.runs.records import accuracy_of
from ganzoo_core.sampling.samples import Samples, default_count

GREY = DataSpec("grey", (1, 8, 8), ("zero", "one", "two"))
RING = DataSpec("ring", (2,), kind="points")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def info(**changes: Any) -> RunInfo:
    values = {
        "folder": Path("runs/x"), "variant": "toy", "data": GREY, "settings": {}, "device": "cpu",
        "parameters": {}, "first_step": 0, "total_steps": 1000,
    }  # fmt: skip
    return RunInfo(**values | changes)


def record(step: int, loss: float = 0.5) -> dict[str, float]:
    shares = {"accuracy_real": 0.75, "accuracy_fake": 0.25}
    return {"step": step, "discriminator/a": loss, "generator/b": 2.0, "samples_per_s": 1234.0, **shares}


def course(**changes: Any) -> RunProgress:
    """A run that has logged 40 records, one a second."""
    now = [0.0]
    made = RunProgress(info(**changes), clock=lambda: now[0])
    for step in range(1, 41):
        now[0] += 1.0
        made.add(record(step * 10, step / 40))
    return made


def snapshot(folder: Path, spec: DataSpec, conditional: bool) -> Path:
    """A picture as a run draws it: image k is of the even grey 255 - k."""
    n = default_count(spec, conditional)
    labels = torch.arange(n) % spec.num_classes if conditional else None
    levels = (1 - torch.arange(n) / 127.5).view(-1, *[1] * len(spec.shape))
    path = folder / "step.png"
    Samples(levels.expand(-1, *spec.shape), spec, labels).save(path)
    return path


def console(width: int, height: int = 40, **options: Any) -> Console:
    settings = {"force_terminal": True, "color_system": "truecolor", "file": io.StringIO(), "legacy_windows": False}
    return Console(width=width, height=height, _environ={}, **settings | options)


def lines_of(panel: RunPanel, target: Console) -> list[str]:
    target.print(panel)
    return CONTROL.sub("", target.file.getvalue()).splitlines()  # type: ignore[attr-defined]


# the course of a run


def test_a_history_keeps_means_in_bounded_memory() -> None:
    history = MovingHistory()
    for value in range(10 * MovingHistory.most):
        history.add(float(value))
    assert MovingHistory.most // 2 <= len(history.means) < MovingHistory.most
    assert history.means[0] == np.mean(range(16)) and history.means == sorted(history.means)


def test_a_sparkline_is_as_high_as_the_values() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 7], 8, ascii_only=True) == " #"
    assert sparkline([0.5, 2.0, -1.0], 8, (0.0, 1.0)) == "▅█▁"  # beyond the span is at its ends
    assert sparkline([3, 3], 8) == "▁▁" and sparkline([], 8) == ""
    assert stretched([1, 3, 5, 7], 2) == [2, 6] and len(sparkline(list(range(100)), 30)) == 30


def test_accuracy_is_the_mean_over_real_and_fake() -> None:
    assert accuracy_of(record(1)) == 0.5
    assert accuracy_of({"step": 1, "accuracy_real": 1.0}) is None


def test_the_time_left_runs_down_between_two_records() -> None:
    now = 0.0
    made = RunProgress(info(first_step=100, total_steps=200), clock=lambda: now)
    assert made.left_s is None
    now = 10.0
    made.add(record(120))
    assert made.left_s == 40.0
    now = 25.0
    assert (made.left_s, made.elapsed_s) == (25.0, 25.0)
    now = 1000.0
    assert made.left_s == 0.0
    made.add(record(200))
    assert made.left_s is None


# the panel


@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("height", [8, 24, 60])
def test_the_panel_keeps_within_the_terminal(width: int, height: int, tmp_path: Path) -> None:
    panel = RunPanel(course(), conditional=True)
    panel.show(snapshot(tmp_path, GREY, conditional=True))
    lines = lines_of(panel, console(width, height))
    assert {len(line) for line in lines} == {width}
    assert panel.size == (width, len(lines)) and len(lines) < max(height, 9)


def test_the_panel_says_how_the_run_goes() -> None:
    lines = lines_of(RunPanel(course(), conditional=False), console(60))
    assert lines[0].startswith("╭─ toy on grey ─")
    assert "━" in lines[1] and lines[1].endswith(" 400/1,000 │")
    assert re.fullmatch(r"│ D loss  ▁[▁-█]+█ +1\.000 │", lines[2])
    assert re.fullmatch(r"│ G loss  ▁+ +2\.000 │", lines[3])
    assert re.fullmatch(r"│ D right ▅+ +50% │", lines[4])  # the line of one half is in the middle
    assert lines[5].startswith("│ 1,234 samples/s  40 s  1 min 0 s left ")
    assert len(lines) == 7


def test_a_panel_without_records_has_the_bar_alone() -> None:
    lines = lines_of(RunPanel(RunProgress(info(first_step=250), clock=lambda: 0.0), conditional=False), console(60))
    assert [line[2:8] for line in lines[1:-1]] == ["━━━━━━", "0 s   "] and "250/1,000" in lines[1]


def test_samples_stand_below_and_on_a_wide_terminal_beside(tmp_path: Path) -> None:
    panel = RunPanel(course(), conditional=False)
    panel.show(snapshot(tmp_path, GREY, conditional=False))
    narrow, wide = lines_of(panel, console(80)), lines_of(panel, console(120))
    assert "▀" not in "".join(narrow[:7]) and "▀" in "".join(narrow[7:])
    assert "▀" in wide[1] and "400/1,000" in wide[1]
    panel.show(None)
    assert "▀" not in "".join(lines_of(panel, console(80)))


def test_time_that_ends_a_run_is_what_its_bar_is_of() -> None:
    now = 0.0
    made = RunProgress(info(total_steps=10**9, seconds_left=50.0), clock=lambda: now)
    made.add({"step": 100})
    for moment, share, left in ((0.0, 0.0, 50.0), (20.0, 0.4, 30.0), (60.0, 1.0, None)):
        now = moment
        assert (made.share, made.left_s, made.reached) == (share, left, "100")
    of_steps = RunProgress(info())
    of_steps.add({"step": 250})
    assert (of_steps.share, of_steps.reached) == (0.25, "250/1,000")


def test_a_picture_that_is_gone_is_left_out(tmp_path: Path) -> None:
    panel = RunPanel(course(), conditional=False)
    panel.show(tmp_path / "gone.png")
    assert len(lines_of(panel, console(80))) == 7


def test_points_are_shown_as_their_plot(tmp_path: Path) -> None:
    panel = RunPanel(course(data=RING), conditional=False)
    panel.show(snapshot(tmp_path, RING, conditional=False))
    lines = lines_of(panel, console(80, 30))
    assert "▀" in "".join(lines) and {len(line) for line in lines} == {80}


def test_without_colours_there_are_shades_and_without_unicode_plain_letters(tmp_path: Path) -> None:
    panel = RunPanel(course(), conditional=False)
    panel.show(snapshot(tmp_path, GREY, conditional=False))
    bare = console(80, color_system=None)
    text = "".join(lines_of(panel, bare))
    assert "▀" not in text and "█" in text and "38;" not in bare.file.getvalue()
    panel.show(snapshot(tmp_path, GREY, conditional=False))
    ascii_file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    ascii_console = console(80, color_system=None, file=ascii_file)
    ascii_console.print(panel)
    ascii_file.flush()
    shown = ascii_file.buffer.getvalue().decode("ascii")
    assert "D loss" in shown and "##" in shown


def test_shades_are_denser_where_it_is_brighter() -> None:
    ramp = Image.fromarray(np.repeat(np.array([[0, 60, 120, 180, 255]], np.uint8), 4, axis=0))
    assert shades(ramp, 80).plain == " ░▒▓█\n ░▒▓█"
    assert shades(ramp, 80, ascii_only=True).plain == " .:+#\n .:+#"
    target = console(80)
    target.no_color = True
    target.print(Blocks(ramp, 80))
    assert "░▒▓█" in target.file.getvalue()  # type: ignore[attr-defined]


# the samples in a run's picture


@pytest.mark.parametrize("conditional", [True, False])
def test_a_gallery_begins_with_one_of_each_class(conditional: bool, tmp_path: Path) -> None:
    found = read_gallery(snapshot(tmp_path, GREY, conditional), GREY, conditional)
    assert [255 - image.getpixel((0, 0))[0] for image in found.images] == list(range(default_count(GREY, conditional)))
    assert {image.size for image in found.images} == {(8, 8)}


def test_a_hundred_classes_leave_no_white_cells(tmp_path: Path) -> None:
    many = DataSpec("many", (1, 8, 8), tuple(str(k) for k in range(100)))
    found = read_gallery(snapshot(tmp_path, many, True), many, True)
    assert [255 - image.getpixel((0, 0))[0] for image in found.images] == list(range(100))


def test_a_picture_of_another_make_is_shown_whole(tmp_path: Path) -> None:
    Image.new("RGB", (33, 21), "red").save(tmp_path / "x.png")
    assert [image.size for image in read_gallery(tmp_path / "x.png", GREY, True).images] == [(33, 21)]


def test_samples_are_as_large_as_lets_enough_of_them_fit() -> None:
    for width, height in [(40, 16), (76, 30), (140, 40)]:
        side = gallery_module._cell_width((28, 28), 80, width, height)
        columns, lines = gallery_module._fitting(side, side, width, height)
        assert columns * lines >= WANTED
        assert side == 28 or np.prod(gallery_module._fitting(side + 1, side + 1, width, height)) < WANTED
    assert gallery_module._cell_width((28, 28), 80, 20, 8) == gallery_module.SMALLEST_CELL
    assert gallery_module._cell_width((28, 28), 80, 20, 6) is None
    assert gallery_module._cell_width((28, 28), 1, 20, 60) == 20


# the terminal


def live(width: int, monkeypatch: pytest.MonkeyPatch) -> LivePanel:
    monkeypatch.setenv("TERM", "xterm")
    made = LivePanel(course(), False, console(width))
    made.auto_refresh = False
    return made


def test_a_narrower_terminal_has_its_wrapped_lines_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = live(90, monkeypatch)
    shown.start(refresh=True)
    for width, extra in [(60, 7), (20, 14), (90, 0)]:
        before = len(shown.console.file.getvalue())  # type: ignore[attr-defined]
        height = shown.panel.size[1]
        shown.console.width = width
        shown.refresh()
        text = shown.console.file.getvalue()[before:]  # type: ignore[attr-defined]
        assert height == 7 and text.count("\x1b[1A") == extra + height - 1
    shown.stop()


def test_what_is_left_in_the_end_has_no_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = live(80, monkeypatch)
    shown.panel.show(snapshot(tmp_path, GREY, False))
    shown.start(refresh=True)
    assert "▀" in shown.console.file.getvalue()  # type: ignore[attr-defined]
    before = len(shown.console.file.getvalue())  # type: ignore[attr-defined]
    shown.stop()
    shown.stop()
    last = shown.console.file.getvalue()[before:]  # type: ignore[attr-defined]
    assert "▀" not in last and last.count("toy on grey") == 1 and "\x1b[?25h" in last  # the cursor is back


def test_a_message_stands_above_the_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = live(60, monkeypatch)
    shown.start(refresh=True)
    before = len(shown.console.file.getvalue())  # type: ignore[attr-defined]
    output.note("the generator has collapsed")
    text = CONTROL.sub("", shown.console.file.getvalue()[before:])  # type: ignore[attr-defined]
    shown.stop()
    message, panel = text.lstrip("\r").split("\n", 1)
    assert message == "the generator has collapsed" and panel.startswith("╭─ toy on grey ─")


def in_terminal(arguments: list[str], env: dict[str, str], size: tuple[int, int]) -> str:
    """What a command writes to a real pseudo-terminal of so many columns and rows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    command = [sys.executable, "-m", "ganzoo_core", *arguments]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True)
    os.close(slave)
    chunks = []
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(master)
    assert process.wait() == 0, b"".join(chunks).decode()
    return b"".join(chunks).decode()


RUN = "run toy-conditional --data digits --steps 60 --device cpu --set log_every=5 --snapshots 1,30"


@pytest.mark.long
@pytest.mark.parametrize(
    ("environment", "moves", "colours"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_real_terminal(
    environment: dict[str, str], moves: bool, colours: bool, subprocess_env: dict[str, str], in_tmp: Path
) -> None:
    inherited = {k: v for k, v in subprocess_env.items() if k not in ("TERM", "COLORTERM", "NO_COLOR", "COLUMNS")}
    raw = in_terminal([*RUN.split(), "--out", "r"], inherited | environment, (60, 30))
    text = CONTROL.sub("", raw)
    assert ("╭─ toy-conditional on digits ─" in text, "\x1b[1A" in raw) == (moves, moves)
    assert ("38;2;" in raw, "▀" in text) == (colours, colours)
    assert ("step 60/60" in text) == (not moves)
    if moves:
        assert max(map(len, text.replace("\r", "\n").split("\n"))) <= 60


def test_nothing_moves_on_a_dumb_terminal_or_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "on_terminal", lambda: True)
    for term, moves in [("xterm", True), ("dumb", False), ("unknown", False)]:
        monkeypatch.setenv("TERM", term)
        assert output.can_move() == moves
    monkeypatch.setattr(output, "on_terminal", lambda: False)
    monkeypatch.setenv("TERM", "xterm")
    assert not output.can_move()


# real pixels


class Pixels:
    """Stands in for a renderable of textual-image."""

    def __init__(self, image: Image.Image, width: Any, height: Any) -> None:
        self.image, self.width, self.height = image, width, height

    def __rich__(self) -> Text:
        return Text(f"<{self.width} columns of pixels>")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """textual-image on a terminal that speaks kitty's protocol."""
    kitty = type("Kitty", (Pixels,), {})
    module = ModuleType("textual_image.renderable")
    vars(module).update(Image=kitty, TGPImage=kitty, SixelImage=type("Sixel", (Pixels,), {}))
    package = ModuleType("textual_image")
    package.renderable = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "textual_image", package)
    monkeypatch.setitem(sys.modules, "textual_image.renderable", module)
    monkeypatch.setattr(pixels, "_may_ask", lambda: True)
    pixels._protocol.cache_clear()
    yield module
    pixels._protocol.cache_clear()


def test_a_terminal_with_pixels_shows_them(library: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    panel = RunPanel(course(), conditional=False)
    panel.show(snapshot(tmp_path, GREY, conditional=False))
    assert "columns of pixels>" in "".join(lines_of(panel, console(80)))
    assert pixels.protocol(console(80, no_color=True)) is None
    library.Image = library.SixelImage  # which would be sent again with each refresh
    pixels._protocol.cache_clear()
    panel.show(snapshot(tmp_path, GREY, conditional=False))
    assert "▀" in "".join(lines_of(panel, console(80)))
    target = console(80)
    monkeypatch.setattr(output, "new_console", lambda *, stderr: target)
    output.draw(SimpleNamespace(picture=lambda: Image.new("RGB", (500, 300))))  # type: ignore[arg-type]
    assert target.file.getvalue() == "<50 columns of pixels>\n"  # type: ignore[attr-defined]


def test_a_terminal_is_not_asked_where_the_answer_would_go_astray(library: Any, monkeypatch) -> None:
    assert pixels.protocol(console(80)) == "kitty"
    assert pixels.protocol(console(80, force_terminal=False)) is None
    monkeypatch.undo()
    assert not pixels._may_ask()  # pytest's own input is no terminal
    pixels._protocol.cache_clear()
    monkeypatch.setitem(sys.modules, "textual_image", None)
    assert pixels._protocol() is None
