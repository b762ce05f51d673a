"""Walks through latent space: which latents they visit, and how they are shown and kept."""

from __future__ import annotations

import io
import math
import re
import shlex
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.pictures import GUTTER, MARGIN, NAME_SIZE
from ganzoo_core.errors import DataError, FileError, SettingError, UnknownNameError
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import registry
from ganzoo_core.sampling.generate import latents
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_tools.exploration.walks import Exploration, across_labels, between, coordinates, interpolation, loop, moved

ROOT = Path(__file__).parents[3]
GREY = DataSpec("grey", (1, 4, 4), ("zero", "one", "two"))
POINTS = DataSpec("ring", (2,), ("a", "b"), kind="points", scale=2.0)
CURVES = DataSpec("curves", (5,), kind="curves")


class Echo(Generator):
    """Shows its latent: the coordinates, weighted, are the sample; the label is added."""

    def __init__(self, spec: DataSpec, weight: torch.Tensor | None = None) -> None:
        super().__init__()
        self.shape = spec.shape
        self.latent_dim = math.prod(spec.shape)
        self.weight = torch.ones(self.latent_dim) if weight is None else weight

    def forward(self, z, labels=None):
        x = (z * self.weight).unflatten(1, self.shape)
        return x if labels is None else x + 100 * labels.view(-1, *[1] * len(self.shape))


class Grid(Echo):
    """Its latents are images."""

    def latent(self, n, rng):
        return torch.randn(n, *self.shape, generator=rng)


class Uniform(Echo):
    """Its latents are uniform, and say so."""

    latent_range = (-1, 1)

    def latent(self, n, rng):
        return torch.rand(n, self.latent_dim, generator=rng) * 2 - 1


class Codes(Echo):
    """Its latents are whole numbers."""

    def latent(self, n, rng):
        return torch.randint(9, (n, self.latent_dim), generator=rng)


def echo(spec: DataSpec = GREY, variant: str = "toy", module: Generator | None = None) -> TrainedGenerator:
    cls, _ = registry().variant(variant)
    return TrainedGenerator(module or Echo(spec), cls(), spec, 1, torch.device("cpu"))


def table(found: Exploration) -> torch.Tensor:
    """The samples of an exploration of an echo as latents (R, C, latent_dim), without the untouched one."""
    return found.samples.values[-len(found.rows) * len(found.columns) :].flatten(1).unflatten(
        0, (len(found.rows), len(found.columns))
    )  # fmt: skip


# what is visited


def test_only_the_coordinate_that_was_asked_for_moves() -> None:
    z = torch.arange(6.0) + 10
    grid = moved(z, [4, 1], [-2, 0.5, 3])
    assert grid.shape == (2, 3, 6)
    for row, position in zip(grid, (4, 1), strict=True):
        assert row[:, position].tolist() == [-2, 0.5, 3]
        others = [k for k in range(6) if k != position]
        assert (row[:, others] == z[others]).all()
    assert z.tolist() == [10, 11, 12, 13, 14, 15]


def test_coordinates_are_moved_over_the_range_that_the_generator_states() -> None:
    found = coordinates(echo(module=Uniform(GREY)), (3,))
    assert found.columns == ("-1", "-0.5", "0", "0.5", "1")
    assert table(found)[0, :, 3].tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert coordinates(echo(), (3,)).columns == ("-4", "-2", "0", "2", "4")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (None, "toy has nothing between the values that are drawn; `ganzoo sample` shows what it makes"),
        ((1, -1), r"the latent_range of toy must be two numbers, the lower first, but is \(1, -1\)"),
        (("a", 2), "must be two numbers"),
        ((1,), "must be two numbers"),
        ((0, math.inf), "must be two numbers"),
    ],
)
def test_ranges_that_cannot_be(stated: object, message: str) -> None:
    module = Uniform(GREY)
    module.latent_range = stated
    with pytest.raises(DataError, match=message):
        coordinates(echo(module=module))


def test_a_latent_without_coordinates_is_not_moved() -> None:
    module = Echo(GREY)
    module.latent_dim = 0
    with pytest.raises(DataError, match="explore moves a latent, and toy has none; `ganzoo sample` shows"):
        coordinates(echo(module=module))


def test_a_row_a_position_a_column_a_value_and_the_untouched_first() -> None:
    generator = echo()
    found = coordinates(generator, [3, 0], [-2, 1, 4], seed=7)
    z = latents(generator.module, 1, 7)[0]
    assert torch.equal(found.samples.values[0], generator.sample(1, seed=7).values[0])
    assert torch.equal(found.samples.values[0].flatten(), z)
    assert torch.equal(table(found), moved(z, [3, 0], [-2, 1, 4]))
    assert (found.rows, found.columns) == (("position 3", "position 0"), ("-2", "1", "4"))
    assert found.samples.labels is None


def test_a_coordinate_set_to_what_it_is_changes_nothing() -> None:
    generator = echo()
    own = latents(generator.module, 1, 0)[0, 5].item()
    untouched, same = coordinates(generator, [5], [own]).samples.values
    assert torch.equal(untouched, same)


def test_by_default_the_coordinates_that_change_most_are_moved() -> None:
    weight = torch.zeros(16)
    weight[[9, 2, 14, 0, 7, 3]] = torch.tensor([6.0, 5.0, -4.0, 3.0, 2.0, 1.0])
    found = coordinates(echo(module=Echo(GREY, weight)))
    assert found.rows == tuple(f"position {k}" for k in (9, 2, 14, 0, 7))
    assert found.columns == ("-4", "-2", "0", "2", "4")
    assert len(coordinates(echo(POINTS)).rows) == 2  # all there are


def test_many_samples_are_those_of_few() -> None:
    """Across the pieces in which a generator works."""
    generator = ganzoo_toy_generator()
    values = [k / 10 for k in range(100)]
    many, few = (coordinates(generator, [1], v).samples.values for v in (values, values[:3]))
    assert torch.equal(many[:4], few)


def ganzoo_toy_generator() -> TrainedGenerator:
    cls, _ = registry().variant("toy")
    torch.manual_seed(0)
    return echo(module=cls().generator(GREY))


@pytest.mark.parametrize(
    ("positions", "values", "message"),
    [
        ([3, 16], [1], "positions must be from 0 to 15, as a latent of this toy has 16 coordinates, but one is 16"),
        ([-1], [1], "positions must be from 0 to 15, as a latent of this toy has 16 coordinates, but one is -1"),
        ([], [1], "give at least one position and one value, such as positions 18,28 and values -2,1,4"),
        ([1], [], "give at least one position and one value, such as positions 18,28 and values -2,1,4"),
        ([1], [1, math.inf], "values must be finite numbers, but one is inf"),
        (None, [math.nan], "values must be finite numbers, but one is nan"),
        ([1], [1e300], "values must be finite numbers, but one is 1e+300"),  # none that float32 could hold
    ],
)
def test_positions_and_values_that_cannot_be(positions, values, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        coordinates(echo(), positions, values)
    assert str(caught.value) == message


def test_latents_at_which_the_network_overflows() -> None:
    wide = echo(module=Echo(GREY, torch.full((16,), 100.0)))
    message = "toy gives numbers that are not finite there; take a nearer latent"
    with pytest.raises(DataError, match=message):
        coordinates(wide, [1], [1, -3e38, 2])
    with pytest.raises(DataError, match=message):
        interpolation(wide, 3, start=torch.full((16,), 3e38))


@pytest.mark.parametrize(
    ("module", "what"), [(Grid(GREY), r"torch.float32 of shape \(1, 4, 4\)"), (Codes(GREY), r"int64 of shape \(16,\)")]
)
def test_latents_that_are_no_vectors(module: Generator, what: str) -> None:
    message = rf"explore needs latents that are vectors of numbers, but one of toy.* is .*{what}; `ganzoo sample` shows"
    for walk in (coordinates, interpolation):
        with pytest.raises(DataError, match=message):
            walk(echo(module=module))
    with pytest.raises(DataError, match=message):
        across_labels(echo(variant="toy-conditional", module=module))


def test_both_ways_begin_and_end_exactly_at_the_two_latents() -> None:
    a, b = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    for spherical in (True, False):
        way = between(a, b, 7, spherical)
        assert way.shape == (7, 50) and way.dtype == torch.float32
        assert torch.equal(way[0], a) and torch.equal(way[-1], b)


def test_the_spherical_way_keeps_the_norm_and_turns_evenly() -> None:
    a, b = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 3.0, 0.0])
    way = between(a, b, 4, spherical=True)
    expected = [[3 * math.cos(k * math.pi / 6), 3 * math.sin(k * math.pi / 6), 0] for k in range(4)]
    assert torch.allclose(way, torch.tensor(expected))
    assert torch.allclose(way.norm(dim=1), torch.full((4,), 3.0))


def test_the_straight_way_cuts_through_the_sphere() -> None:
    way = between(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0]), 3, spherical=False)
    assert way.tolist() == [[3, 0], [1.5, 1.5], [0, 3]]


@pytest.mark.parametrize("end", [[2.0, 4.0], [-1.0, -2.0], [1.0, 2.0], [0.0, 0.0]])
def test_latents_that_span_no_arc_are_joined_straight(end: list[float]) -> None:
    a, b = torch.tensor([1.0, 2.0]), torch.tensor(end)
    way = between(a, b, 5, spherical=True)
    assert torch.equal(way, between(a, b, 5, spherical=False)) and way.isfinite().all()


def test_an_interpolation_leads_from_one_seed_to_the_next() -> None:
    generator = echo()
    found = interpolation(generator, 5, seed=3)
    ends = [generator.sample(1, seed=seed).values[0] for seed in (3, 4)]
    assert torch.equal(found.samples.values[0], ends[0]) and torch.equal(found.samples.values[-1], ends[1])
    assert (found.rows, found.columns) == (("",), ("0", "0.25", "0.5", "0.75", "1"))
    middles = [interpolation(generator, 5, seed=3, spherical=s).samples.values[2] for s in (True, False)]
    assert torch.allclose(middles[1], (ends[0] + ends[1]) / 2) and not torch.allclose(*middles)
    with pytest.raises(SettingError, match="an interpolation must have at least 2 steps, its ends, but has 1"):
        interpolation(generator, 1)


def test_one_latent_under_every_label() -> None:
    generator = echo(variant="toy-conditional")
    found = across_labels(generator, seed=2)
    z = latents(generator.module, 1, 2)[0]
    assert torch.allclose(table(found)[0], z + 100 * torch.arange(3)[:, None])
    assert found.columns == ("zero", "one", "two") and found.samples.labels.tolist() == [0, 1, 2]
    with pytest.raises(SettingError, match="toy is not conditional and can't be asked for a label"):
        across_labels(echo())


@pytest.mark.parametrize(("label", "index"), [(None, 0), ("two", 2), (1, 1)])
def test_the_other_walks_keep_one_label(label: str | int | None, index: int) -> None:
    generator = echo(variant="toy-conditional")
    for found in (coordinates(generator, [0], [0.0], label=label), interpolation(generator, 2, label=label)):
        assert found.samples.labels.tolist() == [index] * 2
        assert (found.samples.values[0].mean() / 100).round() == index


def test_labels_that_cannot_be() -> None:
    with pytest.raises(SettingError, match="toy is not conditional and can't be asked for a label"):
        coordinates(echo(), label="one")
    with pytest.raises(UnknownNameError, match="no label called 'three'; known: one, two, zero"):
        interpolation(echo(variant="toy-conditional"), label="three")


# how it is shown


def plain(rows: int, columns: int, untouched: bool = True) -> Exploration:
    """One even grey image for each place; the untouched one is black."""
    levels = torch.linspace(-0.9, 1, rows * columns)
    levels = torch.cat([torch.tensor([-1.0]), levels]) if untouched else levels
    values = levels[:, None, None, None].expand(-1, 1, 4, 4)
    names = tuple(f"position {k}" for k in range(rows))
    return Exploration(Samples(values, GREY), names, tuple(str(k) for k in range(columns)))


CELL = 84


def cell_levels(image: Image.Image, i: int, j: int, left: int) -> set[int]:
    x, y = left + j * (CELL + GUTTER), MARGIN + NAME_SIZE + i * (CELL + GUTTER)
    return set(np.asarray(image.crop((x, y, x + CELL, y + CELL))).flatten().tolist())


def test_the_untouched_stands_left_of_every_row() -> None:
    found = plain(2, 3)
    image = found.picture()
    left = image.width - MARGIN - 4 * CELL - 3 * GUTTER
    assert [cell_levels(image, i, 0, left) for i in range(2)] == [{0}, {0}]
    expected = found.samples.images.reshape(-1, 16)[1:, 0].tolist()
    shown = [cell_levels(image, i, j, left) for i in range(2) for j in (1, 2, 3)]
    assert shown == [{level} for level in expected]


def test_rows_and_columns_have_captions() -> None:
    image = np.asarray(plain(2, 3).picture()).min(axis=2)
    left = image.shape[1] - MARGIN - 4 * CELL - 3 * GUTTER
    above = image[: MARGIN + NAME_SIZE, left:]
    assert all((above[:, j * (CELL + GUTTER) :][:, :CELL] < 128).any() for j in range(4))
    assert all((image[MARGIN + NAME_SIZE + i * CELL :, :left][:CELL] < 128).any() for i in range(2))


def test_a_wide_table_goes_on_below() -> None:
    ten, eleven = (plain(1, n, untouched=False).picture() for n in (10, 11))
    assert eleven.width < ten.width and eleven.height == 2 * ten.height


@pytest.mark.parametrize("spec", [POINTS, CURVES])
def test_points_and_curves_are_drawn_as_plots(spec: DataSpec) -> None:
    generator = echo(spec)
    pictures = [coordinates(generator, [0, 1], [-0.5, 0.5]).picture(), interpolation(generator, 12).picture()]
    pictures += [coordinates(generator, [1], [-0.5, 0.5]).picture(), coordinates(generator, [0], [-0.5, 0.5]).picture()]
    assert len({picture.tobytes() for picture in pictures}) == 4
    assert all(len(picture.getcolors(10**6)) > 20 for picture in pictures)


@pytest.mark.parametrize("width", [30, 80])
def test_the_terminal_is_kept_within_its_width(width: int) -> None:
    for found in (plain(2, 3), plain(1, 12, untouched=False), coordinates(echo(POINTS), [0], [0.5])):
        console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
        lines = console.render_lines(found.terminal(width), pad=False)
        assert max(sum(segment.cell_length for segment in line) for line in lines) <= width
        assert any("▀" in segment.text for line in lines for segment in line)


def test_a_gif_shows_a_column_a_frame_with_the_rows_beside_each_other(tmp_path: Path) -> None:
    plain(2, 3).save(tmp_path / "x.gif")
    with Image.open(tmp_path / "x.gif") as gif:
        assert (gif.n_frames, gif.info["loop"]) == (3, 0)
        expected = plain(2, 3).samples.images.reshape(-1, 16)[1:, 0].reshape(2, 3)
        for column in range(3):
            gif.seek(column)
            frame = np.asarray(gif.convert("RGB"))[frame_middle(gif.height), :, 0].astype(int)
            middles = [MARGIN + 84 + j * (168 + GUTTER) for j in range(3)]
            assert np.abs(frame[middles] - [0, *expected[:, column]]).max() <= 4


def frame_middle(height: int) -> int:
    return height - MARGIN - 84


@pytest.mark.parametrize("spec", [GREY, POINTS, CURVES])
def test_an_interpolation_has_as_many_frames_as_steps(spec: DataSpec, tmp_path: Path) -> None:
    for name in ("a.gif", "b.gif"):
        interpolation(echo(spec), 6).save(tmp_path / name)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 6


def test_an_exploration_is_kept_as_picture_or_arrays(tmp_path: Path) -> None:
    found = coordinates(echo(variant="toy-conditional"), [3], [-1, 1], label="two")
    found.save(tmp_path / "x.PNG")
    with Image.open(tmp_path / "x.PNG") as saved:
        assert saved.tobytes() == found.picture().tobytes()
    assert Image.open(io.BytesIO(found._repr_png_())).tobytes() == found.picture().tobytes()
    found.save(tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["images"].shape == (3, 1, 4, 4) and file["labels"].tolist() == [2, 2, 2]
    with pytest.raises(FileError) as caught:
        found.save(tmp_path / "x.jpg")
    assert str(caught.value) == (
        "an exploration is saved as .png (a picture), .gif or .mp4 (a film) or .npz (arrays), but the file is 'x.jpg'"
    )


# a way without an end


def test_a_loop_goes_through_the_latents_of_its_seeds_and_closes() -> None:
    generator = echo()
    found = loop(generator, 3, 4, n=2, seed=5)
    assert found.columns[:5] == ("seed 5.00", "seed 5.25", "seed 5.50", "seed 5.75", "seed 6.00")
    assert found.columns[-1] == "seed 7.75" and found.is_closed
    way = table(found)  # (2, 12, 16)
    for k in range(3):
        assert torch.allclose(way[:, 4 * k], latents(generator.module, 2, 5 + k))
    ends = latents(generator.module, 2, 7), latents(generator.module, 2, 5)
    for row in range(2):
        assert torch.allclose(way[row, 8:], between(ends[0][row], ends[1][row], 5, True)[:4])
    steps = (torch.cat([way, way[:, :1]], dim=1).diff(dim=1)).norm(dim=2)
    assert (steps.max(dim=1).values < 2.5 * steps.min(dim=1).values).all()  # nor does it jump at its end
    assert (way.norm(dim=2) > 0.9 * steps.new_tensor([[1.0]]) * way[:, ::4].norm(dim=2).min()).all()  # along the arc
    straight = table(loop(generator, 3, 4, n=2, seed=5, spherical=False))
    assert torch.allclose(straight[:, 2], (way[:, 0] + way[:, 4]) / 2, atol=1e-6)


def test_a_loop_shows_one_label_or_all_of_them() -> None:
    generator = echo(variant="toy-conditional")
    assert loop(generator, 2, 3, label="two").samples.labels.tolist() == [2] * 6
    found = loop(generator, 2, 3, all_labels=True)
    assert found.rows == GREY.classes and found.samples.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    way = table(found)
    assert torch.allclose(way[1] - 100, way[0], atol=1e-4) and torch.allclose(way[2] - 200, way[0], atol=1e-4)
    mine = torch.arange(16.0)
    begun = table(loop(generator, 2, 3, n=2, start=mine))
    assert torch.equal(begun[0, 0], mine) and torch.allclose(begun[1, 0], latents(generator.module, 2, 0)[1])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 1}, "a loop must have at least 2 seeds, 1 frame and 1 sample, but has 1, 30 and 1"),
        ({"frames": 0}, "but has 5, 0 and 1"),
        ({"n": 0}, "but has 5, 30 and 0"),
        ({"seeds": 50}, "a loop may have at most 1,000 pictures, but 50 seeds with 30 frames each are 1,500"),
        ({"n": 2, "all_labels": True}, "a loop under every label shows one latent, so n must be 1, but is 2"),
        ({"all_labels": True}, "toy is not conditional and can't be asked for a label"),
        ({"label": "one"}, "toy is not conditional and can't be asked for a label"),
    ],
)
def test_what_is_no_loop_is_a_sentence(given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        loop(echo(), **given)


def test_a_film_of_a_loop_goes_evenly(tmp_path: Path) -> None:
    found = loop(echo(), 2, 6, n=10)
    found.save(tmp_path / "x.gif")
    with Image.open(tmp_path / "x.gif") as gif:
        assert [(gif.seek(k), gif.info["duration"])[1] for k in range(gif.n_frames)] == [40] * 12
    frame = found.frames()[0]
    assert frame.width == 2 * MARGIN + 10 * (84 + GUTTER) - GUTTER  # ten of them: smaller


@pytest.mark.parametrize("spec", [GREY, POINTS, CURVES])
def test_an_mp4_has_a_picture_for_every_step(spec: DataSpec, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="av is not installed")
    found = loop(echo(spec), 2, 3)
    found.save(tmp_path / "x.mp4", fps=10)
    with av.open(str(tmp_path / "x.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.frames, stream.average_rate, len(list(film.decode(video=0)))) == (6, 10, 6)
        height, width = (side + side % 2 for side in reversed(found.frames()[0].size))
        assert (stream.width, stream.height) == (width, height)


# the command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explore") / "run"
    settings = {"data": "digits", "steps": 3, "device": "cpu", "latent_dim": 100, "snapshots": [1, 2]}
    return ganzoo.train("toy-conditional", out=out, **settings).folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"COLUMNS": "80"})


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ([], "explore-seed0.png"),
        (["--positions", "18,28,54,73,80", "--values=-2,1,4", "--seed", "12138"], "explore-seed12138.png"),
        (["--interpolate", "3", "--straight", "--label", "7"], "interpolation-seed0.png"),
        (["--labels", "--seed", "4"], "labels-seed4.png"),
        (["--loop", "2", "--frames", "2"], "loop-seed0.gif"),
        (["--loop", "2", "--frames", "2", "--labels", "--fps", "10"], "loop-seed0.gif"),
    ],
)
def test_explore_writes_where_it_says(folder: Path, arguments: list[str], name: str) -> None:
    result = run("explore", str(folder), *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{folder / name}\n", "")
    with Image.open(folder / name) as image:
        assert image.format == name[-3:].upper()


def test_an_mp4_needs_a_package_before_anything_is_loaded(
    folder: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    for source in (str(folder), "nothing-there"):
        result = run("explore", source, "--interpolate", "3", "-o", "x.mp4")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith('Error: x.mp4 needs the package av: pip install "ganzoo-core[film]"')
    with pytest.raises(FileError, match="needs the package av"):
        interpolation(ganzoo.load(folder), 3).save("x.mp4")
    assert list(in_tmp.iterdir()) == []


def test_explore_does_what_it_is_asked(folder: Path, in_tmp: Path) -> None:
    weights = str(folder / "generator.safetensors")
    generator = ganzoo.load(folder)
    for arguments, expected in [
        (["--positions", "3", "--values=-1", "--seed", "2"], coordinates(generator, [3], [-1.0], seed=2)),
        (["--values", "-1,2"], coordinates(generator, None, [-1.0, 2.0])),
        (["--positions", "3", "--label", "7"], coordinates(generator, [3], label=7)),
        (["--interpolate", "4", "--label", "7"], interpolation(generator, 4, label=7)),
        (["--interpolate", "4", "--straight"], interpolation(generator, 4, spherical=False)),
        (["--labels"], across_labels(generator)),
        (["--loop", "2", "--frames", "3", "-n", "2", "--label", "7"], loop(generator, 2, 3, n=2, label=7)),
        (
            ["--loop", "2", "--frames", "2", "--labels", "--straight", "--seed", "3"],
            loop(generator, 2, 2, all_labels=True, spherical=False, seed=3),
        ),
    ]:
        assert run("explore", weights, *arguments, "-o", "x.npz").stdout == "x.npz\n"
        with np.load("x.npz", allow_pickle=False) as file:
            assert (file["images"] == expected.samples.images).all()
            assert (file["labels"] == expected.samples.labels.numpy()).all()
    assert run("explore", weights).stdout == "explore-seed0.png\n"


def test_explore_draws_on_a_terminal(folder: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo_tools.cli.explore.on_terminal", lambda: True)
    result = run("explore", str(folder), "--labels", "-o", "x.gif")
    assert "▒" in result.stderr and result.stdout == "x.gif\n"  # no colours here, so in shades
    with Image.open("x.gif") as gif:
        assert gif.n_frames == 10


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--positions", "18,x"], 1, "positions must be whole numbers with commas between them, such as 18,28,54, but"),
        (["--positions", "1.5"], 1, "but is '1.5'"),
        (["--values", "1;2"], 1, "values must be numbers with commas between them, such as -2,1,4, but is '1;2'"),
        (["--values", "nan"], 1, "values must be finite numbers, but one is nan"),
        (["--positions", "9" * 5000], 1, "but is '" + "9" * 299 + "..."),
        (["--positions", "100"], 1, "positions must be from 0 to 99"),
        (["--positions", ""], 1, "give at least one position and one value"),
        (["--values", ""], 1, "give at least one position and one value"),
        (["--label", "eleven"], 1, "there is no label called 'eleven'; known: 0, 1, 2"),
        (["-o", "x.jpg"], 1, "an exploration is saved as .png"),
        (["--labels", "--interpolate", "3"], 2, "--interpolate, --loop and --labels exclude each other"),
        (["--labels", "--values", "3"], 2, "--positions with --values, --interpolate, --loop and --labels exclude"),
        (["--interpolate", "2", "--positions", "3"], 2, "--interpolate, --loop and --labels exclude each other"),
        (["--labels", "--label", "3"], 2, "--labels shows every label; leave out --label"),
        (["--straight"], 2, "--spherical and --straight are ways of --interpolate N"),
        (["--loop", "3", "--interpolate", "3"], 2, "exclude each other, but for --loop --labels"),
        (["--loop", "3", "--labels", "-n", "3"], 2, "--labels shows one latent under every label; leave out -n"),
        (["--loop", "100", "--frames", "11"], 1, "a loop may have at most 1,000 pictures, but 100 seeds"),
        (["--frames", "3"], 2, "--frames and -n are of --loop N"),
        (["--labels", "-n", "3"], 2, "--frames and -n are of --loop N"),
        (["--interpolate", "3", "--fps", "9"], 2, "--fps is the speed of a film: give -o FILE.gif or -o FILE.mp4"),
        (["--loop", "3", "--fps", "9", "-o", "x.png"], 2, "--fps is the speed of a film"),
        (["--loop", "3", "--fps", "99", "-o", "x.gif"], 2, "99 is not in the range 1<=x<=50"),
        (["--loop", "3", "--browser"], 2, "leave out --positions, --values, --interpolate, --loop, --labels and -o"),
        (["--interpolate", "1"], 2, "1 is not in the range 2<=x<=1000"),
        (["--seed", "-1"], 2, "-1 is not in the range x>=0"),
    ],
)  # fmt: skip
def test_explore_refuses(folder: Path, in_tmp: Path, arguments: list[str], code: int, message: str) -> None:
    result = run("explore", str(folder), *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in " ".join(result.stderr.split())
    assert list(in_tmp.iterdir()) == []


DOCS = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\$ ganzoo (.*?)(?:  +#.*)?$", DOCS, re.MULTILINE)


@pytest.mark.parametrize("line", LINES)
def test_the_experiments_are_commands(line: str, folder: Path, in_tmp: Path) -> None:
    """Training parses; what looks at a run does so, at a tiny one."""
    name, *arguments = shlex.split(line)
    if name in ("sample", "explore"):
        result = run(name, str(folder), *arguments[1:])
        assert result.exit_code == 0, result.stderr
    else:
        main.get_command(click.Context(main), name).make_context(name, arguments)
