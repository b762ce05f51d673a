"""The table of least times: who stands first, who stands without a time, and a page that tells what was run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import equal_time, per_minute, speedrun


def line(variant: str, seed: int, seconds: float | None, **more: Any) -> dict[str, Any]:
    steps = None if seconds is None else int(10 * seconds)
    about = {"loop": "engine", "settings": {}, "processor": "a", "goal": speedrun.GOAL, "floor": 0.5}
    found = {"seconds": seconds, "steps": steps, "gflop_per_s": 100, "date": f"2026-01-0{seed + 1}"}
    return {"variant": variant, "seed": seed} | about | found | more


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()[2:]]


def test_the_least_mean_time_stands_first_and_what_fails_with_one_seed_has_none() -> None:
    lines = [line("slow", seed, 30.0 + seed) for seed in range(3)]
    lines += [line("lame", seed, 10.0 if seed else None) for seed in range(3)]
    lines += [line("quick", seed, 20.0) for seed in range(3)]
    lines += [line("lucky", 0, 10.0)]
    quick, slow, *others = rows(speedrun.table(lines))
    assert quick[:1] + quick[3:6] == ["`quick`", "20 (20 to 20)", "200", "3 of 3"]
    assert slow[:1] + slow[3:6] == ["`slow`", "31 (30 to 32)", "310", "3 of 3"] and slow[8] == "2026-01-03"
    assert {(row[0], row[3], row[5]) for row in others} == {("`lame`", "", "2 of 3"), ("`lucky`", "", "1 of 1")}


def test_settings_loops_and_processors_are_kept_apart() -> None:
    ways: list[dict[str, Any]] = [{}, {"loop": "textbook"}, {"settings": {"steps": "9"}}, {"processor": "b"}]
    found = rows(speedrun.table([line("cgan", seed, 20.0, **way) for way in ways for seed in range(3)]))
    assert len(found) == 4 and sum("`steps=9`" in row[1] for row in found) == 1


def test_a_run_is_judged_after_each_tenth_more_of_its_time() -> None:
    assert list(speedrun.ends_s(12.5)) == pytest.approx([10.0, 11.0, 12.1])


def test_the_cost_of_a_step_is_the_least_of_rounds_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, costs = [0.0], {"engine": iter([9.0, 0.5, 0.4, 0.6]), "textbook": iter([1.0, 1.0, 1.5, 1.2])}
    order: list[str] = []

    def new_loop(loop: str, *_: Any) -> tuple[Any, None]:
        def step() -> None:
            order.append(loop)
            now_s[0] += next(costs[loop])

        return step, None

    monkeypatch.setattr(per_minute, "new_loop", new_loop)
    monkeypatch.setattr(equal_time.time, "process_time", lambda: now_s[0])
    data: Any = None
    found = per_minute.step_s(["engine", "textbook"], "cgan", data, {}, rounds=3, least_s=0.3)
    assert found == {"engine": pytest.approx(0.4), "textbook": pytest.approx(1.0)}
    assert order == ["engine", "textbook"] * 4


def test_a_run_ends_where_the_goal_is_reached_and_has_no_time_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[None] = []
    monkeypatch.setattr(speedrun, "new_loop", lambda *_: (lambda: taken.append(None), lambda: None))
    fids = iter([30.0, 21.0, 19.0])
    judge: Any = lambda _: next(fids)  # noqa: E731
    data: Any = None
    limits = {"goal": 20.0, "most_s": 100.0, "step_s": 0.5}
    found = speedrun.one_run("engine", "cgan", data, judge, {}, 0, limits)
    assert (found["seconds"], found["steps"], len(taken)) == (pytest.approx(12.1), 24, 24)
    assert found["fid"] == {"10.0": 30.0, "11.0": 21.0, "12.1": 19.0}
    fids = iter([30.0, 21.0])
    assert speedrun.one_run("engine", "cgan", data, judge, {}, 0, limits | {"most_s": 11.5})["seconds"] is None


def test_the_page_says_what_was_run() -> None:
    assert speedrun.PAGE.read_text(encoding="utf-8") == speedrun.page(speedrun.read(speedrun.RECORDS))
    assert Path(speedrun.RECORDS).exists()
