"""An hour of training: as many steps as it holds, all seeds to a stage before one goes on, and nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import hour
from benchmarks.lines import add, read
from benchmarks.machine import processor
from ganzoo_core.runs.run_folder import RunFolder


def line(variant: str, seed: int, minutes: float, fid: float) -> dict[str, Any]:
    figures = {"fid": fid, "kid": 1.0, "coverage": 0.5}
    return {"variant": variant, "seed": seed, "minutes": minutes, "steps": int(100 * minutes), "figures": figures}


def test_the_table_has_a_line_for_each_stage() -> None:
    lines = [{"variant": "dcgan", "threads": 2, "processor": "A", "step_s": 0.5}]
    lines += [line("dcgan", seed, minutes, 10 * minutes + seed) for minutes in (30, 15) for seed in (0, 1)]
    table = hour.table(lines, ("dcgan", "sngan"))
    assert [[*column.cells] for column in table.columns[:5]] == [
        ["dcgan"] * 2, ["15", "30"], ["1,500", "3,000"], ["2"] * 2, ["150 (150 to 151)", "300 (300 to 301)"],
    ]  # fmt: skip


@pytest.mark.long
def test_a_run_has_as_many_steps_as_the_time_holds_and_goes_on(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hour, "SAMPLES", 40)
    Path("out").mkdir()
    add(Path("out/hour.jsonl"), {"variant": "toy", "threads": 2, "processor": processor(), "step_s": 0.1})
    given = ["toy", "--data", "digits", "--minutes", "0.1", "--out", "out"]
    for stages, seeds, steps in ((2, "0,1", [7, 7, 15, 15]), (2, "0,1", []), (3, "1", [30])):
        before = len(read(Path("out/hour.jsonl")))
        done = CliRunner().invoke(
            hour.main, [*given, "--stages", str(stages), "--seeds", seeds], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        new = read(Path("out/hour.jsonl"))[before:]
        assert [row["steps"] for row in new] == steps and all(row["figures"]["fid"] > 0 for row in new)
    assert [RunFolder.open(Path(f"out/toy-seed{seed}")).metadata().settings["steps"] for seed in (0, 1)] == [15, 30]
