"""What the user should know of how images were made to fit, a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo_core.storage.names import few

if TYPE_CHECKING:
    from ganzoo_folder.decode import Look, Target
    from ganzoo_folder.options import ImageOptions


def range_notes(options: ImageOptions, target: Target, looks: list[Look]) -> list[str]:
    """Which values became black and white, where the folder decided it."""
    deep = [found.extremes for found in looks if found.extremes]
    if options.span or not target.span:
        return []
    low, high = min(low for low, _ in deep), max(high for _, high in deep)
    black, white = target.span
    return [
        f"{len(deep):,} of {len(looks):,} images have more than 8 bits, with values from {low:,.0f} to {high:,.0f}: "
        f"{black:.0f} became black and {white:.0f} white; --set range=LOW..HIGH takes others"
    ]


def size_notes(options: ImageOptions, total: int, enlarged: int, cut: int) -> list[str]:
    """How many images are smaller than asked for, and how many lost much to the crop."""
    notes = []
    if enlarged:
        notes.append(
            f"{enlarged:,} of {total:,} images are smaller than image_size={options.image_size} and were enlarged"
        )
    if cut:
        notes.append(
            f"{cut:,} of {total:,} images lost more than a third to the crop; fit=pad, fit=stretch or another "
            f"image_size (HEIGHTxWIDTH) keeps more of them"
        )
    return notes


def shape_notes(total: int, differ: list[str]) -> list[str]:
    """Which pairs are of pictures that the same fit rule cuts or bends in different ways."""
    if not differ:
        return []
    return [
        f"{len(differ):,} of {total:,} pairs are pictures of different shapes, which are fitted each by itself and may "
        f"not lie on each other: {few(map(repr, differ))}"
    ]
