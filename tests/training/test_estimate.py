"""`ganzoo run --dry-run`: what a run would take, without a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from ganzoo_toy import Toy
from staged import Staged

from ganzoo_core.cli import main
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.training import estimate as module
from ganzoo_core.training.train import dry_run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, in_tmp: Path) -> None:
    monkeypatch.setattr(module, "_TIMED_S", 0.0)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_parameters_operations_and_steps_are_the_run_s_own() -> None:
    """vanilla's linear layers: 2 operations for each weight and sample, forward and to each gradient."""
    found = dry_run("vanilla", data="ring8", batch_size=8, steps=30)
    assert (found.variant, found.data, found.steps, found.device) == ("vanilla", "ring8", 30, "cpu")
    (phase,) = found.phases
    assert (phase.name, phase.steps, phase.batch_size) == (None, 30, 8)
    assert found.parameters.keys() == {"generator", "discriminator"}
    weights = {name: count for name, count in found.parameters.items()}
    # Beyond biases and input gradients G goes forth and back once, D three times forth and twice or thrice back.
    least = 2 * 8 * 3 * (weights["generator"] + 2 * weights["discriminator"]) / 1e9
    assert 0.5 * least < phase.gflop < 2.5 * least
    assert found.seconds == pytest.approx(30 * phase.step_s) and phase.step_s > 0
    assert found.memory_bytes and found.memory_bytes > 4 * sum(weights.values())


def test_each_phase_that_the_run_reaches_is_timed() -> None:
    config = Staged.Config
    found = dry_run(Staged(config(steps=1000)), data="ring8")
    assert len(found.phases) > 1 and found.steps == 1000
    first = found.phases[0]
    short = dry_run(Staged(config(steps=first.steps)), data="ring8")
    assert [phase.name for phase in short.phases] == [first.name] and short.steps == first.steps


def test_nothing_is_written() -> None:
    result = call("run", "vanilla", "--data", "ring8", "--steps", "1234", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "1,234 steps on cpu in" in result.stdout and "memory beside the data" in result.stdout
    assert "GFLOP a step" in result.stdout and not list(Path().iterdir())


def test_json() -> None:
    result = call("run", "vanilla", "--data", "ring8", "--epochs", "1", "--dry-run", "--json")
    found = json.loads(result.stdout)
    assert found["steps"] == found["phases"][0]["steps"] > 1 and found["seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json"], "--json is for --dry-run; a run prints its folder, and run.json in it is JSON"),
        (["--dry-run", "--resume", "x"], "--dry-run is for a new run on one process, without --resume and --processes"),
        (["--dry-run", "--processes", "2"], "--dry-run is for a new run on one process, without --resume and --"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    result = call("run", "vanilla", *arguments)
    assert (result.exit_code, result.stdout) == (2, "") and message in result.stderr


def test_it_refuses_what_a_run_would() -> None:
    with pytest.raises(SettingError, match="name a variant to run"):
        dry_run(None)
    with pytest.raises(DataError, match="batch_size must be at most"):
        dry_run(Toy, batch_size=10**6)


def test_show_tells_it_of_data_that_is_here() -> None:
    shown = json.loads(call("show", "vanilla", "--data", "ring8", "--set", "steps=7", "--json").stdout)
    assert shown["run"]["steps"] == 7 and shown["run"]["data"] == "ring8"
    assert json.loads(call("show", "vanilla", "--json").stdout)["run"] is None
    missing = json.loads(call("show", "vanilla", "--data", "cifar10", "--data-dir", "nowhere", "--json").stdout)
    assert missing["run"] is None and missing["networks"]
