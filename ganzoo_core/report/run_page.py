"""`report.html`: all of a run on one page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.charts import run_charts
from ganzoo_core.drawing.gifs import read_picture
from ganzoo_core.drawing.pictures import NAMED_ROWS, TURN, WIDEST, bare_grid, cells, grouped, montage
from ganzoo_core.drawing.plots import class_name
from ganzoo_core.errors import GanzooError
from ganzoo_core.registry import registry
from ganzoo_core.report.command import command, input_command, run_settings, usage
from ganzoo_core.report.page import Look, Picture, SampleTable, Slides, inlined, look, render, small_pictures
from ganzoo_core.runs.own import run_command
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.examples import EXAMPLES
from ganzoo_core.sampling.generator_file import load
from ganzoo_core.sampling.samples import default_count, default_labels
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.storage.names import shell_word

# Characters of the file that each part may take, so that a page stays below 2 MB with the sections of plugins.
SAMPLES_LIMIT, SNAPSHOTS_LIMIT, TURNING_LIMIT = 500_000, 800_000, 300_000
MOST_SNAPSHOTS = 24
VIEWS, TURNED, TURNED_ACROSS = 24, 12, 6  # of solids: views of a full turn, how many turn, how many side by side


def write_report(path: Path) -> Path:
    """Write the page of the run in a folder; returns its path. Raises `FileError` if there is no run."""
    folder = RunFolder.open(path)
    target = folder.path / "report.html"
    write_atomically(target, run_page(folder))
    return target


def run_page(folder: RunFolder) -> bytes:
    """The page of a run, finished or not, as UTF-8. What the run lacks is left out, or said to be missing."""
    info, records, snapshots = folder.metadata(), folder.records(), folder.snapshots()
    spec = info.data
    generator, unusable = _generator(folder, spec)
    step = max([0, *(record["step"] for record in records), *(step for step, _ in snapshots)])
    rates = [record["samples_per_s"] for record in records if record.get("samples_per_s")]
    settings = run_settings(info)
    conditional = generator is not None and generator.variant.conditional
    is_table = _in_rows(spec, conditional) and not (generator is not None and generator.inputs)
    slides = _slides(folder, spec, conditional, is_table)
    return render(
        "run.html",
        info=info,
        spec=spec,
        step=step,
        variant=_variant_facts(info.variant),
        elapsed_s=folder.trained_seconds(),
        rate=statistics.median(rates) if rates else 0,
        samples=_final_samples(generator, spec, info.settings["seed"], is_table, is_shown=slides is not None),
        slides=slides,
        turning=_turning(generator, spec, info.settings["seed"]),
        conditional=conditional,
        unusable=unusable,
        charts=run_charts(records, is_critic=_is_critic(generator)),
        sections=registry().report_sections(folder.path, generator),
        kind_words=_kind_words(spec),
        resume=f"{run_command(info.variant)} --resume {shell_word(folder.path)}",
        settings=settings,
        changes=[change for change in info.changes if change.get("settings", {}).keys() - {"steps"}],
        command=command(info.variant, settings),
        usage=usage(folder.path, spec.classes[-1] if conditional else None),
        own_input=input_command(info.variant, folder.path, generator.inputs if generator is not None else ()),
    )


def _generator(folder: RunFolder, spec: DataSpec) -> tuple[TrainedGenerator | None, str | None]:
    """The generator, or why there is none, or no sample of it: a page without still shows what is on the disk."""
    try:
        generator = load(folder.path)
    except GanzooError as error:
        return None, str(error)
    if generator.spec != spec:
        return None, f"{folder.generator} must be of the data that run.json describes, but is of other data"
    if generator.inputs and not generator.examples:
        return generator, f"No samples are made, as {folder.path / EXAMPLES}, of which they would be, is missing"
    return generator, None


def _variant_facts(name: str) -> dict[str, Any] | None:
    """Title, paper and year of a variant; None where it is not installed."""
    try:
        cls, _ = registry().variant(name)
    except GanzooError:
        return None
    return {"title": cls.title, "paper": cls.paper, "year": cls.year}


def _is_critic(generator: TrainedGenerator | None) -> bool:
    return generator is not None and generator.variant.loss().boundary is None


def _final_samples(
    generator: TrainedGenerator | None, spec: DataSpec, seed: int, is_table: bool, is_shown: bool
) -> SampleTable | Picture | None:
    """The run's fixed latents at its end; as one picture only where no slide `is_shown`, which has them."""
    if generator is None or (generator.inputs and not generator.examples):
        return None
    if is_shown and not is_table:
        return None
    samples = generator.sample(seed=seed)
    if not is_table:
        return inlined(samples.picture(), f"Samples of {spec.name}", SAMPLES_LIMIT, _look_of_picture(spec))
    pictures = small_pictures(samples.values, spec, [""] * len(samples), SAMPLES_LIMIT)
    groups = grouped(len(samples), samples.labels)
    return SampleTable([(_name(spec, k), [pictures[i] for i in members]) for k, members in groups], [])


def _turning(generator: TrainedGenerator | None, spec: DataSpec, seed: int) -> Slides | None:
    """Some of the run's fixed latents at its end, from all sides; of voxels alone."""
    if generator is None or spec.kind != "voxels" or (generator.inputs and not generator.examples):
        return None
    values = generator.sample(TURNED, seed=seed).values
    views = [round(TURN) + 360 * (k + 1) // VIEWS for k in range(VIEWS)]  # the usual one last, as it is shown first
    frames = []
    for turn in views:
        images = cells(values, turn=turn)
        grid = montage([images[i : i + TURNED_ACROSS] for i in range(0, len(images), TURNED_ACROSS)], 1, "black")
        alt = f"Generated solids, turned by {turn % 360} degrees"
        frames.append((turn % 360, inlined(grid.convert("L"), alt, TURNING_LIMIT // VIEWS, look(spec))))
    return Slides(frames, [], "Turn", "{}°")


def _in_rows(spec: DataSpec, conditional: bool) -> bool:
    """Whether samples are shown as pictures in rows, and not as the one picture that a run draws of them."""
    return spec.has_pixels and not (conditional and spec.num_classes > NAMED_ROWS)


def _look_of_picture(spec: DataSpec) -> Look:
    return "print" if spec.has_pixels else "plot"


def _name(spec: DataSpec, label: int | None) -> str:
    return "" if label is None else class_name(spec, label)


def _slides(folder: RunFolder, spec: DataSpec, conditional: bool, is_table: bool) -> Slides | None:
    """The pictures through training: all, or where they are many some, the ends among them; None without any."""
    chosen = thinned_out(folder.snapshots(), MOST_SNAPSHOTS)
    if not chosen:
        return None
    pictures = [(step, f"Samples after step {step:,}", read_picture(path, WIDEST)) for step, path in chosen]
    limit = SNAPSHOTS_LIMIT // len(chosen)
    n = default_count(spec, conditional)
    labels = default_labels(spec, n) if conditional else None
    grids = [bare_grid(image, spec, n, labels) for _, _, image in pictures] if is_table else []
    if grids and all(grids):
        names = [_name(spec, k) for k, _ in grouped(n, labels)] if conditional else []
        frames = zip(pictures, grids, strict=True)
        return Slides([(step, inlined(grid, alt, limit, look(spec))) for (step, alt, _), grid in frames if grid], names)
    return Slides([(step, inlined(image, alt, limit, _look_of_picture(spec))) for step, alt, image in pictures], [])


def thinned_out(items: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the items at even distances, first and last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _kind_words(spec: DataSpec) -> str:
    size = "×".join(str(side) for side in spec.shape[-2:])
    colour = {1: "grey ", 3: "colour ", 4: "cut-out "}.get(spec.shape[0], "")
    words = {
        "images": f"{colour}images of {size} pixels",
        "points": "points in the plane",
        "curves": f"curves of {spec.shape[0]} values",
        "voxels": f"solids of {'×'.join(str(side) for side in spec.shape[1:])} voxels",
    }
    return words[spec.kind]
