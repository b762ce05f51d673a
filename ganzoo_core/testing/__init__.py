"""The conformance suite: `ganzoo check VARIANT`, and a plugin's own tests in two lines:

class TestLsgan(VariantSuite):
    variant = "lsgan"

What a paper says besides is tested on a variant that `train_steps` has trained.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from ganzoo_core.errors import ContractError
from ganzoo_core.guards.faults import Frame, frames, is_ctrl_c, module_of, said
from ganzoo_core.testing import game_rules, rules
from ganzoo_core.testing.cases import Case, cases
from ganzoo_core.testing.in_memory import Training, train_steps

__all__ = ["Result", "Training", "VariantSuite", "check", "train_steps"]

RULES: tuple[Callable[[Case], None], ...] = (
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
    game_rules.repeatable,
    game_rules.resumable,
    game_rules.exportable,
    game_rules.precisions,
    game_rules.joint_passes,
)
ONCE = (rules.light_import, rules.metadata, game_rules.schedule)  # do not depend on the data


@dataclass(frozen=True)
class Result:
    """The result of one rule: `failure` is None if it holds on all data."""

    rule: str
    promise: str
    failure: str | None


def check(name: str) -> list[Result]:
    """Try every rule on the variant called `name`. Raises `UnknownNameError` or `PluginError` if there is none."""
    found = cases(name)
    return [result_of(rule, _failure(rule, found)) for rule in RULES]


def result_of(rule: Callable[[Case], None], failure: str | None) -> Result:
    """A rule's result, with what it promises."""
    return Result(rule.__name__, (rule.__doc__ or "").strip(), failure)


def _failure(rule: Callable[[Case], None], found: list[Case]) -> str | None:
    """What is wrong on the first case that breaks the rule. A variant's own exception breaks it too."""
    for case in found[:1] if rule in ONCE else found:
        try:
            with torch.random.fork_rng(devices=[]):
                rule(case)
        except BaseException as error:  # whatever a stranger's variant raises, also what would end the program
            if is_ctrl_c(error):
                raise
            passed = frames(error)
            if isinstance(error, AssertionError) and module_of(passed[-1]) in (rules.__name__, game_rules.__name__):
                return str(error)
            if isinstance(error.__cause__, ContractError):
                return f"on {case.spec.name}, {error}"
            if os.environ.get("GANZOO_TRACEBACK"):
                traceback.print_exception(error)
            place = _place(passed, case.plugin.module)
            return (
                f"expected no exception on {case.spec.name}, but found {said(error)} "
                f"(at {place}; GANZOO_TRACEBACK=1 shows the way there)"
            )
    return None


def _place(frames: list[Frame], plugin: str) -> str:
    """The last line of the plugin's own code in a traceback; failing that, of any code but ours and torch's."""
    package = plugin.partition(".")[0]
    own = [frame for frame in frames if module_of(frame).partition(".")[0] == package]
    others = [frame for frame in frames if module_of(frame).partition(".")[0] not in ("ganzoo_core", "torch")]
    frame, line = (own or others or frames)[-1]
    return f"{frame.f_code.co_filename}:{line}"


class VariantSuite:
    """Subclass it in a plugin's tests and set `variant`: pytest then runs one test per rule."""

    variant: ClassVar[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for rule in RULES:
            setattr(cls, f"test_{rule.__name__}", _test_of(rule))


def _test_of(rule: Callable[[Case], None]) -> Callable[[VariantSuite], None]:
    def test(self: VariantSuite) -> None:
        failure = _failure(rule, cases(self.variant))
        assert failure is None, failure

    test.__doc__ = rule.__doc__
    return test
