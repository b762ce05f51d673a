"""`ganzoo show` of a variant whose generator takes inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ganzoo_core.cli import main


def show(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["show", *arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("variant", "row"),
    [
        ("translator", "source image 3x16x16 the other picture; of any size, with sides that are multiples of 2"),
        ("upscaler", "small image 3x4x4 the small picture; of any size"),
        ("domains", "source image 3x16x16 of any size, with sides that are multiples of 2"),
        ("writer", "text text 4 of 5 known words"),
    ],
)
def test_inputs_and_networks_are_shown(takers, in_tmp: Path, variant: str, row: str) -> None:
    shown = show(variant, "--data", "toy-pairs")
    assert f"input kind shape meaning {row} " in shown
    assert "generator on toy-pairs (3x16x16)" in shown and "discriminator on toy-pairs" in shown
    values = json.loads(show(variant, "--data", "toy-pairs", "--json"))
    assert len(values["inputs"]) == 1 and values["networks"]["discriminator"]["parameters"] > 0


def test_data_that_lacks_what_it_takes_is_said_to(takers, in_tmp: Path) -> None:
    """Its own data set tells nothing before it is read: the settings are shown, and what the data must have."""
    result = CliRunner().invoke(main, ["show", "translator"])
    assert result.exit_code == 0 and "updates of the generator" in result.stdout
    said = " ".join(result.stderr.split())
    assert "--data NAME shows the networks on it (" in said and "has no column 'source'" in said, said


def test_inputs_that_are_derived_need_no_columns(takers, in_tmp: Path) -> None:
    assert "generator on digits (1x28x28)" in show("upscaler", "--data", "digits")


def test_a_variant_without_inputs_shows_none(in_tmp: Path) -> None:
    assert "input kind" not in show("toy", "--data", "ring8")
    assert json.loads(show("toy", "--data", "ring8", "--json"))["inputs"] == []
