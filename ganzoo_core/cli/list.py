"""`ganzoo list`: every variant of the zoo."""

from __future__ import annotations

from typing import Any

import click

from ganzoo_core.cli.options import json_option
from ganzoo_core.cli.output import print_json, print_line, print_table
from ganzoo_core.registry import Plugin, known_packages, registry
from ganzoo_core.variant import Variant


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List every variant: whether it needs labels, and comes with trained weights.

    Then the known ones that are not installed, with their packages, and the plugins that are broken.
    """
    zoo = registry()
    variants = [describe(cls, plugin) for cls, plugin in zoo.variants().values()]
    broken = [
        {"name": p.name, "package": p.package, "version": p.version, "error": p.error} for p in zoo.plugins() if p.error
    ]
    missing = known_packages()
    if as_json:
        print_json({"variants": variants, "missing": missing, "broken": broken})
    else:
        _print(variants, missing, broken)


def describe(cls: type[Variant], plugin: Plugin) -> dict[str, Any]:
    """A variant as JSON values."""
    return {
        "name": cls.name,
        "title": cls.title,
        "year": cls.year,
        "paper": cls.paper,
        "conditional": cls.conditional,
        "kinds": list(cls.kinds),
        "package": plugin.package,
        "version": plugin.version,
        "weights": plugin.weights(cls.name) is not None,
    }


def _print(variants: list[dict[str, Any]], missing: dict[str, str], broken: list[dict[str, Any]]) -> None:
    if variants:
        rows = [(v["name"], str(v["year"]), v["paper"], v["conditional"], v["weights"], v["package"]) for v in variants]
        print_table(("variant", "year", "paper", "labels", "weights", "package"), rows)
        if any(v["weights"] for v in variants):
            print_line("weights:", "trained ones come with it: ganzoo sample VARIANT")
    else:
        print_line("No variants are installed;", "each is a package of its own: pip install ganzoo-NAME.")
    if missing:
        click.echo()
        print_line("Not installed:", "pip install PACKAGE")
        print_table(("variant", "package"), list(missing.items()))
    if broken:
        click.echo()
        print_line("Broken plugins")
        print_table(
            ("plugin", "package", "reason"), [(b["name"], f"{b['package']} {b['version']}", b["error"]) for b in broken]
        )
