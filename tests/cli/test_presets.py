"""`--config paper.toml`: a settings file that a variant's package brings along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ganzoo_core.cli import main

SOURCE = """
from ganzoo_core import hookimpl
from ganzoo_toy import Toy

GANZOO_API = 2

class One(Toy):
    name = "one"

class Two(Toy):
    name = "two"

@hookimpl
def ganzoo_variants():
    return [One, Two]
"""


@pytest.fixture(autouse=True)
def package(plugin_site, in_tmp: Path) -> None:
    """A package of two variants, of which the second has a folder for its presets."""
    files = {"ganzoo_two/__init__.py": SOURCE, "ganzoo_two/paper.toml": "steps = 3\nseed = 5\n"}
    files |= {"ganzoo_two/two/paper.toml": "steps = 4\n", "ganzoo_two/two/large.toml": "batch_size = 0\n"}
    plugin_site.install("ganzoo-two", files, {"one": "ganzoo_two"})


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def settings_of(*arguments: str) -> dict:
    result = call("run", *arguments, "--quiet")
    assert result.exit_code == 0, result.output
    return json.loads((Path(result.stdout.strip()) / "run.json").read_text())["settings"]


def test_a_preset_of_the_variant_is_found_where_no_such_file_is_here() -> None:
    found = settings_of("one", "--config", "paper.toml", "--set", "seed=6", "--out", "a")
    assert (found["steps"], found["seed"]) == (3, 6)
    assert settings_of("two", "--config", "paper.toml", "--out", "b")["steps"] == 4
    Path("paper.toml").write_text("steps = 2\n")
    found = settings_of("one", "--config", "paper.toml", "--out", "c")
    assert (found["steps"], found["seed"]) == (2, 0)


def test_a_bad_preset_is_refused_like_any_file() -> None:
    result = call("run", "two", "--config", "large.toml")
    assert (result.exit_code, result.stderr) == (1, "Error: batch_size must be at least 1, but is 0\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one", "--config", "large.toml"], "File 'large.toml' does not exist, and one comes with the presets paper."),
        (["two", "--config", "my.toml"], "File 'my.toml' does not exist, and two comes with the presets large.toml, "),
        (["toy", "--config", "paper.toml"], "File 'paper.toml' does not exist, and toy comes with no presets"),
        (["one", "--config", "two/paper.toml"], "File 'two/paper.toml' does not exist, and one comes with the pr"),
        (["--resume", "x", "--config", "paper.toml"], "File 'paper.toml' does not exist\n"),
        (["my.py:One", "--config", "paper.toml"], "File 'paper.toml' does not exist\n"),
    ],
)
def test_what_is_no_preset_is_said_to_be_none(arguments: list[str], message: str) -> None:
    result = call("run", *arguments)
    assert result.exit_code == 2 and f"Invalid value for '--config': {message}" in result.stderr, result.stderr


def test_show_lists_presets() -> None:
    shown = call("show", "two", "--data", "ring8").stdout
    assert "comes with the preset large.toml: ganzoo run two --config large.toml\n" in shown
    assert "comes with the preset paper.toml: ganzoo run two --config paper.toml\n" in shown
    found = json.loads(call("show", "two", "--data", "ring8", "--json").stdout)
    assert found["presets"] == ["large.toml", "paper.toml"]
    assert json.loads(call("show", "toy", "--data", "ring8", "--json").stdout)["presets"] == []


def test_what_lies_beside_a_module_outside_of_packages_is_no_preset(plugin_site) -> None:
    source = SOURCE.replace('"one"', '"alone"').replace('"two"', '"lonely"')
    plugin_site.install("ganzoo-alone", {"ganzoo_alone.py": source, "pyproject.toml": "steps = 3\n"})
    assert json.loads(call("show", "alone", "--data", "ring8", "--json").stdout)["presets"] == []
