"""What lies in a folder: images, folders, and what is left out of it and why."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import NamedTuple

from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.formats import extensions, why_not_by_name
from ganzoo_folder.stamps import Stamp

_log = logging.getLogger("ganzoo")

# What no person made: unpackers, network disks, bins, viewers. Others of their kind begin with a dot.
_MADE_BY_SYSTEMS = {
    "__macosx", "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "$recycle.bin", "recycler",
    "system volume information", "lost+found", "found.000", "network trash folder", "temporary items", "__pycache__",
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r",
}  # fmt: skip


class ImageFile(NamedTuple):
    """A file by its name below the folder, its label, and what tells that it has changed."""

    name: str
    label: int
    stamp: Stamp


class Found(NamedTuple):
    """What lies right in a folder, sorted by name, nothing hidden."""

    folders: list[Path]
    images: list[os.DirEntry[str]]
    links: list[str]  # these three are left out, and named as seen from the root
    others: list[str]
    made_by_systems: list[str]


def natural(name: str) -> tuple[list[str | int], str]:
    """What to sort names by so that 2 comes before 10: texts and numbers in turn, and then the name itself."""
    return [int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", name))], name


_REASONS = {
    "links": "it is a link out of the folder, in a circle or to nothing",
    "others": "its name ends as no image's does",
    "made_by_systems": "a system made it, no person",
}


def left_out(found: list[Found]) -> dict[str, str]:
    """Why each file is left out that is neither a folder nor an image, by name."""
    reasons = {name: why for kind, why in _REASONS.items() for part in found for name in getattr(part, kind)}
    unread = {name: reason for part in found for name in part.others if (reason := why_not_by_name(name))}
    return reasons | unread


def report(path: Path, left_out: dict[str, str]) -> None:
    """A line for each kind of thing that is left out, with the count and the first names."""
    lines = {
        "links": (logging.WARNING, "links out of it, in a circle or to nothing"),
        "others": (logging.INFO, "names that don't end as images' do"),
        "made_by_systems": (logging.INFO, "made by a system and not by a person"),
    }
    for kind, (level, words) in lines.items():
        names = [name for name, why in left_out.items() if why == _REASONS[kind]]
        if names:
            _log.log(level, "%s: %d left out as %s: %s", visible(path), len(names), words, few(map(repr, names)))
    unread = {name: why for name, why in left_out.items() if why not in _REASONS.values()}
    for reason in dict.fromkeys(unread.values()):
        names = [name for name, why in unread.items() if why == reason]
        _log.warning("%s: %d left out: %s (%s)", visible(path), len(names), few(map(repr, names)), reason)


def scan(folder: Path, root: Path) -> Found:
    """What lies right in `folder`, which is in `root`. Raises `OSError`."""
    known = extensions()
    found = Found([], [], [], [], [])
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.name.lower() in _MADE_BY_SYSTEMS:
                found.made_by_systems.append(_below(root, entry))
            elif entry.is_symlink() and not _leads_inside(entry, root):
                found.links.append(_below(root, entry))
            elif entry.is_dir():
                found.folders.append(Path(entry.path))
            elif entry.is_file():
                if os.path.splitext(entry.name)[1].lower() in known:
                    found.images.append(entry)
                else:
                    found.others.append(_below(root, entry))
    return found


def _below(root: Path, entry: os.DirEntry[str]) -> str:
    """The entry's path as seen from the root, found faster than by `os.path.relpath`."""
    return entry.path[len(os.path.join(root, "")) :]


def _leads_inside(link: os.DirEntry[str], root: Path) -> bool:
    """Whether a link leads to something in `root` other than a folder that it lies in itself."""
    target = Path(os.path.realpath(link.path))
    return target.is_relative_to(root) and target.exists() and not Path(link.path).parent.is_relative_to(target)


def image_file(entry: os.DirEntry[str], root: Path, label: int) -> ImageFile:
    """The image with its stamp. Raises `OSError`."""
    # Not the entry's own, which has no inode on Windows.
    return ImageFile(_below(root, entry), label, Stamp.of(os.stat(entry.path)))


def check_names(*names: str) -> None:
    """Raise `DataError` for bytes that are no text: weights carry these names as UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"the folder name {name!r} is not valid UTF-8; rename the folder") from error
