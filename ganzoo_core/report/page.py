"""What the HTML pages share: their templates, and pictures inside the file.

A page is one file that asks the network for nothing: its policy forbids it, and allows no script but its own.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import math
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from ganzoo_core.report.words import duration, number, typed

# Format, quality, and by how much the sides shrink further: each is tried until a picture is small enough.
_ECONOMIES: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("PNG", {}, 1),
    ("WEBP", {"quality": 85}, 1),
    ("WEBP", {"quality": 60}, 1),
    ("WEBP", {"quality": 70}, 2),
    ("WEBP", {"quality": 70}, 4),
)
_PIXELS_PER_CHARACTER = 16  # more can't be had at any quality worth a look, and trying takes long

Look = Literal["print", "plot", "pixels", "photo"]


@dataclass(frozen=True)
class Picture:
    """A picture inside a page. `look`: "print" keeps its white paper, "plot" takes the page's; "pixels" and
    "photo" have none.
    """

    uri: str
    alt: str
    width: int
    height: int
    look: Look


@dataclass(frozen=True)
class Slides:
    """Pictures with their steps, to be shown one at a time; `rows` are names beside them, from the top on."""

    frames: list[tuple[int, Picture]]
    rows: list[str]


@dataclass(frozen=True)
class SampleTable:
    """Small pictures in rows. A row is a name, which may be empty, and its pictures; `columns` stand above them."""

    rows: list[tuple[str, list[Picture]]]
    columns: list[str]


def render(template: str, **values: Any) -> bytes:
    """A page as UTF-8. All values are escaped, and a name that the template misses is an error."""
    environment = _environment()
    script = environment.get_template("page.js").render().encode()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return environment.get_template(template).render(script_digest=digest, **values).encode()


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ganzoo_core", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration, "typed": typed}
    return environment


def inlined(image: Image.Image, alt: str, limit: int, look: Look) -> Picture:
    """The picture as a data URI of about `limit` characters at most: as it is, or with fewer colours and pixels."""
    shrunk = image.reduce(math.ceil(math.sqrt(image.width * image.height / (_PIXELS_PER_CHARACTER * limit))))
    for kind, options, divisor in _ECONOMIES:
        buffer = io.BytesIO()
        shrunk.reduce(divisor).save(buffer, kind, **options)
        uri = f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
        if len(uri) <= limit:
            break
    return Picture(uri, alt, image.width, image.height, look)
