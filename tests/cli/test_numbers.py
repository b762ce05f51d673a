"""Numbers of any size, on any option of any command, end in a sentence: never in a bug, never in gigabytes."""

from __future__ import annotations

import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import resolve
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training.train import _with_epochs
from ganzoo_core.training.trainer import Trainer

NUMBERS = (
    "0",
    "-1",
    "1",
    str(2**31),
    str(2**63),
    str(10**30),
    "1" + 5000 * "0",
    "1e308",
    "nan",
    "inf",
    "-0.0",
    "1e-320",
)
_NUMERIC = (click.types.IntParamType, click.types.FloatParamType)


def numeric(command: click.Command) -> list[str]:
    return [p.opts[-1] for p in command.params if isinstance(p.type, _NUMERIC)]


def commands() -> dict[str, click.Command]:
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None and numeric(command)}


SMALL = ["--steps", "1", "--batch-size", "2", "--device", "cpu", "--quiet"]
# What each command with numeric options is called with, beside the number; RUN and DIGITS are runs' folders.
CALLS = {
    "run": ["vanilla", *SMALL],
    "sample": ["RUN", "-o", "x.png"],
    "evaluate": ["RUN", "-n", "100", "--seeds", "1"],
    "explore": ["RUN", "-o", "y.png"],
    "advise": ["ring8"],
    "compare": ["--variants", "vanilla", "--data", "ring8", "--out", "race"],
    "project": ["DIGITS", "--input", "PICTURE", "--steps", "1", "-o", "z.png"],
}


@pytest.fixture
def first_step(monkeypatch):
    """A run ends after its first step, its numbers read as for a log line."""

    def run(self):
        self.engine.measure(self.engine.train_step())

    monkeypatch.setattr(Trainer, "run", run)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, str]:
    """What the words in CALLS stand for."""
    folder = tmp_path_factory.mktemp("numbers")
    small = {"steps": 1, "batch_size": 2, "device": "cpu"}
    runs = {name: ganzoo.train("vanilla", data=name, out=folder / name, **small).folder for name in ("ring8", "digits")}
    return {"RUN": str(runs["ring8"]), "DIGITS": str(runs["digits"]), "PICTURE": str(runs["digits"] / "samples.png")}


def check_told(arguments: list[str]) -> None:
    """It ends with 0, or with one line that is no bug."""
    started_s = time.monotonic()
    result = CliRunner().invoke(main, arguments)
    shown = [argument if len(argument) < 50 else "10**5000" for argument in arguments]
    assert result.exit_code in (0, 1, 2), shown
    assert "bug" not in result.stderr, (shown, result.stderr)
    if result.exit_code:
        assert result.stderr.splitlines()[-1].startswith("Error: "), (shown, result.stderr)
        assert len(result.stderr) < 2000, shown
    assert time.monotonic() - started_s < 60, shown


def test_every_command_with_numbers_is_tried():
    assert commands().keys() == CALLS.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "option"), [(name, option) for name, command in commands().items() for option in numeric(command)]
)
def test_any_number_on_any_option(name, option, in_tmp, first_step, trained, monkeypatch):
    monkeypatch.setattr("ganzoo_core.cli.run.launch", lambda *_: None)
    monkeypatch.setattr("ganzoo_core.datasets.toy._SIZE", 1000)
    monkeypatch.setattr("ganzoo_tools.comparison.race._train", lambda *_: None)
    call = [trained.get(word, word) for word in CALLS[name]]
    for number in NUMBERS:
        check_told([name, *call, f"{option}={number}" if option.startswith("--") else f"{option}{number}"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes", "100000"], "Error: processes must be at most"),
        (["--processes", "1" + 5000 * "0"], "Error: Invalid value for '--processes': '10000000"),
        (["--set", "n_critic=2147483648"], "Error: n_critic must be at most 1000, but is 2147483648"),
        (["--set", f"latent_dim={2**62}"], "Error: vanilla on digits with batch_size=64 needs more memory than any"),
        (["--set", f"latent_dim={2**31}"], "Error: vanilla on digits with batch_size=64 needs about"),
        (["--batch-size", str(2**31)], "Error: batch_size must be at most 1797, the size of digits, but is 2147483648"),
        (["--epochs", "1" + 600 * "0", "--batch-size", "0"], "Error: batch_size must be at least 1, but is 0"),
    ],
)
def test_a_number_too_large_is_told_which(arguments, message, in_tmp):
    result = CliRunner().invoke(main, ["run", "vanilla", "--device", "cpu", *arguments])
    assert result.exit_code in (1, 2)
    assert result.stderr.splitlines()[-1].startswith(message) and len(result.stderr) < 2000
    assert not Path("runs").exists()


def test_epochs_of_any_number_are_counted():
    plan = resolve("vanilla", {})
    assert _with_epochs(plan, 10**600, 65).variant.config.steps == -(-65 * 10**600 // 64)


SETTINGS = [
    (variant, option.name)
    for variant, (cls, _) in sorted(registry().variants().items())
    for option in cls.Config.options()
    if option.type.startswith(("int", "float"))
]
OF_RUNS = [("vanilla", option.name) for option in RunSettings.options() if option.type.startswith(("int", "float"))]


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "setting"), SETTINGS + OF_RUNS)
def test_any_number_for_any_setting(variant, setting, in_tmp, first_step):
    for number in NUMBERS:
        check_told(
            ["run", variant, *SMALL, "--set", f"{setting}={number}", "--out", f"{setting}{len(number)}{number[:9]}"]
        )
