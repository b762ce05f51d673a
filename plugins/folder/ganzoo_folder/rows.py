"""What is made of the files of a sample: read, digested, looked at and decoded, in one go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ganzoo_folder.decode import Decoded, Look, Target, decode, look
from ganzoo_folder.stamps import read_content


class Read(NamedTuple):
    """What was made of a file: the digest of its content, a look at it where asked for, and its pixels or why not."""

    digest: str
    seen: Look | None
    made: Decoded | str


def read_row(row: Sequence[str], root: Path, targets: Sequence[Target], measure: bool | None) -> list[Read]:
    """What is made of the files of a sample, each of which is read once, also for two halves of one.

    They are looked at, unless `measure` is None; whether their values are measured too is what it says.
    """
    paths = {name: root / name for name in row}
    contents = {name: read_content(path) for name, path in paths.items()}
    return [_read(paths[name], *contents[name], target, measure) for name, target in zip(row, targets, strict=True)]


def _read(path: Path, digest: str, content: bytes | None, target: Target, measure: bool | None) -> Read:
    made = decode(path, target=target, content=content)
    if measure is None:
        return Read(digest, None, made)
    if isinstance(made, Decoded) and made.is_grey is not None:
        return Read(digest, Look(made.is_grey), made)
    return Read(digest, look(path, measure, content), made)
