"""Names that nobody expects, wherever they are shown or drawn."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner, Result
from matplotlib import ft2font
from matplotlib.text import Text
from PIL import Image
from rich.console import Console

from ganzoo_core import train
from ganzoo_core.cli import main
from ganzoo_core.cli.output import log_noted, note, print_path
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing import fonts
from ganzoo_core.drawing.loss_chart import loss_picture
from ganzoo_core.drawing.pictures import picture
from ganzoo_core.drawing.terminal import image_blocks
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.names import few, file_name, one_line, visible, visible_lines

HOSTILE = (
    "<script>alert(1)",
    "[red]",
    "$x^$",
    "two\nlines",
    "\x1b]0;title\x07",
    "_hidden",
    "-rf",
    "می‌خواهم",
    "猫 %s {0}",
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Žlutá  猫 می‌خواهم 👩‍🚀", "Žlutá  猫 می‌خواهم 👩‍🚀"),
        ("at 9\u202fam\u3000ok", "at 9\u202fam\u3000ok"),
        ("\x1b[31mred\x9b1m", "�[31mred�1m"),
        ("a\nb\r\tc\u2028d", "a�b��c�d"),
        ("txt\u202egnp.exe", "txt�gnp.exe"),
        ("caf\udce9", "caf�"),
    ],
)
def test_what_steers_a_terminal_is_made_visible_and_all_else_stays(text, shown):
    assert visible(text) == shown
    assert visible(Path(text)) == shown


def test_one_line():
    assert one_line("  a \n\t b\x1b  c\u2029d ") == "a b�  c d"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cgan-digits", "cgan-digits"),
        ("folder:my photos", "folder-my-photos"),
        ("../../etc", "etc"),
        (".hidden.", "hidden"),
        ("x" * 99, "x" * 60),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("\udc80", "none"),
        ("", "none"),
    ],
)
def test_file_name(text: str, name: str):
    assert file_name(text, "none") == name


def test_few():
    assert few("abc") == "a, b, c"
    assert few(iter("abcd")) == "a, b, c, ..."


def test_messages_keep_their_lines_and_nothing_else(capsys):
    note("\na \x1b[31mb\nc")
    assert capsys.readouterr().err == "\na �[31mb\nc\n"


def test_a_path_is_printed_raw_for_programs_and_harmless_on_a_terminal(capfdbinary, monkeypatch):
    path = Path(os.fsdecode(b"caf\xe9\x1b[31m"))
    print_path(path)
    assert capfdbinary.readouterr().out == b"caf\xe9\x1b[31m\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_path(path)
    assert capfdbinary.readouterr().out == "caf��[31m\n".encode()


def test_what_is_logged_is_shown_for_the_time_of_a_command(capsys):
    logger = logging.getLogger("ganzoo")
    before = logger.handlers[:], logger.level
    with log_noted():
        logger.info("%s: slow\n[red]\x1b[31m", "x")
    assert (logger.handlers, logger.level) == before
    assert capsys.readouterr().err == "x: slow [red]�[31m\n"


def ganzoo(*args: str) -> Result:
    return CliRunner().invoke(main, list(args))


def test_wrong_usage_quotes_harmlessly():
    for typed in (["list", "\x1b[31m\nfile"], ["\x1b[31m"]):
        result = ganzoo(*typed)
        assert result.exit_code == 2 and "�[31m" in result.stderr and "\x1b" not in result.stderr


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hostile name, and a class folder for each."""
    root = tmp_path_factory.mktemp("names") / "[red]\x1b[31m $x^$\nphotos"
    for name in HOSTILE:
        (root / name).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (4, 4), 40 * i).save(root / name / f"{name}{i}.png")
    (root / "[red]" / "\x1b[31mbad\n.png").touch()
    return root


def test_a_run_on_hostile_names_shows_and_draws_them(images, in_tmp, monkeypatch):
    for module in ("ganzoo_core.cli.run", "ganzoo_core.cli.sample", "ganzoo_tools.cli.explore"):
        monkeypatch.setattr(f"{module}.on_terminal", lambda: True)
    out = in_tmp / "[bold]out\x1b[31m $\ndir"
    data = ["--data", f"folder:{images}", "--set", "image_size=4"]
    result = ganzoo("run", "toy-conditional", *data, "--steps", "1", "--batch-size", "2", "--out", str(out))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{out}\n"
    assert "\x1b" not in result.stderr
    assert "skipped 1 of 19 images that can't be read: '[red]/\\x1b[31mbad\\n.png' (it is empty)" in result.stderr
    assert "folder:[red]�[31m $x^$ photos (1x4x4, 9 classes)" in result.stderr
    assert "[bold]out�[31m $�dir" in result.stderr
    info = json.loads((out / "run.json").read_text())
    assert info["data_left_out"] == {"[red]/\x1b[31mbad\n.png": "it is empty"}
    assert info["data"]["classes"] == sorted(HOSTILE)
    for command in (["sample"], ["sample", "--label", "-rf"], ["explore", "--labels"]):
        result = ganzoo(command[0], str(out), *command[1:], "-o", "x.png")
        assert (result.exit_code, result.stdout) == (0, "x.png\n"), result.stderr
        assert "\x1b" not in result.stderr
    unknown = ganzoo("sample", str(out), "--label", "\x1b[31m").stderr
    assert unknown.startswith(
        "Error: there is no label called '\\x1b[31m'; known: �]0;title�, $x^$, -rf, <script>alert(1)"
    )
    assert "\x1b" not in unknown and unknown.count("\n") == 1


@pytest.fixture
def lettered(monkeypatch) -> list[str]:
    """What matplotlib is given to write, formulas aside."""
    written: list[str] = []
    draw = Text.draw

    def keep(self, renderer):
        if self.get_text() and not self.get_parse_math():
            written.append(self.get_text())
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", keep)
    return written


def test_legends_hold_class_names_as_they_are(lettered):
    spec = DataSpec("dots", (2,), HOSTILE[:-1], "points")
    picture(torch.zeros(8, 2), spec, torch.arange(8), title="$x^$ \x1b")
    assert lettered[0] == "$x^$ �"
    assert lettered[1:7] == ["<script>alert(1)", "[red]", "$x^$", "two lines", "�]0;title�", "_hidden"]


def test_the_loss_picture_holds_players_names_as_they_are(tmp_path, lettered):
    loss_picture([{"step": 1, "$x^$/a": 1.0, "_q/b": 2.0}], tmp_path / "loss.png")
    assert lettered == ["$x^$", "_q"]


def test_a_terminal_picture_holds_class_names_on_one_line():
    spec = DataSpec("rows", (1, 2, 2), HOSTILE)
    console = Console(width=60, markup=False, force_terminal=False)
    with console.capture() as capture:
        console.print(image_blocks(torch.zeros(9, 1, 2, 2), spec, torch.arange(9), 60))
    lines = capture.get().splitlines()
    assert len(lines) == 9 and "\x1b" not in capture.get()
    assert [line.split("▒")[0].strip() for line in lines[1:4]] == ["[red]", "$x^$", "two lines"]


def test_a_font_of_one_size_is_passed_over(monkeypatch):
    """Fonts of colour emoji can't be drawn at ours."""
    real = ft2font.FT2Font
    bitmap = SimpleNamespace(scalable=False, get_char_index=lambda c: 1)
    monkeypatch.setattr(ft2font, "FT2Font", lambda file: real(file) if "DejaVu" in file else bitmap)
    fonts.font_file.cache_clear()
    assert fonts.drawable("\N{GRINNING FACE}\N{ROCKET}", "class 0")[0] == "class 0"
    fonts.font_file.cache_clear()


def test_a_run_is_named_after_any_data(in_tmp):
    folders = [
        RunFolder.create(None, f"toy-folder:{name}").path for name in ("..", "[red]", "猫" * 85, "a/b\n\x1b", "")
    ]
    names = ["toy-folder", "toy-folder-red", f"toy-folder-{'猫' * 49}", "toy-folder-a-b", "toy-folder"]
    assert [str(f) for f in folders] == [f"runs/{name}-{2 if i == 4 else 1}" for i, name in enumerate(names)]


def test_run_json_keeps_paths_of_any_bytes(in_tmp):
    folder = RunFolder.create(Path("x"), "")
    metadata = RunFolder.open(train("toy", data="ring8", steps=1, device="cpu", out="whole").folder).metadata()
    metadata = replace(metadata, settings=metadata.settings | {"data": "folder:/caf\udce9/猫"})
    folder.write_metadata(metadata)
    assert folder.metadata() == metadata
    assert "猫" in (folder.path / "run.json").read_text(encoding="utf-8")


def test_visible_text_keeps_its_line_breaks() -> None:
    assert visible_lines("a\n\x1b[1mb\t\r\n") == "a\n\ufffd[1mb\ufffd\ufffd\n"
