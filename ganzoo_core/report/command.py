"""A run's settings beside their defaults, and the command that repeats it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo_core.dataspec import Input
from ganzoo_core.drawing.words import typed
from ganzoo_core.registry import registry
from ganzoo_core.runs.metadata import RunMetadata
from ganzoo_core.runs.own import sample_command
from ganzoo_core.runs.plan import owners
from ganzoo_core.settings import Option
from ganzoo_core.storage.names import shell_word

_FLAGS = ("steps", "batch_size", "seed")  # settings that have a flag of their own


@dataclass(frozen=True)
class Setting:
    """A setting of a run as the page shows it; what is unknown is None."""

    name: str
    value: Any
    doc: str | None
    default: Any
    is_default: bool


def run_settings(metadata: RunMetadata) -> list[Setting]:
    """All settings of a run with their defaults and docs, as far as its variant and data set are installed.

    Settings that are unknown on this machine are shown without a default.
    """
    known = {option.name: option for owner in owners(metadata.variant, metadata.settings) for option in owner.options()}
    return [_setting(name, value, known.get(name)) for name, value in metadata.settings.items()]


def _setting(name: str, value: Any, option: Option | None) -> Setting:
    if option is None:
        return Setting(name, value, None, None, False)
    default = list(option.default) if isinstance(option.default, tuple) else option.default
    return Setting(name, value, option.doc, default, value == default)


def command(variant: str, settings: Sequence[Setting]) -> str:
    """The command line that repeats the run; settings at their defaults are left out."""
    values = {setting.name: typed(setting.value) for setting in settings}
    words = ["ganzoo", "run", registry().typed(variant) or variant, "--data", values["data"]]
    for name in _FLAGS:
        words += [f"--{name.replace('_', '-')}", values[name]]
    for setting in settings:
        if not setting.is_default and setting.name not in (*_FLAGS, "data"):
            words += ["--set", f"{setting.name}={typed(setting.value)}"]
    return " ".join(map(shell_word, words))


def usage(folder: Path, label: str | None) -> str:
    """Three lines of Python that make samples."""
    asked = "8" if label is None else f"8, labels=[{_quoted(label)}]"
    lines = [
        "import ganzoo_core as ganzoo",
        f"generator = ganzoo.load({_quoted(str(folder))})",
        f'generator.sample({asked}).save("samples.png")',
    ]
    return "\n".join(lines)


def input_command(variant: str, folder: Path, inputs: Sequence[Input]) -> str | None:
    """The command line that makes a sample of the user's own inputs; None where it takes none of these."""
    kinds = [one.kind for one in inputs]
    if not inputs or "numbers" in kinds or max(kinds.count("image"), kinds.count("text")) > 1:
        return None
    picture = " --input mine.png" if "image" in kinds else ""
    text = next((f" --text {shell_word(_some_words(one))}" for one in inputs if one.kind == "text"), "")
    return f"{sample_command(variant)} {shell_word(folder)}{picture}{text}"


def _some_words(text: Input) -> str:
    """Words that a generator knows."""
    return " ".join(text.names[: min(2, *text.shape)]) or "..."


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # JSON's texts are Python's too
