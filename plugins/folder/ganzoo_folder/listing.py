"""What a folder of images holds: its splits, its classes, its images, and what is left out and why."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ganzoo_core.dataspec import Split
from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few
from ganzoo_folder.formats import extensions, why_not_by_name
from ganzoo_folder.scan import Found, ImageFile, check_names, image_file, left_out, natural, scan
from ganzoo_folder.splits import Home, home_of_test, splits_of
from ganzoo_folder.tables import Row, read_tables


class Part(NamedTuple):
    """One of the pictures that make up a sample: a file for each sample, or the `half` of it, "left" or "right".

    `home`: the folder that they are in, as seen from the root, where each part has one of its own.
    """

    images: list[ImageFile]
    half: str = ""
    home: str = ""


class Listing(NamedTuple):
    """What a folder holds, or its part `split`; no classes where the images lie in it directly.

    `parts`: the samples, and for pairs what each is made of, in the same order. `left_out`: why, by name. `rows`: what
    tables say of images, by name; `table` is such a table's name. `held_out`: the percent of all samples that make up
    its split "test".
    """

    root: Path
    split: str
    classes: tuple[str, ...]
    parts: tuple[Part, ...]
    left_out: dict[str, str]
    rows: dict[str, Row] | None = None
    table: str = ""
    held_out: int = 0

    @property
    def images(self) -> list[ImageFile]:
        """The samples' files."""
        return self.parts[0].images

    @property
    def files(self) -> list[ImageFile]:
        """All files, each once."""
        return list({image.name: image for part in self.parts for image in part.images}.values())

    def kept(self, bad: dict[str, str]) -> list[int]:
        """Which samples are left where some files are bad."""
        rows = zip(*(part.images for part in self.parts), strict=True)
        return [k for k, row in enumerate(rows) if not any(image.name in bad for image in row)]


def part_of(listing: Listing, percent: int, split: Split) -> Listing:
    """The split of a folder's samples of which so many percent are held out, evenly by name in each class.

    At 10 percent these are a class's 10th, 20th and so on. Raises `DataError` where they would be none, and where the
    listing is a split already.
    """
    if listing.split:
        raise DataError(f"{listing.root} is split into folders already, one of them for training; leave out held_out")
    seen: Counter[int] = Counter()
    rows: dict[str, list[int]] = {"train": [], "test": []}
    for row, image in enumerate(listing.images):
        before, seen[image.label] = seen[image.label], seen[image.label] + 1
        is_held_out = seen[image.label] * percent // 100 > before * percent // 100
        rows["test" if is_held_out else "train"].append(row)
    if not rows["test"]:
        least, each = -(-100 // percent), " of one class" if listing.classes else ""
        raise DataError(
            f"held_out={percent} needs at least {least} images{each}, but {listing.root} has {max(seen.values())}; "
            f"add some, or hold out more percent of them"
        )
    parts = tuple(part._replace(images=[part.images[row] for row in rows[split]]) for part in listing.parts)
    return listing._replace(split=split, parts=parts, held_out=percent)


def listed(path: Path, split: Split = "train", held_out: int = 0) -> Listing:
    """The images of a folder, or of its part of that name. Raises `OSError`, and `DataError` for an unfit folder.

    `held_out`: the percent of images that make up the part "test" of a folder without one of its own.
    """
    if held_out:
        return part_of(listed(path), held_out, split)
    root = Path(os.path.realpath(path))
    top = scan(root, root)
    homes = splits_of(path, root, top)
    check_names(root.name)
    above = [top] if homes else []
    if split == "train":
        return _listed(path, root, homes.get("train", Home(root, {})), above, split if homes else "")
    home = home_of_test(path, "folder", homes)
    train, test = (_listed(path, root, part, above, split) for part in (homes["train"], home))
    _check_same_classes(path, train, test)
    new = [train.classes.index(name) for name in test.classes]
    images = [image._replace(label=new[image.label] if new else 0) for image in test.images]
    return test._replace(classes=train.classes, parts=(Part(images),))


def _listed(path: Path, root: Path, home: Home, above: list[Found], split: str) -> Listing:
    """The images in `home`, which is the root or a split of it."""
    here = Found([], [], [], [], []) if home.domains else scan(home.folder, root)
    folders = home.domains or {f.name: f for f in sorted(here.folders, key=lambda folder: natural(folder.name))}
    inside = {name: scan(folder, root) for name, folder in folders.items()}
    _check_layout(path if home.folder == root else path / home.folder.name, here, inside)
    check_names(*inside)
    around = [*above, here]
    tables = read_tables(root, [*around, *inside.values()])
    out = {name: why for name, why in left_out([*around, *inside.values()]).items() if name not in tables.files}
    classes = () if here.images or (tables.files and len(inside) == 1) else tuple(inside)
    if here.images:
        images = [image_file(entry, root, 0) for entry in here.images]
    else:
        images = [image_file(e, root, label) for label, found in enumerate(inside.values()) for e in found.images]
    listing = Listing(root, split, classes, (Part(images),), out)
    if tables.rows is not None:
        listing = _named_by(listing, tables.rows, tables.files[0])._replace(rows=tables.rows, table=tables.files[0])
    return listing if tables.labels is None else _labelled(path, listing, tables.labels, tables.files[-1])


def _named_by(listing: Listing, rows: dict[str, Row], table: str) -> Listing:
    """The listing without images that a table does not name. Raises `DataError` where it names none."""
    images = [image for image in listing.images if image.name in rows]
    if not images:
        near = listing.images[0].name if listing.images else "a.png"
        raise DataError(
            f"{listing.root / table} names none of the {len(listing.images)} images there; a name must be a path as "
            f"seen from the table's folder, such as {os.path.relpath(near, os.path.dirname(table) or '.')}"
        )
    present = {image.name for image in listing.images}
    unnamed = {image.name: f"{table} does not name it" for image in listing.images if image.name not in rows}
    missing = {name: f"{table} names it, but it is not there" for name in rows.keys() - present}
    missing = {name: missing[name] for name in rows if name in missing and not _is_elsewhere(listing.root, name)}
    return listing._replace(parts=(Part(images),), left_out=listing.left_out | unnamed | missing)


def _is_elsewhere(root: Path, name: str) -> bool:
    """Whether a file is in the root, though not among these images: in another split, or left out for a reason."""
    return not name.startswith("..") and not os.path.isabs(name) and os.path.lexists(root / name)


def _labelled(path: Path, listing: Listing, labels: dict[str, Row], table: str) -> Listing:
    """The listing with classes as labels.csv has them."""
    if listing.classes:
        raise DataError(f"{path} holds class folders and {table}; keep one or the other")
    named = _named_by(listing, labels, table)
    classes = sorted({labels[image.name].values["label"] for image in named.images}, key=natural)
    number = {name: k for k, name in enumerate(classes)}
    images = [image._replace(label=number[labels[image.name].values["label"]]) for image in named.images]
    return named._replace(classes=tuple(classes), parts=(Part(images),))


def _check_layout(path: Path, here: Found, inside: dict[str, Found]) -> None:
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


def _hint(found: Found) -> str:
    """The first file of a kind that might have been meant, and what to do."""
    return next((f" but {name!r}: {reason}" for name in found.others if (reason := why_not_by_name(name))), "")


def _check_same_classes(path: Path, train: Listing, test: Listing) -> None:
    if bool(train.classes) != bool(test.classes):
        raise DataError(f"of the splits of {path} one has classes and the other has none; make them alike")
    if unknown := [name for name in test.classes if name not in train.classes]:
        raise DataError(
            f"the held-out part of {path} has classes that the training part lacks ({few(map(repr, unknown))}); "
            f"remove them, or add them to both"
        )
