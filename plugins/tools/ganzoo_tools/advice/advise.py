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

from ganzoo_core import dry_run
from ganzoo_core.data import Dataset
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.words import duration
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import find_source, named_source, resolve
from ganzoo_core.storage.names import shell_word

FEW = 5_000  # pictures: below, the board of few pictures is nearer
LARGE = 64  # pixels a side; a folder's pictures are 32 by default
LONG_MINUTES = 60  # on a processor, from which LARGE is worth its time
LOOKED_AT = 200  # files of a folder, for the sizes of its pictures
LEARNED_BY_HEART = 128  # times through 1,000 pictures, up to which augmentation did not pay (benchmarks/NOTES.md)
BY_COLUMN = {"source": "pix2pix", "text": "stackgan"}  # what a data set gives beside its pictures
BY_KIND = {"voxels": "3d-gan", "points": "wgan-gp", "curves": "vanilla"}
SHARE = 0.9  # of the minutes, for steps: pictures and checkpoints take the rest


@dataclass(frozen=True)
class Measured:
    """A variant's FID, the mean over `seeds`, after `seconds` of one core."""

    variant: str
    fid: float
    seeds: int
    seconds: float


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
    """The leaderboard, as `python -m benchmarks.leaderboard` writes it: title and `fid` of each variant by seconds."""
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
    variant, board, measured, reasons["variant"] = _variant(dataset, minutes)
    if resolve(variant, {}).variant.config.batch_size > len(dataset):
        settings["batch_size"] = str(2 ** int(math.log2(len(dataset))))
        reasons["batch"] = f"there are no more than {len(dataset)} pictures"
    texts = settings | {"data": data, "device": device}
    found = dry_run(variant, data_dir=data_dir, texts=texts)
    step_s = found.seconds / found.steps
    steps = max(1, round(SHARE * 60 * minutes / step_s))
    settings["steps"] = str(steps)
    reasons["steps"] = f"{1 / step_s:.3g} steps/s on this machine's {found.device}, timed just now"
    times = steps * max(phase.batch_size for phase in found.phases) / len(dataset)
    augment, reasons["augment"] = _augment(times)
    if augment is not None:
        settings["augment"] = augment
    chosen = " ".join(f"--set {shell_word(f'{key}={value}')}" for key, value in settings.items())
    command = f"ganzoo run {shell_word(variant)} --data {shell_word(data)} {chosen}"
    return Advice(variant, settings, command, reasons, board, measured)


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


def _variant(dataset: Dataset, minutes: float) -> tuple[str, str | None, list[Measured], str]:
    """The variant, the board it is from, what was measured there, and why it is this one."""
    spec = dataset.spec
    wanted = next((name for column, name in BY_COLUMN.items() if column in {c.name for c in spec.columns}), None)
    wanted = wanted or BY_KIND.get(spec.kind)
    if wanted is not None:
        resolve(wanted, {}).variant.check_data(spec)
        gives = ", ".join(column.name for column in spec.columns) or spec.kind
        return wanted, None, [], f"for data of {gives}; no leaderboard is of these"
    found = boards()
    names = ["mnist", "cifar10"] if spec.shape[0] == 1 else ["emoji", "cifar10"] if len(dataset) < FEW else ["cifar10"]
    board = next(name for name in names if found[name]["fid"])
    measured = sorted(_measured(found[board]["fid"], spec, 60 * minutes), key=lambda one: one.fid)
    if not measured:
        raise DataError(f"no variant that is installed and was measured takes {spec.name}; see ganzoo list")
    best = measured[0]
    why = (
        f"FID {best.fid:.3g} after {best.seconds:g} s of one core on {found[board]['title']} ({best.seeds} "
        f"seed{'s' * (best.seeds > 1)}), the least of {len(measured)} that were measured there and take this data"
    )
    if board != names[0]:
        why += f"; on {found[names[0]]['title']}, which is more like this data, nothing was measured yet"
    return best.variant, board, measured, why


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
        fid, seeds = stages[f"{end:g}"]
        found.append(Measured(name, fid, seeds, end))
    return found


def _augment(times: float) -> tuple[str | None, str]:
    """How to augment where a run goes through its pictures so many times, and why."""
    goes = f"the run goes about {times:.2g} times through the pictures"
    if times <= LEARNED_BY_HEART:
        harmful = f"up to {LEARNED_BY_HEART} times it did harm (dcgan on 1,000 pictures, three seeds)"
        return None, f"none: {goes}, and {harmful}"
    known = f"more than the {LEARNED_BY_HEART} that were measured"
    return (
        "diffaugment",
        f"{goes}, {known}, and a discriminator that knows them by heart gains by it (arXiv:2006.10738)",
    )
