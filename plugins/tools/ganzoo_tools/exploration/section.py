"""What the latent does, as a section of a run's page."""

from __future__ import annotations

from ganzoo_core.errors import GanzooError
from ganzoo_core.hookspecs import ReportSection
from ganzoo_core.report.page import Picture, SampleTable, fragment, inlined, small_pictures
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_tools.exploration.walks import Exploration, coordinates, interpolation

WALKS_LIMIT = 300_000  # characters of the page that the section may take


def walks_section(generator: TrainedGenerator) -> list[ReportSection]:
    """What single coordinates do, and the way between two latents; nothing where latents are no vectors."""
    try:
        found = {"coordinates": coordinates(generator), "interpolation": interpolation(generator)}
    except GanzooError:
        return []
    walks = [(name, _walk(name, exploration)) for name, exploration in found.items()]
    values = {"walks": walks, "conditional": generator.variant.conditional, "spec": generator.spec}
    return [ReportSection("What the latent does", fragment("walks_section.html", "ganzoo_tools", **values))]


def _walk(name: str, walk: Exploration) -> SampleTable | Picture:
    spec = walk.samples.spec
    if not spec.has_pixels:
        alt = "Samples between two latents" if name == "interpolation" else "Samples as single coordinates move"
        return inlined(walk.picture(), alt, WALKS_LIMIT // 2, "plot")
    untouched = len(walk.samples) - len(walk.rows) * len(walk.columns)
    rows = [row.removeprefix("position ") for row in walk.rows]
    columns = [f"{float(share):.0%}" for share in walk.columns] if name == "interpolation" else list(walk.columns)
    alts = ["as is"] * untouched + [f"{row} at {column}".strip() for row in walk.rows for column in columns]
    pictures = small_pictures(walk.samples.values, spec, alts, WALKS_LIMIT // 2)
    made = _rows(pictures[untouched:], len(columns))
    table = [(row, pictures[:untouched] + some) for row, some in zip(rows, made, strict=True)]
    return SampleTable(table, ["as is"] * untouched + columns)


def _rows(pictures: list[Picture], width: int) -> list[list[Picture]]:
    return [pictures[start : start + width] for start in range(0, len(pictures), width)]
