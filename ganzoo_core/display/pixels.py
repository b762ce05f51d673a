"""Pictures in real pixels, for terminals that can: kitty's protocol and sixel, by the library textual-image.

It is asked only where it is installed (the extra "pixels"), where the process may talk to the terminal, and where
colours are wanted. The terminal is asked once, when the first picture is to be shown.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console, RenderableType

Protocol = Literal["kitty", "sixel"]
_COLUMN_WIDTH = 10  # pixels, as a rule


def protocol(console: Console) -> Protocol | None:
    """What this terminal shows pixels with; None where it shows none."""
    if not console.is_interactive or console.no_color or not _may_ask():
        return None
    return _protocol()


def pixel_picture(image: Image, width: int | None = None, height: int | None = None) -> RenderableType:
    """The picture for a console with a `protocol`, in so many columns and rows at most, its aspect kept."""
    from textual_image.renderable import Image as Renderable

    return Renderable(image, width or "auto", height or "auto")


def columns(image: Image, most: int) -> int:
    """How many columns, at most so many, show the picture about as large as it is."""
    return min(most, round(image.width / _COLUMN_WIDTH))


@functools.cache
def _protocol() -> Protocol | None:
    try:
        from textual_image import renderable  # asks the terminal when it is imported
    except ImportError:
        return None
    known: dict[Any, Protocol] = {renderable.TGPImage: "kitty", renderable.SixelImage: "sixel"}
    return known.get(renderable.Image)


def _may_ask() -> bool:
    """Whether the answer of the terminal would reach this process, and asking would not stop it."""
    if not (sys.__stdin__ and sys.__stdout__ and sys.__stdin__.isatty() and sys.__stdout__.isatty()):
        return False
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp()  # a job in the background would be stopped
    except OSError:
        return False
