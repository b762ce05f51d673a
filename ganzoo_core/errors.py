"""What can go wrong, as sentences a user can act on."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable

_NO_MEMORY = ("out of memory", "DefaultCPUAllocator", "can't allocate memory", "bad_alloc", "bad allocation")


def shorten(text: object, length: int = 300) -> str:
    """Text from a stranger's file or code, cut to a length that suits an error message."""
    words = str(text)
    return words if len(words) <= length else words[:length] + "..."


def out_of_memory(error: BaseException) -> str | None:
    """What Python, numpy or torch says where there is no memory left, in short; None for any other error."""
    text = str(error)
    told = isinstance(error, RuntimeError) and any(words in text for words in _NO_MEMORY)
    if not (told or isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)):
        return None
    asked = re.search(r"allocate (\d[\d.]*) (\w+)", text)
    if asked is None:
        return "out of memory"
    number, unit = (float(asked[1]) / 2**30, "GiB") if asked[2] == "bytes" else (float(asked[1]), asked[2])
    return f"out of memory: {number:,.1f} {unit} more were asked for"


class GanzooError(Exception):
    """An error the user can fix: its text is one clear sentence, shown without a traceback."""


class UnknownNameError(GanzooError):
    """A name that is not registered; the text lists the near ones."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        near = near or [other for other in known if name in re.split("[-_]", other)]  # lr: generator_lr
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known) or 'none'}"
        super().__init__(f"there is no {what} called {shorten(repr(name))}; {hint}")


class MissingPluginError(UnknownNameError):
    """A name from a known package that is not installed."""

    def __init__(self, what: str, name: str, package: str) -> None:
        GanzooError.__init__(self, f"the {what} {name!r} comes with a package of its own: pip install {package}")


class SettingError(GanzooError):
    """A setting whose value breaks its rule."""


class PluginError(GanzooError):
    """A plugin that can't be used, or two that claim the same name."""


class ContractError(PluginError):
    """A part of a variant that breaks a rule of the conformance suite."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{text} (the rule {rule} of `ganzoo check`)")


class DataError(GanzooError):
    """A data set that is unavailable, or that a variant can't use."""


class FileError(GanzooError):
    """A file or folder that can't be read, written, or trusted."""


class TrainingError(GanzooError):
    """A run that cannot continue, such as one whose loss is no longer finite."""


class NotFiniteError(TrainingError):
    """A NaN or an infinity: `what` says which value holds it, `step` when it was found."""

    def __init__(self, what: str, step: int) -> None:
        self.what, self.step = what, step
        super().__init__(
            f"{what}; the last good checkpoint is kept. "
            f"Try a lower --set generator_lr=... or discriminator_lr=..., another --seed, or --precision fp32"
        )


class Interrupted(GanzooError):
    """A run that a signal ended after saving; the text says how to resume it."""
