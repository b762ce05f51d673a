"""Weights for others to use: a small file, its card, its picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError
from ganzoo_tools.shipping import ship


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("shipping") / "run"
    ganzoo.train("toy-conditional", data="digits", device="cpu", out=out, steps=3, seed=5, n_critic=2, snapshots=(3,))
    return out


def test_weights_their_card_and_their_picture(run, in_tmp):
    Path("weights").mkdir()
    result = invoke("export", run, "-o", "weights/small.safetensors", "--limits", "All of it.")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [f"weights/small.{suffix}" for suffix in ("safetensors", "md", "png")]
    whole, small = ganzoo.load(run).sample(20).values, ganzoo.load("weights/small.safetensors").sample(20).values
    assert not torch.equal(whole, small) and torch.allclose(whole, small, atol=0.01)
    with Image.open("weights/small.png") as picture:
        assert picture.size[0] > 200
    card = Path("weights/small.md").read_text()
    assert card.startswith(
        "# toy-conditional on digits\n\n    ganzoo sample small.safetensors\n\n![Samples](small.png)"
    )
    assert "`ganzoo run toy-conditional --set seed=5 --set steps=3 --set n_critic=2`" in card
    assert "digits: 1,797 of 1x28x28; comes with scikit-learn: UCI Optical Recognition" in card and "CC BY 4.0" in card
    assert "| Steps | 3 of 16 samples, seed 5, in " in card
    assert "It was not evaluated." in card and card.endswith("## What it is bad at\n\nAll of it.\n")


def test_a_card_has_the_figures_of_an_evaluation(run, in_tmp, quick_judge):
    assert invoke("evaluate", run, "-n", "100", "--seeds", "2").exit_code == 0
    found = json.loads((run / "evaluation.json").read_text())["figures"]["fid"]
    ship(run, Path("w.safetensors"))
    (run / "evaluation.json").unlink()
    card = Path("w.md").read_text()
    assert "By `ganzoo evaluate`: 100 samples of each of 2 sampling seeds against 100 real ones of digits." in card
    assert f"| FID | {found['mean']:.4g} ± {found['spread']:.2g} | {found['floor']:.4g} |" in card
    assert "bad at" not in card


def test_examples_go_along_only_where_asked(takers, in_tmp):
    ganzoo.train("translator", data="toy-pairs", steps=1, device="cpu", out="run")
    assert [path.suffix for path in ship(Path("run"), Path("w.safetensors"))] == [".safetensors", ".md"]
    assert "![Samples]" not in Path("w.md").read_text()
    paths = ship(Path("run"), Path("w.safetensors"), examples=True)
    assert [path.name for path in paths] == ["w.safetensors", "w.md", "w.png", "w.inputs.safetensors"]
    assert ganzoo.load("w.safetensors").sample().values.shape == (16, 3, 16, 16)
    Path("run/inputs/examples.safetensors").unlink()
    with pytest.raises(FileError, match="run has no inputs/examples.safetensors to take along; leave the examples out"):
        ship(Path("run"), Path("w.safetensors"), examples=True)


def test_a_card_names_no_folder_of_this_machine(in_tmp):
    for number in range(16):
        Path("secret/faces/a").mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), 15 * number).save(f"secret/faces/a/{number}.png")
    ganzoo.train("toy", data="folder:secret/faces", texts={"image_size": "16"}, steps=1, device="cpu", out="run")
    ship(Path("run"), Path("w.safetensors"))
    card = Path("w.md").read_text()
    assert "secret" not in card and "`ganzoo run toy --data folder:faces --set steps=1 --set image_size=16`" in card


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.pickle"], "a model is exported as .onnx, but the file is 'x.pickle'"),
        (["-o", "x.onnx", "--limits", "a"], "--limits and --examples are for weights: -o FILE.safetensors"),
        (["-o", "x.onnx", "--examples"], "--limits and --examples are for weights: -o FILE.safetensors"),
        (["-o", "x.safetensors", "--set", "a=1"], "weights are the same for all options of sampling; leave out --set"),
        (["-o", "x.safetensors", "--examples"], "toy-conditional takes no inputs, so that there are no examples"),
    ],
)
def test_what_makes_no_sense_is_said(run, in_tmp, arguments, message):
    result = invoke("export", run, *arguments)
    assert result.exit_code in (1, 2) and message in result.stderr
    assert not list(Path().glob("x.*"))


def test_only_a_run_has_a_card(run, in_tmp):
    result = invoke("export", run / "generator.safetensors", "-o", "x.safetensors")
    assert result.exit_code == 1 and "a card is made of a run, so SOURCE must be a run folder" in result.stderr
    with pytest.raises(FileError, match=r"weights are written as .safetensors, but the file is 'x.bin'"):
        ship(run, Path("x.bin"))
