"""`ganzoo advise`: the best that was measured in the time, of those that take the data; and a command that runs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ganzoo_core.cli import main
from ganzoo_core.errors import DataError
from ganzoo_tools.advice import advise as advice

FIDS = {
    "mnist": {"title": "Grey", "fid": {}},
    "emoji": {
        "title": "Few",
        "fid": {"cgan": {"60": [9.0, 3, 600], "600": [2.0, 1, 6000]}, "dcgan": {"60": [5.0, 2, 300]}},
    },
    "cifar10": {
        "title": "Colour",
        "fid": {"dcgan": {"60": [7.0, 1, 300]}, "pix2pix": {"60": [1.0, 1, 300]}, "gone": {"60": [0, 1, 300]}},
    },
}


@pytest.fixture(autouse=True)
def known(monkeypatch, tmp_path):
    monkeypatch.setattr(advice, "boards", lambda: FIDS)
    monkeypatch.setattr("ganzoo_core.training.estimate._TIMED_S", 0.01)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))


def folder(shape: tuple[int, ...], classes: int = 2) -> str:
    for number in range(20):
        path = Path(f"photos/{number % classes}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, shape, np.uint8)).save(path)
    return "folder:photos"


@pytest.fixture
def timed(monkeypatch) -> Callable[[float], list[str]]:
    """Has a machine take so many steps a second of each variant; gives those that are timed."""

    def at(steps_per_s: float) -> list[str]:
        asked: list[str] = []

        def dry_run(variant, **_):
            asked.append(variant)
            phases = [SimpleNamespace(batch_size=20)]
            return SimpleNamespace(steps=100, seconds=100 / steps_per_s, device="cpu", phases=phases)

        monkeypatch.setattr(advice, "dry_run", dry_run)
        monkeypatch.setattr(advice, "_batch_size", lambda variant, dataset: None)
        return asked

    return at


def test_the_time_decides_which_figures_count(timed):
    data = folder((28, 28, 3))
    timed(10)
    soon, late = (advice.advise(data, minutes=minutes, device="cpu") for minutes in (0.5, 10))
    assert (soon.variant, late.variant) == ("dcgan", "cgan") and soon.board == late.board == "emoji"
    assert [(one.variant, one.fid, one.seconds) for one in late.measured] == [("cgan", 2, 600), ("dcgan", 5, 60)]
    assert "FID 5 after 60 s of one core, 300 steps, on Few (2 seeds), the least of 2" in soon.reasons["variant"]
    assert "a step takes 0.5 times as long here" in soon.reasons["variant"]


@pytest.mark.parametrize(("steps_per_s", "wanted", "seconds"), [(10.0, "cgan", 600), (0.5, "dcgan", 60)])
def test_a_slow_machine_counts_as_less_time(timed, steps_per_s, wanted, seconds):
    """Ten minutes of the slow one are 30 s of the board's."""
    asked = timed(steps_per_s)
    found = advice.advise(folder((28, 28, 3)), minutes=10, device="cpu")
    assert (found.variant, found.measured[0].seconds) == (wanted, seconds)
    assert asked == list(dict.fromkeys(["cgan", wanted])), "what is advised was timed, and nothing twice"
    assert int(found.settings["steps"]) == round(0.9 * 600 * steps_per_s)


@pytest.mark.long
def test_its_command_runs(tmp_path):
    result = CliRunner().invoke(main, ["advise", folder((40, 60, 3)), "--minutes", "0.01", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    command = result.stdout.splitlines()[-1]
    assert command.startswith("ganzoo run dcgan --data folder:photos --set batch_size=16 --set steps=")
    assert "batch: 16 - there are no more than 20" in result.stdout
    words = [*shlex.split(command)[1:], "--set", "steps=1", "--set", "batch_size=4", "--out", "run"]
    assert CliRunner().invoke(main, words).exit_code == 0


def test_what_data_gives_decides_where_no_board_is_of_it():
    for data, wanted in (("digit-pairs", "pix2pix"), ("ring8", "wgan-gp")):
        result = CliRunner().invoke(main, ["advise", data, "--minutes", "0.01", "--device", "cpu", "--json"])
        found = json.loads(result.stdout)
        assert found["variant"] == wanted and found["board"] is None and found["measured"] == []
        assert "no leaderboard is of these" in found["reasons"]["variant"]


def test_another_board_stands_in_and_is_named():
    found = advice.advise("digits", minutes=0.01, device="cpu")
    assert (found.variant, found.board) == ("dcgan", "cifar10")
    assert "on Grey, which is more like this data, nothing that takes it was measured yet" in found.reasons["variant"]


def test_a_board_on_which_nothing_takes_the_data_gives_way(monkeypatch, timed):
    few = {"title": "Few", "fid": {"cgan": {"60": [9.0, 1, 600]}}}
    monkeypatch.setattr(advice, "boards", lambda: FIDS | {"emoji": few})
    timed(10)
    folder((28, 28, 3), classes=1)
    found = advice.advise("folder:photos/0", minutes=1, device="cpu")
    assert (found.variant, found.board) == ("dcgan", "cifar10")
    assert "on Few, which is more like this data, nothing that takes it was measured" in found.reasons["variant"]


def test_augmentation_is_for_runs_that_go_through_the_pictures_often(monkeypatch):
    monkeypatch.setattr(advice, "LEARNED_BY_HEART", 1e-6)
    assert advice.advise("digits", minutes=0.01, device="cpu").settings["augment"] == "ada"
    monkeypatch.setattr(advice, "LEARNED_BY_HEART", 1e6)
    assert "augment" not in advice.advise("digits", minutes=0.01, device="cpu").settings


def test_each_of_a_critics_batches_counts_as_pictures_gone_through(monkeypatch, timed):
    """540 steps of 20 pictures, which there are: 540 times for dcgan, and five times as often for wgan-gp's critic."""
    monkeypatch.setattr(advice, "LEARNED_BY_HEART", 1000)
    timed(10)
    data = folder((28, 28, 3))
    for name, times, augment in (("dcgan", "540", None), ("wgan-gp", "2,700", "ada")):
        few = {"title": "Few", "fid": {name: {"60": [5.0, 2, 600]}}}
        monkeypatch.setattr(advice, "boards", lambda few=few: FIDS | {"emoji": few})
        found = advice.advise(data, minutes=1, device="cpu")
        assert (found.variant, found.settings.get("augment")) == (name, augment)
        assert f"the run goes about {times} times through the pictures" in found.reasons["augment"]


@pytest.mark.long
def test_large_pictures_are_larger_where_there_is_time(monkeypatch):
    data = folder((100, 80, 3))

    def size(minutes: float, **options: str) -> str | None:
        return advice.advise(data, minutes=minutes, device="cpu", options=options).settings.get("image_size")

    assert size(0.01) is None
    monkeypatch.setattr(advice, "LONG_MINUTES", 0.01)
    assert (size(0.01), size(0.01, image_size="48")) == ("64", "48")
    found = advice.advise(data, minutes=0.01, device="cpu")
    assert found.reasons["size"].endswith("and the shorter side of a picture is 80 pixels")
    folder((50, 80, 3))
    assert size(0.01) is None


def test_what_can_not_be_advised_is_said(monkeypatch):
    monkeypatch.setattr(
        advice, "boards", lambda: FIDS | {"cifar10": {"title": "", "fid": {"gone": {"60": [1, 1, 300]}}}}
    )
    with pytest.raises(DataError, match="no variant that is installed and was measured takes digits"):
        advice.advise("digits")
    for words, message in (
        (["nothing"], "there is no data set called 'nothing'"),
        (["digits", "--minutes", "0"], "minutes must be above 0, but is 0"),
        (["folder:none"], "none"),
    ):
        result = CliRunner().invoke(main, ["advise", *words])
        assert result.exit_code == 2 or result.exit_code == 1
        assert message in result.stderr


def test_the_zoos_own_board_is_read(monkeypatch):
    monkeypatch.undo()
    found = advice.boards()
    assert set(found) == {"cifar10", "mnist", "emoji"} and found["cifar10"]["fid"]["dcgan"]["300"][1] >= 1
    assert found["cifar10"]["fid"]["dcgan"]["300"][2] > 100
