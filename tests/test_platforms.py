"""What holds on Windows and macOS too, tried on Linux under their rules: docs/platforms.md."""

from __future__ import annotations

import ast
import errno
import mmap
import os
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from windows_rules import can_be, in_use, windows_rules, wrong_names

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.launch import _sentence
from ganzoo_core.errors import FileError
from ganzoo_core.sampling.sample_files import class_folders
from ganzoo_core.storage import files, names, tensor_files
from ganzoo_core.training.stop_signal import StopSignal
from ganzoo_tools.comparison.race import default_folder

__all__ = ["windows_rules"]  # a fixture
ROOT = Path(__file__).parent.parent
STRANGE = ["CON", "nul", "aux.png", "Com1.tar.gz", "lpt¹", "a.", "a ", "..", "a" * 59 + ".x", "猫" * 200,
           'a:b?*<>|"\\c', "ok", "OK", "é", unicodedata.normalize("NFD", "é"), ".hidden", ""]  # fmt: skip


def test_the_rules_are_held_up(windows_rules: None, tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"a")
    other.write_bytes(b"b")
    with path.open("rb") as file:
        for refused in (path.unlink, lambda: other.replace(path), lambda: path.rename(tmp_path / "c")):
            with pytest.raises(PermissionError, match="in use"):
                refused()
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    with pytest.raises(PermissionError, match="in use"):
        path.unlink()
    pages.close()
    other.replace(path)
    with pytest.raises(OSError, match="can't be"):
        path.rename(tmp_path / "aux.txt")
    with pytest.raises(PermissionError, match="a folder"):
        os.open(tmp_path, os.O_RDONLY)
    assert [name for name in STRANGE if can_be(name)] == ["a" * 59 + ".x", "ok", "OK", "é", "e\u0301", ".hidden"]


def run(*arguments: str) -> None:
    result = CliRunner().invoke(main, [*arguments])
    assert result.exit_code == 0, result.output


def test_a_run_from_start_to_end(windows_rules: None, in_tmp: Path) -> None:
    """Its weights are replaced while others have read them, and its data lies in a cache that is mapped."""
    for name in ("aux", "b.", "C", "c "):
        folder = in_tmp / "pictures" / name
        folder.mkdir(parents=True)
        for i in range(8):
            Image.new("L", (8, 8), 30 * i).save(folder / f"{i}.png")
    settings = {"image_size": 8, "batch_size": 8, "checkpoint_every_s": 0, "keep": 1, "device": "cpu"}
    done = ganzoo.train("toy-conditional", data="folder:pictures", steps=4, out="made/run", **settings)
    generator = done.generator()
    run("run", "--resume", "made/run", "--steps", "8")
    run("report", "made/run")
    for output in ("s.png", "s.npz", "images/", "snapshots.gif"):
        run("sample", "made/run", "-o", f"made/{output}")
    run("explore", "made/run", "-o", "made/walk.png")
    run("new", "aux", "-o", "made/package")
    assert len(generator.sample(1)) == 1
    assert wrong_names(in_tmp / "made") == []
    assert sorted(name[2:] for name in os.listdir("made/images")) == ["C", "b", "c", "class-aux"]  # 0- to 3- before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_was_read_of_a_file_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensor_files.save(path, "checkpoint", {"step": 1}, {"a": torch.arange(9.0)})
    with tensor_files.opened(path, "checkpoint") as file:
        tensors = file.tensors()
        assert in_use(path) == [str(path)], "it is mapped while it is read"
    assert in_use(path) == [] and tensors["a"].sum() == 36


def test_names_that_we_make_can_be_everywhere() -> None:
    made = [names.file_name(name, "class") for name in STRANGE]
    assert [name for name in made if not can_be(name)] == []
    assert made[:5] == ["class-CON", "class-nul", "class-aux.png", "class-Com1.tar.gz", "class-lpt¹"]
    folders = class_folders(DataSpec("named", (1, 4, 4), tuple(dict.fromkeys(STRANGE))))
    assert len({name.casefold() for name in folders}) == len(folders) == len(STRANGE)
    assert [name for name in folders if not can_be(name)] == []
    races = [default_folder(f"folder:/{'x' * 300}/{end}", 2).name for end in ("cats", "dogs")]
    assert races[0] != races[1] and all(map(can_be, races)) and races[0].endswith("x-cats-2min")


def test_a_command_to_copy_is_quoted_for_its_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [names.shell_word(word) for word in ("runs/a", "a b", "it's", "x\x1b")] == [
        "runs/a", "'a b'", "'it'\"'\"'s'", "'x\N{REPLACEMENT CHARACTER}'",
    ]  # fmt: skip
    monkeypatch.setattr(names, "sys", SimpleNamespace(platform="win32"))
    assert [names.shell_word(word) for word in (r"C:\runs\a-1", r"C:\my runs", "it's", "a&b")] == [
        r"C:\runs\a-1", r'"C:\my runs"', '"it\'s"', '"a&b"',
    ]  # fmt: skip


@pytest.mark.parametrize("waits", [True, False])
def test_a_reader_is_waited_for_where_it_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    replace, refusals = os.replace, [None, None]

    def refuse_twice(source: Path, target: Path) -> None:
        if refusals:
            refusals.pop()
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_twice)
    monkeypatch.setattr(files, "_READERS_S", 60.0 if waits else 0.0)
    if waits:
        files.write_atomically(tmp_path / "a", b"new")
        assert (tmp_path / "a").read_bytes() == b"new"
    else:
        with pytest.raises(FileError, match="could not write .*a: The process cannot access the file; check"):
            files.write_atomically(tmp_path / "a", b"new")
    assert len(os.listdir(tmp_path)) == waits


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs a signal to stand for it")
def test_ctrl_break_ends_a_run_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR1, raising=False)
    stop = StopSignal(SimpleNamespace(size=1, max_of_last=lambda what, number: number))
    with stop.caught():
        signal.raise_signal(signal.SIGUSR1)
    assert stop.is_set() and stop.signal == signal.SIGUSR1


def test_how_a_process_of_windows_ended() -> None:
    """Its code for memory that is not the process's own is negative, and no signal's."""
    ended = SimpleNamespace(message="", exitcode=-1073741819)
    assert _sentence({1: ended}, 2, "run").startswith("process 1 of 2 ended with exit code -1073741819, so the others")


@pytest.mark.slow
def test_processes_without_libuv(in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    """As PyTorch is built for Windows: the launcher keeps its place of meeting in a file."""
    program = (
        "import sys, types; from ganzoo_core.distributed import launch; from ganzoo_core.cli import main\n"
        "launch.sys = types.SimpleNamespace(platform='win32', executable=sys.executable, exit=sys.exit)\nmain()"
    )
    arguments = ["run", "vanilla", "--data", "ring8", "--steps", "5", "--processes", "2", "--out", "run"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], env=subprocess_env | {"USE_LIBUV": "0"})
    assert done.returncode == 0 and ganzoo.load("run").step == 5


def _shipped() -> list[Path]:
    found = [path for room in ("ganzoo_core", "plugins", "examples") for path in (ROOT / room).rglob("*.py")]
    return [path for path in found if "tests" not in path.parts]


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    """Windows has one of its own for where none is named."""
    unnamed = []
    for path in _shipped():
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and _is_text(call) and "encoding" not in {k.arg for k in call.keywords}:
                unnamed.append(f"{path.relative_to(ROOT)}:{call.lineno}")
    assert len(_shipped()) > 100 and unnamed == []


def _is_text(call: ast.Call) -> bool:
    """Whether a call reads or writes text, of a file or of another process."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("run", "Popen", "check_output"):
        return any(keyword.arg in ("text", "universal_newlines", "errors") for keyword in call.keywords)
    if name in ("read_text", "write_text", "reconfigure"):
        return name != "reconfigure"
    words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return name == "open" and isinstance(call.func, ast.Name) and not any("b" in word for word in words[:2])
