"""`ganzoo data`: every data set that `--data` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo_core.cli.options import data_dir_option, json_option
from ganzoo_core.cli.output import note, print_json, print_table, shape_text
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.variant import DataSource


@click.command("data")
@data_dir_option
@json_option
def command(data_dir: Path | None, as_json: bool) -> None:
    """List every data set, and whether it is already on this machine."""
    folder = data_folder(data_dir)
    found = [_describe(cls, plugin, folder) for cls, plugin in registry().datasets().values()]
    if as_json:
        print_json({"data_dir": str(folder), "datasets": found})
        return
    rows = [
        (
            d["name"],
            d["kind"],
            d["shape"] and shape_text(d["shape"]),
            _count(d["classes"]),
            d["size"],
            d["local"],
            d["origin"],
        )
        for d in found
    ]
    print_table(("data", "kind", "shape", "classes", "size", "here", "origin"), rows)
    note(f"data folder: {folder}")


def _describe(cls: type[DataSource], plugin: Plugin, folder: Path) -> dict[str, Any]:
    return {
        "name": f"{cls.name}:PATH" if cls.takes_path else cls.name,
        "title": cls.title,
        "kind": cls.kind,
        "shape": None if cls.shape is None else list(cls.shape),
        "classes": None if cls.classes is None else list(cls.classes),
        "size": cls.size,
        "origin": cls.origin,
        "local": _is_local(cls, folder),
        "package": plugin.package,
        "version": plugin.version,
    }


def _is_local(cls: type[DataSource], folder: Path) -> bool | None:
    """Whether the data set is on this machine; None where that depends on a path, or where asking fails."""
    if cls.takes_path:
        return None
    try:
        return cls().is_local(folder)
    except Exception:  # noqa: BLE001 - a stranger's data set must not take the others out of the list
        return None


def _count(classes: list[str] | None) -> int | str | None:
    return None if classes is None else len(classes) or "none"
