"""A clock for tests of runs that are to take so many seconds: how many steps they take hangs on no machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ganzoo_core.training.engine import Engine


def let_steps_take(
    seconds: float, patch: pytest.MonkeyPatch, before: Callable[[int], object] = lambda step: None
) -> None:
    """Let the clock stand still but for training steps, each of which takes so long; `before` is called with how many
    steps were made."""
    train_step, now_s = Engine.train_step, 0.0  # from 0, so that sums round alike whatever the time

    def timed(engine: Engine) -> dict[str, Any]:
        nonlocal now_s
        before(engine.step)
        now_s += seconds
        return train_step(engine)

    patch.setattr(Engine, "train_step", timed)
    patch.setattr(time, "monotonic", lambda: now_s)
