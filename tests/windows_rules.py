"""Some rules of Windows, held up on Linux: what is open or mapped can't be replaced, renamed or deleted; names that
can't be; and a folder can't be opened. What `os` and `signal` lack there is what mypy knows (test_style.py).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_RESERVED = r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])"  # also before a dot
_FILELOCKS = r"\.filelock-probe-.*|.+\.lock"  # of the library filelock, which does it another way there
_MOST_BYTES = 255


def can_be(name: str) -> bool:
    """Whether Windows, macOS and Linux all can have a file or a folder of that name."""
    return (
        re.search(r'[\x00-\x1f<>:"/\\|?*]', name) is None
        and re.fullmatch(_RESERVED, name.split(".")[0].rstrip()) is None
        and not name.endswith((".", " "))
        and 0 < len(name.encode()) <= _MOST_BYTES
    )


def wrong_names(folder: Path) -> list[str]:
    """What below a folder could not be there on Windows or macOS, or would be one there with something else."""
    wrong = []
    for place, folders, files in os.walk(folder):
        names = folders + files
        wrong += [os.path.join(place, name) for name in names if not can_be(name)]
        wrong += [
            os.path.join(place, name) for name in names if [n.casefold() for n in names].count(name.casefold()) > 1
        ]
    return wrong


def in_use(path: Path | str) -> list[str]:
    """The files at or below a path that this process has open or mapped."""
    held = {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    held |= {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    whole = os.path.realpath(path)
    return sorted(name for name in held if name == whole or name.startswith(whole + os.sep))


def enforce(patch: pytest.MonkeyPatch) -> None:
    """Hold up the rules in this process, until the patch is undone."""
    for name in ("replace", "rename", "unlink", "remove", "rmdir"):
        patch.setattr(os, name, _refusing(getattr(os, name)))
    patch.setattr(shutil, "_use_fd_functions", False)
    opened = os.open

    def open_file(path: Any, *args: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "a folder can't be opened", path)
        return opened(path, *args, **options)

    patch.setattr(os, "open", open_file)
    renamed = os.rename

    def rename(source: Any, target: Any, **options: Any) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "there is something of that name", target)
        renamed(source, target, **options)

    patch.setattr(os, "rename", rename)


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*paths: Any, **options: Any) -> Any:
        for path in map(os.fsdecode, paths):
            name = os.path.basename(path)
            if not re.fullmatch(_FILELOCKS, name) and (held := in_use(path)):
                raise PermissionError(errno.EACCES, f"in use: {held}", path)
            if not can_be(name):
                raise OSError(errno.EINVAL, "a name that can't be", path)
        return function(*paths, **options)

    return refuse


@pytest.fixture
def windows_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The rules for one test."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    with monkeypatch.context() as patch:
        enforce(patch)
        yield
