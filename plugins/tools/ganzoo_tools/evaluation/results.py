"""The result of an evaluation, the conditions of its metrics, and whether two results are comparable."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganzoo_core.drawing.pictures import png_bytes
from ganzoo_core.drawing.words import number
from ganzoo_core.errors import DataError, FileError, shorten
from ganzoo_core.storage import json_files
from ganzoo_core.storage.files import write_atomically
from ganzoo_core.storage.names import shell_word
from ganzoo_core.storage.schema import (
    TEXT,
    Check,
    Rule,
    check,
    is_count,
    is_name,
    is_number,
    is_plain,
    is_positive,
    is_text,
    list_of,
    optional,
    table,
)

if TYPE_CHECKING:
    from PIL.Image import Image

_DEEPEST = 8
MATRIX_CLASSES = 12  # a larger confusion matrix is no pleasure to read
FORMULAS = 1  # raise it where a figure's meaning changes: older evaluations are then not compared with newer ones

# What a figure is called on the screen, and which way is better; None: neither, docs/evaluate.md says how to read it.
TITLES: dict[str, tuple[str, str | None]] = {
    "fid": ("FID", "lower"),
    "kid": ("KID", "lower"),
    "precision": ("precision", None),  # one outlier's ball is enough to take all samples in, or all real ones:
    "recall": ("recall", None),  # arXiv:2002.09797, section 3, has density and coverage in their place
    "density": ("density", None),  # it fell while training went well: samples that keep to the middle have most of it
    "coverage": ("coverage", "higher"),
    "target_error": ("error against the target", "lower"),
    "target_psnr": ("PSNR against the target, dB", "higher"),
    "target_ssim": ("SSIM against the target", "higher"),
    "copy_error": ("error of the input itself", None),  # what a generator that changes nothing would have
    "copy_psnr": ("PSNR of the input itself, dB", None),
    "copy_ssim": ("SSIM of the input itself", None),
    "read_as_asked": ("read as asked", "higher"),
    "worst_class": ("read as asked, worst class", "higher"),
    "classes_present": ("classes present", "higher"),
    "class_entropy": ("entropy of the classes, bits", None),  # near its most it goes up and down as training goes on
    "modes_covered": ("modes covered", "higher"),
    "good_share": ("good samples", "higher"),
    "inside_share": ("curves inside the bounds", "higher"),
    "loose_voxels": ("loose voxels", "lower"),
    "nearest_train": ("distance to the training data", None),
    "nearest_is_train": ("nearer to training than to held-out", None),
    "accuracy_train": ("D right on training data", None),
    "accuracy_held_out": ("D right on held-out data", None),
    "accuracy_fake": ("D right on generated samples", None),
}


@dataclass(frozen=True)
class MetricValue:
    """One metric over the sampling seeds. `floor`: what real data scores, if known.

    `error`: its standard error with so few samples, real and generated; None where they are many.
    """

    values: tuple[float, ...]
    floor: float | None = None
    error: float | None = None

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float | None:
        """The standard deviation over seeds; None for one seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        """The mean, and the spread if there is one: 12.3 ± 0.56."""
        return number(self.mean) + ("" if self.spread is None else f" ± {number(self.spread, 2)}")


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating a generator. `conditions`: all that a metric depends on besides the generator.

    `left_out`: metrics that were not computed, and why. `floor`: how the real-data baseline was computed. `classes`:
    results per class. `neighbours`: a picture of the samples nearest to the training data. `caution`: how far metrics
    of few samples can be trusted.
    """

    variant: str
    step: int
    conditions: dict[str, Any]
    figures: dict[str, MetricValue]
    floor: str
    left_out: dict[str, str] = field(default_factory=dict)
    classes: dict[str, Any] | None = None
    neighbours: Image | None = field(default=None, compare=False, repr=False)
    caution: str | None = None

    def rows(self) -> list[tuple[str, MetricValue, str | None]]:
        """Each metric with its title and the better direction, as a table shows them."""
        return [(title(name), figure, better(name)) for name, figure in self.figures.items()]

    def class_rows(self) -> list[tuple[str, float | None, float, float, float | None]]:
        """Per class: its name, the share read as requested, its share of samples and of real data, the diversity."""
        if self.classes is None:
            return []
        names, asked = self.classes["names"], self.classes["read_as_asked"]
        shares = [self.classes[key] for key in ("share", "real_share", "variety")]
        return list(zip(names, asked or [None] * len(names), *shares, strict=True))

    def confusion_rows(self) -> list[tuple[str, list[float | None]]]:
        """Per requested class: the share of its samples that is read as each class; None without samples."""
        if self.classes is None or self.classes["confusion"] is None:
            return []
        pairs = zip(self.classes["names"], self.classes["confusion"], strict=True)
        return [(name, [count / sum(row) if count else None for count in row]) for name, row in pairs]

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as JSON values; each metric with its mean, spread and better direction."""
        figures = {
            name: {
                "mean": f.mean,
                "spread": f.spread,
                "error": f.error,
                "floor": f.floor,
                "better": better(name),
                "values": list(f.values),
            }
            for name, f in self.figures.items()
        }
        return {
            "variant": self.variant,
            "step": self.step,
            "conditions": self.conditions,
            "floor": self.floor,
            "figures": figures,
            "left_out": self.left_out,
            "classes": self.classes,
            "caution": self.caution,
        }

    @classmethod
    def read(cls, path: Path) -> Evaluation:
        """The evaluation in a file that `save` wrote. Raises `FileError` if it is missing or damaged."""
        try:
            values = _checked(path, json_files.read(path, _DEEPEST))
        except FileError as error:
            raise FileError(f"{error}; make it again: ganzoo evaluate {shell_word(path.parent)}") from error
        figures = {
            name: MetricValue(tuple(f["values"]), f["floor"], f.get("error")) for name, f in values["figures"].items()
        }
        return cls(**values | {"figures": figures})

    def save(self, folder: Path) -> Path:
        """Write the evaluation and its picture into a folder, each atomically; returns the path."""
        path = folder / evaluation_file(self.conditions["extractor"])
        if self.neighbours is not None:
            write_atomically(path.with_suffix(".png"), png_bytes(self.neighbours))
        write_atomically(path, (json.dumps(self.to_dict(), indent=2) + "\n").encode())
        return path


def _checked(path: Path, values: Any) -> dict[str, Any]:
    """What an evaluation's file holds. Raises `FileError` where it breaks a rule, with the field's name."""
    check(path, "", values, _RULES, optional=["caution"])
    check(path, "conditions: ", values["conditions"], _CONDITIONS | _others(values["conditions"]))
    for name, figure in values["figures"].items():
        check(path, f"figures: {shorten(name)}: ", figure, _FIGURE, optional=["error"])
    if values["classes"] is not None:
        check(path, "classes: ", values["classes"], _classes(values["classes"]))
    return dict(values)


def _others(conditions: dict[str, Any]) -> dict[str, Rule]:
    """The conditions that are only compared may have any name."""
    return {name: (is_plain, "a plain value") for name in conditions if name not in _CONDITIONS}


def _classes(classes: dict[str, Any]) -> dict[str, Rule]:
    """The rules of a report by class: all its lists are as long as that of the names."""
    names = classes.get("names")
    k = len(names) if isinstance(names, list) else 0

    def each(check: Check) -> Check:
        return lambda value: list_of(check)(value) and len(value) == k

    return {
        "names": (list_of(is_text), "a list of texts"),
        "share": (each(is_number), "a list of a number for each class"),
        "real_share": (each(is_number), "a list of a number for each class"),
        "variety": (each(optional(is_number)), "a list of a number or null for each class"),
        "read_as_asked": (optional(each(optional(is_number))), "null, or a list of a number or null for each class"),
        "confusion": (optional(each(each(is_count))), "null, or a table of whole numbers with a row for each class"),
    }


_ABOVE_0 = (is_positive, "a whole number above 0")
_RULES: dict[str, Rule] = {
    "variant": (is_name, "the name of a variant"),
    "step": (is_count, "a whole number"),
    "conditions": (table(lambda value: True), "a table"),
    "figures": (table(lambda figure: isinstance(figure, dict)), "a table of tables"),
    "floor": (is_text, TEXT),
    "left_out": (table(is_text), "a table of texts"),
    "classes": (optional(lambda classes: isinstance(classes, dict)), "null or a table"),
    "caution": (optional(is_text), f"null or {TEXT}"),
}
_CONDITIONS: dict[str, Rule] = {
    "data": (is_text, TEXT),
    "extractor": (is_text, TEXT),
    "samples": _ABOVE_0,
    "real": _ABOVE_0,
    "real_neighbours": _ABOVE_0,
    "seeds": (lambda value: list_of(is_count)(value) and len(value) > 0, "a list of whole numbers"),
}
_NUMBER: Rule = (optional(is_number), "a number or null")  # 0 is one, and nothing beyond 1e100 is
_FIGURE: dict[str, Rule] = {
    "values": (lambda value: list_of(is_number)(value) and len(value) > 0, "a list of numbers"),
    "mean": _NUMBER,
    "spread": _NUMBER,
    "error": _NUMBER,
    "floor": _NUMBER,
    "better": (lambda value: value in (None, "lower", "higher"), 'null, "lower" or "higher"'),
}


def evaluation_file(features: str | None) -> str:
    """The name of an evaluation's file; each kind of features has its own."""
    return "evaluation-inception.json" if features == "inception" else "evaluation.json"


def differing(first: Evaluation, second: Evaluation) -> list[str]:
    """The conditions in which two evaluations differ, in words; empty if their metrics are comparable."""
    keys = [*first.conditions, *(key for key in second.conditions if key not in first.conditions)]
    pairs = [(key, first.conditions.get(key), second.conditions.get(key)) for key in keys]
    return [f"{key} ({a} and {b})" for key, a, b in pairs if a != b]


def check_comparable(evaluations: Mapping[str, Evaluation]) -> None:
    """Raise `DataError` if evaluations, by the name of what was evaluated, were made under different conditions."""
    (first, one), *others = evaluations.items()
    for name, other in others:
        if found := differing(one, other):
            raise DataError(
                f"{first} and {name} can't be compared: they were evaluated with different {', '.join(found)}; "
                f"evaluate both alike with `ganzoo evaluate`"
            )


def title(name: str) -> str:
    """The name of a metric on the screen."""
    return TITLES[name][0] if name in TITLES else name.replace("_", " ")


def better(name: str) -> str | None:
    """The better direction of a metric, "lower" or "higher"; None if neither."""
    return TITLES[name][1] if name in TITLES else None
