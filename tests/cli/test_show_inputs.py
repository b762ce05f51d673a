"""`ganzoo show` of a variant whose generator takes inputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ganzoo_core.cli import main
from ganzoo_core.registry import registry


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


def test_data_that_lacks_what_it_takes_is_said_to(takers, in_tmp: Path, monkeypatch) -> None:
    """Where its own data set is not here, the settings are shown, and what the data must have."""
    assert "generator on toy-pairs" in show("translator")
    monkeypatch.setattr(registry().dataset("toy-pairs")[0], "is_local", lambda self, folder: False)
    for pairs in ("digit-pairs", "digit-pens", "textured-digits", "textured-mnist"):  # which would suit
        monkeypatch.setattr(registry().dataset(pairs)[0], "shape", None)
    result = CliRunner().invoke(main, ["show", "translator"])
    assert result.exit_code == 0 and "updates of the generator" in result.stdout
    said = " ".join(result.stderr.split())
    assert "--data NAME shows the networks on it (" in said and "has no column 'source'" in said, said


def test_inputs_that_are_derived_need_no_columns(takers, in_tmp: Path) -> None:
    assert "generator on digits (1x28x28)" in show("upscaler", "--data", "digits")


def test_a_variant_without_inputs_shows_none(in_tmp: Path) -> None:
    assert "input kind" not in show("toy", "--data", "ring8")
    assert json.loads(show("toy", "--data", "ring8", "--json"))["inputs"] == []


def test_the_default_data_is_loaded_where_it_is_here_and_alone_tells_its_shape(plugin_site, in_tmp):
    """A data set that knows its shape only once it is loaded, and a variant that has it as its default."""
    plugin_site.install(
        "ganzoo-late",
        {
            "ganzoo_late.py": """
import ganzoo_core as ganzoo
GANZOO_API = 2
class Late(ganzoo.DataSource):
    name, title, origin = "late", "Late", "made up"
    def load(self, data_dir, split="train"):
        import torch
        return ganzoo.Dataset(ganzoo.DataSpec("late", (3, 24, 40)), torch.zeros(9, 3, 24, 40, dtype=torch.uint8))
class Mine(ganzoo.Variant):
    "Mine."
    name, title, paper, year, default_data = "mine", "Mine", "arXiv:0000.00000", 2026, "late"
    Generator = "ganzoo_vanilla.networks:VanillaGenerator"
    Discriminator = "ganzoo_vanilla.networks:VanillaDiscriminator"
    Loss = "ganzoo_core.losses:NonSaturating"
    from ganzoo_vanilla import VanillaConfig as Config
@ganzoo.hookimpl
def ganzoo_variants(): return [Mine]
@ganzoo.hookimpl
def ganzoo_datasets(): return [Late]
"""
        },
    )
    result = CliRunner().invoke(main, ["show", "mine", "--json"])
    assert json.loads(result.stdout)["data"]["shape"] == [3, 24, 40]
