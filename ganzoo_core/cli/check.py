"""`ganzoo check`: does a variant keep every promise of the conformance suite?"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import data_dir_option, data_option, json_option, set_option
from ganzoo_core.cli.output import note, print_json, print_table
from ganzoo_core.errors import PluginError
from ganzoo_core.registry import registry
from ganzoo_core.runs.own import named
from ganzoo_core.runs.plan import named_source

if TYPE_CHECKING:
    from ganzoo_core.testing.cases import Cases


@click.command("check")
@click.argument("variant", shell_complete=complete.variants)
@data_option
@data_dir_option
@set_option
@json_option
def command(
    variant: str, data: str | None, data_dir: Path | None, pairs: tuple[tuple[str, str], ...], as_json: bool
) -> None:
    """Try every rule of the conformance suite on VARIANT; exit 1 if one is broken.

    VARIANT is a name that `ganzoo list` shows, or FILE.py:CLASS, a class in a file of yours, which is executed.

    It is tried on random data of every kind that it takes, and on a small part of its package's own data sets; with
    --data on a small part of that one, whose options --set sets. Nothing is fetched.
    """
    name = named(variant)
    registry().variant(name)  # an unknown name needs no other process
    if pairs and data is None:
        raise click.UsageError("--set sets an option of the data that --data names; name it")
    if data is not None:
        named_source(data, dict(pairs))
    found, results = _results((registry().typed(name) or name, data, data_dir, pairs))
    broken = [result for result in results if result["failure"]]
    if as_json:
        print_json({"variant": name, "ok": not broken, **found, "rules": results})
    else:
        rows = [(r["rule"], _mark(r), r["failure"] or _not_shown(r) or r["promise"]) for r in results]
        print_table(["rule", "", "promise, or what was found"], rows)
        for sentence in found["skipped"]:
            note(sentence)
        dark = sum(result["not_shown"] is not None for result in results)
        kept = len(results) - len(broken) - dark
        note(f"{name} keeps {kept} of {len(results)} promises" + (f", and {dark} did not show" if dark else ""))
    sys.exit(1 if broken else 0)


def _mark(result: dict[str, Any]) -> str:
    return "✗" if result["failure"] else "✓" if result["not_shown"] is None else "?"


def _not_shown(result: dict[str, Any]) -> str | None:
    return None if result["not_shown"] is None else f"not shown: {result['not_shown']}"


_Request = tuple[str, str | None, Path | None, tuple[tuple[str, str], ...]]


def _results(request: _Request) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the variant is tried on, and each rule's result.

    Tried in a process of its own, so that a variant that ends its process is found out. Raises `PluginError` where
    there is nothing to try it on.
    """
    found: dict[str, Any] = {"tried": [], "skipped": []}
    results: list[dict[str, Any]] = []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        try:
            nothing, found = process.submit(_found, request).result()
            if nothing:
                raise PluginError(nothing)
            while result := process.submit(_result, request, len(results)).result():
                results.append(result)
        except BrokenProcessPool:
            results += _unfinished(len(results))
    return found, results


@functools.cache
def _cases(request: _Request) -> Cases:
    """The data to try, loaded once for all rules."""
    from ganzoo_core.testing.cases import cases

    variant, data, data_dir, pairs = request
    return cases(variant, None if data is None else named_source(data, dict(pairs)), data_dir)


def _found(request: _Request) -> tuple[str | None, dict[str, Any]]:
    """Why there is nothing to try, and else what is tried and what was skipped, as JSON values."""
    found = _cases(request)
    return found.nothing, {"tried": [case.name for case in found.tried], "skipped": found.skipped}


def _result(request: _Request, number: int) -> dict[str, Any] | None:
    """The result of one rule as JSON values; None behind the last rule."""
    from ganzoo_core.testing import RULES, result_on

    if number == len(RULES):
        return None
    return dataclasses.asdict(result_on(RULES[number], _cases(request)))


def _unfinished(number: int) -> list[dict[str, Any]]:
    """The results from the rule on in which the process ended."""
    from ganzoo_core.testing import RULES, Result

    died = "expected the variant to come to an end, but its process was gone: os._exit, a crash, or out of memory"
    first, *rest = RULES[number:]
    failures = {first: died} | dict.fromkeys(rest, f"not tried, as {first.__name__} did not end")
    return [
        dataclasses.asdict(Result(rule.__name__, (rule.__doc__ or "").strip(), failure))
        for rule, failure in failures.items()
    ]
