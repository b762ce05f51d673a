"""How much memory a run may still take: of the card, of the machine, of the container, of this process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch

# What a control group may use, what it uses, and which of that the system gives up when asked: version 2, version 1.
_CGROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(device: torch.device, root: Path = Path("/")) -> int | None:
    """The bytes that this process can still have on a device; None where the system does not tell, as outside Linux."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    return min([*_of_machine(root), *_of_groups(root), *_of_process(root)], default=None)


def _of_machine(root: Path) -> Iterator[int]:
    with contextlib.suppress(OSError, KeyError, ValueError):
        fields = _fields(root / "proc/meminfo")
        yield 1024 * (fields["MemAvailable"] + fields["SwapFree"])


def _of_groups(root: Path) -> Iterator[int]:
    """What each control group that this process is in leaves it; a container sees its own as the root."""
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                home = root / "sys/fs/cgroup" / controllers
                inner = home / path.lstrip("/")
                for folder in (inner, *(parent for parent in inner.parents if parent.is_relative_to(home))):
                    yield from _of_group(folder)


def _of_group(folder: Path) -> Iterator[int]:
    for most, used, spare in _CGROUP_FILES:
        with contextlib.suppress(OSError, KeyError, ValueError):  # "max" is no number: no limit
            yield (
                int((folder / most).read_text(encoding="utf-8"))
                - int((folder / used).read_text(encoding="utf-8"))
                + _fields(folder / "memory.stat")[spare]
            )


def _of_process(root: Path) -> Iterator[int]:
    """What `ulimit -v` leaves."""
    with contextlib.suppress(OSError, KeyError, ValueError):
        limits = (root / "proc/self/limits").read_text(encoding="utf-8").splitlines()
        most = next(line.split()[3] for line in limits if line.startswith("Max address space"))
        yield int(most) - 1024 * _fields(root / "proc/self/status")["VmSize"]


def _fields(path: Path) -> dict[str, int]:
    """The lines `NAME: NUMBER` or `NAME NUMBER` of a file."""
    lines = (line.replace(":", " ").split() for line in path.read_text(encoding="utf-8").splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdecimal()}
