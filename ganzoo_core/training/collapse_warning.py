"""Warnings for a game that has stopped, whose samples have become alike, or whose losses grow without end."""

from __future__ import annotations

import logging

from ganzoo_core.callbacks import Callback
from ganzoo_core.drawing.words import figure
from ganzoo_core.runs.records import losses_of

CERTAIN_LOSS = 0.01  # mean cross-entropy: D gives the right answer a probability of 99%
NO_GRADIENT = 1e-3  # norm over all of G; games that go on were seen between 0.06 and 30
PATIENCE_STEPS = 200
ALIKE = 1 / 3  # of the most diversity so far: games that went on were seen to fall to a half of it
DIFFERENT = 0.3  # of the real samples' diversity: what a game must have reached to lose it
BEGUN_STEPS = 3000  # after which a game should have reached that; vanilla on digits took 1,000 steps
DIVERGED_LOSS = 1e6  # at a learning rate of 1e3 it is 1e22; critics have no bounds, so one that only grows is let go on


class DivergenceWarning(Callback):
    """Warns once if a player's loss was huge in two log lines in a row."""

    def __init__(self) -> None:
        self.since_step: float | None = None
        self.warned = False

    def on_log(self, record: dict[str, float]) -> None:
        """Check whether a loss has left all bounds."""
        losses = losses_of(record)
        if self.warned or not losses:
            return
        player = max(losses, key=lambda name: abs(losses[name]))
        if abs(losses[player]) < DIVERGED_LOSS:
            self.since_step = None
        elif self.since_step is None:
            self.since_step = record["step"]
        else:
            self.warned = True
            logging.getLogger("ganzoo").warning(
                "the game has diverged since step %d: the %s's loss is %s. The run goes on; stop it with Ctrl-C and "
                "begin anew with a lower generator_lr and discriminator_lr",
                self.since_step,
                player,
                figure(losses[player]),
            )


class CollapseWarning(Callback):
    """Warns once if, for 200 steps of log lines in a row, D's loss was nearly 0 and G's gradient vanished."""

    def __init__(self) -> None:
        self.since_step: float | None = None
        self.warned = False

    def on_log(self, record: dict[str, float]) -> None:
        """Check whether the game has stopped."""
        terms = [value for key, value in record.items() if key.startswith("discriminator/")]
        gradient = record.get("generator_gradient")
        if self.warned or not terms or gradient is None:
            return
        if abs(sum(terms)) > CERTAIN_LOSS or gradient > NO_GRADIENT:
            self.since_step = None
        elif self.since_step is None:
            self.since_step = record["step"]
        elif record["step"] - self.since_step >= PATIENCE_STEPS:
            self.warned = True
            logging.getLogger("ganzoo").warning(
                "the game has collapsed since step %d: the discriminator's loss is %.2g and the norm of the "
                "generator's gradient %.2g, so the generator no longer learns. The run goes on; stop it with Ctrl-C "
                "and try a lower discriminator_lr, a higher generator_lr, n_critic=1, or a Wasserstein critic",
                self.since_step,
                sum(terms),
                gradient,
            )


class AlikeWarning(Callback):
    """Warns once if, for 200 steps of log lines in a row, G's samples were far more alike than before, or than ever.

    What is looked at is the `diversity` of a mini-batch's samples, `training.diagnostics`.
    """

    def __init__(self) -> None:
        self.since_step: float | None = None
        self.most = 0.0
        self.warned = False

    def on_log(self, record: dict[str, float]) -> None:
        """Check whether the samples have become alike."""
        found = record.get("diversity")
        if self.warned or found is None:
            return
        self.most = max(self.most, found)
        has_lost = self.most >= DIFFERENT and found < ALIKE * self.most
        has_never_had = self.most < DIFFERENT and record["step"] > BEGUN_STEPS
        if not (has_lost or has_never_had):
            self.since_step = None
        elif self.since_step is None:
            self.since_step = record["step"]
        elif record["step"] - self.since_step >= PATIENCE_STEPS:
            self.warned = True
            logging.getLogger("ganzoo").warning(
                "the generator's samples have been alike since step %d: they are %.0f%% as far from one another as "
                "real ones, %s. This is mode collapse (docs/experiments.md, 6). The run goes on; stop it with Ctrl-C "
                "and try a lower generator_lr, a higher discriminator_lr, augment=diffaugment where pictures are few, "
                "or a Wasserstein critic",
                self.since_step,
                100 * found,
                f"and were {100 * self.most:.0f}%" if has_lost else "and never were farther",
            )
