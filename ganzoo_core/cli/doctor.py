"""`ganzoo doctor`: what this machine has of what ganzoo needs, and what to do about the rest."""

from __future__ import annotations

import contextlib
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import click

from ganzoo_core.cli.options import data_dir_option, json_option
from ganzoo_core.cli.output import print_json, print_line, print_table
from ganzoo_core.cli.teach import old_torch
from ganzoo_core.datasets import data_folder
from ganzoo_core.hookspecs import VERSION
from ganzoo_core.registry import registry
from ganzoo_core.storage.names import shell_word, visible

_LITTLE_MEMORY, _LITTLE_DISK = 2 * 2**30, 2**30


class Finding(NamedTuple):
    """What was looked at, what was found, and what to do about it, if anything."""

    what: str
    found: str
    advice: str | None = None


@click.command("doctor")
@data_dir_option
@json_option
def command(data_dir: Path | None, as_json: bool) -> None:
    """Tell what this machine has of what ganzoo needs, and what to do about the rest."""
    findings = examine(data_folder(data_dir))
    if as_json:
        print_json({"findings": [finding._asdict() for finding in findings]})
        return
    print_table(("what", "found"), [(finding.what, finding.found) for finding in findings])
    click.echo()
    advice = [finding for finding in findings if finding.advice]
    if not advice:
        print_line("Nothing is missing.")
        return
    print_table(("what", "what to do"), [(finding.what, finding.advice) for finding in advice])


def examine(folder: Path) -> list[Finding]:
    """All findings, for the data folder `folder`."""
    return [
        Finding("ganzoo", VERSION),
        Finding("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _torch(),
        *_device(),
        _disk("disk for runs", Path.cwd(), "runs go elsewhere with --out DIR"),
        _disk("disk for data", folder, "data goes elsewhere with --data-dir DIR"),
        _data(folder),
        *_plugins(),
    ]


def _torch() -> Finding:
    import torch

    advice = old_torch(torch.__version__)
    with contextlib.suppress(metadata.PackageNotFoundError):
        return Finding("PyTorch", f"{torch.__version__}, torchvision {metadata.version('torchvision')}", advice)
    return Finding("PyTorch", torch.__version__, "torchvision is missing: pip install torchvision")


def _device() -> list[Finding]:
    import torch

    from ganzoo_core.sampling.devices import pick_device, pick_precision
    from ganzoo_core.training.free_memory import free_memory

    device = pick_device("auto")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    advice = None
    if device.type == "cpu" and shutil.which("nvidia-smi"):
        advice = "there is an NVIDIA driver, but this PyTorch can't use it: see pytorch.org for a build that fits it"
    free = free_memory(device)
    short = free is not None and free < _LITTLE_MEMORY
    return [
        Finding("device", f"{device.type} ({name})", advice),
        Finding("precision", pick_precision("auto", device, True)),
        Finding(
            "free memory",
            "not told by this system" if free is None else _size(free),
            "close other programs, or take a small batch_size" if short else None,
        ),
    ]


def _disk(what: str, folder: Path, elsewhere: str) -> Finding:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    advice = f"a run of images takes some hundred megabytes: free some space; {elsewhere}"
    return Finding(what, f"{_size(free)} free in {visible(folder)}", advice if free < _LITTLE_DISK else None)


def _data(folder: Path) -> Finding:
    here = []
    for name, (source, _) in registry().datasets().items():
        with contextlib.suppress(Exception):  # a stranger's data set must not take the others out of the list
            if not source.takes_path and source().is_local(folder):
                here.append(name)
    return Finding("data on this machine", ", ".join(here) or "none")


def _plugins() -> list[Finding]:
    zoo = registry()
    count = len(zoo.variants())
    none = "install one: pip install ganzoo-NAME" if not count else None
    broken = [
        Finding(
            f"plugin {plugin.name}",
            f"broken: {plugin.error}",
            f"pip install -U {shell_word(plugin.package)}, or pip uninstall {shell_word(plugin.package)}",
        )
        for plugin in zoo.plugins()
        if plugin.error
    ]
    return [Finding("variants", f"{count}", none), *broken]


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
