"""The conformance suite: `ganzoo check VARIANT`, and a plugin's own tests in two lines:

class TestLsgan(VariantSuite):
    variant = "lsgan"

What a paper says besides is tested on a variant that `train_steps` has trained.
"""

from __future__ import annotations

import functools
import os
import traceback
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from ganzoo_core.errors import ContractError, PluginError
from ganzoo_core.guards.faults import Frame, frames, is_ctrl_c, module_of, said
from ganzoo_core.runs.plan import named_source
from ganzoo_core.testing import game_rules, rules, run_rules
from ganzoo_core.testing.cases import Cases, cases
from ganzoo_core.testing.in_memory import Training, train_steps
from ganzoo_core.testing.steps import NotShown
from ganzoo_core.variant import Variant

__all__ = ["Result", "Training", "VariantSuite", "check", "train_steps"]

Rule = Callable[[Any], None]  # of a Case; but `data` of all Cases

RULES: tuple[Rule, ...] = (
    rules.data,
    rules.light_import,
    rules.metadata,
    rules.parts,
    rules.samples,
    rules.logits,
    rules.condition,
    rules.inputs,
    game_rules.terms,
    game_rules.gradients,
    game_rules.moves,
    game_rules.schedule,
    game_rules.no_host_sync,
    game_rules.steady,
    game_rules.stateless,
    game_rules.in_place,
    run_rules.repeatable,
    run_rules.resumable,
    run_rules.exportable,
    run_rules.portable,
    run_rules.splits,
    run_rules.precisions,
    run_rules.joint_passes,
)
# These do not depend on the data, or take long.
ONCE = (
    rules.light_import, rules.metadata, game_rules.schedule, game_rules.steady, game_rules.stateless,
    game_rules.in_place, run_rules.portable,
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The result of one rule: `failure` is None if it holds on all data. `not_shown`: why nothing made it show."""

    rule: str
    promise: str
    failure: str | None
    not_shown: str | None = None


def check(name: str | type[Variant], data: str | None = None, data_dir: Path | None = None) -> list[Result]:
    """Try every rule on the variant called `name`: on random data and its package's, or on `data` as `--data` takes it.

    Of a data set a small part is used, and none is fetched. Raises `PluginError` if there is no such variant or nothing
    to try it on, and as `ganzoo.train` does for `data`.
    """
    found = cases(name, None if data is None else named_source(data), data_dir)
    if found.nothing:
        raise PluginError(found.nothing)
    return [result_on(rule, found) for rule in RULES]


def result_on(rule: Rule, found: Cases) -> Result:
    """A rule's result where it is tried on all that it bears on, with what it promises."""
    subjects: Sequence[Any] = [found] if rule is rules.data else found.tried[: 1 if rule in ONCE else None]
    promise = (rule.__doc__ or "").strip()
    if not subjects:
        return Result(rule.__name__, promise, "not tried, as there is no data to try it on")
    try:
        return Result(rule.__name__, promise, _failure(rule, subjects))
    except NotShown as error:
        return Result(rule.__name__, promise, None, str(error))


def _failure(rule: Rule, subjects: Sequence[Any]) -> str | None:
    """What is wrong on the first case that breaks the rule. A variant's own exception breaks it too.

    Raises `NotShown` where none breaks it, and one did not show it.
    """
    dark: NotShown | None = None
    for case in subjects:
        try:
            with torch.random.fork_rng(devices=[]):
                rule(case)
        except NotShown as error:
            dark = error
        except BaseException as error:  # whatever a stranger's variant raises, also what would end the program
            if is_ctrl_c(error):
                raise
            passed = frames(error)
            if isinstance(error, AssertionError) and module_of(passed[-1]) in {
                one.__name__ for one in (rules, game_rules, run_rules)
            }:
                return str(error)
            if isinstance(error.__cause__, ContractError):
                return f"on {case.name}, {error}"
            if os.environ.get("GANZOO_TRACEBACK"):
                traceback.print_exception(error)
            place = _place(passed, case.plugin.module)
            return (
                f"expected no exception on {case.name}, but found {said(error)} "
                f"(at {place}; GANZOO_TRACEBACK=1 shows the way there)"
            )
    if dark is not None:
        raise dark
    return None


def _place(frames: list[Frame], plugin: str) -> str:
    """The last line of the plugin's own code in a traceback; failing that, of any code but ours and torch's."""
    package = plugin.partition(".")[0]
    own = [frame for frame in frames if module_of(frame).partition(".")[0] == package]
    others = [frame for frame in frames if module_of(frame).partition(".")[0] not in ("ganzoo_core", "torch")]
    frame, line = (own or others or frames)[-1]
    return f"{frame.f_code.co_filename}:{line}"


class VariantSuite:
    """Subclass it in a plugin's tests and set `variant`: pytest then runs one test per rule.

    `data`: a data set as `--data` takes it, to try the variant on no other. Where data that is not on this machine is
    all that it takes, the tests are skipped.
    """

    variant: ClassVar[str | type[Variant]]
    data: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for rule in RULES:
            setattr(cls, f"test_{rule.__name__}", _test_of(rule))


def _test_of(rule: Rule) -> Callable[[VariantSuite], None]:
    def test(self: VariantSuite) -> None:
        found = _cases_of(type(self))  # type: ignore[arg-type]  # to mypy a class has no hash
        if found.nothing:
            raise unittest.SkipTest(found.nothing) if found.skipped else PluginError(found.nothing)
        result = result_on(rule, found)
        assert result.failure is None, result.failure
        if result.not_shown is not None:
            raise unittest.SkipTest(f"not shown: {result.not_shown}")

    test.__doc__ = rule.__doc__
    return test


@functools.cache
def _cases_of(suite: type[VariantSuite]) -> Cases:
    """What a suite's variant is tried on, loaded once for all rules."""
    return cases(suite.variant, None if suite.data is None else named_source(suite.data))
