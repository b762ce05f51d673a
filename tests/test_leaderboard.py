"""The leaderboard: it goes on where it stopped, and its page is what its results say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.leaderboard import __main__ as leaderboard
from ganzoo_core.errors import Interrupted, TrainingError
from ganzoo_core.registry import registry

TOYS = {"toy", "toy-conditional"}  # of the tests alone


def row(variant: str, seed: int, seconds: float, fid: float) -> leaderboard.Row:
    figures = dict.fromkeys(leaderboard.FIGURES, 0.5) | {"fid": fid}
    floors = dict.fromkeys(leaderboard.FIGURES, 0.25)
    return {
        "board": "mnist", "variant": variant, "seed": seed, "seconds": seconds, "steps": 10, "samples": 20,
        "processor": "A", "figures": figures, "floors": floors,
    }  # fmt: skip


def cells(table: str, name: str) -> list[str]:
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_is_made_of_the_results() -> None:
    every = {name: sorted({*leaderboard.contestants(given)} - TOYS) for name, given in leaderboard.boards().items()}
    made = leaderboard.page(leaderboard.read(leaderboard.RESULTS), every)
    assert leaderboard.PAGE.read_text(encoding="utf-8") == made, "python -m benchmarks.leaderboard --only-page"
    known = leaderboard.advice(leaderboard.read(leaderboard.RESULTS))
    assert leaderboard.ADVICE.read_text(encoding="utf-8") == known, "python -m benchmarks.leaderboard --only-page"


def test_a_table_says_means_ranges_and_blanks() -> None:
    rows = [row("dcgan", 0, 10, 30), row("dcgan", 0, 20, 20), row("dcgan", 1, 10, 32), row("dcgan", 1, 20, 24)]
    rows += [row("sngan", 0, 10, 15), row("sngan", 0, 20, 9)]
    table = leaderboard.table(rows, ["dcgan", "sngan", "wgan"])
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "`sngan`", "`dcgan`", "`wgan`", "real pictures",
    ]  # fmt: skip
    assert cells(table, "`dcgan`") == [
        "`dcgan`", "2", "31 (30 to 32)", "22 (20 to 24)", *["0.5 (0.5 to 0.5)"] * 4, "10 (10 to 10)", "20",
    ]  # fmt: skip
    assert cells(table, "`sngan`")[1:4] == ["1", "15", "9"] and cells(table, "`sngan`")[-1] == "10"
    assert not any(cells(table, "`wgan`")[1:])
    assert cells(table, "real pictures")[2:5] == ["", "0.25", "0.25"]


def test_it_takes_who_makes_pictures_of_noise() -> None:
    found = leaderboard.contestants(leaderboard.boards()["mnist"])
    assert {"vanilla", "acgan", "sngan"} <= {*found}
    assert not {"pix2pix", "cyclegan", "srgan", "3d-gan", "stackgan"} & {*found}
    assert {*found} < {*registry().variants()}


def test_a_signal_ends_it_and_a_variant_that_fails_does_not(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def measure(board: str, given: object, variant: str, *_: object) -> list[leaderboard.Row]:
        tried.append(variant)
        raise {"dcgan": TrainingError, "sngan": Interrupted}[variant](f"{variant} ends")

    monkeypatch.setattr(leaderboard, "measure", measure)
    given = [
        "--variants",
        "dcgan,sngan,vanilla",
        "--boards",
        "mnist",
        "--results",
        "results.jsonl",
        "--page",
        "page.md",
    ]
    found = CliRunner().invoke(leaderboard.main, given)
    assert found.exit_code == 1 and tried == ["dcgan", "sngan"]
    assert "dcgan, seed 0 is left out: dcgan ends" in found.output and "sngan ends; or call this again" in found.output


def test_times_of_two_processors_are_not_mixed(in_tmp: Path) -> None:
    Path("results.jsonl").write_text(json.dumps(row("dcgan", 0, 10, 30)) + "\n")
    found = CliRunner().invoke(leaderboard.main, ["--results", "results.jsonl", "--page", "page.md"])
    assert found.exit_code == 1
    assert "results.jsonl holds times of A, but this is " in found.output and "give another --results" in found.output
    assert not Path("page.md").exists()


@pytest.mark.long
def test_it_goes_on_where_it_stopped(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = {"title": "Digits", "data": "digits", "shape": [1, 28, 28], "classes": 10}
    monkeypatch.setattr(leaderboard, "boards", lambda: {"digits": board})
    given = [
        "--boards", "digits", "--variants", "toy", "--minutes", "0.01", "-n", "40",
        "--out", "runs", "--results", "results.jsonl", "--page", "page.md",
    ]  # fmt: skip
    first = CliRunner().invoke(leaderboard.main, [*given, "--seeds", "1"], catch_exceptions=False)
    assert first.exit_code == 0, first.output
    rows = leaderboard.read(Path("results.jsonl"))
    assert [r["seconds"] for r in rows] == pytest.approx([0.075, 0.15, 0.3, 0.6]) and {r["seed"] for r in rows} == {0}
    assert cells(Path("page.md").read_text(), "`toy`")[1] == "1"
    kept = Path("results.jsonl").read_text()
    CliRunner().invoke(leaderboard.main, [*given, "--seeds", "2"], catch_exceptions=False)
    later = Path("results.jsonl").read_text()
    assert later.startswith(kept)
    assert {json.loads(line)["seed"] for line in later[len(kept) :].splitlines()} == {1}
    assert cells(Path("page.md").read_text(), "`toy`")[1] == "2"
