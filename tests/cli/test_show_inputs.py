"""`ganzoo show` of variants whose generators take inputs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from ganzoo_core.cli import main


def show(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["show", *arguments])


@pytest.mark.parametrize(
    ("variant", "data", "first"),
    [
        ("translator", "toy-pairs", [4, 8, 8]),
        ("upscaler", "digits", [4, 28, 28]),
        ("domains", "toy-unpaired", None),
        ("writer", "toy-pairs", None),
    ],
)
def test_networks_are_shown_on_data_that_has_what_they_take(takers, in_tmp, variant, data, first) -> None:
    result = show(variant, "--data", data, "--json")
    assert result.exit_code == 0, result.output
    networks = json.loads(result.stdout)["networks"]
    assert networks["generator"]["parameters"] > 0 and networks["discriminator"]["parameters"] > 0
    assert first is None or networks["generator"]["layers"][0]["shape"] == first


def test_data_that_lacks_it_is_a_sentence(takers, in_tmp) -> None:
    result = show("translator", "--data", "digits")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1 and "source" in result.stderr


def test_without_data_none_is_found_that_tells_its_shape_and_has_it(takers, in_tmp) -> None:
    result = show("translator", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["networks"] is None
    assert "no installed data set that suits translator tells its shape; --data NAME" in result.stderr
