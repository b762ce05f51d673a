"""What many steps in a row show: what comes late, what is kept in Python, what is put in the place of a tensor."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganzoo_core.interfaces import Player
from ganzoo_core.testing.cases import Case
from ganzoo_core.testing.host import HostReads
from ganzoo_core.testing.plain_state import difference, plain_state
from ganzoo_core.testing.steps import borders
from ganzoo_core.training.engine import Engine

STEPS = 40
_AFTER_A_BORDER = 6
_WARM = 3  # steps after which all is made that will be, caches too


@dataclass
class Findings:
    """What is wrong, by rule: "steady", "stateless", "in_place".

    `error`: what ended the look before its end. `note`: what is not wrong, but keeps a step from being recorded.
    """

    by_rule: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    note: str | None = None


@functools.lru_cache(maxsize=4)
def findings(case: Case) -> Findings:
    """What so many steps in a row show, and a few behind each border."""
    engine, found = case.engine(), Findings()
    watch = _Watch(engine, found)
    try:
        for first, count in [(0, STEPS), *((border, _AFTER_A_BORDER) for border in borders(engine))]:
            engine.go_to(first)
            for k in range(count):
                stage = engine.stage
                engine.train_step()
                if "steady" in found.by_rule:
                    return found  # a weight may no longer be a number
                # As a phase begins, attributes may change.
                watch.look(is_telling=k >= _WARM and engine.stage is stage)
    except Exception as error:  # noqa: BLE001 - a stranger's: the rule `steady` raises it again
        found.error = error
    return found


class _Watch:
    """Watches an engine's turns, and what of it is no tensor."""

    def __init__(self, engine: Engine, found: Findings) -> None:
        self.engine, self.found = engine, found
        self.parameters = {
            f"{part}.{name}": p for part, module in engine.networks.by_name().items()
            for name, p in module.named_parameters()
        }  # fmt: skip
        self._allowed = int(engine.networks.loss.may_pass)
        for player in engine.players:
            player.terms = self._watched(player, player.terms)
        self._plain: dict[str, Any] = {}
        self._places: dict[str, int] = {}
        self._play_turn = engine._play_turn
        engine._play_turn = self._watched_turn  # type: ignore[method-assign]

    def _watched(self, player: Player, terms: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(terms)
        def watched(turn: Any) -> Any:
            with HostReads() as mode:
                found = terms(turn)
            if mode.reads > self._allowed:
                self._note("steady", f"the {player.name}'s turn reads {mode.reads} tensors on the host; .item()?")
            return found

        return watched

    def _watched_turn(self, player: Player, batch: Any, owns_generator: bool) -> Any:
        before = self._norms()
        update = self._play_turn(player, batch, owns_generator)
        owned = {id(p) for p in player.parameters}
        for (name, p), old, new in zip(self.parameters.items(), before, self._norms(), strict=True):
            if id(p) not in owned and not torch.equal(old, new):
                self._note("steady", f"the {player.name}'s turn changes {name}, which it does not own")
        for name, term in update.terms.items():
            if not bool(term.isfinite()):
                self._note("steady", f"the {player.name}'s term {name} is {float(term.detach())}")
        return update

    def _norms(self) -> list[Tensor]:
        with torch.no_grad():
            return list(torch._foreach_norm(list(self.parameters.values())))

    def _note(self, rule: str, what: str) -> None:
        self.found.by_rule.setdefault(rule, f"expected step {self.engine.step + 1} to keep the rules too, but {what}")

    def look(self, *, is_telling: bool) -> None:
        """Note what the step has changed of what is no registered tensor, and which tensors it has moved."""
        plain, places = plain_state(self.engine), self._now()
        if is_telling and (told := difference(self._plain, plain)):
            self.found.by_rule.setdefault(
                "stateless",
                f"expected nothing but registered tensors to change in a step, but {told}; a resume loses it: keep it "
                f"in a buffer, or go by turn.step",
            )
        for name, place in places.items():
            if is_telling and self._places.get(name, place) != place:
                self.found.by_rule.setdefault(
                    "in_place",
                    f"expected tensors to stay in their places, but a step puts another in the place of {name}; change "
                    f"it by copy_, += or lerp_",
                )
        self._plain, self._places = plain, places

    def _now(self) -> dict[str, int]:
        """Where in memory the tensors are on which a recorded step works."""
        found = {}
        for name, tensor in self.engine.state().items():
            owner, is_number, number = name.partition(".group.")
            if is_number:
                self.found.note = (
                    f"{owner} changes its {number.rpartition('.')[2]} in Python: such a run records no step"
                )
            elif not name.startswith(("carried.", "frozen.")):
                found[name] = tensor.data_ptr()
        return found
