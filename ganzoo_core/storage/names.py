"""Names from files and from strangers, made safe for display and for file names. Needs nothing."""

from __future__ import annotations

import re
import shlex
import sys
import unicodedata
from collections.abc import Iterable

# Words of Persian and of many Indian scripts need these two, which are otherwise invisible.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
_LONGEST_NAME = 60  # in characters, of four bytes each at most; file systems allow names of 255 bytes
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])([.].*)?", re.IGNORECASE)  # of Windows
_BREAKS = re.compile(r"\s*[\t-\r\x1c-\x1e\x85\u2028\u2029]\s*")


def visible(value: object) -> str:
    """The text of a path or a name, every character that would steer a terminal (a newline too) replaced by U+FFFD."""
    text = str(value)
    if text.isprintable():  # a page of two million characters is
        return text
    return "".join(c if _is_harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def shell_word(value: object) -> str:
    """A path or a name as a command to copy has it: quoted for a shell where that is needed, and `visible`.

    For Windows in quotes that its command line and PowerShell both know; no file name holds one there.
    """
    text = str(value)
    if sys.platform != "win32":
        return visible(shlex.quote(text))
    return visible(text if re.fullmatch(r"[\w.:/\\=+,-]+", text) else f'"{text}"')


def visible_lines(text: str) -> str:
    """`visible` for a message or a page, whose line breaks stay."""
    return "\n".join(map(visible, text.split("\n")))


def one_line(value: object) -> str:
    """`visible` for prose: a line break or tab and the spaces around it become one space; none stand at the ends."""
    return visible(_BREAKS.sub(" ", str(value)).strip())


def file_name(text: str, instead: str) -> str:
    """A name fit for a file or folder on any system, neither hidden nor a path.

    `instead` where nothing fit is left of the text; it stands before a name that means a device on Windows.
    """
    composed = unicodedata.normalize("NFC", text)  # as which file systems compare names
    name = re.sub(r"[^\w.-]+", "-", composed).strip("-.")[:_LONGEST_NAME].rstrip("-.")
    return f"{instead}-{name}" if _DEVICES.fullmatch(name) else name or instead


def few(items: Iterable[str]) -> str:
    """The first three of some texts."""
    listed = list(items)
    shown = ", ".join(listed[:3])
    return f"{shown}, ..." if len(listed) > 3 else shown


def _is_harmless(character: str) -> bool:
    # Of the spaces Python calls only one printable, but file names hold others, such as a screenshot's narrow one.
    return character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs"
