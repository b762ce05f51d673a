"""A command that a message advises can be copied to a shell as it is, whatever the folder is called."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ganzoo_core.errors import FileError
from ganzoo_core.sampling.generator_file import load
from ganzoo_core.storage.names import shell_word

ROOT = Path(__file__).parents[2]
SOURCES = [p for top in ("ganzoo_core", "plugins") for p in (ROOT / top).rglob("*.py") if "tests" not in p.parts]
# Pieces of a command after which a value follows: "ganzoo run --resume {", "pip install -e {".
COMMAND = re.compile(r"(?:^|[^`\w-])(?:ganzoo [a-z]+|pip install)(?: [-\w./]+)* $")
QUOTED = ("shell_word", "_as_path")


def unquoted(source: str) -> list[str]:
    """The values that the f-strings of a file put into a command without quoting them for a shell."""
    found = []
    for text in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr)):
        for before, value in zip(text.values, text.values[1:], strict=False):
            if isinstance(before, ast.Constant) and isinstance(value, ast.FormattedValue):
                quoted = isinstance(value.value, ast.Call) and ast.unparse(value.value.func) in QUOTED
                if COMMAND.search(str(before.value)) and not quoted:
                    found.append(ast.unparse(value.value))
    return found


def test_hints_quote_what_they_name() -> None:
    places = {path.relative_to(ROOT).as_posix(): unquoted(path.read_text(encoding="utf-8")) for path in SOURCES}
    allowed = {
        "folder",
        "names.variant",
        "package",
        "MOVED[name]",
        "FORMAT_VERSION",
        "hookspecs.WATCHER",
        "' and '.join(missing)",
    }
    assert {file: left for file, names in places.items() if (left := [n for n in names if n not in allowed])} == {}


def test_the_look_for_them_finds_one() -> None:
    assert unquoted('f"go on with: ganzoo run --resume {path}"') == ["path"]
    assert unquoted('f"go on with: ganzoo run --resume {shell_word(path)}"') == []


def test_a_refusal_quotes_the_folder(in_tmp: Path) -> None:
    folder = in_tmp / "a b"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    with pytest.raises(FileError, match=r"train it: ganzoo run --resume '/.*/a b'$"):
        load(folder)


def test_what_would_steer_a_terminal_is_not_shown() -> None:
    assert shell_word("plain-1") == "plain-1"
    assert shell_word("it's\x1b[31m") == "'it'\"'\"'s�[31m'"
