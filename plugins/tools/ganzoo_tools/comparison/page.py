"""The page of a comparison: one file, to be read without network or server."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.charts import Axis, Chart, Line, axis
from ganzoo_core.drawing.pictures import bare_grid, grouped
from ganzoo_core.drawing.plots import class_name
from ganzoo_core.drawing.words import number
from ganzoo_core.errors import GanzooError
from ganzoo_core.report.command import command, run_settings
from ganzoo_core.report.page import Picture, inlined, look, render
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.generator_file import load
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.storage.files import write_atomically
from ganzoo_tools.comparison.candidates import Candidate, StageResult, source_of
from ganzoo_tools.comparison.ranking import Comparison, Recipe
from ganzoo_tools.evaluation.results import MetricValue, better, title

SAMPLES_LIMIT = 1_200_000  # characters of the file for all samples, so that a page stays below 2 MB
LARGEST_SAMPLES = 200_000  # and for those of one recipe
A_CLASS, MOST_CLASSES, UNCLASSED, POINTS = 6, 10, 60, 1000
SEED = 0  # of the latents: the same for all
_CURVES = ("fid", "coverage", "density", "read_as_asked", "modes_covered", "good_share", "inside_share")
_SHARES = ("coverage", "read_as_asked", "good_share", "inside_share")


@dataclass(frozen=True)
class Shown:
    """What one recipe draws; `rows` are the classes of the rows."""

    name: str
    note: str
    picture: Picture | None
    rows: list[str]  # blank for who was not asked, so that all the pictures are of one size


def write_page(comparison: Comparison, path: Path, data_dir: Path | None = None) -> Path:
    """Write the page of a comparison, and return where it is. A link there is replaced."""
    write_atomically(path, page(comparison, data_dir))
    return path


def page(comparison: Comparison, data_dir: Path | None = None) -> bytes:
    """The page of a comparison as UTF-8."""
    first = comparison.recipes[0].candidates[0]
    spec = first.info.data
    trainings = sorted({len(recipe.candidates) for recipe in comparison.recipes})
    return render(
        "comparison.html",
        "ganzoo_tools",
        comparison=comparison,
        spec=spec,
        first=first,
        trainings=trainings,
        environments=environments(comparison),
        columns=comparison.columns(),
        title_of=title,
        better=better,
        shown=samples_of(comparison, spec, data_dir),
        charts=_charts(comparison),
        classes=_classes(comparison),
        costs=[_cost(recipe) for recipe in comparison.recipes],
        recipes_with_class=[r.name for r in comparison.recipes if _by_class(r.candidates[0]) is not None],
        commands=[
            command(e.info.variant, run_settings(e.info)) for recipe in comparison.recipes for e in recipe.candidates
        ],
        seed=SEED,
    )


def environments(comparison: Comparison) -> list[str]:
    """The machines the runs were trained on, in words: times on different ones are no measure."""
    found = [candidate.info.environment for recipe in comparison.recipes for candidate in recipe.candidates]
    words = [
        f"{str(e.get('device')).upper()}, {e.get('threads')} thread{'s' * (e.get('threads') != 1)}, "
        f"torch {e.get('torch')}, {e.get('platform')}"
        for e in found
    ]
    return list(dict.fromkeys(words))


def samples_of(comparison: Comparison, spec: DataSpec, data_dir: Path | None) -> list[Shown]:
    """Real samples, where they are to be had, and those of each recipe."""
    limit = min(LARGEST_SAMPLES, SAMPLES_LIMIT // (len(comparison.recipes) + 1))
    drawn = [_drawn(recipe, spec, limit) for recipe in comparison.recipes]
    real = _real(comparison.recipes[0].candidates[0], spec, data_dir, limit)
    return ([] if real is None else [real]) + drawn


def _drawn(recipe: Recipe, spec: DataSpec, limit: int) -> Shown:
    """Samples of the run with the lowest seed: nobody picked it."""
    candidate = recipe.candidates[0]
    try:
        generator = load(candidate.folder.path)
    except GanzooError as error:
        return Shown(recipe.name, str(error), None, [])
    if generator.spec != spec:
        return Shown(recipe.name, "its weights are of other data than its run.json describes", None, [])
    if generator.inputs:
        return _translated(recipe.name, generator, limit)
    labels = _labels(spec) if generator.variant.conditional else None
    n = _count(spec) if labels is None else len(labels)
    values = generate(generator.module, n, labels, SEED, generator.device)
    note = "unconditional" if labels is None else "asked by class"
    drawn = _show(recipe.name, note, Samples(values, spec, labels), limit)
    return replace(drawn, rows=[""] * math.ceil(n / A_CLASS)) if labels is None and spec.has_pixels else drawn


def _translated(name: str, generator: TrainedGenerator, limit: int) -> Shown:
    """What a generator made of its run's own examples, below these."""
    try:
        picture = generator.sample(seed=SEED).picture()
    except GanzooError as error:
        return Shown(name, str(error), None, [])
    return Shown(name, "of its run's examples", inlined(picture, f"Samples: {name}", limit, "print"), [])


def _real(candidate: Candidate, spec: DataSpec, data_dir: Path | None, limit: int) -> Shown | None:
    """Real samples of the same classes; None where that data is not to be had here."""
    try:
        dataset = source_of(candidate.info).load(data_folder(data_dir))
    except GanzooError:
        return None
    if dataset.spec != spec:
        return None
    asked = None if dataset.labels is None else _labels(spec)
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(SEED), device="cpu")
    if asked is None or dataset.labels is None:
        rows = order[: _count(spec)]
    else:
        by_class = [order[dataset.labels[order] == k][: int((asked == k).sum())] for k in asked.unique().tolist()]
        rows = torch.cat(by_class)
    batch = dataset.batch(rows)
    return _show("real data", spec.name, Samples(batch["real"], spec, batch.get("labels")), limit)


def _labels(spec: DataSpec) -> torch.Tensor:
    """The classes asked for, alike for all: (N,) int64."""
    shown = min(spec.num_classes, MOST_CLASSES)
    return torch.arange(A_CLASS * shown if spec.has_pixels else POINTS) % shown


def _count(spec: DataSpec) -> int:
    """How many samples of a recipe that is asked for no class."""
    return POINTS if spec.kind == "points" else UNCLASSED


def _show(name: str, note: str, samples: Samples, limit: int) -> Shown:
    spec, alt = samples.spec, f"Samples: {name}"
    if not spec.has_pixels:
        return Shown(name, note, inlined(samples.picture(), alt, limit, "plot"), [])
    groups = grouped(len(samples), samples.labels)
    rows = [] if samples.labels is None else [class_name(spec, k or 0) for k, _ in groups]
    grid = bare_grid(samples.picture(A_CLASS), spec, len(samples), samples.labels, A_CLASS)
    alt = f"{alt}, a row each of {', '.join(rows)}" if rows else alt
    return Shown(name, note, inlined(grid or samples.picture(A_CLASS), alt, limit, look(spec)), rows)


def _charts(comparison: Comparison) -> list[Chart]:
    """How figures moved over time, and the one that ranks over steps too."""
    charts = [_chart(comparison, key, "seconds") for key in _CURVES if key in comparison.columns()]
    return [chart for chart in [*charts[:1], _chart(comparison, comparison.ranked_by, "step"), *charts[1:]] if chart]


def _chart(comparison: Comparison, key: str, unit: str) -> Chart | None:
    found = [_line(recipe, key, unit, hue) for hue, recipe in enumerate(comparison.recipes)]
    lines = [line for line in found if line is not None]
    if not lines:
        return None
    low, high = (f(v for line in lines for v in (*line.low, *line.high)) for f in (min, max))
    y_axis = axis(0, min(1.05 * high, 1.02) or 1.0) if key in _SHARES else axis(0, 1.05 * high or 1.0)
    if low > 0 and high / low > 10 and key not in _SHARES:
        y_axis = log_axis(low, high)
    floor = comparison.floors[key]
    level = None
    if floor is not None and y_axis.low <= floor <= y_axis.high:
        level = floor, f"{number(floor)}: what real data scores"
    x_axis = axis(0, max(x for line in lines for x in line.steps), whole=unit == "step")
    words = "time" if unit == "seconds" else "steps"
    return Chart(
        f"{title(key).capitalize() if title(key).islower() else title(key)} over {words}",
        lines,
        x_axis,
        y_axis,
        level,
        unit,
    )


def _line(recipe: Recipe, key: str, unit: str, hue: int) -> Line | None:
    """The mean over trainings at each stage, with the range between them; None where there were no stages."""
    by_stage: dict[float, list[StageResult]] = {}
    for result in (s for candidate in recipe.candidates for s in candidate.stages if key in s.figures):
        by_stage.setdefault(result.until_s, []).append(result)
    stages = [stage for _, stage in sorted(by_stage.items()) if len(stage) == len(recipe.candidates)]
    if len(stages) < 2:
        return None
    values = [[s.figures[key] for s in stage] for stage in stages]
    xs = [statistics.fmean(s.step if unit == "step" else s.seconds for s in stage) for stage in stages]
    return Line(recipe.name, xs, [*map(statistics.fmean, values)], [*map(min, values)], [*map(max, values)], hue)


def _by_class(candidate: Candidate) -> list[float | None] | None:
    return None if candidate.evaluation.classes is None else candidate.evaluation.classes["read_as_asked"]


def _classes(comparison: Comparison) -> list[tuple[str, list[float | None]]]:
    """By class, the share read as asked of each conditional recipe, a mean over its trainings."""
    asked = [r for r in comparison.recipes if _by_class(r.candidates[0]) is not None]
    if not asked:
        return []
    columns = [_mean_rows([_by_class(e) or [] for e in recipe.candidates]) for recipe in asked]
    classes = asked[0].candidates[0].evaluation.classes
    assert classes is not None
    return [(name, [column[k] for column in columns]) for k, name in enumerate(classes["names"])]


def _mean_rows(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    shares = [[v for v in values if v is not None] for values in zip(*rows, strict=True)]
    return [statistics.fmean(found) if found else None for found in shares]


def _cost(recipe: Recipe) -> dict[str, Any]:
    """What a training of it took: parameters, seconds, steps, samples a second."""
    steps = MetricValue(tuple(float(e.evaluation.step) for e in recipe.candidates))
    seconds = statistics.fmean(e.seconds for e in recipe.candidates)
    info = recipe.candidates[0].info
    return {
        "name": recipe.name,
        "parameters": info.parameters,
        "seconds": seconds,
        "steps": steps,
        "rate": steps.mean * info.settings["batch_size"] / seconds if seconds else 0,
    }


def log_axis(low: float, high: float) -> Axis:
    """A logarithmic axis from `low` to `high`, both above 0, with some room beyond."""
    low, high = low / 1.15, high * 1.15
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if low <= tick <= high]
    return Axis(low, high, inside[:: math.ceil(len(inside) / 6)], is_log=True)
