"""New plugin packages: the files of `templates/`, with the names filled in. Needs no torch."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from string import Template

from ganzoo_core.errors import FileError, SettingError
from ganzoo_core.hookspecs import API_VERSION, CORE_PACKAGE, VERSION
from ganzoo_core.storage.files import as_file_error, remove_leftovers, unfinished_folder
from ganzoo_tools.scaffold.base import Base, find_base
from ganzoo_tools.scaffold.names import Names, refuse_taken

__all__ = ["Names", "new_package"]

_TEMPLATES = Path(__file__).parent / "templates"


def new_package(
    name: str, *, base: str | None = None, author: str = "", licence: str = "MIT", folder: Path | None = None
) -> tuple[Path, Names]:
    """Make a plugin package for a variant called `name`, in `folder` or else one named after its distribution.

    With `base`, the name of an installed variant, its class is subclassed. Returns the folder and the names used.
    Raises a `GanzooError` where a name is impossible or taken, or the folder exists; then nothing is left behind.
    """
    names = Names.of(name)
    refuse_taken(names)
    _check_author(author)
    target = Path(names.distribution) if folder is None else folder
    remove_leftovers(target.parent)
    if os.path.lexists(target):
        raise FileError(f"{target} is already there; name another folder with -o, or move it away")
    derived = None if base is None else find_base(base)
    _write(target, _render(names, derived, author, licence))
    return target, names


def _check_author(author: str) -> None:
    if "," in author or not author.isprintable():
        raise SettingError(
            f"the author must be one name, on one line and without commas, but is {author!r}; give --author NAME"
        )


def _render(names: Names, base: Base | None, author: str, licence: str) -> dict[str, str]:
    """The texts of a package by path."""
    values = _values(names, base, author, licence)
    found: dict[str, str] = {}
    for root in (_TEMPLATES / "common", _TEMPLATES / ("derived" if base else "fresh")):
        for path in sorted(root.rglob("*.txt")):
            found[_target(path.relative_to(root), names)] = _filled(path, values)
    if licence != "none":
        found["LICENSE"] = _filled(_TEMPLATES / "licences" / f"{licence}.txt", values)
    return found


def _filled(path: Path, values: dict[str, str]) -> str:
    return Template(path.read_text(encoding="utf-8")).substitute(values)


def _target(template: Path, names: Names) -> str:
    """Where a template goes: `package` and `dot_` stand for what no template's path can be."""
    parts = template.with_suffix("").parts
    return "/".join(names.package if part == "package" else part.replace("dot_", ".") for part in parts)


def _values(names: Names, base: Base | None, author: str, licence: str) -> dict[str, str]:
    """What the templates leave open."""
    core = f"{CORE_PACKAGE}>={'.'.join(VERSION.split('.')[:2])}"
    needed = [core] if base is None else [core, base.requirement]
    people = [f"authors = [{{ name = {_quoted(author)} }}]"] if author else []
    people += [f"license = {_quoted(licence)}"] if licence != "none" else []
    return {
        "title": names.title,
        "variant": names.variant,
        "distribution": names.distribution,
        "package": names.package,
        "class_name": names.class_name,
        "api": str(API_VERSION),
        "year": str(date.today().year),
        "holder": author or f"the {names.distribution} authors",
        "people": "".join(f"{line}\n" for line in people),
        "dependencies": ", ".join(_quoted(text) for text in needed),
        "licence_note": "None yet, so nobody else may use it." if licence == "none" else f"{licence}, see `LICENSE`.",
        "built_on": f", built on {base.variant}" if base else "",
    } | (_base_values(base) if base else {})


def _base_values(base: Base) -> dict[str, str]:
    return {
        "base": base.variant,
        "base_class": base.class_path,
        "base_paper": _quoted(base.paper),
        "base_year": str(base.year),
        "imports": "\n".join(sorted(["import ganzoo_core as ganzoo", f"import {base.module}"])),
    }


def _quoted(text: str) -> str:
    """A text as Python and TOML both write it."""
    return json.dumps(text, ensure_ascii=False)


def _write(target: Path, texts: dict[str, str]) -> None:
    """Write all files beside the target, then move them there at once: whole, or not at all."""
    with as_file_error(target), unfinished_folder(target.parent) as folder:
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        folder.rename(target)
