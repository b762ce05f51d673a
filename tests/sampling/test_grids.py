"""The same latents under several values of an option of sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.drawing.pictures import CELL, GUTTER, MARGIN
from ganzoo_core.errors import FileError, SettingError, UnknownNameError
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import registry
from ganzoo_core.sampling.grids import sampling_grid
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.settings import Settings, option

GREY = DataSpec("grey", (1, 4, 4), ("zero", "one", "two"))


@dataclass(frozen=True, kw_only=True)
class Cuts(Settings):
    """Options of sampling."""

    truncation: float = option(1.0, "how far a sample is from the middle", minimum=0, maximum=1)
    lift: float = option(0.0, "what is added", minimum=0, maximum=1)
    corner: tuple[int, ...] = option((), "a place")


class Cut(Generator):
    """Shows its latent as far as it may; the label makes it brighter."""

    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.shape, self.latent_dim = spec.shape, math.prod(spec.shape)

    def forward(self, z, labels=None):
        x = torch.tanh(z).unflatten(1, self.shape) * self.sampling.truncation + self.sampling.lift
        return x if labels is None else x + 0.01 * labels.view(-1, *[1] * len(self.shape))


def cut(spec: DataSpec = GREY, variant: str = "toy") -> TrainedGenerator:
    cls, _ = registry().variant(variant)
    made = type("Cutting", (cls,), {"Sampling": Cuts})()
    module = Cut(spec)
    module.sampling = Cuts()
    return TrainedGenerator(module, made, spec, 1, torch.device("cpu"))


def test_a_row_is_one_latent_and_a_column_one_value() -> None:
    generator = cut()
    found = sampling_grid(generator, "truncation", ["1", "0.5", "0"], 5, seed=3)
    assert (found.rows, found.columns) == (("0", "1", "2", "3", "4"), ("1", "0.5", "0"))
    plain = generator.sample(5, seed=3).values
    for samples, share in zip(found.samples, (1, 0.5, 0), strict=True):
        assert torch.equal(samples.values, plain * share)
    assert generator.sampling == Cuts()  # as it was


def test_the_picture_has_a_cell_for_each_and_names_beside_them() -> None:
    found = sampling_grid(cut(), "truncation", ["1", "0.5", "0"], 2)
    picture = found.picture()
    width = 3 * (CELL + GUTTER) - GUTTER
    left = picture.width - MARGIN - width
    cells = np.asarray(picture)[picture.height - MARGIN - 2 * (CELL + GUTTER) + GUTTER :, :, 0].astype(int)
    images = [samples.images for samples in found.samples]
    for i in range(2):
        for j in range(3):
            corner = cells[i * (CELL + GUTTER), left + j * (CELL + GUTTER)]
            assert abs(corner - images[j][i, 0, 0, 0]) <= 1
    above = np.asarray(picture)[: picture.height - MARGIN - 2 * CELL - GUTTER, :, 0]
    assert all((above[:, left + j * (CELL + GUTTER) :][:, :CELL] < 128).any() for j in range(3))
    assert (np.asarray(picture)[-2 * CELL :, :left, 0] < 128).any()


def test_classes_are_the_rows_of_a_conditional_variant() -> None:
    generator = cut(variant="toy-conditional")
    assert sampling_grid(generator, "truncation", ["1", "0"]).rows == ("zero", "one", "two")
    found = sampling_grid(generator, "truncation", ["1", "0"], labels=["two"])
    assert found.rows == ("two",) and found.samples[0].labels.tolist() == [2]
    assert sampling_grid(cut(), "truncation", ["1"]).rows == tuple("01234567")


def test_other_options_are_kept() -> None:
    found = sampling_grid(cut(), "truncation", ["0", "1"], 2, others={"lift": "0.25"})
    assert (found.samples[0].values == 0.25).all() and not (found.samples[1].values == 0.25).all()


@pytest.mark.parametrize(
    ("spec", "n"), [(DataSpec("ring", (2,), kind="points", scale=2.0), 1000), (DataSpec("c", (5,), kind="curves"), 64)]
)
def test_points_and_curves_are_plots_beside_each_other(spec: DataSpec, n: int) -> None:
    found = sampling_grid(cut(spec), "truncation", ["1", "0.1"])
    assert len(found.rows) == n
    picture = np.asarray(found.picture())
    left, right = np.split(picture, 2, axis=1)
    assert (left != right).any() and len(np.unique(picture)) > 20


def test_solids_and_the_terminal() -> None:
    solids = sampling_grid(cut(DataSpec("v", (1, 4, 4, 4), kind="voxels")), "lift", ["0", "1"], 2)
    assert solids.picture().width > 2 * CELL
    for found in (solids, sampling_grid(cut(DataSpec("ring", (2,), kind="points")), "lift", ["0", "1"], 4)):
        from rich.console import Console

        console = Console(width=60, force_terminal=True, color_system="truecolor")
        lines = console.render_lines(found.terminal(60), pad=False)
        assert any("▀" in segment.text for line in lines for segment in line)


def test_inputs_are_the_rows_of_a_generator_that_takes_some() -> None:
    class Shown(Cut):
        """Shows its input, as far as it may."""

        def forward(self, z, labels=None, *, source):
            return source * self.sampling.truncation

    generator = cut()
    module = Shown(GREY)
    module.sampling = Cuts()
    source = torch.linspace(-1, 1, 48).unflatten(0, (3, 1, 4, 4))
    taken = (Input(name="source", kind="image", shape=(1, 4, 4), doc="a picture"),)
    given = replace(generator, module=module, inputs=taken, examples={"source": source})
    found = sampling_grid(given, "truncation", ["1", "0.5"])
    assert found.rows == ("0", "1", "2") and found.picture().width > 2 * CELL
    for samples, share in zip(found.samples, (1, 0.5), strict=True):
        assert torch.equal(samples.values, source * share)


def test_what_is_no_grid_is_a_sentence(tmp_path: Path) -> None:
    generator = cut()
    with pytest.raises(
        UnknownNameError, match="there is no option of sampling of toy called 'size'; known: corner, lif"
    ):
        sampling_grid(generator, "size", ["1"])
    with pytest.raises(SettingError, match="truncation must be a number, but is 'x'"):
        sampling_grid(generator, "truncation", ["1", "x"])
    with pytest.raises(SettingError, match="truncation must be at most 1, but is 2"):
        sampling_grid(generator, "truncation", ["2"])
    with pytest.raises(SettingError, match="a grid must have 1 to 20 values of truncation, but 0 are given"):
        sampling_grid(generator, "truncation", [])
    with pytest.raises(SettingError, match="a grid may show 1,000 samples, but 501 of 2 values are more"):
        sampling_grid(generator, "truncation", ["0", "1"], 501)
    with pytest.raises(
        SettingError, match="corner takes several numbers at once, so it can't be in a grid; give it with"
    ):
        sampling_grid(generator, "corner", ["1", "2"])
    with pytest.raises(FileError, match=r"a grid is saved as .png \(a picture\), but the file is 'x.npz'"):
        sampling_grid(generator, "lift", ["0"], 1).save(tmp_path / "x.npz")
    assert generator.sampling == Cuts()


# the command


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sample", *arguments])


@pytest.fixture
def staged(plugin_site, in_tmp: Path) -> None:
    """A run of a variant that has an option of sampling."""
    plugin_site.install("ganzoo-staged", {}, {"staged": "staged"})
    ganzoo.train("staged", data="ring8", steps=2, device="cpu", progress=False, out="run")


def test_the_command_writes_a_picture_where_it_says(staged: None) -> None:
    result = call("run", "--grid", "truncation=1,0.5,0")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{Path('run', 'grid-seed0.png')}\n", "")
    assert call("run", "--grid", "truncation=1, 0.5, 0", "--seed", "1", "-n", "9", "-o", "g.PNG").stdout == "g.PNG\n"
    with Image.open("g.PNG") as image, Image.open("run/grid-seed0.png") as other:
        assert image.size == other.size and image.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--grid", "truncation"], 2, "it must be KEY=VALUE"),
        (["--grid", "truncation=,"], 1, "a grid must have 1 to 20 values of truncation, but 0 are given"),
        (["--grid", "truncation=2"], 1, "truncation must be at most 1, but is 2"),
        (["--grid", "latent_dim=2"], 1, "latent_dim is a setting of staged's training, which is over; leave it out"),
        (["--grid", "size=2"], 1, "there is no option of sampling of staged called 'size'; known: truncation"),
        (["--grid", "truncation=1", "-o", "x.npz"], 1, "a grid is saved as .png (a picture), but the file is 'x.npz'"),
        (["--grid", "truncation=1", "-o", "x/"], 1, "a grid is saved as .png (a picture), but the file is 'x'"),
        (["--grid", "truncation=1", "-o", "x.gif"], 2, "leave out -n, --label, --seed, --best, --set and --grid"),
        (["--grid", "truncation=1", "--set", "truncation=0"], 2, "--grid and --set both say what truncation is"),
        (["--grid", "truncation=1", "--input", "a.png"], 2, "--grid shows samples beside each other; leave"),
    ],
)  # fmt: skip
def test_the_command_refuses(staged: None, arguments: list[str], code: int, message: str) -> None:
    before = sorted(Path().rglob("*"))
    result = call("run", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert sorted(Path().rglob("*")) == before
