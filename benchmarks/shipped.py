"""The weights that come with the zoo: trained, judged, and put into the plugins' folders, with their cards.

    OMP_NUM_THREADS=1 python -m benchmarks.shipped --out FOLDER [VARIANTS...]

shipped.toml beside this file says for each variant which settings are not its defaults, and what its generator is bad
at. Runs are kept below FOLDER; what is trained and judged there is not done again. Then docs/shipped.md, the picture
on it and those of the home page are made of all weights, which `--only-page` does alone.

    OMP_NUM_THREADS=1 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.shipped --judges

trains the classifiers that judge the data of these weights, and come with the tools, as far as they are not there; with
vector instructions that any such processor has. `--again` judges what is stored, and writes its figures on the cards.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageChops, ImageOps, ImageStat

import ganzoo_core as ganzoo
from ganzoo_core.datasets import data_folder
from ganzoo_core.drawing.pictures import captioned, cells, montage, png_bytes
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.runs.plan import resolve
from ganzoo_core.sampling.samples import Samples
from ganzoo_core.storage import tensor_files
from ganzoo_core.storage.files import write_atomically
from ganzoo_tools.evaluation import keeping
from ganzoo_tools.evaluation.classifier import train_classifier
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_tools.evaluation.results import evaluation_file
from ganzoo_tools.shipping import figures_table, ship

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PICTURE = DOCS / "img" / "shipped.png"
TILES = DOCS / "img" / "shipped"  # a picture each, for the home page
_SIDE = 122  # of a variant's tile on the picture
_ACROSS = 7  # tiles
_COLOURS = (24, 48, 96, 192)  # of a tile, as many as it needs
_NEAR = 5.0  # of 255: how far from its own colours a tile may be, in the mean

INTRODUCTION = """# Weights that come with it

Nothing need be trained to begin with:

    ganzoo sample cgan
    ganzoo explore cgan
    ganzoo run cgan --from cgan --steps 200

`ganzoo list` says which variants come with weights; of those that make pictures of pictures, some examples come along.
Below are sixteen samples of each, drawn of the weights as they are stored: float16, in the folder `weights` of the
variant's package, with a card that says what they were trained on, by which command, how good they are, and what they
are bad at. Where the second and the fourth row are made of those above them, the first and the third were given.

![Sixteen samples of each variant that comes with weights](img/shipped.png)

All of it is digits of the UCI data set that scikit-learn has (CC BY 4.0), or drawn by code. Weights of
CIFAR-10 are left out, as its pictures were collected from the web and come with no licence.

"""
OUTRODUCTION = """
The command that trains a variant stands on its card; `python -m benchmarks.shipped` did it for all, one run each with
seed 0. FID is by `ganzoo evaluate`, on features of a classifier of the same data; [how to read it](evaluate.md).

[Weights of yours](weights.md#weights-inside-a-plugin) can come with a plugin just so.
"""


def wanted() -> dict[str, dict[str, Any]]:
    """What shipped.toml says, by variant."""
    return tomllib.loads((HERE / "shipped.toml").read_text(encoding="utf-8"))


def folder_of(plugin: Plugin) -> Path:
    """Where the repository keeps the weights of a plugin."""
    (package,) = (HERE.parent / "plugins").glob(f"*/{plugin.module.partition('.')[0]}")
    return package / "weights"


def train_and_ship(variant: str, given: dict[str, Any], out: Path) -> None:
    """Train a variant, judge it, and put its weights into its plugin, as far as that is not done."""
    run = out / variant
    if not (run / "generator.safetensors").exists():
        if (run / "run.json").exists():
            ganzoo.train(resume=run, progress=False)
        else:
            texts = {name: str(value) for name, value in given.get("set", {}).items()}
            ganzoo.train(variant, out=run, texts=texts, progress=False)
    if not (run / evaluation_file(None)).exists():
        evaluate(run).save(run)
    weights = folder_of(registry().variant(variant)[1]) / f"{variant}.safetensors"
    weights.parent.mkdir(exist_ok=True)
    ship(run, weights, limits=given["limits"], examples=bool(ganzoo.load(run).inputs))


def fid_on_card(weights: Path) -> tuple[str, str]:
    """The run's FID as the card beside the weights says it, and that of real data; both empty where there is none."""
    lines = weights.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    line = next((line for line in lines if line.startswith("| FID |")), "| | | |")
    _, _, value, floor, _ = (part.strip() for part in line.split("|"))
    return value, floor


def train_judge(variant: str) -> None:
    """Train and keep the classifier of a variant's data, where it has labels and none is there."""
    data = resolve(variant, {}).source.load(data_folder(None))
    path = keeping.COME_WITH_IT / keeping.classifier_name(data)
    if data.labels is not None and not path.exists():
        weights = train_classifier(data).state_dict()
        tensor_files.save(path, "classifier", keeping.classifier_header(data), weights, halved=True)
        click.echo(f"{data.spec.name}: {path.name}")


def judge_again(weights: Path) -> None:
    """Write figures of the stored weights on their card; those of the discriminator, which is not stored, stay."""
    card = weights.with_suffix(".md")
    head, how, rest = card.read_text(encoding="utf-8").partition("## How good it is\n\n")
    before, bad, limits = rest.partition("\n\n## What it is bad at")
    stay = [line for line in before.splitlines() if line.startswith("| D right")]
    now = "\n".join([figures_table(evaluate(weights)), *stay])
    write_atomically(card, (head + how + now + bad + limits).encode())


def shipped() -> Iterator[tuple[str, Path]]:
    """Each variant of the repository that has weights, and where they are."""
    for name, (_, plugin) in registry().variants().items():
        path = folder_of(plugin) / f"{name}.safetensors" if plugin.package in _own() else None
        if path is not None and path.exists():
            yield name, path


def _own() -> set[str]:
    files = (HERE.parent / "plugins").glob("*/pyproject.toml")
    return {tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"] for path in files}


def tile(samples: Samples) -> Image.Image:
    """Sixteen samples, or eight beneath the pictures that they were made of, as a square."""
    given = [column for one, column in samples.inputs if one.kind == "image"]
    if given:
        top, bottom = cells(given[0][:8]), cells(samples.values[:8])
        size = bottom[0].size
        top = [one.resize(size, Image.Resampling.NEAREST) for one in top]
        rows = [top[:4], bottom[:4], top[4:], bottom[4:]]
    else:
        made = cells(samples.values[:16])
        rows = [made[k : k + 4] for k in range(0, 16, 4)]
    return ImageOps.pad(montage(rows, 2, "white"), (_SIDE, _SIDE), color="white")


def made_by(weights: Path) -> Image.Image:
    """The tile of what weights make."""
    generator = ganzoo.load(weights)
    labels = None
    if generator.variant.conditional and not generator.inputs:
        labels = [k % generator.spec.num_classes for k in range(16)]
    return tile(generator.sample(16, labels=labels))


def small(image: Image.Image) -> bytes:
    """A tile as a PNG of few colours, its own ones."""
    fewer = (image.quantize(colours, dither=Image.Dither.NONE) for colours in _COLOURS)
    return png_bytes(next(one for one in fewer if _apart(one, image) < _NEAR))


def _apart(one: Image.Image, other: Image.Image) -> float:
    """The mean distance of two pictures' values, of 255."""
    return float(np.mean(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean))


def picture(made: dict[str, Image.Image]) -> Image.Image:
    """The tiles side by side, each with its name."""
    tiles = [captioned(image, name) for name, image in made.items()]
    tiles += [Image.new("RGB", tiles[0].size, "white")] * (-len(tiles) % _ACROSS)
    return montage([tiles[k : k + _ACROSS] for k in range(0, len(tiles), _ACROSS)], 8, "white")


def page() -> str:
    """docs/shipped.md."""
    lines = ["| Variant | Data | Steps | MB | FID (real data) |", "|---|---|---|---|---|"]
    for name, path in shipped():
        header, _ = tensor_files.read_header(path, "generator")
        value, floor = fid_on_card(path)
        size = path.stat().st_size / 1e6
        fid = f"{value} ({floor})" if value else ""
        lines.append(f"| `{name}` | {header['data']['name']} | {header['step']:,} | {size:.2f} | {fid} |")
    return INTRODUCTION + "\n".join(lines) + "\n" + OUTRODUCTION


@click.command()
@click.argument("variants", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/shipped"), help="Where runs are kept.")
@click.option("--only-page", is_flag=True, help="Write docs/shipped.md and its picture again, and train nothing.")
@click.option("--judges", "only_judges", is_flag=True, help="Train the classifiers that judge, and nothing else.")
@click.option("--again", "only_judge", is_flag=True, help="Judge what is stored again, and train nothing.")
def main(variants: tuple[str, ...], out: Path, only_page: bool, only_judges: bool, only_judge: bool) -> None:
    """Train, judge and ship the variants of shipped.toml, or those named, and write the page."""
    chosen = {name: given for name, given in wanted().items() if not variants or name in variants}
    if only_judges:
        for variant in chosen:
            train_judge(variant)
        return
    if only_judge:
        for name, weights in (found for found in shipped() if found[0] in chosen):
            judge_again(weights)
            click.echo(f"{name}: FID {fid_on_card(weights)[0]}")
    for variant, given in () if only_page or only_judge else chosen.items():
        train_and_ship(variant, given, out)
        click.echo(variant)
    write_atomically(DOCS / "shipped.md", page().encode())
    made = {name: made_by(weights) for name, weights in shipped()}
    whole = picture(made).quantize(method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)  # keeps what is rare
    write_atomically(PICTURE, png_bytes(whole))
    TILES.mkdir(exist_ok=True)
    for name, image in made.items():
        write_atomically(TILES / f"{name}.png", small(image))


if __name__ == "__main__":
    main()
