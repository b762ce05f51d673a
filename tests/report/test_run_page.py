"""The page of a run: what it shows, what it escapes, how large it gets, and that it can't cost a run."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import shutil
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.display.notebook import run_html
from ganzoo_core.drawing.charts import MOST_POINTS, Line, axis, run_charts, thinned
from ganzoo_core.drawing.pictures import bare_grid, cells, drawn_size, layout_of, picture
from ganzoo_core.drawing.words import number, typed
from ganzoo_core.report.command import usage
from ganzoo_core.report.page import inlined, render
from ganzoo_core.report.run_page import VIEWS, thinned_out, write_report
from ganzoo_core.runs.records import trained_seconds
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_tools.comparison.page import log_axis
from ganzoo_tools.evaluation.results import Evaluation, MetricValue

KINDS = {
    "images": ("toy-conditional", "digits"),
    "points": ("toy", "ring8"),
    "curves": ("toy", "sine"),
    "voxels": ("toy", "shapes3d"),
}
CSS = (Path(ganzoo.__file__).parent / "report" / "templates" / "page.css").read_text(encoding="utf-8")
VOID = {"meta", "link", "img", "input", "path", "circle", "br"}
STRANGE = ("<script>alert(1)<", "[red]", '"><img src=x onerror=alert(2)>', "{{ 7 * 7 }}")


class Page(HTMLParser):
    """A page's elements as (tag, attributes), its text, and what was left open."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A short run of each kind; nobody writes to them."""
    folder = tmp_path_factory.mktemp("runs")
    settings = {"steps": 3, "log_every": 1, "device": "cpu"}
    return {
        kind: ganzoo.train(variant, data=data, out=folder / kind, **settings).folder
        for kind, (variant, data) in KINDS.items()
    }


@pytest.fixture
def run(runs: dict[str, Path], tmp_path: Path) -> Path:
    """A run of images to be changed."""
    return Path(shutil.copytree(runs["images"], tmp_path / "run"))


def page_of(run: Path) -> Page:
    return Page(write_report(run))


def charts_of(page: Page) -> dict[str, dict]:
    plots = [attributes for attributes in page.all("div") if "data-chart" in attributes]
    return {str(plot["data-title"]): json.loads(str(plot["data-chart"])) for plot in plots}


def change(run: Path, **changes: object) -> None:
    file = run / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_ends_with_its_page(runs: dict[str, Path], kind: str) -> None:
    path = runs[kind] / "report.html"
    before, page = path.read_bytes(), Page(path)
    assert page.open == [] and len(page.all("h1")) == 1
    assert " on ".join(KINDS[kind]) in page.text and "Unfinished" not in page.text
    result = CliRunner().invoke(main, ["report", str(runs[kind])])
    assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_asks_the_network_for_nothing(runs: dict[str, Path], kind: str) -> None:
    page = Page(runs[kind] / "report.html")
    policy = page.all("meta")[1]["content"]
    assert str(policy).startswith("default-src 'none'; img-src data:;") and "sha256-" in str(policy)
    sources = [attributes["src"] for _, attributes in page.elements if "src" in attributes]
    assert sources and all(str(source).startswith("data:image/") for source in sources)
    links = [str(attributes["href"]) for _, attributes in page.elements if "href" in attributes]
    assert links == ["data:,", "https://arxiv.org/abs/0000.00000"]
    assert not re.search(r"url\(|@import|fetch\(", (runs[kind] / "report.html").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_described(runs: dict[str, Path], kind: str) -> None:
    """By its alt text, or where many stand in one frame by that frame's label."""
    page = Page(runs[kind] / "report.html")
    assert all(attributes.get("alt") is not None for attributes in page.all("img"))
    described = {str(attributes["alt"]) for attributes in page.all("img")} - {""}
    assert {"Samples after step 1", "Samples after step 3"} <= described
    labels = [str(attributes.get("aria-label")) for attributes in page.all("div")]
    assert ("Generated samples: 7" in labels) == (kind == "images")
    controls = page.all("input") + [button for button in page.all("button") if "class" not in button]
    assert all(control.get("aria-label") for control in controls)


def test_samples_stand_by_class_and_latents_in_tables(runs: dict[str, Path]) -> None:
    page = Page(runs["images"] / "report.html")
    pixels = [image for image in page.all("img") if image.get("class") == "pixels" and "data-step" not in image]
    assert len(pixels) == 8 * 10 + 4 * (1 + 5) + 10  # samples, four coordinates, an interpolation
    assert "All under the label 0." in page.text and "100%" in page.text
    with Image.open(runs["images"] / "samples" / "step-000003.png") as snapshot:
        grid = bare_grid(snapshot.convert("RGB"), DataSpec.from_dict(ganzoo.Run(runs["images"]).info["data"]), 80,
                         torch.arange(80) % 10)  # fmt: skip
    assert grid is not None and grid.size == (8 * 29 - 1, 10 * 29 - 1)


def test_charts_hold_what_was_logged(runs: dict[str, Path]) -> None:
    charts = charts_of(Page(runs["curves"] / "report.html"))
    records = ganzoo.Run(runs["curves"]).records()
    losses = {line["name"]: line for line in charts["Loss of the discriminator"]["lines"]}
    assert losses["real"]["x"] == [1, 2, 3]
    logged = [record["discriminator/real"] for record in records if "discriminator/real" in record]
    assert losses["real"]["y"] == pytest.approx(logged, rel=1e-3)
    assert {"Loss of the generator", "Balance: what the discriminator believes", "Inside share", "Speed"} <= set(charts)
    assert "0.5: where a perfect generator would leave it" in Page(runs["curves"] / "report.html").text


def test_names_from_the_disk_are_text(tmp_path: Path) -> None:
    for name in STRANGE:
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (8, 8), 30 * i).save(tmp_path / "images" / name / f"{i}.png")
    (tmp_path / "<b>").mkdir()
    done = ganzoo.train("toy-conditional", data=f"folder:{tmp_path / 'images'}", image_size=8, batch_size=8, steps=1,
                        out=tmp_path / "<b>" / "{{ run }}")  # fmt: skip
    page = Page(done.folder / "report.html")
    assert page.open == [] and all(name in page.text for name in STRANGE)
    assert not page.all("b") or "run }}" in page.text
    assert len(page.all("script")) == 1
    assert not any("onerror" in attributes for _, attributes in page.elements)
    labels = [attributes.get("aria-label") for attributes in page.all("div")]
    assert all(f"Generated samples: {name}" in labels for name in STRANGE)


STEERING = "a\x1b[31m", "b\u202etxt", "c\u2066", "d\x7f\x9b", "e\u200b\ufeff\U000e0041"


@pytest.mark.skipif(os.name != "posix", reason="no such names elsewhere")
def test_nothing_on_the_page_steers_how_it_is_shown(tmp_path: Path) -> None:
    """A terminal's codes, and what turns text around or hides it."""
    for name in STEERING:
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (8, 8), 30 * i).save(tmp_path / "images" / name / f"{i}.png")
    run = ganzoo.train("toy-conditional", data=f"folder:{tmp_path / 'images'}", image_size=8, batch_size=8, steps=1,
                       out=tmp_path / "run\u202e").folder  # fmt: skip
    with (run / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": 2, "generator/\x1b\u202eloss": 0.5}) + "\n")
    texts = [page_of(run).text, write_report(run).read_text(encoding="utf-8"), run_html(RunFolder.open(run))]
    for text in texts:
        assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} == {"\n"}
    charts = [json.loads(a["data-chart"] or "") for a in page_of(run).all("div") if "data-chart" in a]
    assert "\N{REPLACEMENT CHARACTER}" * 2 + "loss" in [line["name"] for chart in charts for line in chart["lines"]]
    assert all(name[0] + "\N{REPLACEMENT CHARACTER}" in texts[0] for name in STEERING)


def test_the_command_makes_the_run_again(runs: dict[str, Path], in_tmp: Path) -> None:
    words = code_of(Page(runs["points"] / "report.html"))[1]
    assert words == "ganzoo run toy --data ring8 --steps 3 --batch-size 16 --seed 0 --set device=cpu --set log_every=1"
    result = CliRunner().invoke(main, [*shlex.split(words)[1:], "--quiet", "--out", "again"])
    assert result.exit_code == 0, result.output
    weights = "generator.safetensors"
    assert Path("again", weights).read_bytes() == (runs["points"] / weights).read_bytes()


def test_the_three_lines_use_the_weights(runs: dict[str, Path], in_tmp: Path) -> None:
    code = code_of(Page(runs["images"] / "report.html"))[0]
    assert len(code.splitlines()) == 3 and 'labels=["9"]' in code
    exec(compile(code, "report.html", "exec"), {})
    assert Image.open("samples.png").width > 8 * 28


def code_of(page: Page) -> list[str]:
    return page.text.split("Use the weights")[1].strip().split("Copy")[0].strip(), next(
        line.strip() for line in page.text.splitlines() if line.startswith("ganzoo run ")
    ).removesuffix("Copy")


def test_folders_are_quoted_in_code_and_command() -> None:
    line = usage(Path('a "b"/\\c'), "it's").splitlines()[1:]
    assert line == [
        r'generator = ganzoo.load("a \"b\"/\\c")',
        'generator.sample(8, labels=["it\'s"]).save("samples.png")',
    ]


def test_an_unfinished_run_says_how_to_go_on(run: Path) -> None:
    settings = json.loads((run / "run.json").read_text())["settings"]
    change(run, settings=settings | {"steps": 400})
    text = " ".join(page_of(run).text.split())
    assert f"Unfinished: it stands at step 3 of 400. Go on with ganzoo run --resume {run}." in text


def test_a_run_killed_at_its_start_has_a_page(run: Path) -> None:
    for name in ("metrics.jsonl", "generator.safetensors"):
        (run / name).unlink()
    shutil.rmtree(run / "samples")
    page = page_of(run)
    assert "has no generator.safetensors yet" in page.text and "stands at step 0 of 3" in page.text
    assert not page.all("img") and not charts_of(page) and "How the game went" not in page.text


def test_without_the_plugin_what_is_on_the_disk_is_shown(run: Path) -> None:
    change(run, variant="gone")
    (run / "generator.safetensors").write_bytes(b"no weights")
    page = page_of(run)
    assert "gone on digits" in page.text and "is no whole safetensors file" in page.text
    assert "Samples after step 3" in {image["alt"] for image in page.all("img")}
    assert "--set width=8" in page.text  # no default is known


def test_a_resumed_run_with_other_settings_says_so(run: Path) -> None:
    changes = [{"step": 2, "settings": {"steps": 3}}, {"step": 2, "settings": {"generator_lr": 0.1, "steps": 3}}]
    change(run, changes=changes)
    text = " ".join(page_of(run).text.split())
    assert text.count("From step") == 1 and "From step 2 on, it was resumed with generator_lr=0.1, steps=3;" in text


def test_a_report_that_fails_does_not_cost_the_run(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(folder: Path) -> Path:
        raise RuntimeError("no ink")

    monkeypatch.setattr("ganzoo_core.report.run_artifacts.write_report", broken)
    with caplog.at_level(logging.WARNING, "ganzoo"):
        done = ganzoo.train("toy", data="sine", steps=1, out="run")
    assert done.generator().step == 1
    warning = "report.html was not written: RuntimeError: no ink; try again with: ganzoo report run"
    assert [record.getMessage() for record in caplog.records] == [warning]


def test_a_report_of_nothing_is_one_sentence(in_tmp: Path) -> None:
    result = CliRunner().invoke(main, ["report", "nowhere"])
    assert result.exit_code == 1 and "nowhere holds no run" in result.stderr


def test_a_page_stays_small(run: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    for step in range(1, 31):
        Image.fromarray(noise).save(run / "samples" / f"step-{step:06d}.png", compress_level=0)
    path = write_report(run)
    steps = [image["data-step"] for image in Page(path).all("img") if "data-step" in image]
    assert len(steps) == 24 and (steps[0], steps[-1]) == ("1", "30")
    assert path.stat().st_size < 2_000_000


def test_large_samples_are_shrunk() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    large, small = (inlined(Image.fromarray(noise), "noise", limit, "pixels") for limit in (1_000_000, 10_000))
    assert large.uri.startswith("data:image/png;") and small.uri.startswith("data:image/webp;")
    assert len(small.uri) <= 10_000 and (small.width, small.height) == (256, 256)


# Evaluation

CLASSES = {
    "names": ["<i>", "b"], "share": [0.25, 0.75], "real_share": [0.5, 0.5], "read_as_asked": [0.5, 1.0],
    "variety": [0.9, None], "confusion": [[2, 2], [0, 4]],
}  # fmt: skip
EVALUATION = Evaluation(
    "toy",
    3,
    {"data": "digits", "extractor": "classifier", "samples": 9, "real": 9, "real_neighbours": 9, "seeds": [0, 1]},
    {"fid": MetricValue((12.0, 13.0), 1.5), "<b>": MetricValue((2.0,))},
    "held-out data scored alike",
    {"held_out": "<b>nothing</b> is held out"},
    CLASSES,
    Image.new("RGB", (40, 40)),
)


def test_an_evaluation_is_a_table(run: Path) -> None:
    EVALUATION.save(run)
    page = page_of(run)
    text = " ".join(page.text.split())
    assert "Measured at step 3. Real data: held-out data scored alike." in text
    assert "FID12.50.7071.5lower" in text and "<b>2–––" in text
    assert "Left out: held out, as <b>nothing</b> is held out." in text
    assert "classread as askedshareshare of realvariety <i>0.50.250.50.9 b10.750.5–" in text
    assert "% read as<i>b <i>50.050.0 b–100.0" in text
    assert "Generated samples beside the real ones nearest to them" in {image["alt"] for image in page.all("img")}


@pytest.mark.parametrize("changes", [None, {"figures": [1]}, {"figures": {"fid": 3}}, {"classes": {"names": ["a"]}},
                                     {"figures": {"fid": {"values": ["x"], "floor": None}}},
                                     {"figures": {"fid": {"values": [], "floor": None}}}])  # fmt: skip
def test_a_damaged_evaluation_is_said_to_be(run: Path, changes: dict | None) -> None:
    (run / "evaluation.json").write_text("[]" if changes is None else json.dumps(EVALUATION.to_dict() | changes))
    assert "evaluation.json can’t be read: " in page_of(run).text


# Charts


def records(n: int, key: str = "generator/adversarial") -> list[dict]:
    return [{"step": 10 * (i + 1), key: float(i)} for i in range(n)]


def test_a_short_line_is_shown_as_it_is() -> None:
    line = thinned([{"step": 1, "a": 2.0}, {"step": 2}, {"step": 3, "a": None}, {"step": 4, "a": float("nan")},
                    {"step": 5, "a": 3.0}], "a", "A")  # fmt: skip
    assert line == Line("A", [1, 5], [2.0, 3.0], [2.0, 3.0], [2.0, 3.0]) and not line.is_thinned
    assert thinned([{"step": 1}], "a", "A") is None


def test_a_logarithmic_axis_stands_its_powers_at_even_distances() -> None:
    found = log_axis(1.0, 1000.0)
    assert found.ticks[0] == 1 and found.ticks == sorted(found.ticks) and 3 <= len(found.ticks) <= 6
    assert found.low < 1 and found.high > 1000 and (found.place(found.low), found.place(found.high)) == (0, 1000)
    assert found.place(10) - found.place(1) == pytest.approx(found.place(1000) - found.place(100))


def test_a_long_line_shows_means_and_ranges() -> None:
    line = thinned(records(MOST_POINTS * 3), "generator/adversarial", "adversarial")
    assert line is not None and line.is_thinned and len(line.values) == MOST_POINTS
    assert (line.steps[0], line.values[0], line.low[0], line.high[0]) == (30, 1.0, 0.0, 2.0)
    assert line.steps[-1] == MOST_POINTS * 30


def test_points_stand_where_they_belong() -> None:
    (chart,) = run_charts([{"step": 0, "d_real": 0.0}, {"step": 100, "d_real": 0.75}], is_critic=False)
    assert chart.path(chart.lines[0]) == "M0.0 980.8L1000.0 259.6"
    assert chart.summary() == (
        "Balance: what the discriminator believes: D(x), on real from 0 at step 0 to 0.75 at step 100."
    )
    (lone,) = run_charts(records(1), is_critic=False)
    assert lone.path(lone.lines[0]) == "M1000.0 500.0L1000.0 500.0"  # round caps make a dot of it


def test_a_band_goes_there_and_back() -> None:
    chart = run_charts(records(2), is_critic=False)[0]
    line = Line("x", [0, 20], [0.5, 0.5], [0.0, 0.0], [1.0, 1.0])
    assert chart.band(line).count("L") == 3 and chart.band(line).endswith("Z")


def test_a_critic_believes_nothing() -> None:
    logged = [{"step": s, "discriminator/critic": -1.0, "d_real": 0.9, "d_fake": 0.1, "accuracy_real": 1.0}
              for s in (1, 2)]  # fmt: skip
    titles = [chart.title for chart in run_charts(logged, is_critic=True)]
    assert titles == ["Loss of the critic", "Told right by the critic"]


def test_an_axis_has_round_numbers() -> None:
    assert axis(0, 3000, whole=True).ticks == [0, 1000, 2000, 3000]
    assert axis(0, 1, whole=True).ticks == [0, 1]
    assert [axis(-1, 3).place(v) for v in (-1, 1, 3)] == [0, 500, 1000]


def test_time_is_read_back_from_the_speeds() -> None:
    logged = [{"step": 20, "samples_per_s": 64.0}, {"step": 30}, {"step": 40, "samples_per_s": 128.0}]
    assert trained_seconds(logged, 64) == 20 + 10


# The parts


@pytest.mark.parametrize("labels", [None, torch.arange(12) % 3])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 6), (3, 80, 80), (1, 4, 8, 8)])
def test_a_grid_is_what_was_drawn(shape: tuple[int, ...], labels: torch.Tensor | None) -> None:
    kind = "voxels" if len(shape) == 4 else "images"
    spec = DataSpec("x", shape, ("a", "b", "a long name of a class"), kind=kind)
    values = torch.rand(12, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    grid = bare_grid(picture(values, spec, labels), spec, 12, labels)
    assert grid is not None
    height, width = drawn_size(spec)
    first, second = (grid.crop((j * (width + 1), 0, j * (width + 1) + width, height)) for j in (0, 1))
    wanted = cells(values)
    assert np.array_equal(first.convert("RGB"), wanted[0])
    assert np.array_equal(second.convert("RGB"), wanted[1 if labels is None else 3])
    assert grid.getpixel((width, 0)) == (0, 0, 0, 0)


def test_solids_are_turned_by_a_slider(runs: dict[str, Path]) -> None:
    page = Page(runs["voxels"] / "report.html")
    views = [image for image in page.all("img") if "turned by" in str(image["alt"])]
    assert [int(str(image["data-step"])) for image in views][-3:] == [10, 25, 40] and len(views) == VIEWS
    assert len({image["src"] for image in views}) > 1 and "hidden" not in views[-1]
    captions = [one["data-caption"] for one in page.all("figure") if "data-caption" in one]
    assert captions == ["step {}", "{}°"]
    assert {"Snapshot", "Turn"} <= {one.get("aria-label") for one in page.all("input")}
    assert "From all sides" not in Page(runs["images"] / "report.html").text
    assert (runs["voxels"] / "report.html").stat().st_size < 2_000_000


def test_a_grid_of_many_classes_is_what_was_drawn() -> None:
    spec = DataSpec("x", (1, 8, 8), tuple(map(str, range(30))))
    values, labels = torch.rand(60, 1, 8, 8) * 2 - 1, torch.arange(60) % 30
    grid = bare_grid(picture(values, spec, labels), spec, 60, labels)
    assert grid is not None
    wanted, columns = cells(values), layout_of(spec, 60, labels).columns
    for place, sample in ((0, 0), (1, 30), (columns, columns // 2)):
        i, j = divmod(place, columns)
        cell = grid.crop((j * 9, i * 9, j * 9 + 8, i * 9 + 8)).convert("RGB")
        assert np.array_equal(cell, wanted[sample])


def test_a_strange_picture_has_no_grid() -> None:
    assert bare_grid(Image.new("RGB", (100, 100)), DataSpec("x", (1, 8, 8)), 64) is None


def test_items_are_thinned_evenly() -> None:
    assert thinned_out(range(3), 3) == [0, 1, 2]
    assert thinned_out(range(101), 5) == [0, 25, 50, 75, 100]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.00001234, "0.0000123"),
        (-12.345, "−12.3"),
        (45312.4, "45,312"),
        (0.0, "0"),
        (999.6, "1,000"),
        (7104.5, "7,105"),
        (-0.125, "−0.125"),
        (12.25, "12.3"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_numbers_of_other_digits_are_whole_too() -> None:
    assert [number(value, 2) for value in (0.00092, 5.55, 123.4, 1234.5)] == ["0.00092", "5.6", "120", "1,235"]


def test_settings_are_typed_as_the_command_line_takes_them() -> None:
    assert [typed(v) for v in ([1, 2], None, True, 0.1, "a b")] == ["1,2", "none", "true", "0.1", "a b"]


def test_a_name_that_a_template_misses_is_an_error() -> None:
    with pytest.raises(Exception, match="'info' is undefined"):
        render("run.html")


def colours() -> Iterator[tuple[str, str, str]]:
    yield from re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", CSS)


def luminance(colour: str) -> float:
    """WCAG 2.1's relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_is_what_wcag_asks_of_text() -> None:
    """4.5 to 1 (AA) on both grounds, in both schemes, of all that is not a mere rule."""
    palette = {name: schemes for name, *schemes in colours()}
    assert contrast("#ffffff", "#000000") == pytest.approx(21) and len(palette) == 13
    grounds = [palette.pop("paper"), palette.pop("raised")]
    del palette["rule"]
    for name, inks in palette.items():
        for ground in grounds:
            assert all(contrast(i, g) >= 4.5 for i, g in zip(inks, ground, strict=True)), name
