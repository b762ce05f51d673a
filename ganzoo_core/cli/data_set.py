"""`ganzoo data NAME`: what one data set holds, with a picture of a few samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ganzoo_core.cli.output import draw, note, on_terminal, print_json, print_line, print_table, shape_text
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import Input
from ganzoo_core.errors import GanzooError
from ganzoo_core.registry import registry
from ganzoo_core.runs.plan import absolute, find_source, make_source
from ganzoo_core.storage.files import behind_link, write_atomically
from ganzoo_core.storage.names import few
from ganzoo_core.variant import DataSource

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo_core.data import Dataset

_EXAMPLES = 3
_MOST_CLASSES = 20  # that are listed one a line


def show(name: str, texts: Mapping[str, str], data_dir: Path | None, as_json: bool, output: Path | None) -> None:
    """Load a data set as a run would, and print what it holds."""
    cls, path = find_source(name)
    values = {key: cls.Options.parse(key, text) for key, text in texts.items()}
    source = make_source(cls, registry().dataset(cls.name)[1], values, absolute(path))
    from ganzoo_core.distributed.shared_data import loaded
    from ganzoo_core.sampling.real_samples import few_of

    dataset = loaded(source, data_folder(data_dir))
    held_out, reason = _held_out(source, data_folder(data_dir))
    samples = few_of(dataset)
    shown = _described(source, dataset) | {"held_out": held_out, "held_out_reason": reason}
    if as_json:
        print_json(shown)
    else:
        _print(shown, cls.title)
        if on_terminal():
            draw(samples)
    if output is not None:
        from ganzoo_core.drawing.pictures import png_bytes

        write_atomically(behind_link(output), png_bytes(samples.picture()))
        note(f"picture: {output}")


def _held_out(source: DataSource, folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """What its held-out part holds, or why it has none that can be used."""
    from ganzoo_core.distributed.shared_data import loaded

    try:
        found = loaded(source, folder, "test")
    except GanzooError as error:
        return None, str(error)
    return _counts(found), None


def _described(source: DataSource, dataset: Dataset) -> dict[str, Any]:
    return {
        "data": dataset.spec.name,
        "spec": dataset.spec.to_dict(),
        "options": source.options.to_dict(),
        **_counts(dataset),
        "columns": [_column(column, dataset) for column in dataset.spec.columns],
        "left_out": dataset.left_out,
        "notes": list(dataset.notes),
    }


def _counts(dataset: Dataset) -> dict[str, Any]:
    counts: list[int] = []
    if dataset.labels is not None:
        counts = dataset.labels.bincount(minlength=dataset.spec.num_classes).tolist()
    return {"samples": len(dataset), "classes": dict(zip(dataset.spec.classes, counts, strict=False))}


def _column(column: Input, dataset: Dataset) -> dict[str, Any]:
    """A column as JSON values, with some of what it holds as people read it; an image is in the picture."""
    from ganzoo_core.drawing.translations import words_in

    rows: Iterable[Tensor] = dataset.extra[column.name][:_EXAMPLES] if column.kind != "image" else ()
    return {
        "name": column.name,
        "kind": column.kind,
        "shape": list(column.shape),
        "words": len(column.names) if column.kind == "text" else None,
        "examples": [words_in(column, row) for row in rows],
    }


def _print(shown: dict[str, Any], title: str) -> None:
    spec, out = shown["spec"], shown["left_out"]
    print_line(f"{shown['data']}:", title)
    held_out = shown["held_out"] or {}
    print_table(("part", "holds"), [
        ("samples", f"{shown['samples']:,} {spec['kind']} of {shape_text(spec['shape'])}"),
        ("classes", f"{len(spec['classes']):,}" if spec["classes"] else "none"),
        ("held out", f"{held_out['samples']:,}" if held_out else f"none: {shown['held_out_reason']}"),
        ("left out", f"{len(out):,}: {few(f'{name!r} ({why})' for name, why in out.items())}" if out else "none"),
    ])  # fmt: skip
    if shown["columns"]:
        click.echo()
        rows = [
            (c["name"], c["kind"], shape_text(c["shape"]), c["words"], " | ".join(c["examples"]) or None)
            for c in shown["columns"]
        ]
        print_table(("column", "kind", "shape", "words", "examples"), rows)
    if shown["classes"]:
        click.echo()
        counts = list(shown["classes"].items())[:_MOST_CLASSES]
        print_table(("class", "samples"), counts)
        if len(shown["classes"]) > _MOST_CLASSES:
            note(f"and {len(shown['classes']) - _MOST_CLASSES:,} classes more: --json lists them all")
