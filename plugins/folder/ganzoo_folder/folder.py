"""The user's own images: what a folder holds, and the data set that is made of it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.cache import ImageFile, Listing, cached
from ganzoo_folder.formats import extensions, why_not_by_name

if TYPE_CHECKING:
    from ganzoo_folder.options import FolderOptions

_log = logging.getLogger("ganzoo")


class _Found(NamedTuple):
    """What lies right in a folder, sorted by name, nothing hidden."""

    folders: list[Path]
    images: list[os.DirEntry[str]]
    links: list[str]  # these two are left out, and named as seen from the root
    others: list[str]


def load(path: Path, options: FolderOptions, data_dir: Path) -> Dataset:
    """The folder's images (N, C, H, W) uint8, mapped from the cache, copy on write; labels by subfolder.

    Raises `DataError` for a folder that can't be used, and for a bad image where on_bad_image is "stop".
    """
    try:
        listing, left_out = _list(path)
    except OSError as error:
        raise DataError(
            f"no folder can be read at {path} ({error.strerror}); folder:PATH takes a folder of images, "
            f"or of one subfolder per class"
        ) from error
    samples, bad, notes = cached(listing, options, data_dir)
    for note in notes:
        _log.warning("%s: %s", visible(path), note)
    if bad:
        total, named = len(listing.images), few(f"{name!r} ({reason})" for name, reason in bad.items())
        _log.warning("%s: skipped %d of %d images that can't be read: %s", visible(path), len(bad), total, named)
    labels = [image.label for image in listing.images if image.name not in bad]
    # The weights carry this name, and they carry no path.
    spec = DataSpec(f"folder:{listing.root.name}", tuple(samples.shape[1:]), listing.classes)
    return Dataset(
        spec, samples, torch.tensor(labels) if listing.classes else None, left_out=left_out | bad, notes=tuple(notes)
    )


def _list(path: Path) -> tuple[Listing, dict[str, str]]:
    """The images of a folder, and what is left out with the reason, by name."""
    root = Path(os.path.realpath(path))
    here = _scan(root, root)
    inside = {folder.name: _scan(folder, root) for folder in here.folders}
    _check_layout(path, here, inside)
    _check_names(root.name, *inside)
    left_out = _report(path, [here, *inside.values()])
    if here.images:
        return Listing(root, (), [_image(entry, root, 0) for entry in here.images]), left_out
    images = [_image(e, root, label) for label, found in enumerate(inside.values()) for e in found.images]
    return Listing(root, tuple(inside), images), left_out


def _report(path: Path, found: list[_Found]) -> dict[str, str]:
    links = [name for part in found for name in part.links]
    others = [name for part in found for name in part.others]
    if links:
        named = few(map(repr, links))
        _log.warning(
            "%s: %d left out as links out of it, in a circle or to nothing: %s", visible(path), len(links), named
        )
    unread = {name: reason for name in others if (reason := why_not_by_name(name))}
    for reason in dict.fromkeys(unread.values()):
        names = [name for name, why in unread.items() if why == reason]
        _log.warning("%s: %d left out: %s (%s)", visible(path), len(names), few(map(repr, names)), reason)
    if others := [name for name in others if name not in unread]:
        named = few(map(repr, others))
        _log.info("%s: %d left out as names that don't end as images' do: %s", visible(path), len(others), named)
    reasons = {
        "it is a link out of the folder, in a circle or to nothing": links,
        "its name ends as no image's does": others,
    }
    return {name: reason for reason, names in reasons.items() for name in names} | unread


def _scan(folder: Path, root: Path) -> _Found:
    known = extensions()
    found = _Found([], [], [], [])
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and not _leads_inside(entry, root):
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
    stat = entry.stat()
    return ImageFile(_below(root, entry), label, stat.st_size, stat.st_mtime_ns)


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
