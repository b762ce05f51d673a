"""`report.html`: all of a run on one page."""

from __future__ import annotations

import json
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.errors import FileError, GanzooError
from ganzoo_core.explore import Exploration, coordinates, interpolation
from ganzoo_core.files import write_atomically
from ganzoo_core.metrics.results import MATRIX_CLASSES, Evaluation, evaluation_file
from ganzoo_core.registry import registry
from ganzoo_core.report.animation import read_picture
from ganzoo_core.report.charts import run_charts
from ganzoo_core.report.page import Look, Picture, SampleTable, Slides, inlined, render
from ganzoo_core.report.pictures import WIDEST, bare_grid, cells, grouped
from ganzoo_core.report.plots import class_name
from ganzoo_core.report.words import typed
from ganzoo_core.run_folder import RunFolder
from ganzoo_core.run_settings import owners, stored_settings
from ganzoo_core.samples import default_count
from ganzoo_core.settings import Option
from ganzoo_core.trained import TrainedGenerator, load
from ganzoo_core.variant import DataSpec

# Characters of the file that each part may take, so that a page stays below 2 MB.
SAMPLES_LIMIT, SNAPSHOTS_LIMIT, WALKS_LIMIT, EVALUATION_LIMIT = 500_000, 800_000, 300_000, 200_000
MOST_SNAPSHOTS = 24
LARGEST_PIXELATED = 40  # side of an image
_FLAGS = ("steps", "batch_size", "seed")  # settings that have a flag of their own


@dataclass(frozen=True)
class Setting:
    """A setting of a run as the page shows it; what is unknown is None."""

    name: str
    value: Any
    doc: str | None
    default: Any
    is_default: bool


def write_report(path: Path) -> Path:
    """Write the page of the run in a folder, and return where it is. Raises `FileError` where there is no run."""
    folder = RunFolder.open(path)
    target = folder.path / "report.html"
    write_atomically(target, run_page(folder))
    return target


def run_page(folder: RunFolder) -> bytes:
    """The page of a run, finished or not, as UTF-8. What the run does not have is left out, or said to be missing."""
    info, records, snapshots = folder.read_info(), folder.records(), folder.snapshots()
    spec = DataSpec.from_dict(info["data"])
    generator, unusable = _generator(folder)
    step = max([0, *(record["step"] for record in records), *(step for step, _ in snapshots)])
    rates = [record["samples_per_s"] for record in records if record.get("samples_per_s")]
    settings = run_settings(info)
    conditional = generator is not None and generator.variant.conditional
    slides = _slides(folder, spec, conditional)
    return render(
        "run.html",
        info=info,
        spec=spec,
        step=step,
        variant=_variant_facts(info["variant"]),
        elapsed_s=elapsed_s(records, info["settings"]["batch_size"]),
        rate=statistics.median(rates) if rates else 0,
        samples=_final_samples(generator, spec, info["settings"]["seed"], is_shown=slides is not None),
        slides=slides,
        conditional=conditional,
        walks=[] if generator is None else _walks(generator),
        unusable=unusable,
        charts=run_charts(records, is_critic=_is_critic(generator)),
        evaluation=_evaluation(folder.path),
        kind_words=_kind_words(spec),
        resume=shlex.join(["ganzoo", "run", "--resume", str(folder.path)]),
        settings=settings,
        changes=[change for change in info.get("changes", []) if change.get("settings", {}).keys() - {"steps"}],
        command=command(info["variant"], settings),
        usage=usage(folder.path, spec.classes[-1] if conditional else None),
    )


def _generator(folder: RunFolder) -> tuple[TrainedGenerator | None, str | None]:
    """The generator, or why there is none: a page without it still shows what is on the disk."""
    try:
        return load(folder.path), None
    except GanzooError as error:
        return None, str(error)


def _variant_facts(name: str) -> dict[str, Any] | None:
    """Title, paper and year of a variant; None where it is not installed."""
    try:
        cls, _ = registry().variant(name)
    except GanzooError:
        return None
    return {"title": cls.title, "paper": cls.paper, "year": cls.year}


def _is_critic(generator: TrainedGenerator | None) -> bool:
    return generator is not None and generator.variant.loss().boundary is None


def elapsed_s(records: Sequence[dict[str, Any]], batch_size: int) -> float:
    """How long training took, in all its processes, read back from the speeds."""
    total, before = 0.0, 0
    for record in records:
        if record.get("samples_per_s"):
            total += (record["step"] - before) * batch_size / record["samples_per_s"]
            before = record["step"]
    return total


def _final_samples(
    generator: TrainedGenerator | None, spec: DataSpec, seed: int, is_shown: bool
) -> SampleTable | Picture | None:
    """The run's fixed latents at its end; of points and curves only where no slide `is_shown`, which has them."""
    if generator is None or (is_shown and not spec.has_pixels):
        return None
    samples = generator.sample(seed=seed)
    if not spec.has_pixels:
        return inlined(samples.picture(), f"Samples of {spec.name}", SAMPLES_LIMIT, "plot")
    pictures = _small(samples.values, spec, [""] * len(samples), SAMPLES_LIMIT)
    groups = grouped(len(samples), samples.labels)
    return SampleTable([(_name(spec, k), [pictures[i] for i in members]) for k, members in groups], [])


def _name(spec: DataSpec, label: int | None) -> str:
    return "" if label is None else class_name(spec, label)


def _small(values: Tensor, spec: DataSpec, alts: Sequence[str], limit: int) -> list[Picture]:
    """Images or voxels (N, ...) in [-1, 1] as pictures of their own size, within `limit` characters in all."""
    images = cells(values)
    mode = "RGB" if spec.shape[0] == 3 else "L"
    return [
        inlined(i.convert(mode), alt, limit // len(images), look(spec)) for i, alt in zip(images, alts, strict=True)
    ]


def _slides(folder: RunFolder, spec: DataSpec, conditional: bool) -> Slides | None:
    """The pictures through training: all, or where they are many some, the ends among them; None without any."""
    chosen = thinned_out(folder.snapshots(), MOST_SNAPSHOTS)
    if not chosen:
        return None
    pictures = [(step, f"Samples after step {step:,}", read_picture(path, WIDEST)) for step, path in chosen]
    limit = SNAPSHOTS_LIMIT // len(chosen)
    n = default_count(spec, conditional)
    labels = torch.arange(n) % spec.num_classes if conditional else None
    grids = [bare_grid(image, spec, n, labels) for _, _, image in pictures] if spec.has_pixels else []
    if grids and all(grids):
        names = [_name(spec, k) for k, _ in grouped(n, labels)] if conditional else []
        frames = zip(pictures, grids, strict=True)
        return Slides([(step, inlined(grid, alt, limit, look(spec))) for (step, alt, _), grid in frames if grid], names)
    drawn: Look = "print" if spec.has_pixels else "plot"
    return Slides([(step, inlined(image, alt, limit, drawn)) for step, alt, image in pictures], [])


def look(spec: DataSpec) -> Look:
    """How bare images are shown: small ones are enlarged, and then each pixel is to be seen."""
    return "pixels" if max(spec.shape[-2:]) <= LARGEST_PIXELATED else "photo"


def thinned_out(items: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the items at even distances, first and last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _walks(generator: TrainedGenerator) -> list[tuple[str, SampleTable | Picture]]:
    """What single coordinates do, and the way between two latents; none where latents are no vectors."""
    try:
        found = {"coordinates": coordinates(generator), "interpolation": interpolation(generator)}
    except GanzooError:
        return []
    return [(name, _walk(name, exploration)) for name, exploration in found.items()]


def _walk(name: str, walk: Exploration) -> SampleTable | Picture:
    spec = walk.samples.spec
    if not spec.has_pixels:
        alt = "Samples between two latents" if name == "interpolation" else "Samples as single coordinates move"
        return inlined(walk.picture(), alt, WALKS_LIMIT // 2, "plot")
    untouched = len(walk.samples) - len(walk.rows) * len(walk.columns)
    rows = [row.removeprefix("position ") for row in walk.rows]
    columns = [f"{float(share):.0%}" for share in walk.columns] if name == "interpolation" else list(walk.columns)
    alts = ["as is"] * untouched + [f"{row} at {column}".strip() for row in walk.rows for column in columns]
    pictures = _small(walk.samples.values, spec, alts, WALKS_LIMIT // 2)
    made = _rows(pictures[untouched:], len(columns))
    table = [(row, pictures[:untouched] + some) for row, some in zip(rows, made, strict=True)]
    return SampleTable(table, ["as is"] * untouched + columns)


def _rows(pictures: list[Picture], width: int) -> list[list[Picture]]:
    return [pictures[start : start + width] for start in range(0, len(pictures), width)]


def _evaluation(folder: Path) -> dict[str, Any] | None:
    """What evaluation.json holds and the picture beside it, or why it can't be read; None without one."""
    path = folder / evaluation_file(None)
    if not path.exists():
        return None
    try:
        found = Evaluation.read(path)
        rows, classes, matrix = found.rows(), found.class_rows(), found.confusion_rows()
    except (FileError, KeyError, TypeError, ValueError) as error:
        return {"error": str(error)}
    picture = path.with_suffix(".png")
    alt = "Generated samples beside the real ones nearest to them"
    return {
        "found": found,
        "rows": rows,
        "classes": classes,
        "matrix": matrix if len(matrix) <= MATRIX_CLASSES else [],
        "picture": inlined(read_picture(picture, WIDEST), alt, EVALUATION_LIMIT, "print") if picture.exists() else None,
    }


def run_settings(info: dict[str, Any]) -> list[Setting]:
    """All settings of a run beside their defaults and docs, as far as its variant and data set are installed.

    Those of a run from another machine that are not known here are shown without a default.
    """
    known = {option.name: option for owner in owners(info) for option in owner.options()}
    return [_setting(name, value, known.get(name)) for name, value in stored_settings(info).items()]


def _setting(name: str, value: Any, option: Option | None) -> Setting:
    if option is None:
        return Setting(name, value, None, None, False)
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    return Setting(name, value, option.doc, default, value == default)


def command(variant: str, settings: Sequence[Setting]) -> str:
    """The command line that makes the run again; settings that have their default are left out."""
    values = {setting.name: typed(setting.value) for setting in settings}
    words = ["ganzoo", "run", variant, "--data", values["data"]]
    for name in _FLAGS:
        words += [f"--{name.replace('_', '-')}", values[name]]
    for setting in settings:
        if not setting.is_default and setting.name not in (*_FLAGS, "data"):
            words += ["--set", f"{setting.name}={typed(setting.value)}"]
    return shlex.join(words)


def usage(folder: Path, label: str | None) -> str:
    """Three lines of Python that draw samples."""
    asked = "8" if label is None else f"8, labels=[{_quoted(label)}]"
    lines = [
        "import ganzoo_core as ganzoo",
        f"generator = ganzoo.load({_quoted(str(folder))})",
        f'generator.sample({asked}).save("samples.png")',
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON's texts are Python's too


def _kind_words(spec: DataSpec) -> str:
    size = "×".join(str(side) for side in spec.shape[-2:])
    colour = {1: "grey ", 3: "colour "}.get(spec.shape[0], "")
    words = {
        "images": f"{colour}images of {size} pixels",
        "points": "points in the plane",
        "curves": f"curves of {spec.shape[0]} values",
        "voxels": f"solids of {'×'.join(str(side) for side in spec.shape[1:])} voxels",
    }
    return words[spec.kind]
