"""What a folder of images holds: its splits, its classes, its images, and what is left out and why."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import NamedTuple

from ganzoo_core.dataspec import Split
from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.formats import extensions, why_not_by_name
from ganzoo_folder.stamps import Stamp

_log = logging.getLogger("ganzoo")

_SPLITS = {
    "train": "train", "training": "train", "test": "test", "testing": "test", "val": "val", "valid": "val",
    "validation": "val",
}  # fmt: skip
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


class Listing(NamedTuple):
    """What a folder holds, or its part `split`; no classes where the images lie in it directly. `left_out`: why, by
    name."""

    root: Path
    split: str
    classes: tuple[str, ...]
    images: list[ImageFile]
    left_out: dict[str, str]


class _Found(NamedTuple):
    """What lies right in a folder, sorted by name, nothing hidden."""

    folders: list[Path]
    images: list[os.DirEntry[str]]
    links: list[str]  # these three are left out, and named as seen from the root
    others: list[str]
    made_by_systems: list[str]


def listed(path: Path, split: Split = "train") -> Listing:
    """The images of a folder, or of its part of that name. Raises `OSError`, and `DataError` for an unfit folder."""
    root = Path(os.path.realpath(path))
    top = _scan(root, root)
    splits = _splits(path, top)
    _check_names(root.name)
    if split == "train":
        return _listed(path, root, splits.get("train", root), [top] if splits else [], split if splits else "")
    home = splits.get("test", splits.get("val"))
    if home is None:
        raise DataError(
            f"folder has no held-out part: its only split is 'train', but 'test' was asked for; use 'train', or put "
            f"the pictures of {path} into folders called train and test"
        )
    train, test = (_listed(path, root, folder, [], split) for folder in (splits["train"], home))
    _check_same_classes(path, train, test)
    new = [train.classes.index(name) for name in test.classes]
    images = [image._replace(label=new[image.label] if new else 0) for image in test.images]
    return test._replace(classes=train.classes, images=images)


def _splits(path: Path, top: _Found) -> dict[str, Path]:
    """The folders of a folder by split, where all of them are called like one and one is for training."""
    if top.images or not all(folder.name.lower() in _SPLITS for folder in top.folders):
        return {}
    found: dict[str, Path] = {}
    for folder in top.folders:
        name = _SPLITS[folder.name.lower()]
        if name in found:
            raise DataError(
                f"{path} holds {found[name].name!r} and {folder.name!r}, which are the same split; keep one"
            )
        found[name] = folder
    return found if "train" in found else {}


def _listed(path: Path, root: Path, home: Path, above: list[_Found], split: str) -> Listing:
    """The images in `home`, which is the root or a split of it."""
    here = _scan(home, root)
    folders = {folder.name: folder for folder in sorted(here.folders, key=lambda folder: natural(folder.name))}
    inside = {name: _scan(folder, root) for name, folder in folders.items()}
    _check_layout(path if home == root else path / home.name, here, inside)
    _check_names(*inside)
    left_out = _left_out([*above, here, *inside.values()])
    if here.images:
        return Listing(root, split, (), [_image(entry, root, 0) for entry in here.images], left_out)
    images = [_image(e, root, label) for label, found in enumerate(inside.values()) for e in found.images]
    return Listing(root, split, tuple(inside), images, left_out)


def natural(name: str) -> tuple[list[str | int], str]:
    """What to sort names by so that 2 comes before 10: texts and numbers in turn, and then the name itself."""
    return [int(part) if k % 2 else part for k, part in enumerate(re.split(r"(\d+)", name))], name


_REASONS = {
    "links": "it is a link out of the folder, in a circle or to nothing",
    "others": "its name ends as no image's does",
    "made_by_systems": "a system made it, no person",
}


def _left_out(found: list[_Found]) -> dict[str, str]:
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


def _scan(folder: Path, root: Path) -> _Found:
    known = extensions()
    found = _Found([], [], [], [], [])
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


def _image(entry: os.DirEntry[str], root: Path, label: int) -> ImageFile:
    # Not the entry's own, which has no inode on Windows.
    return ImageFile(_below(root, entry), label, Stamp.of(os.stat(entry.path)))


def _check_names(*names: str) -> None:
    """Raise `DataError` for bytes that are no text: weights carry these names as UTF-8."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"the folder name {name!r} is not valid UTF-8; rename the folder") from error


def _check_layout(path: Path, here: _Found, inside: dict[str, _Found]) -> None:
    """Raise `DataError` unless there are images right here, or else in every subfolder."""
    if here.images:
        if full := [name for name, found in inside.items() if found.images]:
            raise DataError(
                f"{path} holds images beside folders of images ({few(map(repr, full))}); keep one or the other"
            )
        return
    if not inside:
        raise DataError(
            f"{path} holds no images{_hint(here)}; files ending in {' '.join(sorted(extensions()))} are read"
        )
    for name, found in inside.items():
        if found.folders:
            raise DataError(
                f"the class folder {name!r} in {path} holds folders ({few(repr(f.name) for f in found.folders)}), "
                f"but must hold images alone; name the folder right above the classes"
            )
        if not found.images:
            raise DataError(f"the class folder {name!r} in {path} holds no images{_hint(found)}; fill it, or remove it")


def _hint(found: _Found) -> str:
    """The first file of a kind that might have been meant, and what to do."""
    return next((f" but {name!r}: {reason}" for name in found.others if (reason := why_not_by_name(name))), "")


def _check_same_classes(path: Path, train: Listing, test: Listing) -> None:
    if bool(train.classes) != bool(test.classes):
        raise DataError(f"of the splits of {path} one holds class folders and the other images; make them alike")
    if unknown := [name for name in test.classes if name not in train.classes]:
        raise DataError(
            f"the held-out part of {path} has classes that the training part lacks ({few(map(repr, unknown))}); "
            f"remove them, or add them to both"
        )
