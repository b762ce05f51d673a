"""`ganzoo data`: every data set that `--data` takes, or what one of them holds."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath, data_dir_option, json_option, set_option
from ganzoo_core.cli.output import note, print_json, print_table, shape_text
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.variant import DataSource


@click.command("data")
@click.argument("name", required=False, shell_complete=complete.data_sets)
@data_dir_option
@set_option
@json_option
@click.option(
    "-o", "output", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE.png",
    help="Save the picture of a few samples of NAME.",
)  # fmt: skip
def command(
    name: str | None, data_dir: Path | None, pairs: tuple[tuple[str, str], ...], as_json: bool, output: Path | None
) -> None:
    """List every data set, whether it is already on this machine, and the caches of decoded images.

    With NAME, such as digits, folder:PATH or pairs:PATH, load it as a run would, and show what it holds: samples,
    classes, columns, what is left out, and a picture of a few on a terminal.
    """
    if output is not None and output.suffix.lower() != ".png":
        raise click.BadParameter(f"it must end in .png, but is {output}", param_hint="-o")
    if name is not None:
        from ganzoo_core.cli.data_set import show

        show(name, dict(pairs), data_dir, as_json, output)
        return
    if pairs or output:
        raise click.UsageError("--set and -o are for one data set: ganzoo data NAME")
    folder = data_folder(data_dir)
    found = [_describe(cls, plugin, folder) for cls, plugin in registry().datasets().values()]
    caches = [cache for cls, _ in registry().datasets().values() for cache in _caches(cls, folder)]
    if as_json:
        print_json({"data_dir": str(folder), "datasets": found, "caches": caches})
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
    if caches:
        click.echo()
        kept = [(c["data"], c["holds"], f"{c['bytes'] / 1e6:,.1f} MB", c["used"][:10], c["path"]) for c in caches]
        print_table(("cache", "holds", "size", "last used", "folder"), kept)
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


def _caches(cls: type[DataSource], folder: Path) -> list[dict[str, Any]]:
    """What a data set keeps, as JSON values; nothing where asking fails, as in `_is_local`."""
    found = []
    with contextlib.suppress(Exception):
        for path, holds in cls.caches(folder).items():
            files = [file.stat() for file in path.rglob("*")]
            used_s = max((stat.st_mtime for stat in files), default=0.0)
            found.append({
                "data": cls.name,
                "holds": holds,
                "bytes": sum(stat.st_size for stat in files if S_ISREG(stat.st_mode)),
                "used": datetime.fromtimestamp(used_s, UTC).isoformat(timespec="seconds"),
                "path": str(path),
            })  # fmt: skip
    return found


def _count(classes: list[str] | None) -> int | str | None:
    return None if classes is None else len(classes) or "none"
