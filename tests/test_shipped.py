"""The weights that come with the zoo: small, complete, described, and of what they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo_core as ganzoo
from benchmarks import shipped
from ganzoo_core.datasets import data_folder
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import named_source
from ganzoo_core.storage import tensor_files
from ganzoo_tools.evaluation import keeping
from ganzoo_tools.evaluation.evaluation import evaluate

WEIGHTS = dict(shipped.shipped())
MOST_EACH, MOST = 2_500_000, 25_000_000  # bytes
MOST_TILES = 300_000  # bytes of the pictures on the home page
QUICK = {"cgan", "dcgan"}  # judged in every test run, the others in the long one


def figure(card: Path, title: str) -> tuple[float, float]:
    """A figure of a card, and what real data has."""
    (line,) = (line for line in card.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {title} |"))
    value, real = line.split("|")[2:4]
    return float(value.split("±")[0]), float(real or "nan")


def test_they_are_small_and_many() -> None:
    sizes = {name: path.stat().st_size for name, path in WEIGHTS.items()}
    inputs = {file for path in WEIGHTS.values() for file in path.parent.glob("*.inputs.safetensors")}  # each once
    beside = sum(file.stat().st_size for file in inputs)
    assert len(WEIGHTS) >= 20 and max(sizes.values()) <= MOST_EACH
    assert sum(sizes.values()) + beside <= MOST
    assert WEIGHTS.keys() == shipped.wanted().keys()


@pytest.mark.parametrize("name", WEIGHTS)
def test_they_are_found_and_make_different_samples(name: str, in_tmp: Path) -> None:
    generator = ganzoo.load(name)
    samples = generator.sample(16)
    assert samples.values.shape[1:] == generator.spec.shape and bool(torch.isfinite(samples.values).all())
    assert len(samples.values.flatten(1).unique(dim=0)) == 16
    assert generator.step == generator.variant.config.steps


@pytest.mark.parametrize("name", WEIGHTS)
def test_they_are_of_the_command_on_their_card(name: str) -> None:
    header, _ = tensor_files.read_header(WEIGHTS[name], "generator")
    variant = registry().variant(name)[0]
    config = variant.Config()
    for key, text in shipped.wanted()[name].get("set", {}).items():
        config = variant.Config.from_dict(config.to_dict() | {key: variant.Config.parse(key, str(text))})
    assert variant.Config.from_dict(header["config"]) == config  # which may have got settings since
    assert header["data"]["name"] == variant.default_data
    card = WEIGHTS[name].with_suffix(".md").read_text(encoding="utf-8")
    words = "".join(f" --set {key}={value}" for key, value in shipped.wanted()[name].get("set", {}).items())
    assert f"| Trained by | `ganzoo run {name}{words}` |" in card and "seed 0" in card
    assert card.rstrip().endswith(shipped.wanted()[name]["limits"])
    assert WEIGHTS[name].with_suffix(".png").exists()
    licence = registry().dataset(header["data"]["name"])[0].origin
    assert licence in card and ("CC BY 4.0" in licence or "drawn" in licence or "made on this machine" in licence)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in WEIGHTS]
)
def test_they_are_as_good_as_their_card_says(name: str) -> None:
    card = WEIGHTS[name].with_suffix(".md")
    found = evaluate(name, seeds=1)
    said, real = figure(card, "FID")
    assert found.figures["fid"].mean == pytest.approx(said, rel=0.15, abs=0.15 + 0.5 * real)
    if "read_as_asked" in found.figures:
        assert found.figures["read_as_asked"].mean == pytest.approx(figure(card, "read as asked")[0], abs=0.03)


@pytest.mark.parametrize("name", sorted({registry().variant(name)[0].default_data for name in WEIGHTS}))
def test_the_judge_of_their_data_comes_along(name: str) -> None:
    data = named_source(name, {}).load(data_folder(None))
    assert data.labels is None or (keeping.COME_WITH_IT / keeping.classifier_name(data)).exists()


def test_the_page_is_made_of_them() -> None:
    page = (shipped.DOCS / "shipped.md").read_text(encoding="utf-8")
    assert page == shipped.page(), "python -m benchmarks.shipped --only-page"


def test_the_home_page_shows_and_links_all_of_them() -> None:
    tiles = {path.stem: path.stat().st_size for path in shipped.TILES.glob("*.png")}
    assert tiles.keys() == WEIGHTS.keys(), "python -m benchmarks.shipped --only-page"
    assert sum(tiles.values()) <= MOST_TILES
    for page in ("index.md", "index.zh.md"):
        text = (shipped.DOCS / page).read_text(encoding="utf-8")
        shown = re.findall(r"^- \[!\[(.+)\]\(img/shipped/(.+)\.png\) (.+)\]\(variants/(.+)\)$", text, re.MULTILINE)
        assert sorted(name for _, name, _, _ in shown) == sorted(WEIGHTS)
        for alt, picture, name, target in shown:
            assert picture == name and name in alt
            assert name in (shipped.DOCS / "variants" / target).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in WEIGHTS]
)
def test_the_home_page_shows_what_they_make(name: str) -> None:
    with Image.open(shipped.TILES / f"{name}.png") as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    made = np.asarray(shipped.made_by(WEIGHTS[name]).convert("RGB")).astype(int)
    assert shown.shape == made.shape and np.abs(shown - made).mean() < 6  # of 255: few colours are kept
