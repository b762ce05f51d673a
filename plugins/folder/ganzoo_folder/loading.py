"""What image folders and pairs share: images decoded as their training part is, and what is said of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo_core.errors import DataError
from ganzoo_core.storage.names import few, visible
from ganzoo_folder.cache import cached
from ganzoo_folder.listing import Listing
from ganzoo_folder.reading import Cached
from ganzoo_folder.scan import report

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo_folder.options import ImageOptions

_log = logging.getLogger("ganzoo")


@contextlib.contextmanager
def folder_errors(path: Path, takes: str) -> Iterator[None]:
    """Turn an `OSError` inside into a `DataError` that says what the path must be."""
    try:
        yield
    except OSError as error:
        raise DataError(f"no folder can be read at {path} ({error.strerror}); {takes}") from error


def decoded(
    path: Path, listing: Listing, options: ImageOptions, data_dir: Path, train: Listing | None
) -> tuple[Cached, Cached]:
    """The listing's images and its training part's, as which they are grey or colour, and as dark. All is told."""
    by_part: Sequence[ImageOptions] = options.by_part
    if train is not None:
        like = cached(train, by_part, data_dir)
        by_part = [_like(*of) for of in zip(by_part, like.parts, like.spans, strict=True)]
    report(path, listing.left_out)
    found = cached(listing, by_part, data_dir)
    tell(path, found.notes)
    if bad := found.bad:
        total, named = len(listing.files), few(f"{name!r} ({reason})" for name, reason in bad.items())
        _log.warning("%s: skipped %d of %d images that can't be read: %s", visible(path), len(bad), total, named)
    return found, found if train is None else like


def _like(options: ImageOptions, samples: Tensor, span: tuple[float, float] | None) -> ImageOptions:
    """The options for samples (N, C, H, W) of a held-out part, so that they come out as those of the training part."""
    range_ = f"{span[0]!r}..{span[1]!r}" if span else options.range
    return replace(options, channels=samples.shape[1], range=range_)


def tell(path: Path, notes: Sequence[str]) -> None:
    """A warning for each of some sentences on how samples were made."""
    for note in notes:
        _log.warning("%s: %s", visible(path), note)
