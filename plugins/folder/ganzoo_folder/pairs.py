"""Pairs of pictures as a data set: what a folder of them holds, and each target with its source."""

from __future__ import annotations

import logging
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec, Input, Split
from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.formats import extensions
from ganzoo_folder.listing import Listing, Part, part_of
from ganzoo_folder.loading import decoded, folder_errors
from ganzoo_folder.scan import Found, ImageFile, check_names, image_file, left_out, natural, scan
from ganzoo_folder.splits import Home, home_of_test, splits_of

if TYPE_CHECKING:
    from ganzoo_folder.options import PairsOptions

TAKES = "pairs:PATH takes two folders of pictures with the same names, or one of pictures that are two side by side"
_log = logging.getLogger("ganzoo")


def load(path: Path, options: PairsOptions, data_dir: Path, split: Split = "train") -> Dataset:
    """The targets (N, C, H, W) uint8 and a column `source` of what each is made from, both mapped from one cache.

    Raises `DataError` as `folder.load`.
    """
    with folder_errors(path, TAKES):
        listing = paired(path, options.direction, split, options.held_out)
        train = None if split == "train" else paired(path, options.direction, held_out=options.held_out)
        found, _ = decoded(path, listing, options, data_dir, train)
    target, source = found.parts
    column = Input(name="source", kind="image", shape=tuple(source.shape[1:]), doc="the picture to make another of")
    bereft = _bereft(listing, found.bad)
    if bereft:
        _log.warning("%s: %d left out with their partners: %s", visible(path), len(bereft), few(map(repr, bereft)))
    return Dataset(
        DataSpec(f"pairs:{listing.root.name}", tuple(target.shape[1:]), columns=(column,)),
        target,
        extra={"source": source},
        left_out=listing.left_out | bereft | found.bad,
        notes=tuple(found.notes),
        contents=found.contents,
        guard=found.guard,
    )


def _bereft(listing: Listing, bad: dict[str, str]) -> dict[str, str]:
    """The images that can be read and whose partners can't be, each with the reason."""
    rows = [tuple(part.images[k].name for part in listing.parts) for k in range(len(listing.images))]
    both = [*rows, *(row[::-1] for row in rows)]
    return {one: f"its partner {other!r} can't be read" for one, other in both if other in bad and one not in bad}


def paired(path: Path, direction: str, split: Split = "train", held_out: int = 0) -> Listing:
    """The pairs of a folder, or of its part of that name, the target first; `held_out` as of `listed`.

    Raises `OSError`, and `DataError` for an unfit folder.
    """
    if held_out:
        return part_of(paired(path, direction), held_out, split)
    root = Path(os.path.realpath(path))
    top = scan(root, root)
    check_names(root.name)
    homes = splits_of(path, root, top) or _splits_inside(path, root, top)
    home = homes.get("train", Home(root, {})) if split == "train" else home_of_test(path, "pairs", homes)
    here = Found([], [], [], [], []) if home.domains else scan(home.folder, root)
    folders = list(home.domains.values()) or sorted(here.folders, key=lambda folder: natural(folder.name))
    inside = [_walked(folder, root) for folder in folders]
    where = path if home.folder == root else path / home.folder.name
    out = left_out([*([top] if homes else []), here, *(found for side in inside for found in side)])
    images = [sorted(image_file(e, root, 0) for found in side for e in found.images) for side in inside]
    _check_layout(where, here, folders, images)
    if here.images:
        files = [image_file(entry, root, 0) for entry in here.images]
        parts = Part(files, "left"), Part(files, "right")
    else:
        names = [os.path.relpath(folder, root) for folder in folders]
        pairs, alone = _partners(names, images)
        if not pairs:
            raise DataError(
                f"no picture of {names[0]!r} in {path} has a partner of the same name in {names[1]!r}, such as "
                f"{images[0][0].name!r}; name them alike, or take two classes without partners: folder:PATH with "
                f"folders called trainA and trainB"
            )
        parts = Part([one for one, _ in pairs], home=names[0]), Part([other for _, other in pairs], home=names[1])
        out |= alone
    return Listing(root, split if homes else "", (), parts[::-1] if direction == "AtoB" else parts, out)


def _splits_inside(path: Path, root: Path, top: Found) -> dict[str, Home]:
    """The splits where each of two folders has its own: A/train, A/test, B/train, B/test."""
    folders = sorted(top.folders, key=lambda folder: natural(folder.name))
    if top.images or len(folders) != 2:
        return {}
    one, other = (splits_of(path / folder.name, folder, scan(folder, root)) for folder in folders)
    both = {split for split in one.keys() & other.keys() if not one[split].domains and not other[split].domains}
    return {split: Home(root, {"A": one[split].folder, "B": other[split].folder}) for split in both}


def _walked(folder: Path, root: Path) -> list[Found]:
    """What lies in a folder and in all folders below it."""
    todo, found = [folder], []
    while todo:
        found.append(scan(todo.pop(), root))
        todo += found[-1].folders
    return found


def _check_layout(path: Path, here: Found, folders: list[Path], images: list[list[ImageFile]]) -> None:
    """Raise `DataError` unless there are pictures right here, or else in each of two folders."""
    named = few(repr(folder.name) for folder in folders)
    if here.images:
        if any(images):
            raise DataError(f"{path} holds images beside folders of images ({named}); keep one or the other")
    elif len(folders) != 2:
        count = f"{len(folders)} folders ({named})" if len(folders) > 1 else f"only {named}" if folders else "no images"
        raise DataError(f"{path} holds {count}, but {TAKES}")
    for folder, inside in zip(folders, images, strict=True):
        if not inside and not here.images:
            raise DataError(
                f"the folder {folder.name!r} in {path} holds no images; files ending in "
                f"{' '.join(sorted(extensions()))} are read"
            )


def _partners(
    homes: list[str], images: list[list[ImageFile]]
) -> tuple[list[tuple[ImageFile, ImageFile]], dict[str, str]]:
    """The files of both folders of the same name, else of the same but for the ending; why others are left out."""
    one, other = (
        {unicodedata.normalize("NFC", os.path.relpath(image.name, home)): image for image in reversed(side)}
        for home, side in zip(homes, images, strict=True)
    )
    names = {name: name for name in one if name in other}
    stems = {os.path.splitext(name)[0]: name for name in other if name not in names}
    for name in reversed([name for name in one if name not in names]):
        if partner := stems.pop(os.path.splitext(name)[0], None):
            names[name] = partner
    pairs = sorted((one[name], other[partner]) for name, partner in names.items())
    taken = {image.name for pair in pairs for image in pair}
    alone = {
        image.name: f"it has no partner in {home!r}"
        for home, side in zip(reversed(homes), images, strict=True)
        for image in side
        if image.name not in taken
    }
    return pairs, alone
