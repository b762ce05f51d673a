"""`ganzoo check`: does a variant keep every promise of the conformance suite?"""

from __future__ import annotations

import dataclasses
import sys

import click

from ganzoo_core.cli.options import json_option
from ganzoo_core.cli.output import note, print_json, print_table


@click.command("check")
@click.argument("variant")
@json_option
def command(variant: str, as_json: bool) -> None:
    """Try every rule of the conformance suite on VARIANT; exit 1 if one is broken."""
    from ganzoo_core.testing import check

    results = check(variant)
    broken = [result for result in results if result.failure]
    if as_json:
        print_json({"variant": variant, "ok": not broken, "rules": [dataclasses.asdict(r) for r in results]})
    else:
        rows = [(r.rule, "✗" if r.failure else "✓", r.failure or r.promise) for r in results]
        print_table(["rule", "", "promise, or what was found"], rows)
        note(f"{variant} keeps {len(results) - len(broken)} of {len(results)} promises")
    sys.exit(1 if broken else 0)
