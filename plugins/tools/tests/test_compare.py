"""Comparisons: who is held against whom, ranks and spreads, races that are interrupted and go on, and the page."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from clocks import let_steps_take

import ganzoo_core as ganzoo
import ganzoo_tools
from ganzoo_core.cli import main
from ganzoo_core.errors import DataError, SettingError, TrainingError
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_tools.comparison import candidates, race
from ganzoo_tools.comparison.ranking import ranks_of
from ganzoo_tools.evaluation.results import Evaluation, MetricValue

STAGES = 4
RACE = ("--variants", "toy,toy-conditional", "--data", "ring8", "--minutes", "0.005", "--seeds", "2", "-n", "100")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


def trained(out: Path, variant: str = "toy", **settings: object) -> Path:
    return ganzoo.train(variant, **({"data": "ring8", "steps": 3, "device": "cpu", "out": out} | settings)).folder


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The folder of a whole race, and what it printed; nobody writes to it."""
    out = tmp_path_factory.mktemp("race") / "out"
    with pytest.MonkeyPatch.context() as patch:
        let_steps_take(0.01, patch)
        result = invoke(*RACE, "--out", out)
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return out, result


@pytest.mark.long
def test_a_race_prints_a_table_with_spread_and_rank(raced: tuple[Path, Result]) -> None:
    out, result = raced
    lines = result.stdout.splitlines()
    assert re.match(r"rank +recipe +coverage +read as asked +modes covered", lines[0])
    assert all(len(line) <= 80 for line in lines), result.stdout
    assert re.search(r"^1 +toy.* ± ", result.stdout, re.M) and re.search(r"^- +real data", result.stdout, re.M)
    assert "ranked by: coverage, higher is better" in result.stdout
    assert "time: 0.3 s of training each" in result.stdout
    assert "spread: over trainings with different seeds" in result.stdout
    assert "measured: 100 samples of each, 100 real" in result.stdout
    assert "16/16 toy-conditional, seed 1: training up to 0.3 s" in result.stderr
    assert f"page: {out / 'comparison.html'}" in result.stderr


@pytest.mark.long
def test_every_run_had_its_time_and_was_judged_on_the_way(raced: tuple[Path, Result]) -> None:
    folders = sorted(path.name for path in raced[0].iterdir() if path.is_dir())
    assert folders == ["toy-conditional-seed0", "toy-conditional-seed1", "toy-seed0", "toy-seed1"]
    for name in folders:
        folder = RunFolder.open(raced[0] / name)
        metadata = folder.metadata()
        spent_s = folder.trained_seconds()
        assert spent_s + 1e-6 >= 0.3 and spent_s == pytest.approx(0.01 * metadata.settings["steps"])
        assert spent_s < 0.3 + 0.025, "the last step is begun when the time is up, or a step later where sums round"
        judged = Evaluation.read(folder.path / "evaluation.json")
        assert judged.step == metadata.settings["steps"] == ganzoo.load(folder.path).step
        assert Evaluation.read(folder.path / "stages" / "0.3s" / "evaluation.json") == judged
        assert "D right on training data" in (folder.path / "report.html").read_text()


@pytest.mark.long
def test_what_is_done_is_not_done_again(raced: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this was done already")

    monkeypatch.setattr("ganzoo_core.training.train.train", refuse)
    monkeypatch.setattr(candidates, "evaluate", refuse)
    page = raced[0] / "again.html"
    result = invoke(*RACE, "--out", raced[0], "-o", page, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and found["page"] == str(page) and page.exists()
    assert (found["ranked_by"], found["better"], found["seconds"]) == ("coverage", "higher", 0.3)
    assert [len(run["course"]) for recipe in found["recipes"] for run in recipe["runs"]] == [STAGES] * 4
    coverage = found["recipes"][0]["figures"]["coverage"]
    assert len(coverage["values"]) == 2 and coverage["spread"] is not None and coverage["floor"] > 0.5


@pytest.mark.long
def test_a_race_that_was_stopped_goes_on_with_the_time_spent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def stopping(step: int) -> None:
        steps.append(step)
        if len(steps) == 20:  # in the midst of a stage
            os.kill(os.getpid(), signal.SIGINT)

    arguments = ("--variants", "toy", "--data", "ring8", "--minutes", "0.03", "-n", "100", "--out", tmp_path / "out")
    let_steps_take(0.02, monkeypatch, stopping)
    result = invoke(*arguments)
    assert result.exit_code == 1
    error = f"Error: stopped, and all is saved in {tmp_path / 'out'}; call the same again, and it goes on"
    assert result.stderr.splitlines()[-1] == error
    folder = RunFolder.open(tmp_path / "out" / "toy-seed0")
    stood = steps[-1]
    assert ganzoo.load(folder.path).step == stood + 1
    steps[:] = [0] * 20  # it is not stopped again
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert steps[21] == stood + 1, "the first one is the trial step"
    spent_s = folder.trained_seconds()
    assert spent_s + 1e-6 >= 1.8 and spent_s == pytest.approx(0.02 * folder.metadata().settings["steps"])
    assert spent_s < 1.85 and "1.8 s of training each" in result.stdout


def test_a_stop_while_judging_is_a_sentence_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(candidates, "evaluate", stop)
    result = invoke("--variants", "toy", "--data", "ring8", "--minutes", "0.001", "--out", tmp_path)
    assert result.exit_code == 1 and "call the same again, and it goes on" in result.stderr


@pytest.mark.long
def test_a_variant_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = ganzoo.train

    def failing(variant: str, **settings: object) -> object:
        if variant == "toy":
            raise TrainingError("<b>the loss is nan</b>")
        return train(variant, **settings)

    monkeypatch.setattr("ganzoo_core.training.train.train", failing)
    arguments = ("--data", "ring8", "--minutes", "0.001", "-n", "100", "--out", tmp_path)
    result = invoke("--variants", "toy,toy-conditional", *arguments)
    assert result.exit_code == 0 and "left out: toy, seed 0: <b>the loss is nan</b>" in result.stdout
    assert "spread: unknown, as each was trained once" in result.stdout
    page = (tmp_path / "comparison.html").read_text()
    assert "<b>toy, seed 0</b> is left out: &lt;b&gt;the loss is nan" in page and "nobody knows the spread" in page
    result = invoke("--variants", "toy", *arguments)
    assert result.exit_code == 1 and "nothing could be trained: toy, seed 0: <b>the loss is nan</b>" in result.stderr


def test_all_are_those_that_can_use_the_data(tmp_path: Path) -> None:
    plans, left_out, of_inputs = race._plans(None, {"data": "sine"}, {}, tmp_path)
    assert not of_inputs
    assert "toy" in plans and "toy-conditional" not in plans
    assert "toy-conditional needs labels, but sine has none" in left_out["toy-conditional"]
    with pytest.raises(DataError, match="toy-conditional needs labels, but sine has none"):
        race._plans(["toy-conditional"], {"data": "sine"}, {}, tmp_path)


@pytest.mark.long
def test_a_folder_keeps_what_it_was_trained_with(raced: tuple[Path, Result]) -> None:
    arguments = ("--variants", "toy", "--data", "ring8", "-n", "100", "--out", raced[0])
    result = invoke(*arguments, "--minutes", "0.001")
    assert result.exit_code == 1
    assert re.search(
        r"was trained for 0 s, but the minutes are 0\.001; give more minutes or another --out", result.stderr
    )
    result = invoke(*arguments, "--minutes", "1", "--set", "generator_lr=0.5")
    assert "was begun with other settings: generator_lr was" in result.stderr


# Runs


@pytest.mark.long
def test_runs_are_compared_by_what_they_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = trained(tmp_path / "one"), trained(tmp_path / "two", steps=5)
    ganzoo_tools.evaluate(one, n=100, seeds=2).save(one)
    result = invoke(one, two)
    assert result.exit_code == 0, result.output
    assert "toy steps=3" in result.stdout and "toy steps=5" in result.stdout
    assert f"evaluating {two}" in result.stderr and f"evaluating {one}" not in result.stderr
    assert len(Evaluation.read(two / "evaluation.json").conditions["seeds"]) == 2, "judged as the other one was"
    assert (tmp_path / "comparison.html").exists()
    ganzoo.train(resume=two, steps=6)
    assert f"evaluating {two}" in invoke(one, two).stderr, "what it keeps is of step 5"


def test_runs_of_one_recipe_have_a_spread(tmp_path: Path) -> None:
    runs = [trained(tmp_path / f"{seed}", seed=seed, log_every=seed + 1) for seed in range(2)]
    found = ganzoo_tools.compare(runs, n=100)
    (recipe,) = found.recipes
    assert (recipe.name, [e.seed for e in recipe.candidates]) == ("toy", [0, 1])
    assert recipe.figures["fid"].spread and recipe.figures["fid"].values == tuple(
        e.evaluation.figures["fid"].mean for e in recipe.candidates
    )


@pytest.mark.long
def test_what_can_not_be_compared_is_refused(tmp_path: Path) -> None:
    one, other, sine = trained(tmp_path / "a"), trained(tmp_path / "b"), trained(tmp_path / "c", data="sine")
    with pytest.raises(DataError, match="can't be compared: they were trained on different data, ring8 and sine"):
        ganzoo_tools.compare([one, sine])
    with pytest.raises(SettingError, match="are the same recipe with the same seed 0, so that their spread says no"):
        ganzoo_tools.compare([one, other], n=100)
    two = trained(tmp_path / "two", steps=4)
    ganzoo_tools.evaluate(one, n=100, seeds=1).save(one)
    ganzoo_tools.evaluate(two, n=200, seeds=1).save(two)
    result = invoke(one, two)
    assert result.exit_code == 1
    assert "were evaluated with different samples (100 and 200), real (100 and 200)" in result.stderr
    assert invoke(one, two, "-n", "150").exit_code == 0, "all are judged by 150"
    with pytest.raises(SettingError, match="name the runs to compare, or the variants to train"):
        ganzoo_tools.compare([])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "name the RUNs to compare, or --variants to train, and not both"),
        (["run", "--variants", "toy"], 2, "and not both"),
        (["run", "--minutes", "1", "--set", "a=1"], 2, "--minutes, --set only with --variants"),
        (["nowhere"], 1, "nowhere holds no run"),
        (["--variants", "toi"], 1, "there is no variant called 'toi'; did you mean"),
        (["--variants", "toy", "--minutes", "0"], 1, "minutes must be above 0 and finite, but is 0"),
        (["--variants", "toy", "--minutes", "-1"], 1, "minutes must be above 0 and finite, but is -1"),
        (["--variants", "toy", "--set", "steps=4"], 1, "steps can't be set in a comparison"),
    ],
)
def test_mistakes_are_said(in_tmp: Path, arguments: list[str], code: int, words: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == code and words in result.stderr


def test_ranks_are_shared_within_the_spread() -> None:
    def ranks(*figures: tuple[float, ...]) -> list[int]:
        return ranks_of([MetricValue(values) for values in figures])

    assert ranks((1.0,), (1.1,), (2.0,)) == [1, 2, 3], "no spread is known"
    assert ranks((1.0, 1.2), (1.15, 1.25), (2.0, 2.0)) == [1, 1, 3]
    # 1.0 and 1.4 are further apart than either's spread, though the middle one is near both.
    assert ranks((1.0, 1.0), (1.0, 1.4), (1.4, 1.4)) == [1, 1, 3]
    few = [MetricValue((value,), error=0.5) for value in (1.0, 1.4, 1.6)]
    assert ranks_of(few) == [1, 1, 3], "the error of few samples counts too"


def test_the_default_folder_is_the_same_for_the_same_call() -> None:
    assert race.default_folder("digits", 1) == Path("runs/compare-digits-1min")
    assert race.default_folder("folder:../my cats", 0.5).parts == ("runs", "compare-folder----my-cats-0-5min")


# The page


def test_the_page_escapes_names_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    strange = tmp_path / "<script>alert(1)<"
    strange.mkdir()
    runs = [trained(strange / "a"), trained(strange / "b", steps=4)]
    assert invoke(*runs, "-n", "100").exit_code == 0
    page = (strange / "comparison.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;" in page
    assert page.count("<script") == 1 and "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert all("alt=" in image for image in re.findall("<img [^>]*>", page))


@pytest.mark.long
def test_the_page_shows_curves_cost_and_how_to_make_it_again(raced: tuple[Path, Result]) -> None:
    page = (raced[0] / "comparison.html").read_text()
    assert len(page) < 2_000_000
    titles = re.findall(r'data-title="([^"]*)"', page)
    assert titles[:2] == ["Coverage over time", "Coverage over steps"] and "Read as asked over time" in titles
    chart = json.loads(re.findall(r"data-chart='([^']*)'", page)[0])
    assert chart["unit"] == "seconds" and {len(line["x"]) for line in chart["lines"]} == {STAGES}
    assert "ganzoo compare --variants toy,toy-conditional --data ring8 --minutes 0.005 --seeds 2" in page
    assert page.count("ganzoo run toy --data ring8 --steps ") == 2
    assert "Each was trained with 2 seeds, for 0 s, and judged by 100 samples" in " ".join(page.split())
    assert "Samples: real data" in page and "unconditional" in page and "asked by class" in page
