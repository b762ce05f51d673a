"""The leaderboard: it goes on where it stopped, and its page is what its results say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.leaderboard import __main__ as leaderboard
from ganzoo_core.errors import Interrupted, TrainingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.run_folder import RunFolder

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


def test_pictures_that_are_there_stand_below_the_table(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaderboard, "boards", lambda: {"mnist": BOARD})
    rows = [row("dcgan", 0, 20, 20), row("sngan", 0, 20, 9), row("wgan", 0, 20, 30)]
    every = {"mnist": ["dcgan", "sngan", "vanilla", "wgan"]}
    plain = leaderboard.page(rows, every, Path())
    assert "![" not in plain
    for name in ("dcgan", "sngan", "vanilla"):  # of which the last has no figure
        path = Path("img/leaderboard/mnist") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    added = leaderboard.page(rows, every, Path()).removeprefix(plain.rstrip()).split()
    assert [word for word in added if word.startswith("![")] == [
        "![sngan](img/leaderboard/mnist/sngan.png)", "![dcgan](img/leaderboard/mnist/dcgan.png)",
    ]  # fmt: skip


def test_it_takes_who_makes_pictures_of_noise() -> None:
    found = leaderboard.contestants(leaderboard.boards()["mnist"])
    assert {"vanilla", "acgan", "sngan"} <= {*found}
    assert not {"pix2pix", "cyclegan", "srgan", "3d-gan", "stackgan"} & {*found}
    assert {*found} < {*registry().variants()}


def test_a_board_may_be_of_some_variants_alone() -> None:
    assert leaderboard.contestants(leaderboard.boards()["hour"]) == ["dcgan", "projection"]


BOARD = {
    "title": "Digits", "data": "digits", "shape": [1, 28, 28], "classes": 10, "steps": 1, "minutes": 5, "machine": "A",
}  # fmt: skip


def test_a_board_may_fix_the_precision_of_its_networks() -> None:
    for more, precision in (({}, "auto"), ({"precision": "bf16"}, "bf16")):
        assert leaderboard.Board("digits", BOARD | more, Path("runs"), 40).plan("vanilla").run.precision == precision


def lead(*given: str) -> str:
    """What `python -m benchmarks.leaderboard` prints, with its files in the working folder."""
    where = ["--results", "results.jsonl", "--page", "page.md", "--out", "runs", "-n", "40", "--boards", "digits"]
    found = CliRunner().invoke(leaderboard.main, [*where, *given])
    assert found.exit_code == 0 or isinstance(found.exception, SystemExit), found.output
    return found.output


def test_a_signal_ends_it_and_a_variant_that_fails_does_not(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def measure(board: leaderboard.Board, variant: str, *_: object) -> leaderboard.Row:
        tried.append(variant)
        raise {"dcgan": TrainingError, "sngan": Interrupted}[variant](f"{variant} ends")

    monkeypatch.setattr(leaderboard, "boards", lambda: {"digits": BOARD})
    monkeypatch.setattr(leaderboard, "load_reals", lambda *_, **__: None)
    monkeypatch.setattr(leaderboard.Board, "measure", measure)
    monkeypatch.setattr(leaderboard.Board, "time", lambda *_: {"steps": 8, "processor": "A"})
    output = lead("--variants", "dcgan,sngan,vanilla")
    assert tried == ["dcgan", "sngan"]
    assert "dcgan, seed 0 is left out: dcgan ends" in output and "sngan ends; or call this again" in output


def test_a_later_seed_takes_as_many_steps_as_the_first(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, figures = [], dict.fromkeys(leaderboard.FIGURES, 0.5)

    def measure(board: leaderboard.Board, variant: str, seed: int, steps: int) -> leaderboard.Row:
        asked.append((seed, steps))
        return {"steps": steps, "figures": figures, "floors": figures}

    times = iter([{"steps": 800, "processor": "A"}])
    monkeypatch.setattr(leaderboard, "boards", lambda: {"digits": BOARD})
    monkeypatch.setattr(leaderboard, "load_reals", lambda *_, **__: None)
    monkeypatch.setattr(leaderboard.Board, "measure", measure)
    monkeypatch.setattr(leaderboard.Board, "time", lambda *_: next(times))
    lead("--variants", "toy", "--seeds", "1")
    kept = Path("results.jsonl").read_text()
    lead("--variants", "toy", "--seeds", "2")
    lead("--variants", "toy", "--seeds", "2")
    assert asked == [(seed, steps) for seed in (0, 1) for steps in (100, 200, 400, 800)]
    rows = leaderboard.read(Path("results.jsonl"))
    assert Path("results.jsonl").read_text().startswith(kept) and {r["processor"] for r in rows} == {"A"}
    assert [r["seconds"] for r in rows] == [37.5, 75, 150, 300] * 2
    assert cells(Path("page.md").read_text(), "`toy`")[1] == "2"
    assert "1 steps of `dcgan`, 5 minutes of A." in Path("page.md").read_text()


@pytest.mark.long
def test_it_goes_on_where_it_stopped(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaderboard, "boards", lambda: {"digits": BOARD})
    monkeypatch.setattr(leaderboard.Board, "time", lambda *_: {"steps": 16, "processor": "A"})
    monkeypatch.setattr(leaderboard, "JUDGES", Path("judges"))
    lead("--variants", "toy", "--seeds", "1")
    (judge,) = Path("judges").iterdir()
    with Image.open("img/leaderboard/digits/toy.png") as made:
        assert made.width > 10 * made.height
    assert "| `toy` | ![toy](img/leaderboard/digits/toy.png) |" in Path("page.md").read_text()
    digest = leaderboard.read(Path("results.jsonl"))[0]["judge"]
    assert f"Judged by classifier {digest}: `toy`." in Path("page.md").read_text()
    first, *others = Path("results.jsonl").read_text().splitlines(keepends=True)
    assert len(others) == 3 and all(json.loads(line)["figures"]["fid"] > 0 for line in [first, *others])
    shutil.rmtree("runs")
    Path("results.jsonl").write_text(first)  # as if it had been stopped before its second stage
    lead("--variants", "toy", "--seeds", "1")
    rows = leaderboard.read(Path("results.jsonl"))
    assert [r["steps"] for r in rows] == [2, 4, 8, 16] and {r["judge"] for r in rows} == {digest}
    assert list(Path("judges").iterdir()) == [judge]
    assert RunFolder.open(Path("runs/digits/toy-seed0")).metadata().settings["steps"] == 16
