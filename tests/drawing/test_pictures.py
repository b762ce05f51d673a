"""Pictures of samples and of a run: the right pixels in the right places."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor
from rich.color import Color
from rich.text import Text
from torch import Tensor

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing import fonts, loss_chart, pictures, plots
from ganzoo_core.drawing.pictures import CELL, GUTTER, MARGIN, TITLE_SIZE, cells, picture, png_bytes, to_uint8
from ganzoo_core.drawing.terminal import Blocks, half_blocks, image_blocks
from ganzoo_core.sampling.samples import default_count, default_labels

GREY = DataSpec("grey", (1, 4, 4), ("zero", "one", "two"))
COLOUR = DataSpec("colour", (3, 4, 4))
RING = DataSpec("ring", (2,), ("a", "b"), kind="points", scale=2.0, offset=1.0)
CURVES = DataSpec("curves", (5,), kind="curves", scale=1.5, offset=1.5)
WHITE = (255, 255, 255)


def plain(*levels: float) -> Tensor:
    """One even grey image of GREY's shape for each level."""
    return torch.tensor(levels, dtype=torch.float32)[:, None, None, None].expand(-1, *GREY.shape)


def colours(image: Image.Image) -> Counter[tuple[int, ...]]:
    """How many pixels have each colour."""
    return Counter(map(tuple, np.asarray(image).reshape(-1, 3).tolist()))


def cell_colours(image: Image.Image, i: int, j: int, left: int = MARGIN) -> set[tuple[int, ...]]:
    """All colours in the cell of row i and column j."""
    x, y = left + j * (CELL + GUTTER), MARGIN + i * (CELL + GUTTER)
    return set(colours(image.crop((x, y, x + CELL, y + CELL))))


def test_pixels_are_clamped_and_rounded_and_finite() -> None:
    values = torch.tensor([-9, -1, 0, 0.999, 1, 9, float("nan"), float("inf")])
    assert to_uint8(values).tolist() == [0, 0, 128, 255, 255, 255, 0, 255]


def test_uint8_survives_the_way_there_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(pixels.float().div(127.5).sub(1)), pixels)


def test_every_sample_fills_its_cell_of_the_grid() -> None:
    levels = [i / 5 - 1 for i in range(11)]
    image = picture(plain(*levels), GREY)
    assert image.size == (2 * MARGIN + 8 * (CELL + GUTTER) - GUTTER, 2 * MARGIN + 2 * (CELL + GUTTER) - GUTTER)
    for i, level in enumerate(to_uint8(torch.tensor(levels)).tolist()):
        assert cell_colours(image, *divmod(i, 8)) == {(level,) * 3}
    assert cell_colours(image, 1, 3) == {WHITE}
    assert image.getpixel((MARGIN + CELL, MARGIN)) == WHITE  # a gutter


def test_enlarging_repeats_pixels() -> None:
    values = torch.rand(1, 3, 4, 4) * 2 - 1
    cell = np.asarray(picture(values, COLOUR))[MARGIN : MARGIN + CELL, MARGIN : MARGIN + CELL]
    small = to_uint8(values)[0].permute(1, 2, 0).numpy()
    assert (cell == small.repeat(CELL // 4, axis=0).repeat(CELL // 4, axis=1)).all()


def test_columns_can_be_chosen() -> None:
    assert picture(plain(0, 0, 0), GREY, columns=1).width == 2 * MARGIN + CELL


def test_a_wide_grid_is_enlarged_less() -> None:
    assert pictures.enlargement(GREY, columns=8) == CELL // 4
    assert pictures.enlargement(GREY, columns=200) == 3
    assert pictures.enlargement(DataSpec("large", (3, 512, 512)), columns=8) == 1


def test_labels_begin_a_row_each_in_order_of_class_and_long_classes_wrap() -> None:
    labels = torch.tensor([2, 0, 2, 2, 0])
    image = picture(plain(-1, -0.5, 0, 0.5, 0.25), GREY, labels, columns=2)
    left = image.width - MARGIN - 2 * CELL - GUTTER
    levels = to_uint8(torch.tensor([[-0.5, 0.25], [-1.0, 0.0], [0.5, 1.0]])).tolist()  # paper ends the last row
    for i, row in enumerate(levels):
        for j, level in enumerate(row):
            assert cell_colours(image, i, j, left) == {(level,) * 3}
    names = [image.crop((0, MARGIN + i * (CELL + GUTTER), left, MARGIN + (i + 1) * (CELL + GUTTER))) for i in range(3)]
    assert [len(colours(name)) > 1 for name in names] == [True, True, False]


MANY = DataSpec("many", (3, 32, 32), tuple(f"class {k}" for k in range(200)))


def test_two_hundred_classes_fit_on_a_screen_each_below_its_name() -> None:
    n = default_count(MANY, True)
    labels = default_labels(MANY, n)
    assert labels.tolist() == list(range(200))
    values = torch.linspace(-1, 1, n)[:, None, None, None].expand(n, 3, 32, 32)
    image = picture(values, MANY, labels)
    assert max(image.size) < 1200 and 0.8 < image.width / image.height < 1.25
    across, down = 64 + GUTTER, 64 + 2 * GUTTER + pictures.SMALL_NAME
    for k, level in enumerate(to_uint8(values[:, 0, 0, 0]).tolist()):
        i, j = divmod(k, 16)
        x, y = MARGIN + j * across, MARGIN + i * down + pictures.SMALL_NAME + GUTTER
        assert set(colours(image.crop((x, y, x + 64, y + 64)))) == {(level,) * 3}
        assert len(colours(image.crop((x, y - pictures.SMALL_NAME, x + 64, y)))) > 1  # its name


@pytest.mark.parametrize(
    ("classes", "side", "count"), [(10, 28, 80), (20, 256, 160), (21, 32, 147), (40, 32, 160), (200, 32, 200)]
)
def test_fewer_samples_of_each_the_more_classes_there_are(classes: int, side: int, count: int) -> None:
    spec = DataSpec("x", (1, side, side), tuple(map(str, range(classes))))
    assert default_count(spec, True) == count and default_count(spec, False) == 64


@pytest.mark.parametrize(("classes", "side"), [(1000, 32), (5000, 8), (200, 256), (62, 28), (400, 64)])
def test_pictures_of_many_classes_stay_on_a_screen(classes: int, side: int) -> None:
    spec = DataSpec("x", (1, side, side), tuple(map(str, range(classes))))
    n = default_count(spec, True)
    layout = pictures.layout_of(spec, n, default_labels(spec, n))
    rows = 1 + max(row for row, _, _ in layout.places())
    height = rows * (side * layout.factor + GUTTER + layout.head)
    assert height <= pictures.SCREEN and layout.columns * (side * layout.factor + GUTTER) <= pictures.SCREEN


def test_classes_of_one_size_are_not_broken_and_more_samples_than_fit_are_square() -> None:
    labels = torch.arange(90) % 30
    assert pictures.layout_of(MANY, 90, labels).columns % 3 == 0
    layout = pictures.layout_of(MANY, 4000, torch.arange(4000) % 200)
    assert layout.factor == 1 and layout.columns % 20 == 0 and 60 <= layout.columns <= 80
    assert pictures.layout_of(MANY, 200, torch.arange(200), columns=10).columns == 10


def test_a_title_stands_above_the_grid() -> None:
    bare, titled = picture(plain(0), GREY, columns=1), picture(plain(0), GREY, columns=1, title="step 10")
    assert titled.height == bare.height + 2 * TITLE_SIZE
    assert len(colours(titled.crop((0, 0, titled.width, MARGIN + TITLE_SIZE)))) > 1
    below = titled.crop((0, 2 * TITLE_SIZE, bare.width, titled.height))
    assert below.tobytes() == bare.tobytes()


def test_no_samples_make_an_empty_picture() -> None:
    assert set(colours(picture(torch.empty(0, 1, 4, 4), GREY))) == {WHITE}
    assert set(colours(picture(torch.empty(0, 1, 4, 4), GREY, torch.empty(0, dtype=torch.int64)))) == {WHITE}


def test_four_channels_are_colour_and_opacity_on_white_paper() -> None:
    sample = torch.tensor([[1, 0, -1, -1], [1, -1, -1, 0], [1, -1, -1, 1]])  # clear, half, opaque
    image = cells(sample.t()[None, :, None].float())[0]
    assert np.asarray(image)[0].tolist() == [[255, 255, 255], [255, 128, 128], [255, 0, 0]]


def test_other_channels_show_their_mean() -> None:
    (image,) = cells(torch.tensor([-1.0, 1.0])[None, :, None, None])
    assert image.getpixel((0, 0)) == (128, 128, 128)


def test_equal_samples_give_equal_files_without_metadata() -> None:
    first, second = (png_bytes(picture(plain(0, 1), GREY)) for _ in range(2))
    assert first == second
    assert b"tEXt" not in first and b"tIME" not in first


def test_long_names_are_cut_with_an_ellipsis() -> None:
    text, font = fonts.fitted("a very long name " * 5, 14, 100)
    assert text.startswith("a very") and text.endswith("…")
    assert font.getlength(text) <= 100
    assert fonts.fitted("two\nlines", 14, 100)[0] == "two lines"


@pytest.mark.parametrize("name", ["café", "кошка", "γάτα", "قطة"])
def test_names_in_many_scripts_need_no_font_of_the_system(name: str) -> None:
    assert Path(fonts.font_file(name) or "").name == "DejaVuSans.ttf"


def test_a_name_without_a_font_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", [])
    assert fonts.drawable("猫 for which there is no font", "class 3")[0] == "class 3"
    assert fonts.drawable("step 猫")[0] == "step ?"


def test_other_fonts_are_asked_before_giving_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.font_manager import FontEntry, fontManager

    entries = [FontEntry(fname="/a/Last.ttf", name="Last Resort"), FontEntry(fname="/b/Good.ttf", name="Good")]
    monkeypatch.setattr(fontManager, "ttflist", entries)
    monkeypatch.setattr(fonts, "_covers", lambda file, text: not file.endswith("DejaVuSans.ttf"))
    assert fonts.font_file("猫, of this test alone") == "/b/Good.ttf"


def near(image: Image.Image, colour: str) -> int:
    """How many pixels have this colour, give or take the edges of lines."""
    distance = np.abs(np.asarray(image).astype(int) - ImageColor.getrgb(colour)).max(axis=2)
    return int((distance < 24).sum())


def test_points_lie_where_natural_units_put_them() -> None:
    corner = picture(torch.full((50, 2), 0.9), RING)
    box = np.argwhere((np.asarray(corner).astype(int) - ImageColor.getrgb(plots.BLUE)).__abs__().max(axis=2) < 24)
    upper = box[box[:, 0] < corner.height * 0.8]  # without the legend
    assert upper[:, 0].max() < corner.height * 0.2 and upper[:, 1].min() > corner.width * 0.8


def test_axes_depend_on_the_data_set_alone() -> None:
    blank = [np.asarray(picture(torch.full((1, 2), 9.0 + i), RING, real=torch.full((3, 2), 8.0))) for i in range(2)]
    assert (blank[0] == blank[1]).all()  # both far outside


def test_real_points_lie_beneath() -> None:
    generated, real = torch.zeros(1, 2), torch.full((5, 2), 0.5)
    assert near(picture(generated, RING, real=real), plots.REAL) > near(picture(generated, RING), plots.REAL)


def test_many_real_points_are_thinned_without_losing_a_mode() -> None:
    modes = torch.tensor([[-0.8, -0.8], [0.8, 0.8]])
    real = modes[torch.arange(8_000) % 2]
    image = picture(torch.full((1, 2), 9.0), RING, real=real)
    half = (0, 0, image.width // 2, int(image.height * 0.8)), (image.width // 2, 0, image.width, image.height // 2)
    assert all(near(image.crop(box), plots.REAL) > 10 for box in half)


def test_points_of_two_classes_have_two_colours() -> None:
    labels = torch.arange(40) % 2
    values = torch.tensor([[-0.5, 0.0], [0.5, 0.0]])[labels]  # so many on one spot that the colours are full
    image = picture(values, RING, labels, title="any $title$")
    left, right = (image.crop((x, 0, x + image.width // 2, image.height // 2)) for x in (0, image.width // 2))
    assert near(left, plots.BLUE) and not near(left, plots.ORANGE)
    assert near(right, plots.ORANGE) and not near(right, plots.BLUE)
    assert not near(picture(values, RING), plots.ORANGE)


@pytest.mark.parametrize(("classes", "coloured"), [(10, True), (11, False)])
def test_the_classes_are_named_where_there_are_at_most_ten(classes: int, coloured: bool) -> None:
    spec = DataSpec("many", (2,), tuple(f"class {k}" for k in range(classes)), kind="points")
    outside = torch.full((classes, 2), 9.0)
    image = picture(outside, spec, torch.arange(classes))
    assert bool(near(image, plots.PALETTE[3])) == coloured  # the legend alone


def test_curves_lie_between_the_bounds_of_the_real_ones() -> None:
    real = torch.stack([torch.full((5,), -0.8), torch.full((5,), 0.8)])
    image = picture(torch.zeros(3, 5), CURVES, real=real)
    plot = image.crop((0, 0, image.width, int(image.height * 0.85)))  # without the legend
    pixels = np.asarray(plot).astype(int)
    orange = np.argwhere(np.abs(pixels - ImageColor.getrgb(plots.ORANGE)).max(axis=2) < 24)[:, 0]
    blue = np.argwhere((pixels[..., 2] - pixels[..., 0]) > 60)[:, 0]
    assert orange.min() < blue.min() and blue.max() < orange.max()
    assert not near(picture(torch.zeros(3, 5), CURVES), plots.ORANGE)


def test_at_most_64_curves_are_drawn() -> None:
    curves = torch.zeros(65, 5)
    curves[64] = 0.9
    assert picture(curves, CURVES).tobytes() == picture(curves[:64], CURVES).tobytes()


def test_half_blocks_hold_two_pixels_each() -> None:
    pixels = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)
    text = half_blocks(Image.fromarray(pixels), width=80)
    assert text.plain == "▀▀▀\n▀▀▀"
    # The middle character of the second line: pixel (1, 2) above pixel (1, 3).
    (span,) = (span for span in text.spans if span.start <= 5 < span.end)
    assert span.style.color == Color.from_rgb(*pixels[2, 1])
    assert span.style.bgcolor == Color.from_rgb(*pixels[3, 1])


def test_an_odd_row_of_pixels_has_nothing_below_it() -> None:
    text = half_blocks(Image.new("RGB", (2, 3), "red"), width=80)
    assert text.plain == "▀▀\n▀▀"
    assert text.spans[-1].style.color == Color.from_rgb(255, 0, 0)
    assert text.spans[-1].style.bgcolor is None


def test_half_blocks_keep_the_aspect_and_mix_colours() -> None:
    checks = np.indices((40, 100)).sum(axis=0).astype(np.uint8) % 2 * 255
    lines = half_blocks(Image.fromarray(checks), width=50).plain.split("\n")
    assert [len(line) for line in lines] == [50] * 10
    middle = half_blocks(Image.fromarray(checks), width=50).spans[0].style.color
    assert middle is not None and abs(middle.get_truecolor().red - 127) < 8


def drawn(blocks: Any) -> Text:
    """What a console with colours makes of a cell."""
    assert isinstance(blocks, Blocks)
    return half_blocks(blocks.image, blocks.width)


def test_a_row_of_blocks_a_class_beside_its_name() -> None:
    table = image_blocks(plain(-1, 0, 1), GREY, torch.tensor([1, 0, 1]), width=80)
    names, blocks = (list(column.cells) for column in table.columns)
    assert [str(name) for name in names] == ["zero", "one"]
    assert [len(text.plain.split("\n")[0]) for text in map(drawn, blocks)] == [4, 9]  # 4 pixels; 4, a gutter and 4


def test_blocks_without_labels_fill_rows_and_stop_at_64() -> None:
    table = image_blocks(plain(*[0.0] * 100), GREY, None, width=80)
    (text,) = table.columns[1].cells
    assert drawn(text).plain.split("\n") == ["▀" * (8 * 5 - 1)] * 20  # 39 rows of pixels


def record(step: int) -> dict[str, float]:
    """A line of metrics.jsonl."""
    return {
        "step": step, "discriminator/real": 0.5, "discriminator/fake": 0.25, "generator/adversarial": 2.0,
        "d_real": 0.8, "d_fake": 0.2, "accuracy_real": 0.9, "accuracy_fake": 1.0, "samples_per_s": 1e4,
    }  # fmt: skip


def axes_of(records: list[dict[str, float]], path: Path, monkeypatch: pytest.MonkeyPatch) -> list:
    """What `loss_picture` drew, as matplotlib holds it."""
    figures = []
    monkeypatch.setattr(loss_chart, "rendered", lambda figure: figures.append(figure) or plots.rendered(figure))
    loss_chart.loss_picture(records, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    return figures[0].axes


def lines_of(axes) -> dict[str, list[float]]:
    """The named lines of one plot."""
    return {line.get_label(): line.get_ydata().tolist() for line in axes.lines if line.get_label()[0] != "_"}


@pytest.mark.parametrize("n", [1, 2, 120])
def test_losses_are_summed_by_player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    upper, lower = axes_of([record(10 * i) for i in range(n)], tmp_path / "loss.png", monkeypatch)
    assert lines_of(upper) == {"discriminator": pytest.approx([0.75] * n), "generator": pytest.approx([2.0] * n)}
    assert list(lines_of(lower)) == ["D(x)", "D(G(z))", "accuracy on real", "accuracy on fake"]
    assert [text.get_text() for text in lower.texts] == ["where a perfect generator would leave it"]
    assert lower.get_xlabel() == "step"


def test_a_critic_has_no_balance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"step": i, "discriminator/critic": -1.0, "d_real": None} for i in range(3)]
    (upper,) = axes_of(records, tmp_path / "loss.png", monkeypatch)
    assert lines_of(upper) == {"discriminator": [-1.0] * 3}
    assert upper.get_xlabel() == "step"


def test_what_is_missing_or_not_finite_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"step": 1, "generator/a": 1.0}, {"step": 2}, {"step": 3, "generator/a": float("nan")}]
    records += [{"step": 4, "generator/a": None}, {"step": 5, "generator/a": 3.0, "information/q": 7.0}]
    (upper,) = axes_of(records, tmp_path / "loss.png", monkeypatch)
    assert lines_of(upper) == {"generator": [1.0, 3.0], "information": [7.0]}
    assert upper.lines[0].get_xdata().tolist() == [1, 5]


def test_no_records_make_an_empty_plot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (upper,) = axes_of([], tmp_path / "loss.png", monkeypatch)
    assert lines_of(upper) == {}


def test_long_runs_are_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"step": i, "generator/a": 1.0} for i in range(50_000)]
    (upper,) = axes_of(records, tmp_path / "loss.png", monkeypatch)
    assert len(lines_of(upper)["generator"]) == 120


def test_matplotlib_is_imported_to_draw_only_and_pyplot_never() -> None:
    code = (
        "import sys, torch, ganzoo_core.sampling.samples\n"
        "import ganzoo_core.drawing.loss_chart, ganzoo_core.drawing.terminal\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from ganzoo_core.variant import DataSpec\n"
        "spec = DataSpec('ring', (2,), kind='points')\n"
        "ganzoo_core.sampling.samples.Samples(torch.zeros(2, 2), spec).picture()\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
