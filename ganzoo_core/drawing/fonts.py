"""Text in pictures, in any script that this machine has a font for."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import ImageFont

from ganzoo_core.storage.files import beside_package
from ganzoo_core.storage.names import one_line

ELLIPSIS = "…"


def drawable(text: str, stand_in: str | None = None) -> tuple[str, str]:
    """`text` on one line, and a font file that has its characters.

    Where no font has them, `stand_in` (ASCII) takes the place of `text`, or a question mark that of each.
    """
    text = one_line(text)
    file = font_file(text)
    if file is not None:
        return text, file
    return stand_in or text.encode("ascii", "replace").decode(), _own_font()


@functools.cache
def font_file(text: str) -> str | None:
    """A font with a glyph for every character of `text` and for the ellipsis, or None.

    DejaVu Sans comes with matplotlib, so that pictures look alike everywhere; for other scripts the system's are asked.
    """
    if text.isascii() or _covers(_own_font(), text + ELLIPSIS):
        return _own_font()
    from matplotlib.font_manager import fontManager

    # A "last resort" font has a box for every character: as good as none.
    upright = {f.fname for f in fontManager.ttflist if f.style == "normal" and "resort" not in f.name.lower()}
    return next((name for name in sorted(upright) if _covers(name, text + ELLIPSIS)), None)


@functools.cache
def _own_font() -> str:
    """The file, found beside matplotlib, which takes a while to import; some systems keep it elsewhere."""
    name = "fonts/ttf/DejaVuSans.ttf"
    if file := beside_package("matplotlib", f"mpl-data/{name}"):
        return str(file)
    import matplotlib

    return str(Path(matplotlib.get_data_path(), name))


def _covers(file: str, text: str) -> bool:
    from matplotlib.ft2font import FT2Font

    font = FT2Font(file)
    # A font of colour emoji has pictures of one size alone, which neither matplotlib nor Pillow draws in another.
    return font.scalable and all(font.get_char_index(ord(c)) for c in text if c.isprintable() and not c.isspace())


def fitted(text: str, size: int, limit: float, stand_in: str | None = None) -> tuple[str, ImageFont.FreeTypeFont]:
    """`text` as `drawable` gives it, cut with an ellipsis to at most `limit` pixels, and its font."""
    text, file = drawable(text, stand_in)
    font = ImageFont.truetype(file, size)
    if font.getlength(text) <= limit:
        return text, font
    while text and font.getlength(text + ELLIPSIS) > limit:
        text = text[:-1].rstrip()
    return text + ELLIPSIS, font
