"""What a shell's Tab key offers where a variant, a data set or a run is named. Torch-free, and quiet on errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ganzoo_core.registry import registry


def variants(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The variants' names, each with its title, and files of Python that begin as typed, of which none is executed."""
    found = registry().variants()
    named = [CompletionItem(name, help=cls.title) for name, (cls, _) in found.items() if name.startswith(incomplete)]
    return named + (python_files(ctx, param, incomplete) if incomplete else [])


def python_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The files of Python whose path begins so."""
    return [CompletionItem(path) for path in _below(incomplete, lambda path: path.suffix == ".py" and path.is_file())]


def data_sets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The data sets' names, and the folders behind one that takes a path."""
    name, colon, path = incomplete.partition(":")
    found = registry().datasets()
    if colon and name in found and found[name][0].takes_path:
        return [CompletionItem(f"{name}:{folder}") for folder in _folders(path)]
    names = {name: f"{name}:" if cls.takes_path else name for name, (cls, _) in found.items()}
    return [
        CompletionItem(text, help=found[name][0].title) for name, text in names.items() if text.startswith(incomplete)
    ]


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The runs' folders, the newest first, below `runs` or below what is typed; any other file where there is none."""
    folders = [folder for top in ("runs", incomplete) for folder in (*_folders(f"{top}/"), *_folders(incomplete))]
    found = {folder for folder in folders if folder.startswith(incomplete) and (Path(folder) / "run.json").is_file()}
    newest = sorted(found, key=lambda folder: -(Path(folder) / "run.json").stat().st_mtime)
    return [CompletionItem(folder) for folder in newest] or [CompletionItem(incomplete, type="file")]


def sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What samples can be made with: the runs, and the variants that ship weights."""
    shipped = [
        CompletionItem(name, help=cls.title)
        for name, (cls, plugin) in registry().variants().items()
        if name.startswith(incomplete) and plugin.weights(name) is not None
    ]
    return runs(ctx, param, incomplete) + shipped


def _folders(start: str) -> list[str]:
    """The folders whose path begins so, as typed."""
    return _below(start, Path.is_dir)


def _below(start: str, is_wanted: Callable[[Path], bool]) -> list[str]:
    """What there is whose path begins so, as typed."""
    parent, slash, name = start.rpartition("/")
    try:
        found = sorted(path.name for path in Path(f"{parent}/" if slash else ".").iterdir() if is_wanted(path))
    except OSError:
        return []
    return [f"{parent}{slash}{one}" for one in found if one.startswith(name) and not one.startswith(".")]
