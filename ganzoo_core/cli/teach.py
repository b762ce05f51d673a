"""What a newcomer lacks in an error of click's or Python's: the way out."""

from __future__ import annotations

import difflib
from importlib import metadata

import click

from ganzoo_core.cli.first_steps import first_variant
from ganzoo_core.storage.names import one_line

LEAST_TORCH = (2, 6)
_RUNS = ("source", "run", "folder")  # what arguments are called that want a run


def usage(error: click.UsageError) -> str | None:
    """The whole message for wrong usage, where click's own would lead nowhere; None elsewhere."""
    options = {} if error.ctx is None else {parameter.name: parameter for parameter in error.ctx.command.params}
    if isinstance(error, click.NoSuchOption) and "pairs" in options and error.option_name.startswith("--"):
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), cutoff=0.75)
        key = one_line(error.option_name.lstrip("-").replace("-", "_"))
        return None if near else (
            f"no such option: {one_line(error.option_name)}; a setting of a variant or of its data is given as "
            f"--set {key}=VALUE, and `ganzoo show {first_variant()}` lists such settings"
        )  # fmt: skip
    if isinstance(error, click.MissingParameter) and error.param is not None:
        name = first_variant()
        if error.param.name in _RUNS:
            return f"name a run's folder, such as runs/{name}-digits-1; `ganzoo run {name}` makes one"
        if error.param.name == "variant":
            return f"name a VARIANT, such as {name}; `ganzoo list` shows all"
    return None


def installation(error: BaseException) -> str | None:
    """What to install, for an error that a missing or an old package explains."""
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if missing.startswith("ganzoo"):
        return None
    if missing and "." not in missing:  # else a package lacks a part, for it is too old
        return (
            f"the Python package {one_line(missing)!r} is missing in this environment; "
            f"where ganzoo was installed from, run: pip install -r requirements.txt"
        )
    if isinstance(error, ImportError | AttributeError | TypeError):
        return old_torch(metadata.version("torch"))
    return None


def old_torch(version: str) -> str | None:
    """What to do about a PyTorch of that version; None if it is new enough."""
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:2])
    if numbers >= LEAST_TORCH:
        return None
    least = ".".join(map(str, LEAST_TORCH))
    return f"PyTorch must be at least {least}, but is {version}: pip install -U torch torchvision"
