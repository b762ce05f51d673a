"""`pairs:PATH`: which picture belongs to which, and both cropped and read alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from folders import BLUE, GREEN, RED, WHITE, colour_of, save
from PIL import Image
from pixel_files import png16

from ganzoo_core.cli import main
from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError, GanzooError, SettingError
from ganzoo_folder import Pairs
from ganzoo_folder.options import PairsOptions


def load(path: Path, split: str = "train", **options) -> Dataset:
    return Pairs(PairsOptions(**({"image_size": 8} | options)), path).load(path.parent / "data", split)


def colours(data: Dataset) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The source's and the target's middle pixel of each pair."""
    return [(colour_of(s), colour_of(t)) for s, t in zip(data.extra["source"], data.samples, strict=True)]


def side_by_side(path: Path, left=RED, right=BLUE, size=(16, 8)) -> Path:
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def two_folders(images: Path, names: tuple[str, str] = ("edges", "photos")) -> None:
    for colour, name in zip((RED, BLUE), names, strict=True):
        for file in ("2.png", "10.png"):
            save(images / name / file, colour)


def test_two_folders_of_the_same_names(images: Path) -> None:
    """The first in natural order is the source, whatever they are called."""
    two_folders(images, ("10 photos", "2 edges"))
    data = load(images)
    assert colours(data) == [(BLUE, RED)] * 2 and data.labels is None
    (column,) = data.spec.columns
    assert (column.name, column.kind, column.shape) == ("source", "image", (3, 8, 8))
    assert data.spec.name == "pairs:images" and data.extra["source"].dtype == torch.uint8
    assert colours(load(images, direction="BtoA")) == [(RED, BLUE)] * 2


def test_a_name_counts_without_its_ending_and_folders_inside_count_too(images: Path) -> None:
    save(images / "a/one.png", RED)
    save(images / "b/one.jpg", BLUE)
    (images / "a/deep/er").mkdir(parents=True)
    (images / "b/deep/er").mkdir(parents=True)
    save(images / "a/deep/er/one.png", GREEN)
    save(images / "b/deep/er/one.png", WHITE)
    data = load(images)
    assert len(data) == 2 and {colour_of(s) for s in data.extra["source"]} == {RED, GREEN}
    both = dict(colours(data))
    assert both[GREEN] == WHITE, "each with its own"


def test_who_has_no_partner_is_counted_and_named(images: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_folders(images)
    save(images / "edges/alone.png")
    save(images / "photos/single.png")
    data = load(images)
    assert len(data) == 2
    assert data.left_out == {
        "edges/alone.png": "it has no partner in 'photos'", "photos/single.png": "it has no partner in 'edges'",
    }  # fmt: skip
    assert "1 left out: 'edges/alone.png' (it has no partner in 'photos')" in caplog.text


def test_a_pair_goes_with_the_one_that_cannot_be_read(images: Path, caplog: pytest.LogCaptureFixture) -> None:
    two_folders(images)
    (images / "photos/2.png").write_bytes(b"no picture")
    data = load(images)
    assert len(data) == 1 and len(data.extra["source"]) == 1
    assert data.left_out["edges/2.png"] == "its partner 'photos/2.png' can't be read"
    assert "1 left out with their partners: 'edges/2.png'" in caplog.text
    with pytest.raises(DataError, match="2.png can't be read as an image: .*on_bad_image=skip"):
        load(images, on_bad_image="stop")


def test_two_pictures_side_by_side(images: Path) -> None:
    side_by_side(images / "a.png")
    side_by_side(images / "b.png", GREEN, WHITE, (40, 8))
    assert colours(load(images)) == [(RED, BLUE), (GREEN, WHITE)]
    assert colours(load(images, direction="BtoA"))[0] == (BLUE, RED)


def test_side_by_side_of_an_odd_width(images: Path) -> None:
    side_by_side(images / "a.png")
    side_by_side(images / "odd.png", size=(17, 8))
    data = load(images)
    assert len(data) == 1 and "odd.png" in data.left_out, data.left_out


@pytest.mark.parametrize("layout", ["{split}/{side}", "{side}/{split}", "{split}{side}"])
def test_splits(images: Path, layout: str) -> None:
    for split, shade in (("train", RED), ("test", GREEN)):
        for side, colour in (("A", shade), ("B", BLUE)):
            home = images / layout.format(split=split, side=side)
            home.mkdir(parents=True)
            save(home / "x.png", colour)
    assert colours(load(images)) == [(RED, BLUE)]
    assert colours(load(images, "test")) == [(GREEN, BLUE)]


def test_splits_of_pictures_side_by_side(images: Path) -> None:
    side_by_side(images / "train/a.png")
    side_by_side(images / "val/a.png", GREEN)
    assert colours(load(images, "test")) == [(GREEN, BLUE)]


def test_each_side_has_the_channels_that_it_needs(images: Path) -> None:
    save(images / "edges/a.png", 0, mode="L")
    save(images / "photos/a.png", BLUE)
    data = load(images)
    assert data.extra["source"].shape == (1, 1, 8, 8) and data.samples.shape == (1, 3, 8, 8)
    assert data.spec.column("source").shape == (1, 8, 8)
    assert load(images, source_channels=3, channels=1).extra["source"].shape[1] == 3


def test_other_kinds_of_pictures(images: Path) -> None:
    """A pixel, 16 bits, opacity, a turned one: each as in a folder."""
    save(images / "a/one.png", RED, (1, 1))
    save(images / "b/one.png", BLUE, (1, 1))
    png16(images / "a/deep.png", np.full((8, 8, 1), 65535))
    save(images / "b/deep.png", (0, 0, 0, 0), mode="RGBA")
    pairs = dict(colours(load(images)))
    assert pairs[RED] == BLUE and pairs[WHITE] == WHITE, "what is clear lies on white"


def test_both_are_cropped_alike(images: Path) -> None:
    for name, colour in (("a", RED), ("b", BLUE)):
        image = Image.new("RGB", (24, 8), WHITE)
        image.paste(colour, (8, 0, 16, 8))
        (images / name).mkdir()
        image.save(images / name / "x.png")
    assert colours(load(images)) == [(RED, BLUE)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda p: None,
            "holds no images, but pairs:PATH takes two folders of pictures with the same names, or one of",
        ),
        (lambda p: save(p / "a/x.png"), r"holds only 'a', but pairs:PATH takes two folders"),
        (lambda p: [save(p / f"{n}/x.png") for n in "abc"], r"holds 3 folders \('a', 'b', 'c'\), but pairs:PATH takes"),
        (
            lambda p: [save(p / "a/x.png"), save(p / "b/y.png")],
            "no picture of 'a' in .* has a partner of the same name",
        ),
        (lambda p: [save(p / "a/x.png"), (p / "b").mkdir()], "the folder 'b' in .* holds no images; files ending in"),
        (lambda p: [save(p / "a/x.png"), side_by_side(p / "y.png")], "holds images beside folders of images"),
    ],
)
def test_a_folder_that_holds_no_pairs(images: Path, make: Callable[[Path], object], message: str) -> None:
    make(images)
    with pytest.raises(DataError, match=message):
        load(images)


def names_of(images: Path, count: int) -> list[tuple[int, int, int]]:
    """So many pairs, each of a colour of its own, in the order of their names."""
    shades = [(10 * number, 0, 0) for number in range(count)]
    for number, colour in enumerate(shades):
        save(images / "a" / f"{number:02}.png", colour)
        save(images / "b" / f"{number:02}.png", colour)
    return shades


def test_a_share_of_the_pairs_is_held_out_evenly_by_name(images: Path) -> None:
    shades = names_of(images, 21)
    train, test = (load(images, split, held_out=10) for split in ("train", "test"))
    assert colours(test) == [(shades[k],) * 2 for k in (9, 19)]
    assert colours(train) == [(shade,) * 2 for k, shade in enumerate(shades) if k not in (9, 19)]
    assert colours(load(images, "test", held_out=30)) == [(shades[k],) * 2 for k in (3, 6, 9, 13, 16, 19)]
    assert len(load(images)) == 21 and train.digest != load(images).digest
    save(images / "b" / "19.png", GREEN)
    assert colours(load(images, "test", held_out=10)) == [(shades[9],) * 2, (shades[19], GREEN)], "not from a cache"


def test_pictures_side_by_side_are_held_out_too(images: Path) -> None:
    for number in range(4):
        side_by_side(images / f"{number}.png", (0, 0, 10 * number))
    test = load(images, "test", held_out=25)
    assert [source for source, _ in colours(test)] == [(0, 0, 30)]


def test_what_can_not_be_held_out(images: Path) -> None:
    names_of(images, 9)
    for split in ("train", "test"):
        with pytest.raises(DataError, match=r"held_out=10 needs at least 10 images, but /.*images has 9; add some, or"):
            load(images, split, held_out=10)
    with pytest.raises(SettingError, match="held_out must be at most 50, but is 60"):
        PairsOptions(held_out=60)
    (images / "a").rename(images / "trainA")
    (images / "b").rename(images / "trainB")
    with pytest.raises(DataError, match="images is split into folders already, one of them for training; leave out h"):
        load(images, held_out=50)


def test_evaluate_measures_on_pairs_that_were_held_out(images: Path, in_tmp: Path, takers) -> None:
    names_of(images, 40)
    command = ["run", "translator", "--data", f"pairs:{images}", "--set", "image_size=16", "--set", "held_out=50"]
    result = CliRunner().invoke(main, [*command, "--steps", "1", "--quiet", "--out", "run", "--batch-size", "2"])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(main, ["evaluate", "run", "--seeds", "1", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["conditions"]["held_out"] == found["conditions"]["samples"] == 20
    assert found["figures"]["copy_error"]["mean"] == 0 and found["figures"]["target_error"]["mean"] > 0


def test_no_folder_no_part_no_path(images: Path) -> None:
    with pytest.raises(DataError, match="no folder can be read at .*; pairs:PATH takes two folders"):
        load(images / "none")
    two_folders(images)
    with pytest.raises(DataError, match="pairs has no held-out part: its only split is 'train'"):
        load(images, "test")
    with pytest.raises(DataError, match="the data set pairs needs a path: --data pairs:PATH"):
        Pairs().load(images)
    with pytest.raises(SettingError, match="direction must be one of AtoB, BtoA"):
        PairsOptions(direction="CtoD")
    with pytest.raises(SettingError, match="source_channels must be 1, 3, 4 or none, but is 2"):
        PairsOptions(source_channels=2)


def test_the_cache_is_used_again_and_made_anew_for_other_pictures(images: Path) -> None:
    two_folders(images)
    first = load(images)
    assert torch.equal(load(images).extra["source"], first.extra["source"])
    (cache,) = (images.parent / "data" / "folder-cache").glob("[!.]*")
    save(images / "edges/2.png", GREEN)
    assert {colour_of(s) for s in load(images).extra["source"]} == {RED, GREEN}
    assert not cache.exists()


def test_an_image_that_is_changed_while_it_is_mapped_is_told(images: Path) -> None:
    two_folders(images)
    data = load(images)
    (samples,) = (images.parent / "data" / "folder-cache").glob("[!.]*/samples.u8")
    with samples.open("r+b") as file:
        file.truncate(8)
    with pytest.raises(GanzooError):
        data.batch(torch.tensor([0]))


def test_ganzoo_data_shows_what_it_holds(images: Path, in_tmp: Path) -> None:
    two_folders(images)
    save(images / "edges/alone.png")
    arguments = ["data", f"pairs:{images}", "--set", "image_size=8"]
    result = CliRunner().invoke(main, [*arguments, "-o", "few.png"])
    assert result.exit_code == 0, result.output
    assert "2 images of 3x8x8" in result.stdout and "source" in result.stdout
    assert "'edges/alone.png' (it has no partner in 'photos')" in " ".join(result.stdout.split())
    with Image.open("few.png") as image:
        assert image.width > 100
    shown = json.loads(CliRunner().invoke(main, [*arguments, "--json"]).stdout)
    assert (shown["samples"], shown["held_out"]) == (2, None)
    assert shown["columns"][0]["name"] == "source"


def test_a_translator_learns_from_pairs(images: Path, in_tmp: Path, takers) -> None:
    """From a folder to a picture of one's own."""
    two_folders(images)
    command = ["run", "translator", "--data", f"pairs:{images}", "--set", "image_size=16", "--batch-size", "2"]
    result = CliRunner().invoke(main, [*command, "--steps", "2", "--quiet", "--out", "run"])
    assert result.exit_code == 0, result.output
    save(in_tmp / "mine.png", GREEN, (33, 21))
    result = CliRunner().invoke(main, ["sample", "run", "--input", "mine.png"])
    assert (result.exit_code, result.stdout) == (0, "run/made/mine.png\n"), result.output
    with Image.open("run/made/mine.png") as image:
        assert image.size == (33, 21)
