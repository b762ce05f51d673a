"""What an exception from a stranger's code says, and where it came from. Needs no torch."""

from __future__ import annotations

import dis
import traceback
from types import FrameType

from ganzoo_core.errors import GanzooError, shorten

Frame = tuple[FrameType, int]  # and the line


def frames(error: BaseException) -> list[Frame]:
    """The frames that an exception passed, the outermost first."""
    return list(traceback.walk_tb(error.__traceback__))


def module_of(frame: Frame) -> str:
    """The module of a frame's code."""
    return str(frame[0].f_globals.get("__name__"))


def place(frame: Frame) -> str:
    """A frame's file and line, and the function there."""
    code = frame[0].f_code
    return f"{code.co_filename}:{frame[1]}, {code.co_qualname}"


class Ended(KeyboardInterrupt):
    """A signal that ends the process, as Ctrl-C does: what is half done is cleared away on the way out."""


def stopped_by(error: BaseException | None) -> str | None:
    """The signal, or Ctrl-C, by which the user ended the program, also where clearing away failed on the way out."""
    while error is not None and not is_ctrl_c(error):
        error = error.__context__
    return None if error is None else str(error) if isinstance(error, Ended) else "Ctrl-C"


def is_ctrl_c(error: BaseException) -> bool:
    """Whether the user ended the program. Ctrl-C arrives between two statements; a `raise` is somebody's code."""
    if isinstance(error, Ended) or not isinstance(error, KeyboardInterrupt):
        return isinstance(error, Ended)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None:
        return True
    return last.tb_frame.f_code.co_code[last.tb_lasti] != dis.opmap["RAISE_VARARGS"]


def said(error: BaseException) -> str:
    """An exception as one line: our own sentences unchanged, others with their type."""
    if isinstance(error, SystemExit):
        return f"it ended the program (exit code {shorten(_text(error.code))})"
    text = _text(error)
    if not isinstance(error, GanzooError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return " ".join(shorten(text, 2000).split())


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - whatever a stranger's __str__ raises
        return f"it can't be printed: {type(error).__name__}"
