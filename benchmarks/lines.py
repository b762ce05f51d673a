"""What was measured, a JSON object on each line of a file, so that it can be gone on with."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The lines of a file; none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add(path: Path, line: Line) -> None:
    """One more line."""
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def matching(lines: list[Line], key: Line) -> list[Line]:
    """Those with all values of the key."""
    return [line for line in lines if all(line.get(k) == v for k, v in key.items())]


def figure(values: list[float], form: str = ".3g") -> str:
    """The mean of seeds, and from which to which where there are several."""
    if not values:
        return ""
    mean, least, most = (format(f(values), form) for f in (statistics.mean, min, max))
    return mean if len(values) == 1 else f"{mean} ({least} to {most})"
