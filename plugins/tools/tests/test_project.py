"""The latent behind a picture: found again where there is one, and what cannot be projected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.drawing.pictures import image_of
from ganzoo_core.errors import DataError
from ganzoo_core.sampling.generate import decode, latents
from ganzoo_tools.exploration.latents import Explorer, read_latent
from ganzoo_tools.projection import project


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def generator() -> ganzoo.TrainedGenerator:
    """cgan's own weights: a generator that has learned something."""
    return ganzoo.load("cgan")


def test_a_sample_is_found_again_with_its_label(generator):
    target = generator.sample(1, labels=["4"], seed=9).values[0]
    found = project(generator, target, steps=200)
    assert found.label == 4 and found.latent.shape == (100,) and found.encoded is None
    begun = project(generator, target, labels=["4"], steps=0)
    assert found.error < 0.5 * begun.error and found.error < 0.02
    again = decode(generator.module, found.latent[None], torch.tensor([4]), generator.device, piece=1)[0]
    assert torch.equal(again, found.sample)
    assert float((again - target).abs().mean()) / 2 == pytest.approx(found.error)


def test_the_wrong_label_is_farther_off(generator):
    target = generator.sample(1, labels=["4"], seed=9).values[0]
    right, wrong = (project(generator, target, labels=[label], steps=100).error for label in ("4", "1"))
    assert wrong > 1.5 * right


def test_latents_stay_where_the_generator_says_they_are():
    low, high = -4.0, 4.0
    generator = ganzoo.load("vanilla")
    found = project(generator, torch.ones(generator.spec.shape), steps=300)
    assert found.latent.min() >= low and found.latent.max() <= high


def test_an_encoder_is_a_beginning(in_tmp):
    run = ganzoo.train("aae", steps=1, device="cpu", out="run", texts={"width": "32"})
    found = project(run.generator(), torch.zeros(1, 28, 28), steps=5)
    assert found.encoded is not None and found.encoded[0].shape == (1, 28, 28)
    read = run.generator().module.encode(torch.zeros(1, 1, 28, 28))
    rebuilt = decode(run.generator().module, read.detach(), None, torch.device("cpu"), piece=1)[0]
    assert torch.allclose(found.encoded[0], rebuilt) and found.error <= found.encoded[1]


def test_on_the_command_line_and_on_into_the_explorer(generator, in_tmp):
    image_of(generator.sample(1, labels=["7"], seed=3).values[0]).save("seven.png")
    result = invoke("project", "cgan", "--input", "seven.png", "--label", "7", "--steps", "50")
    assert (result.exit_code, result.stdout) == (0, "projection-seed0.png\nprojection-seed0.json\n"), result.stderr
    assert "full white in the mean, of the class 7" in result.stderr
    record = json.loads(Path("projection-seed0.json").read_text())
    assert record["variant"] == "cgan" and record["label"] == "7" and len(record["latent"]) == 100
    with Image.open("projection-seed0.png") as picture:
        assert picture.width > 2 * 28
    z = read_latent(Path("projection-seed0.json"), generator)
    explorer = Explorer(generator, (0, z))
    assert torch.equal(explorer.latent(explorer.parse_query({"seed": "0"})), z)
    assert torch.equal(explorer.latent(explorer.parse_query({"seed": "1"})), latents(generator.module, 1, 1)[0])
    for option in (["--labels"], ["--interpolate", "3"], ["--positions", "0"]):
        result = invoke("explore", "cgan", *option, "--latent", "projection-seed0.json", "-o", "with.npz")
        assert result.exit_code == 0, result.stderr
        assert invoke("explore", "cgan", *option, "-o", "without.npz").exit_code == 0
        assert Path("with.npz").read_bytes() != Path("without.npz").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "holds no latent of 100 numbers, as this generator takes"),
        ('{"latent": [1, 2]}', "holds no latent of 100 numbers, as this generator takes"),
        (json.dumps({"latent": ["x"] * 100}), "holds no latent of 100 numbers, as this generator takes"),
        (json.dumps({"latent": [10**400] * 100}), "holds no latent of 100 numbers, as this generator takes"),
        (json.dumps({"latent": [1e90] * 100}), "is of no use: its latent holds numbers that are not finite"),
    ],
)
def test_a_file_without_a_latent_is_refused(in_tmp, text, message):
    Path("z.json").write_text(text)
    result = invoke("explore", "cgan", "--latent", "z.json", "-o", "x.png")
    assert result.exit_code == 1 and message in result.stderr


def test_what_cannot_be_projected_is_said(generator, in_tmp):
    Image.new("L", (30, 30)).save("p.png")
    Path("no.png").write_text("no picture")
    for arguments, message in [
        (["cgan", "--input", "nowhere.png"], "there is no file nowhere.png"),
        (["cgan", "--input", "no.png"], "no.png"),
        (["cgan", "--input", "p.png", "--label", "x"], "'x'"),
        (["vanilla", "--input", "p.png", "--label", "1"], "vanilla is not conditional"),
        (["cgan", "--input", "p.png", "-o", "x.jpg"], "a projection is written as .png, and its latent beside it"),
        (["pix2pix", "--input", "p.png"], "project finds latents, but pix2pix makes samples of source, too"),
    ]:
        result = invoke("project", *arguments)
        assert result.exit_code == 1 and message in result.stderr, (arguments, result.stderr)
    ganzoo.train("toy", data="ring8", steps=1, device="cpu", out="ring")
    assert "project needs a generator of images, but toy here makes points" in (
        invoke("project", "ring", "--input", "p.png").stderr
    )
    with pytest.raises(DataError, match=r"the target must be of shape \(1, 28, 28\), but is \(1, 14, 14\)"):
        project(generator, torch.zeros(1, 14, 14))
