"""The cache of an image folder: every image decoded once, in parallel, to one file that is mapped, never read whole.

A cache is `folder-cache/<what was asked>-<what was found>/` with samples.u8, the pixels in a row, index.json, which
tells what they were made from, and about.json for people. It is built under a lock in a folder of another name, which
gets its own once all is on the disk: what bears the name of a cache is whole. When one is opened, its pixels and the
images must still be what they were: see stamps.py.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock, Timeout

from ganzoo_core.errors import DataError
from ganzoo_core.storage.files import sync_folder
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.decode import Look, Target, decode, look
from ganzoo_folder.depth import auto_span
from ganzoo_folder.listing import Listing
from ganzoo_folder.notes import range_notes, size_notes
from ganzoo_folder.reading import ROUND, Cached, digest, found_digest, in_rounds, read
from ganzoo_folder.stamps import content_digest
from ganzoo_folder.upkeep import homes, tidy

if TYPE_CHECKING:
    from ganzoo_folder.options import FolderOptions

_DECODER_VERSION = 3  # raise it where decoding changes: old caches are then made anew
_ROUND_BYTES = 2**26  # of pixels; of large images fewer are handed to the pool at a time
_REPORT_EVERY_S = 5.0
_log = logging.getLogger("ganzoo")


def cached(listing: Listing, options: FolderOptions, data_dir: Path) -> Cached:
    """The decoded images, from the cache; made first where there is none for these very files and options.

    Raises `DataError` where the cache can't be kept, where no image or none of a class can be read, and for the first
    bad image where on_bad_image is "stop".
    """
    asked = _asked(listing, options)
    found, why = None, ""
    for home in homes(data_dir):
        found, why = read(home, asked, listing, options)
        if found or why:
            break
    if found is None:
        home = _writable(data_dir)
        try:
            with _alone(home / f".{asked}.lock", listing.root):
                found, why = read(home, asked, listing, options)  # another process may have made it meanwhile
                if found is None:
                    if why:
                        _log.warning("%s: %s; the images are decoded anew", visible(listing.root), why)
                    found = _make(home, asked, listing, options)
        except OSError as error:
            raise DataError(
                f"the decoded images can't be kept in {home} ({error.strerror}); name another place with --data-dir"
            ) from error
    tidy(home)
    for bad, reason in found.bad.items():
        _stop_at(listing.root / bad, reason, options)
    return found


def _asked(listing: Listing, options: FolderOptions) -> str:
    decoded = {name: value for name, value in options.to_dict().items() if name != "on_bad_image"}
    return digest([_DECODER_VERSION, os.fspath(listing.root), listing.split, decoded])


def _writable(data_dir: Path) -> Path:
    """The first of the folders that can be written to; a line says so where it is not the first."""
    reasons: list[str] = []
    for home in homes(data_dir):
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reasons.append(f"{home} ({error.strerror})")
            continue
        if os.access(home, os.W_OK | os.X_OK):
            if reasons:
                _log.warning("the decoded images can't be kept in %s; they are kept in %s", visible(reasons[0]), home)
            return home
        reasons.append(f"{home} (it can't be written to)")
    raise DataError(f"the decoded images can't be kept in {' or '.join(reasons)}; name another place with --data-dir")


@contextlib.contextmanager
def _alone(path: Path, root: Path) -> Iterator[None]:
    """One process builds, while others wait for what it makes. A crash releases the lock."""
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        _log.info("another process is decoding the images of %s; waiting for it", visible(root))
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(home: Path, asked: str, listing: Listing, options: FolderOptions) -> Cached:
    """Build the cache and put it in place; whoever does holds the lock. What it stands in for goes."""
    scratch = home / f".{asked}.building"
    shutil.rmtree(scratch, ignore_errors=True)  # a killed process's
    for stale in home.glob(f"{asked}-*"):
        shutil.rmtree(stale, ignore_errors=True)  # whoever has it mapped keeps it
    scratch.mkdir()
    try:
        found = _build(scratch, listing, options)
        scratch.rename(home / f"{asked}-{found}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sync_folder(home)
    made, why = read(home, asked, listing, options)
    if made is None:
        raise OSError(None, f"what was just written there can't be read: {why}")
    return made


def _build(folder: Path, listing: Listing, options: FolderOptions) -> str:
    """Write the files of a cache, have them on the disk, and give a digest of what was found."""
    checked_ns = time.time_ns()
    paths = [listing.root / image.name for image in listing.images]
    with (
        warnings.catch_warnings(action="ignore"),  # Pillow's, which name no file
        ThreadPoolExecutor() as pool,
    ):
        # Before they are decoded: of an image that changes meanwhile the digest is then the old one, and found wrong.
        digests = list(in_rounds(pool, content_digest, paths, ROUND))
        looks = list(in_rounds(pool, partial(look, measure=options.span is None), paths, ROUND))
        target = _target(options, looks)
        with open(folder / "samples.u8", "xb") as samples:
            bad, notes = _write_samples(samples, pool, listing, options, target)
            _on_disk(samples)
    _check_labels(listing, bad)
    with open(folder / "samples.u8", "rb") as samples:
        contents = content_digest(samples)
    files = [
        [image.name, image.stamp, digest, bad.get(image.name)]
        for image, digest in zip(listing.images, digests, strict=True)
    ]
    made = {"channels": target.channels, "span": target.span, "notes": notes + range_notes(options, target, looks)}
    index = {"checked_ns": checked_ns, **made, "contents": contents, "stamp": None, "files": files}
    about = {"folder": os.fspath(listing.root), "split": listing.split, "images": len(files), **options.to_dict()}
    for name, values in {"index.json": index, "about.json": about}.items():
        with open(folder / name, "xb") as file:
            file.write(json.dumps(values).encode())
            _on_disk(file)
    return found_digest(index)


def _on_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _target(options: FolderOptions, looks: list[Look]) -> Target:
    is_grey = all(found.is_grey for found in looks) and len(set(options.colour)) == 1
    span = options.span or auto_span(found.extremes for found in looks if found.extremes)
    channels = options.channels or (1 if is_grey else 3)
    return Target(*options.sides, channels, options.fit, options.colour, span, options.span)


def _write_samples(
    file: BinaryIO, pool: ThreadPoolExecutor, listing: Listing, options: FolderOptions, target: Target
) -> tuple[dict[str, str], list[str]]:
    """Write the pixels of the images that can be read; why others can't be, by name, and what to tell of sizes."""
    one = partial(decode, target=target)
    bad: dict[str, str] = {}
    enlarged = cut = 0
    said_s, where = time.monotonic(), visible(listing.root)
    paths = [listing.root / image.name for image in listing.images]
    at_once = min(ROUND, max(1, _ROUND_BYTES // (target.channels * target.height * target.width)))
    results = in_rounds(pool, one, paths, at_once)
    for done, (image, decoded) in enumerate(zip(listing.images, results, strict=True)):
        if time.monotonic() - said_s > _REPORT_EVERY_S:
            said_s = time.monotonic()
            _log.info("decoded %s of the %s images of %s, once for all", f"{done:,}", f"{len(paths):,}", where)
        if isinstance(decoded, str):
            _stop_at(listing.root / image.name, decoded, options)
            bad[image.name] = decoded
        else:
            file.write(decoded.pixels.tobytes())  # not mapped: a full disk is an error then, not the process's end
            enlarged, cut = enlarged + decoded.enlarged, cut + decoded.cut
    return bad, size_notes(options, len(paths), enlarged, cut)


def _stop_at(path: Path, reason: str, options: FolderOptions) -> None:
    if options.on_bad_image == "stop":
        raise DataError(f"{path} can't be read as an image: {reason}; mend it, remove it, or set on_bad_image=skip")


def _check_labels(listing: Listing, bad: dict[str, str]) -> None:
    if len(bad) == len(listing.images):
        named = few(f"{name!r} ({reason})" for name, reason in bad.items())
        raise DataError(f"none of the {len(bad)} images in {listing.root} can be read: {named}")
    present = {image.label for image in listing.images if image.name not in bad}
    for label, name in enumerate(listing.classes):
        if label not in present and listing.split != "test":
            raise DataError(f"no image of the class folder {name!r} in {listing.root} can be read; mend or remove it")
