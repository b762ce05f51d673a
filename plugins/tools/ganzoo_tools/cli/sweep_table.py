"""What `ganzoo compare --sweep` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ganzoo_core.cli.output import print_line, print_table
from ganzoo_core.drawing.words import number, typed
from ganzoo_tools.evaluation.results import better, title

if TYPE_CHECKING:
    from ganzoo_tools.comparison.sweep_result import Sweep, TrialResult

MOST_ROWS = 10


def print_sweep(found: Sweep) -> None:
    """Print the best trials, what was measured, and the command that trains the best one again."""
    shown = [result for result in found.results if result.failed is None][:MOST_ROWS]
    print_table(
        ("rank", *found.names, title(found.ranked_by), "steps"),
        [
            (
                "-" if result.rank is None else str(result.rank),
                *(typed(result.trial.settings[name]) for name in found.names),
                str(result.figures[found.ranked_by]),
                steps_text(result),
            )
            for result in shown
        ],
    )
    click.echo()
    total = len(found.results)
    ended = sum(result.rank is None and result.failed is None for result in found.results)
    trials = f"{total} of {found.variant}" + (f", {ended} of them ended early" if ended else "")
    print_line("trials:", trials + (f"; the best {MOST_ROWS} are shown" if total > MOST_ROWS else ""))
    print_line("ranked by:", f"{title(found.ranked_by)}, {better(found.ranked_by)} is better{_floor(found)}")
    print_line("spread:", f"over {found.seeds} seeds; no more apart, they share a rank" if found.seeds > 1 else _ONCE)
    print_line("budget:", f"{found.budget} each, with {found.seeds} seed{'s' * (found.seeds > 1)}")
    conditions = found.best.conditions
    print_line("measured:", f"{conditions['samples']:,} samples of each, {conditions['real']:,} real")
    if found.best.caution:
        print_line("trust:", found.best.caution)
    for result in found.results:
        if result.failed is not None:
            print_line(f"left out: {result.trial.name}:", result.failed)
    print_line("the best again:", found.run_command)


_ONCE = "unknown, as each was trained once; neighbours may change places with another seed"


def _floor(found: Sweep) -> str:
    floor = found.best.floors[found.ranked_by]
    return "" if floor is None else f"; real data scores {number(floor)}"


def steps_text(result: TrialResult) -> str:
    """The steps of the trainings, from the fewest to the most."""
    return " to ".join(dict.fromkeys(f"{count:,}" for count in (min(result.steps), max(result.steps))))
