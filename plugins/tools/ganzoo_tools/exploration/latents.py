"""Requests of the page: a latent, or one between two, under a label; and the generator's samples for them."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.drawing.pictures import TURN, cells, enlargement, png_bytes
from ganzoo_core.errors import FileError, SettingError, shorten
from ganzoo_core.sampling.generate import latents
from ganzoo_core.sampling.samples import label_indices
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage import json_files
from ganzoo_core.storage.names import visible
from ganzoo_core.storage.schema import is_number
from ganzoo_tools.exploration.directions import principal_directions
from ganzoo_tools.exploration.material import Material
from ganzoo_tools.exploration.sketch import sketch
from ganzoo_tools.exploration.table import ways_picture
from ganzoo_tools.exploration.walks import along, decoded, first_latent, latent_range

_FARTHEST = 100.0
_LARGE = 512  # pixels a side at least, of a picture to keep
_SOLID = 128  # of a solid on the page
_MOST_SEED = 2**53 - 1  # the largest that a browser's numbers hold exactly


@dataclass(frozen=True)
class LatentPoint:
    """A latent: the first of `seed`, moved along each direction by `moves`."""

    seed: int
    moves: tuple[float, ...]


@dataclass(frozen=True)
class LatentQuery:
    """A latent at `start`, or at fraction `t` of the path from there to `end`, under the label of that index.

    `turn`: from where voxels are seen, in degrees.

    Of a generator that takes inputs: the number of one of its run's examples, and what stands in its place, the user's
    own picture and a text.
    """

    start: LatentPoint
    end: LatentPoint | None
    t: float
    label: int | None
    turn: float = TURN
    example: int = 0
    own: bool = False
    text: str | None = None


class Explorer:
    """A generator, its latent directions, and its samples for queries. Threads may share it.

    `given`: a seed, and a latent (latent_dim,) that takes the place of its first one. Where there is no latent, but an
    input, there are no directions. Raises `DataError` if latents are not vectors,
    `SettingError` for a generator that takes inputs without its run's examples.
    """

    def __init__(self, generator: TrainedGenerator, given: tuple[int, Tensor] | None = None) -> None:
        self.generator = generator
        self._given = dict([given] if given else [])
        self.material = Material(generator)
        self._empty = torch.zeros(0) if generator.inputs and not latents(generator.module, 1, 0).numel() else None
        if self._empty is not None:
            decoded(generator, self._empty[None], self._labels(0 if generator.variant.conditional else None))
            self.reach, self.directions = 0.0, torch.zeros(0, 0)
        else:
            first_latent(generator, 0)
            low, high = latent_range(generator)
            self.reach = (high - low) / 2  # how far a slider moves the latent
            self.directions = principal_directions(generator)
        self._lock = threading.Lock()

    def parse_query(self, query: Mapping[str, str]) -> LatentQuery:
        """Parse the query of an address. Raises `SettingError` or `UnknownNameError` if it is invalid."""
        known = {"seed", "moves", "class", "label", "to_seed", "to_moves", "t", "large"}
        known |= {"example", "own", "text"} if self.generator.inputs else set()
        known |= {"turn"} if self.generator.spec.kind == "voxels" else set()
        if unknown := sorted(query.keys() - known):
            raise SettingError(f"there is no {shorten(unknown[0], 40)!r} to ask for; known: {', '.join(sorted(known))}")
        end = None
        if "t" in query:
            end = self._point(query, "to_seed", "to_moves")
        t = _number("t", query.get("t", "0"), 0.0, 1.0)
        example = _whole("example", query.get("example", "0"), max(0, self.material.examples - 1))
        own, text = query.get("own") == "1", query.get("text") or None
        turn = _number("turn", query.get("turn", f"{TURN}"), 0.0, 360.0)
        return LatentQuery(self._point(query, "seed", "moves"), end, t, self._label(query), turn, example, own, text)

    def latent(self, query: LatentQuery) -> Tensor:
        """The latent (latent_dim,) of a query."""
        start = self._moved(query.start)
        if query.end is None:
            return start
        return along(start, self._moved(query.end), torch.tensor([query.t], dtype=torch.float64), spherical=True)[0]

    def picture(self, query: LatentQuery, *, large: bool = False) -> bytes:
        """The sample as a PNG: an image at its own size, or where it is to be `large` enlarged without smoothing; a
        solid twice as large as in a grid, as it is turned.

        Points and curves: a sketch, which takes little time, or the plot with its axes.
        """
        spec = self.generator.spec
        generator, z = self.generator, self.latent(query)[None]
        given = self.material.columns(query.example, query.own, query.text)
        labels, seed = self._labels(query.label), query.start.seed  # of noise that the network draws itself
        with self._lock:  # a generator may keep something while it runs
            values = decoded(generator, z, labels, given, piece=1, seed=seed)  # in a hurry
        if not spec.has_pixels and not large:
            return png_bytes(sketch(values[0]))
        if not spec.has_pixels:
            return png_bytes(ways_picture(values[None], spec, ("",), ("generated",), values[:0]))
        least = _LARGE if large else _SOLID if spec.kind == "voxels" else 1
        return png_bytes(cells(values, enlargement(spec, 1, least), turn=query.turn)[0])

    def latent_json(self, query: LatentQuery) -> dict[str, Any]:
        """The latent as JSON values, with everything needed to reproduce it."""
        spec, label = self.generator.spec, query.label
        points = {"seed": query.start.seed, "moves": query.start.moves}
        if query.end is not None:
            points |= {"to_seed": query.end.seed, "to_moves": query.end.moves, "t": query.t}
        return {
            "variant": self.generator.variant.name,
            "data": spec.name,
            "step": self.generator.step,
            "label": None if label is None else spec.classes[label],
            **points,
            **({"example": query.example, "own": query.own, "text": query.text} if self.generator.inputs else {}),
            "latent": self.latent(query).tolist(),
        }

    @staticmethod
    def _labels(label: int | None) -> Tensor | None:
        return None if label is None else torch.tensor([label])

    def _moved(self, point: LatentPoint) -> Tensor:
        if self._empty is not None:
            return self._empty
        z = self._given.get(point.seed)
        z = first_latent(self.generator, point.seed) if z is None else z
        moves = torch.tensor(point.moves, dtype=z.dtype)
        return z + moves @ self.directions[: len(moves)].to(z.dtype)

    def _point(self, query: Mapping[str, str], seed: str, moves: str) -> LatentPoint:
        amounts = [part for part in query.get(moves, "").split(",") if part]
        if len(amounts) > len(self.directions):
            raise SettingError(f"{moves} must be at most {len(self.directions)} numbers, but are {len(amounts)}")
        where = _whole(seed, query.get(seed, "0"), _MOST_SEED)
        return LatentPoint(where, tuple(_number(moves, part, -_FARTHEST, _FARTHEST) for part in amounts))

    def _label(self, query: Mapping[str, str]) -> int | None:
        """The index of the class that is asked for: by `label` as people do, or by `class`, which is the index."""
        generator = self.generator
        if "class" in query or "label" in query:
            generator.check_conditional()
        if not generator.variant.conditional:
            return None
        if "class" in query:
            return _whole("class", query["class"], generator.spec.num_classes - 1)
        return label_indices(generator.spec, [query.get("label", generator.spec.classes[0])])[0]


def read_latent(path: Path, generator: TrainedGenerator) -> Tensor:
    """The latent (latent_dim,) in a file that `save` or the explorer wrote. Raises `FileError` for another."""
    values = json_files.read(path, 4)
    numbers = values.get("latent") if isinstance(values, dict) else None
    expected = latents(generator.module, 1, 0)
    fits = isinstance(numbers, list) and len(numbers) == expected.shape[1]
    if not fits or not all(map(is_number, numbers or ())):
        raise FileError(f"{visible(path)} holds no latent of {expected.shape[1]} numbers, as this generator takes")
    found = torch.tensor(numbers, dtype=expected.dtype)
    if not bool(torch.isfinite(found).all()):
        raise FileError(f"{visible(path)} is of no use: its latent holds numbers that are not finite")
    return found


def _whole(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 17 and int(text) <= most):
        raise SettingError(f"{name} must be a whole number from 0 to {most}, but is {shorten(text, 40)!r}")
    return int(text)


def _number(name: str, text: str, low: float, high: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise SettingError(f"{name} must be a number from {low:g} to {high:g}, but is {shorten(text, 40)!r}")
    return number
