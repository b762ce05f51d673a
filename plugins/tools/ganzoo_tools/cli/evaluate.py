"""`ganzoo evaluate`: how good a generator is, compared with real data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import data_dir_option, data_option, json_option, set_option
from ganzoo_core.cli.output import note, print_json, print_line, print_table
from ganzoo_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from ganzoo_tools.evaluation.results import Evaluation


GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo evaluate`."""
    cli.add_command(command)


@click.command("evaluate")
@click.argument("source", shell_complete=complete.sources)
@data_option
@data_dir_option
@click.option(
    "-n", "count", type=click.IntRange(min=20), default=10_000, show_default=True, metavar="N",
    help="Samples to evaluate, and real ones to compare with; at most as many as there are real ones.",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True, metavar="N",
    help="Number of sampling seeds; metrics are given with their spread over them.",
)  # fmt: skip
@click.option(
    "--features", metavar="inception[:FILE]",
    help="Take features of TensorFlow's Inception, as papers do (images); its weights are fetched once, or FILE.",
)  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to compute.")
@set_option
@json_option
def command(
    source: str,
    data: str | None,
    data_dir: Path | None,
    count: int,
    seeds: int,
    features: str | None,
    device: str,
    pairs: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Evaluate a trained generator against real data.

    SOURCE is a run folder, a generator.safetensors, a variant that ships trained weights, or what is
    fetched: https://HOST/PATH#sha256=HEX, or hf:OWNER/REPO@COMMIT[:FILE] on Hugging Face.

    Beside each metric stands its floor: what real data scores. The result of a run is saved in its folder as
    evaluation.json, with a picture of the samples nearest to the training data.

    SOURCE may also be a folder of pictures that anybody made, with --data for what to hold them against; nothing is
    saved then.
    """
    from ganzoo_core.datasets import data_folder
    from ganzoo_tools.evaluation.evaluation import evaluate
    from ganzoo_tools.evaluation.pictures import evaluate_pictures, holds_pictures

    path = Path(source).expanduser()
    if holds_pictures(path):
        found = evaluate_pictures(
            path, data=data, data_dir=data_folder(data_dir), n=count, features=features, device=device,
            options=dict(pairs),
        )  # fmt: skip
    else:
        found = evaluate(
            source, data=data, data_dir=data_dir, n=count, seeds=seeds, features=features, device=device,
            options=dict(pairs),
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)
    if os.path.exists(path / "run.json"):
        note(f"kept in {found.save(path)}")


def _print(found: Evaluation) -> None:
    columns = ["figure", "mean", "spread", *["error"] * bool(found.caution), "real data", "better"]
    rows = [
        (name, _text(f.mean), _text(f.spread), *[_text(f.error)] * bool(found.caution), _text(f.floor), better)
        for name, f, better in found.rows()
    ]
    print_line(
        found.variant + (f" at step {found.step:,}" if found.step else ""), f"against {found.conditions['data']}"
    )
    print_table(columns, rows)
    if found.classes is not None:
        click.echo()
        _print_classes(found)
    click.echo()
    print_line("real data:", found.floor)
    print_line("measured:", _measured(found.conditions))
    print_line("features:", f"{found.conditions['extractor']} {found.conditions['digest']}")
    if found.caution:
        print_line("trust:", found.caution)
    for name, reason in found.left_out.items():
        print_line(f"left out: {name.replace('_', ' ')}:", reason)


def _print_classes(found: Evaluation) -> None:
    from ganzoo_tools.evaluation.results import MATRIX_CLASSES

    rows = found.class_rows()
    print_table(
        ("class", "read as asked", "share", "share of real", "variety"),
        [(name, *(_text(value) for value in values)) for name, *values in rows],
    )
    if (matrix := found.confusion_rows()) and len(rows) <= MATRIX_CLASSES:
        click.echo()
        names = [name for name, _ in matrix]
        print_table(("% read as", *names), [(name, *map(_percent, shares)) for name, shares in matrix])


def _measured(conditions: dict[str, Any]) -> str:
    seeds = len(conditions["seeds"])
    return f"{conditions['samples']:,} samples of each of {seeds} seed{'s' * (seeds > 1)}, {conditions['real']:,} real"


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f}"


def _text(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
