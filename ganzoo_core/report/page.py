"""What the HTML pages share: their templates, and pictures inside the file.

A page is one file that asks the network for nothing: its policy forbids it, and allows no script but its own.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.pictures import cells, drawn_size
from ganzoo_core.drawing.words import duration, metric_title, number, typed
from ganzoo_core.storage.names import visible_lines

if TYPE_CHECKING:
    from jinja2 import Environment

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
    """Pictures, each with a number, to be shown one at a time; `rows` are names beside them, from the top on.

    `name`: what the slider chooses; `caption`: what stands beside it, "{}" for the number.
    """

    frames: list[tuple[int, Picture]]
    rows: list[str]
    name: str = "Snapshot"
    caption: str = "step {}"


@dataclass(frozen=True)
class SampleTable:
    """Small pictures in rows. A row is a name, which may be empty, and its pictures; `columns` stand above them."""

    rows: list[tuple[str, list[Picture]]]
    columns: list[str]


def render(template: str, package: str | None = None, **values: Any) -> bytes:
    """A page as UTF-8. All values are escaped, and a name that the template misses is an error.

    Nothing on it steers how it is shown, such as U+202E, which turns text around: see `storage.names.visible`.
    The template may be one of another `package`, in its folder `templates`; it can extend and import the core's.
    """
    script = _environment(None).get_template("page.js").render().encode()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return fragment(template, package, script_digest=digest, **values).encode("utf-8", "replace")


def fragment(template: str, package: str | None = None, **values: Any) -> str:
    """A part of a page, such as a `ReportSection`'s; else as `render`."""
    return visible_lines(_environment(package).get_template(template).render(**values))


@functools.cache
def _environment(package: str | None) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    core = PackageLoader("ganzoo_core", "report/templates")
    environment = Environment(
        loader=core if package is None else ChoiceLoader([PackageLoader(package), core]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "duration": duration, "typed": typed, "metric_title": metric_title}
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


LARGEST_PIXELATED = 40  # side of an image


def small_pictures(values: Tensor, spec: DataSpec, alts: Sequence[str], limit: int) -> list[Picture]:
    """Images or voxels (N, ...) in [-1, 1] as pictures of their own size, within `limit` characters in all."""
    images = cells(values)
    mode = "RGB" if spec.shape[0] in (3, 4) else "L"
    return [
        inlined(i.convert(mode), alt, limit // len(images), look(spec)) for i, alt in zip(images, alts, strict=True)
    ]


def look(spec: DataSpec) -> Look:
    """How bare images are shown: small ones are enlarged, and then each pixel is to be seen."""
    return "pixels" if max(drawn_size(spec)) <= LARGEST_PIXELATED else "photo"
