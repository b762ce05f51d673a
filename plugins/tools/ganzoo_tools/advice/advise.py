"""Which variant, size and augmentation to take for some data and some minutes, by what was measured on data like it."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ganzoo_core import Estimate, dry_run
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.words import duration, number
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source, named_source, resolve
from ganzoo_core.storage.names import shell_word

FEW = 5_000  # pictures: below, the board of few pictures is nearer
LARGE = 64  # pixels a side; a folder's pictures are 32 by default
LONG_MINUTES = 60  # on a processor, from which LARGE is worth its time
LOOKED_AT = 200  # files of a folder, for the sizes of its pictures
LEARNED_BY_HEART = 320  # times through 1,000 pictures, from which on augmentation clearly pays (benchmarks/NOTES.md)
BY_COLUMN = {"source": "pix2pix", "text": "stackgan"}  # what a data set gives beside its pictures
BY_KIND = {"voxels": "3d-gan", "points": "wgan-gp", "curves": "vanilla"}
_MEASURED = "dcgan on 1,000 pictures, four seeds"
TRIES = 3  # variants that are timed to find one that fits this machine
SHARE = 0.9  # of the minutes, for steps: pictures and checkpoints take the rest


@dataclass(frozen=True)
class Measured:
    """A variant's FID, the mean over `seeds`, after `seconds` of one core, which were `steps`."""

    variant: str
    fid: float
    seeds: int
    seconds: float
    steps: int


@dataclass(frozen=True)
class Advice:
    """What to run, the command for it, why, and what was measured of it and the others, the best first."""

    variant: str
    settings: dict[str, str]
    command: str
    reasons: dict[str, str]
    board: str | None
    measured: list[Measured]

    def to_dict(self) -> dict[str, Any]:
        """The advice as JSON values."""
        return asdict(self)


def boards() -> dict[str, Any]:
    """The leaderboard, as `python -m benchmarks.leaderboard` writes it: of each board its title, and `fid`.

    That has for each variant by seconds: its FID, of how many seeds that is the mean, and their steps.
    """
    text = resources.files("ganzoo_tools.advice").joinpath("leaderboard.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def advise(
    data: str,
    *,
    minutes: float = 15,
    device: str = "auto",
    data_dir: str | Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Advice:
    """What to take for `data`, such as "folder:photos", and so many minutes of training on `device`.

    `options`: the data set's, as given to `--set`. A few steps of what is advised are timed, so that the command runs
    about as long. Raises `GanzooError` where the data can't be loaded, or no installed variant takes it.
    """
    if not minutes > 0:
        raise SettingError(f"minutes must be above 0, but is {minutes:g}")
    settings, reasons = dict(options or {}), {}
    if (why := _larger(data, minutes, device, settings)) is not None:
        settings["image_size"], reasons["size"] = str(LARGE), why
    dataset = named_source(data, settings).load(data_folder(None if data_dir is None else Path(data_dir)))
    choice, found = _timed(dataset, minutes, settings | {"data": data, "device": device}, data_dir)
    variant, step_s, reasons["variant"] = choice.variant, found.seconds / found.steps, choice.why
    if size := _batch_size(variant, dataset):
        settings["batch_size"], reasons["batch"] = size, f"there are no more than {len(dataset)} pictures"
    steps = max(1, round(SHARE * 60 * minutes / step_s))
    settings["steps"] = str(steps)
    reasons["steps"] = f"{number(1 / step_s)} steps/s on this machine's {found.device}, timed just now"
    batches = steps * resolve(variant, {}).variant.config.n_critic  # of real pictures
    times = batches * max(phase.batch_size for phase in found.phases) / len(dataset)
    augment, reasons["augment"] = _augment(times)
    if augment is not None:
        settings["augment"] = augment
    chosen = " ".join(f"--set {shell_word(f'{key}={value}')}" for key, value in settings.items())
    command = f"ganzoo run {shell_word(variant)} --data {shell_word(data)} {chosen}"
    return Advice(variant, settings, command, reasons, choice.board, choice.measured)


def _timed(
    dataset: Dataset, minutes: float, texts: dict[str, str], data_dir: str | Path | None
) -> tuple[_Choice, Estimate]:
    """The variant for so many minutes of this machine, and what its steps take here.

    What is chosen by the minutes of the board's machine is timed; where another one is to be chosen for as many as they
    are worth, that one is.
    """
    choice, tried = _choice(dataset, minutes), set()
    while True:
        tried.add(choice.variant)
        size = _batch_size(choice.variant, dataset)
        found = dry_run(choice.variant, data_dir=data_dir, texts=texts | ({"batch_size": size} if size else {}))
        if not choice.measured:
            return choice, found
        best, usual = choice.measured[0], resolve(choice.variant, {}).variant.config.batch_size
        pace = best.seconds / best.steps * found.steps / found.seconds * int(size or usual) / usual
        here = _choice(dataset, minutes, pace)
        if here.variant == choice.variant:
            return here, found
        if here.variant in tried or len(tried) == TRIES:
            return choice, found
        choice = here


def _batch_size(variant: str, dataset: Dataset) -> str | None:
    """What to set it to, where there are fewer pictures than the variant's own."""
    usual = resolve(variant, {}).variant.config.batch_size
    return str(2 ** int(math.log2(len(dataset)))) if usual > len(dataset) else None


def _larger(data: str, minutes: float, device: str, settings: Mapping[str, str]) -> str | None:
    """Why 64x64 is worth it; None where time is short, where most pictures are smaller, and where a size was given."""
    path = find_source(data)[1]
    if path is None or not path.is_dir() or "image_size" in settings or (minutes < LONG_MINUTES and device != "cuda"):
        return None
    from PIL import Image

    sides = []
    for file in itertools.islice(sorted(path.rglob("*")), LOOKED_AT):
        with contextlib.suppress(OSError), Image.open(file) as picture:
            sides.append(min(picture.size))
    if not sides or statistics.median(sides) < LARGE:
        return None
    why = f"there are {duration(60 * minutes)}" if minutes >= LONG_MINUTES else "there is a GPU"
    return f"{why}, and the shorter side of a picture is {statistics.median(sides):g} pixels"


@dataclass(frozen=True)
class _Choice:
    """A variant, the board it is from, what was measured there, the best first, and why it is this one."""

    variant: str
    board: str | None
    measured: list[Measured]
    why: str


def _choice(dataset: Dataset, minutes: float, pace: float = 1.0) -> _Choice:
    """What is the best after so many minutes of a machine with `pace` times the steps a second of the board's."""
    spec = dataset.spec
    wanted = next((name for column, name in BY_COLUMN.items() if column in {c.name for c in spec.columns}), None)
    wanted = wanted or BY_KIND.get(spec.kind)
    if wanted is not None:
        resolve(wanted, {}).variant.check_data(spec)
        gives = ", ".join(column.name for column in spec.columns) or spec.kind
        return _Choice(wanted, None, [], f"for data of {gives}; no leaderboard is of these")
    found = boards()
    names = ["mnist", "cifar10"] if spec.shape[0] == 1 else ["emoji", "cifar10"] if len(dataset) < FEW else ["cifar10"]
    of_each = {name: _measured(found[name]["fid"], spec, 60 * minutes * pace) for name in names}
    board = next((name for name in names if of_each[name]), None)
    if board is None:
        raise DataError(f"no variant that is installed and was measured takes {spec.name}; see ganzoo list")
    measured = sorted(of_each[board], key=lambda one: one.fid)
    best = measured[0]
    why = (
        f"FID {number(best.fid)} after {best.seconds:g} s of one core, {best.steps:,} steps, on "
        f"{found[board]['title']} ({best.seeds} seed{'s' * (best.seeds > 1)}), the least of {len(measured)} that were "
        f"measured there and take this data"
    )
    if pace != 1:
        why += f"; a step takes {number(1 / pace, 2)} times as long here"
    if board != names[0]:
        why += f"; on {found[names[0]]['title']}, which is more like this data, nothing that takes it was measured yet"
    return _Choice(best.variant, board, measured, why)


def _measured(fids: Mapping[str, Mapping[str, Any]], spec: DataSpec, seconds: float) -> list[Measured]:
    """What the installed variants that take such data came to in the time, or in the least that was measured."""
    installed = registry().variants()
    found = []
    for name, stages in fids.items():
        if name not in installed:
            continue
        try:
            resolve(name, {}).variant.check_data(spec)
        except DataError:
            continue
        ends = sorted(map(float, stages))
        end = max((e for e in ends if e <= seconds), default=ends[0])
        fid, seeds, steps = stages[f"{end:g}"]
        found.append(Measured(name, fid, seeds, end, steps))
    return found


def _augment(times: float) -> tuple[str | None, str]:
    """How to augment where a run goes through its pictures so many times, and why."""
    goes = f"the run goes about {number(times, 2)} times through the pictures"
    if times < LEARNED_BY_HEART:
        return None, f"none: {goes}, and it clearly paid only from {LEARNED_BY_HEART} times on ({_MEASURED})"
    return "ada", f"{goes}, and from {LEARNED_BY_HEART} times on it paid ({_MEASURED})"
