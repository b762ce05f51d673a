"""Text in pictures, in any script that this machine has a font for."""

from __future__ import annotations

import functools
from pathlib import Path

from PIL import ImageFont

ELLIPSIS = "…"


@functools.cache
def font_file(text: str) -> str | None:
    """A font with a glyph for every character of `text` and for the ellipsis, or None.

    DejaVu Sans comes with matplotlib, so that pictures look alike everywhere; for other scripts the system's are asked.
    """
    import matplotlib
    from matplotlib.font_manager import fontManager

    own = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf")
    if _covers(own, text + ELLIPSIS):
        return own
    # A "last resort" font has a box for every character: as good as none.
    upright = {f.fname for f in fontManager.ttflist if f.style == "normal" and "resort" not in f.name.lower()}
    return next((name for name in sorted(upright) if _covers(name, text + ELLIPSIS)), None)


def _covers(file: str, text: str) -> bool:
    from matplotlib.ft2font import FT2Font

    font = FT2Font(file)
    return all(font.get_char_index(ord(c)) for c in text if c.isprintable() and not c.isspace())


def fitted(text: str, stand_in: str, size: int, limit: float) -> tuple[str, ImageFont.FreeTypeFont]:
    """`text` on one line of at most `limit` pixels, cut with an ellipsis, and its font.

    Where no font has the characters, `stand_in` (ASCII) takes the place of `text`.
    """
    text = " ".join(text.split())
    file = font_file(text)
    if file is None:
        text, file = stand_in, font_file(stand_in)
    assert file is not None, "DejaVu Sans covers ASCII"
    font = ImageFont.truetype(file, size)
    if font.getlength(text) <= limit:
        return text, font
    while text and font.getlength(text + ELLIPSIS) > limit:
        text = text[:-1].rstrip()
    return text + ELLIPSIS, font
