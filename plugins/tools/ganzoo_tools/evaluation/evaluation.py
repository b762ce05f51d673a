"""Evaluating a trained generator against real data."""

from __future__ import annotations

import logging
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ganzoo_core.datasets import data_folder
from ganzoo_core.errors import DataError, FileError, SettingError
from ganzoo_core.interfaces import column_names
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source, make_source, resolve
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.devices import pick_device
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.generator_file import load
from ganzoo_core.sampling.inputs import taken_inputs
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.variant import DataSource
from ganzoo_tools.evaluation.class_report import ClassReport, classes_present, confusion_matrix, read_as_asked, variety
from ganzoo_tools.evaluation.discriminator_check import accuracies, load_discriminator, scores
from ganzoo_tools.evaluation.few import caution
from ganzoo_tools.evaluation.given import given_rows
from ganzoo_tools.evaluation.neighbours import neighbours_picture
from ganzoo_tools.evaluation.reference import NEIGHBOURS_OF, Reference, SampleSet, load_reals
from ganzoo_tools.evaluation.results import FORMULAS, Evaluation, MetricValue
from ganzoo_tools.evaluation.target import copy_figures, target_figures

if TYPE_CHECKING:
    from PIL.Image import Image

_log = logging.getLogger("ganzoo")


@undisturbed()
def evaluate(
    source: str | Path,
    *,
    data: str | None = None,
    data_dir: str | Path | None = None,
    n: int = 10_000,
    seeds: int = 3,
    features: str | None = None,
    device: str = "auto",
    options: Mapping[str, str] | None = None,
    reals: Reference | None = None,
) -> Evaluation:
    """Evaluate a run, or a generator.safetensors, on `n` samples for each of `seeds` sampling seeds.

    `n` is capped at the number of real samples. A generator that takes inputs gets those of the data, of its held-out
    part where that is large enough, one sample each. `data`: by default what it was trained on; `options`: that data
    set's, as given to `--set`. `reals`, made by `load_reals`, can be shared by all generators of one data set. Raises
    `GanzooError`.
    """
    if seeds < 1:
        raise SettingError(f"seeds must be at least 1, but is {seeds}")
    if features is not None:
        from ganzoo_tools.evaluation.inception import weights_file

        weights_file(features)  # it says so at once where that is none
    generator = load(source, device)
    path = Path(source).expanduser()
    folder = RunFolder.open(path) if os.path.isdir(path) else None
    if reals is None:
        found = _data_source(folder, generator, data, options or {})
        where = data_folder(None if data_dir is None else Path(data_dir))
        reals = load_reals(found, where, n, features, pick_device(device))
    _check_fit(generator, reals)
    n = min(n, len(reals.subset))  # density and coverage are made for as many generated samples as real ones
    evaluator = _Evaluator(generator, reals, folder, n)
    for seed in range(seeds):
        _log.info("evaluating %s samples of seed %d", f"{n:,}", seed)
        evaluator.add(seed)
    floor = reals.floor
    return Evaluation(
        variant=generator.variant.name,
        step=generator.step,
        conditions=conditions(reals, evaluator.n, seeds),
        figures={
            name: MetricValue(tuple(v), floor.get(name), evaluator.error(name)) for name, v in evaluator.figures.items()
        },
        floor=reals.floor_is,
        caution=caution(len(reals.subset), reals.draw) if reals.draw else None,
        left_out=evaluator.left_out(),
        classes=evaluator.classes(),
        neighbours=evaluator.neighbours,
    )


class _Evaluator:
    """Collects the metrics of one generator, seed by seed."""

    def __init__(self, generator: TrainedGenerator, reals: Reference, folder: RunFolder | None, n: int) -> None:
        self.generator, self.reals, self.n = generator, reals, n
        self.figures: dict[str, list[float]] = {}
        self._errors: dict[str, list[float]] = {}
        self.neighbours: Image | None = None
        self._read: list[Tensor] = []
        self._varieties: list[list[float | None]] = []
        self._discriminator = None
        self._no_discriminator = "a generator's file holds no discriminator; name its run folder"
        if folder is not None:
            try:
                self._discriminator = load_discriminator(folder, generator)
            except FileError as error:
                self._no_discriminator = str(error)
        self._own = {} if self._discriminator is None else column_names(self._discriminator)  # a discriminator's inputs
        self._given: dict[str, Tensor] = {}
        self._asked = _asked(reals.subset.labels, n)
        if generator.inputs or self._own:
            names = {"labels", *(one.name for one in generator.inputs), *self._own}
            names |= {"real"} if generator.variant.paired and generator.inputs else set()
            data, rows = reals.given if generator.inputs else reals.rows["subset"]
            self._given = given_rows(generator.variant, data, rows[:n], names)
            self.n = min(n, len(rows))
            self._asked = self._given.get("labels")
        if self._discriminator is not None:
            self._on_train = self._real_scores(reals.subset, "subset")
            self._on_held_out = None if reals.held_out is None else self._real_scores(reals.held_out, "held_out")

    def add(self, seed: int) -> None:
        """Evaluate the n samples of one seed."""
        asked = self._asked if self.generator.variant.conditional else None
        values = generate(self.generator.module, self.n, asked, seed, self.generator.device, columns=self._given)
        if not bool(torch.isfinite(values).all()):
            raise DataError("the generator gives numbers that are not finite; its training failed")
        features = self.reals.extractor(values)
        found, errors = self.reals.quality(features)
        if "real" in self._given:
            found |= target_figures(values, self._given["real"])
            found |= copy_figures((self._given[one.name] for one in self.generator.inputs), self._given["real"])
        found |= self._class_figures(values, asked)
        found |= self.reals.natural(values) | self.reals.copying(features[:NEIGHBOURS_OF])
        if self.neighbours is None:
            self.neighbours = neighbours_picture(self.reals, values[:NEIGHBOURS_OF], features[:NEIGHBOURS_OF])
        if self._discriminator is not None:
            boundary = self.generator.variant.loss().boundary
            on_fake = self._scores(values, self._asked, self._given)
            found |= accuracies(self._on_train, self._on_held_out, on_fake, boundary)
        for name, value in found.items():
            self.figures.setdefault(name, []).append(value)
        for name, value in errors.items():
            self._errors.setdefault(name, []).append(value)

    def error(self, name: str) -> float | None:
        """The standard error of a metric, a mean over the seeds; None where it was not measured."""
        return statistics.fmean(self._errors[name]) if name in self._errors else None

    def _scores(self, values: Tensor, labels: Tensor | None, columns: Mapping[str, Tensor]) -> Tensor:
        assert self._discriminator is not None
        size = self.generator.variant.config.batch_size
        return scores(self._discriminator, size, self.generator.device, values, labels, columns)

    def _real_scores(self, side: SampleSet, name: str) -> Tensor:
        """The logits of real samples, with what the discriminator takes besides."""
        if not self._own:
            return self._scores(side.values, side.labels, {})
        data, rows = self.reals.rows[name]
        found = given_rows(self.generator.variant, data, rows, {"real", "labels", *self._own})
        return self._scores(found["real"], found.get("labels"), found)

    def _class_figures(self, values: Tensor, asked: Tensor | None) -> dict[str, float]:
        labels, k = self.reals.subset.labels, self.reals.spec.num_classes
        if labels is None:
            return {}
        read = self.reals.read(values)
        self._read.append(read)
        self._varieties.append(variety(values, read, self.reals.subset.values, labels, k))
        found = classes_present(read.bincount(minlength=k), labels.bincount(minlength=k))
        return found if asked is None else found | read_as_asked(confusion_matrix(asked, read, k))

    def classes(self) -> dict[str, Any] | None:
        """The report by class over all seeds so far."""
        labels, k = self.reals.subset.labels, self.reals.spec.num_classes
        if labels is None:
            return None
        read, matrix = torch.cat(self._read), None
        if self.generator.variant.conditional:
            assert self._asked is not None
            matrix = confusion_matrix(self._asked.repeat(len(self._read)), read, k)
        counts, real = read.bincount(minlength=k), labels.bincount(minlength=k)
        return ClassReport(self.reals.spec.classes, counts, real, matrix, self._varieties).to_dict()

    def left_out(self) -> dict[str, str]:
        """Metrics that were not computed, and why."""
        spec, found = self.reals.spec, {}
        if not self.reals.labelled:
            found["classes"] = f"{spec.name} has no labels, so that nobody can read classes"
        elif not self.generator.variant.conditional:
            found["read_as_asked"] = f"{self.generator.variant.name} is not conditional: no class was asked for"
        if self.reals.held_out is None:
            found["held_out"] = self.reals.no_held_out
        if self._discriminator is None:
            found["accuracy"] = self._no_discriminator
        return found


def _asked(labels: Tensor | None, n: int) -> Tensor | None:
    """The class (n,) to request for each sample, in the proportions of the real data."""
    return None if labels is None else labels[:n]


def _data_source(
    folder: RunFolder | None, generator: TrainedGenerator, data: str | None, options: Mapping[str, str]
) -> DataSource:
    """The data to evaluate on: the run's own, unless `data` names another."""
    if data is None and folder is not None and not options:
        info = folder.metadata()
        return resolve(info.variant, info.settings).source
    name = data or (folder.metadata().settings["data"] if folder else generator.spec.name)
    cls, path = find_source(name)
    values = {key: cls.Options.parse(key, text) for key, text in options.items()}
    return make_source(cls, registry().dataset(cls.name)[1], values, path)


def _check_fit(generator: TrainedGenerator, reals: Reference) -> None:
    made, real = generator.spec, reals.spec
    if generator.inputs:
        generator.variant.check_data(real)
        if taken_inputs(generator.variant, generator.module, real) != generator.inputs:
            raise DataError(
                f"the generator was trained on {made.name} and can't be judged by {real.name}: what it takes "
                f"({', '.join(one.name for one in generator.inputs)}) must be the same there, in shape and words, "
                f"but is not; name its own data with --data"
            )
    for what in ("kind", "shape", "scale", "offset", *(["num_classes"] if generator.variant.conditional else [])):
        if getattr(made, what) != getattr(real, what):
            raise DataError(
                f"the generator was trained on {made.name} and can't be judged by {real.name}: their {what} must be "
                f"the same, but are {getattr(made, what)} and {getattr(real, what)}; name its own data with --data"
            )
    if generator.variant.conditional and made.classes != real.classes and sorted(made.classes) == sorted(real.classes):
        raise DataError(
            f"the generator's classes are in another order than those of {real.name}, as an older ganzoo put 10 before "
            f"2; evaluate it with the ganzoo that trained it"
        )


def conditions(reals: Reference, n: int, seeds: int) -> dict[str, Any]:
    """What the metrics of n samples for each of so many seeds depend on besides the generator."""
    held = reals.held_out
    return {
        "data": reals.spec.name,
        "data_digest": reals.digest,
        "split": "train",
        "extractor": reals.extractor.name,
        "digest": reals.extractor.digest,
        "resize": reals.extractor.resize,
        "reader": reals.reader,
        "samples": n,
        "real": len(reals.subset),
        "draw": reals.draw,
        "real_neighbours": len(reals.all),
        "held_out": None if held is None else len(held),
        "seeds": list(range(seeds)),
        "formulas": FORMULAS,
    }
