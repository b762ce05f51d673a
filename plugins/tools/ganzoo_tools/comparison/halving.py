"""Successive halving (arXiv:1810.05934, Algorithm 1): poor trials end early, and the time goes to the better ones.

That paper's ASHA lets a trial go on as soon as it is among the best 1/eta of those that happen to have reached its
rung, so that its outcome hangs on who computes faster. Here a rung is complete before anybody goes on: the table is
the same whoever computes it, and however often the sweep was interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

LEAST_SHARE = 1 / 32  # of the budget: with less nobody can tell trials apart

_T = TypeVar("_T")


def rungs(trials: int, eta: int | None, budget: float, *, whole: bool) -> list[float]:
    """The budgets after which trials are judged, the last one the whole; `whole`: in steps.

    Each is `eta` times the one before; there are as many as it takes to leave one of the trials (the paper's
    s = floor(log_eta n)), none below `LEAST_SHARE` of the budget. Without `eta` nobody ends early.
    """
    found = [budget]
    while eta is not None and trials >= eta ** len(found):
        share = eta ** -len(found)
        if share < LEAST_SHARE or (whole and budget * share < 1):
            break
        found.append(round(budget * share) if whole else budget * share)
    return sorted(set(found))


def promoted(ranked: Sequence[_T], eta: int) -> list[_T]:
    """The best 1/eta of trials that are sorted, best first: at least one."""
    return list(ranked[: max(1, len(ranked) // eta)])
