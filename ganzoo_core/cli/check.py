"""`ganzoo check`: does a variant keep every promise of the conformance suite?"""

from __future__ import annotations

import dataclasses
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import json_option
from ganzoo_core.cli.output import note, print_json, print_table
from ganzoo_core.registry import registry


@click.command("check")
@click.argument("variant", shell_complete=complete.variants)
@json_option
def command(variant: str, as_json: bool) -> None:
    """Try every rule of the conformance suite on VARIANT; exit 1 if one is broken."""
    registry().variant(variant)  # an unknown name needs no other process
    results = _results(variant)
    broken = [result for result in results if result["failure"]]
    if as_json:
        print_json({"variant": variant, "ok": not broken, "rules": results})
    else:
        rows = [(r["rule"], "✗" if r["failure"] else "✓", r["failure"] or r["promise"]) for r in results]
        print_table(["rule", "", "promise, or what was found"], rows)
        note(f"{variant} keeps {len(results) - len(broken)} of {len(results)} promises")
    sys.exit(1 if broken else 0)


def _results(variant: str) -> list[dict[str, Any]]:
    """Each rule's result, tried in a process of its own, so that a variant that ends its process is found out."""
    results: list[dict[str, Any]] = []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            while result := process.submit(_result, variant, len(results)).result():
                results.append(result)
        except BrokenProcessPool:
            results += _unfinished(len(results))
    return results


def _result(variant: str, number: int) -> dict[str, Any] | None:
    """The result of one rule as JSON values; None behind the last rule."""
    from ganzoo_core.testing import RULES, _failure, cases, result_of

    if number == len(RULES):
        return None
    rule = RULES[number]
    return dataclasses.asdict(result_of(rule, _failure(rule, cases(variant))))


def _unfinished(number: int) -> list[dict[str, Any]]:
    """The results from the rule on in which the process ended."""
    from ganzoo_core.testing import RULES, result_of

    died = "expected the variant to come to an end, but its process was gone: os._exit, a crash, or out of memory"
    first, *rest = RULES[number:]
    results = [
        result_of(first, died),
        *(result_of(rule, f"not tried, as {first.__name__} did not end") for rule in rest),
    ]
    return [dataclasses.asdict(result) for result in results]
