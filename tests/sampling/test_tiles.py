"""Large pictures are made one at a time, and in tiles, of which nothing shows: as a whole, in bounded memory."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core.blocks import instance_norm
from ganzoo_core.cli import main
from ganzoo_core.dataspec import Input
from ganzoo_core.errors import DataError
from ganzoo_core.interfaces import Generator
from ganzoo_core.sampling import tiles
from ganzoo_core.sampling.tally import Tally
from ganzoo_core.sampling.tiles import OVERLAP, Tiling, spans, weights

CPU = torch.device("cpu")


class Net(Generator):
    """Sees 4 pixels in each direction, makes pictures `scale` times as large, and keeps the sizes of its sources."""

    latent_dim = 0

    def __init__(self, scale: int = 1, norm: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 3 * scale**2, 5, padding=2)]
        layers[1:1] = [instance_norm(8)] if norm else []
        self.layers = nn.Sequential(*layers, nn.PixelShuffle(scale), nn.Tanh())
        self.seen: list[tuple[int, ...]] = []

    def forward(self, z, labels=None, *, source):
        self.seen.append(tuple(source.shape))
        return self.layers(source)


def tiling_of(module: Generator, source: torch.Tensor, made: int = 16, given: int = 16, **more) -> Tiling | None:
    one = Input(name="source", kind="image", shape=(3, given, given), any_size=True, **more)
    return Tiling.of(module, (one,), (3, made, made), None, {"source": source}, CPU)


def decoded(tiling: Tiling, module: Generator, source: torch.Tensor) -> torch.Tensor:
    return tiling.decode(module, torch.zeros(len(source), 0), None, {"source": source}, CPU, 0, 0)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("length", [1, 96, 97, 144, 145, 300, 1000, 1001])
@pytest.mark.parametrize(("side", "unit"), [(96, 1), (96, 4), (128, 64), (512, 256), (200, 8)])
def test_spans_cover_all_and_overlap(length: int, side: int, unit: int) -> None:
    found = spans(length, side, unit)
    assert (found[0][0], found[-1][1]) == (0, length)
    assert all(start % unit == 0 for start, _ in found)
    if length > side:
        assert all(end - start == side for start, end in found[:-1])
        assert side <= found[-1][1] - found[-1][0] < side + unit
        assert all(end - start >= OVERLAP for (_, end), (start, _) in pairwise(found))
        assert len(found) <= 1 + -(-(length - side) // ((side - OVERLAP) // unit * unit)), "no more than are needed"


@pytest.mark.parametrize("ratio", [Fraction(1), Fraction(4), Fraction(1, 4)])
def test_what_lies_at_an_inner_border_counts_for_nothing_and_all_counts_once(ratio: Fraction) -> None:
    found = spans(1000, 200, 4)
    total = torch.zeros(int(1000 * ratio))
    hidden = int(16 * ratio)
    for number, (start, weight) in enumerate(weights(found, ratio)):
        total[start : start + len(weight)] += weight
        assert not weight[:hidden].any() or number == 0
        assert not weight[-hidden:].any() or number == len(found) - 1
        assert weight[len(weight) // 2] == 1
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize(("scale", "multiple"), [(1, 1), (2, 1), (1, 8)])
@pytest.mark.parametrize("size", [(192, 256), (96, 400), (304, 56)])
def test_in_tiles_is_as_a_whole(monkeypatch, scale: int, multiple: int, size: tuple[int, int]) -> None:
    module, source = Net(scale), noise(1, 3, *size)
    whole = module(torch.zeros(1, 0), source=source)
    monkeypatch.setattr(tiles, "BUDGET", 2**20)
    tiling = tiling_of(module, source, made=16 * scale, multiple=multiple)
    module.seen.clear()
    made = decoded(tiling, module, source)
    assert len(module.seen) > 1
    torch.testing.assert_close(made, whole, atol=1e-6, rtol=0)


def test_no_seams_where_each_tile_is_normalised_by_itself(monkeypatch) -> None:
    """Tiles differ then, but go over into each other: no step is larger than those of the whole."""
    source = torch.linspace(-1, 1, 400).expand(1, 3, 300, -1)
    module = Net(norm=True)
    with torch.no_grad():
        whole, unblended = module(torch.zeros(1, 0), source=source)[0], _unblended(module, source[0])
    monkeypatch.setattr(tiles, "BUDGET", 2**20)
    made = decoded(tiling_of(module, source), module, source)[0]

    assert (made - whole).abs().max() > 0.5, "else nothing is shown here"
    assert steepest(made) < 0.1 < 1 < steepest(unblended)


def steepest(x: torch.Tensor) -> float:
    """The largest step from a pixel to the next, inside of the border."""
    inner = x[:, 4:-4, 4:-4]
    return max(float(inner.diff(dim=1).abs().max()), float(inner.diff(dim=2).abs().max()))


def _unblended(module: Generator, source: torch.Tensor) -> torch.Tensor:
    halves = [module(torch.zeros(1, 0), source=half[None])[0] for half in source.split(200, dim=2)]
    return torch.cat(halves, dim=2)


@pytest.mark.parametrize("size", [(1000, 700), (2000, 1400)])
def test_memory_does_not_grow_with_the_picture(monkeypatch, size: tuple[int, int]) -> None:
    """But for the picture itself: no more at a time than the budget, as far as tiles may be as small."""
    monkeypatch.setattr(tiles, "BUDGET", 2**22)
    module, source = Net(), noise(1, 3, *size)
    tiling = tiling_of(module, source)
    module.seen.clear()
    with Tally() as tally:
        made = decoded(tiling, module, source)
    assert made.shape == source.shape
    assert max(shape[2] * shape[3] for shape in module.seen) <= 300**2
    assert tally.most < 2**22 + 2.2 * made.nbytes, "the source, the whole, and a tile"
    assert all(shape[0] == 1 for shape in module.seen)


def test_small_ones_are_made_as_ever_and_larger_ones_one_at_a_time(monkeypatch) -> None:
    module = Net()
    assert tiling_of(module, noise(2, 3, 16, 16)) is None, "as in training"
    assert tiling_of(module, noise(2, 3, 40, 40)) is None, "64 of them fit"
    source = noise(2, 3, 150, 101)
    monkeypatch.setattr(tiles, "BUDGET", 2**23)
    tiling = tiling_of(module, source)
    assert tiling is not None and tiling.side == 150
    module.seen.clear()
    made = decoded(tiling, module, source)
    assert module.seen == [(1, 3, 150, 101)] * 2
    torch.testing.assert_close(made, module(torch.zeros(2, 0), source=source))


def test_several_pictures_of_any_size_are_not_cut() -> None:
    inputs = tuple(Input(name=name, kind="image", shape=(3, 16, 16), any_size=True) for name in ("left", "right"))
    columns = {one.name: noise(1, 3, 2000, 2000) for one in inputs}
    assert Tiling.of(Net(), inputs, (3, 16, 16), None, columns, CPU) is None


def test_a_generator_of_other_sizes_than_it_says_is_told(monkeypatch) -> None:
    monkeypatch.setattr(tiles, "BUDGET", 2**20)
    source = noise(1, 3, 200, 200)
    tiling = tiling_of(Net(), source)
    with pytest.raises(DataError) as error:
        decoded(tiling, Net(scale=2), source)
    side = tiling.side
    assert str(error.value) == (
        f"of a part of {side}x{side} pixels {side}x{side} were to be made, but {2 * side}x{2 * side} were: such a "
        f"generator makes no picture of parts"
    )


def test_a_large_photo_on_the_command_line_and_in_python(takers, in_tmp: Path, monkeypatch) -> None:
    """`ganzoo sample RUN --input FILE` and `sample(inputs=)` make the same of it, each label one at a time."""
    ganzoo.train("domains", device="cpu", out="run", steps=1)
    pixels = ((noise(300, 250, 3) + 1) * 127.5).to(torch.uint8)
    Image.fromarray(pixels.numpy()).save("photo.png")
    monkeypatch.setattr(tiles, "BUDGET", 2**20)
    result = CliRunner().invoke(main, ["sample", "run", "--input", "photo.png"])
    assert result.exit_code == 0, result.output
    generator = ganzoo.load("run")
    image = pixels.permute(2, 0, 1)[None]
    pieces = list(generator.batches(2, inputs={"source": image}))
    assert [(len(piece), tuple(piece.values.shape[2:])) for piece in pieces] == [(1, (300, 250))] * 2
    samples = generator.sample(inputs={"source": image})
    for number, name in enumerate("ab"):
        assert torch.equal(samples.values[number], pieces[number].values[0])
        with Image.open(f"run/made/photo-{name}.png") as found:
            assert np.array_equal(np.asarray(found), samples.images[number].transpose(1, 2, 0))
