"""`ganzoo show`: one variant, its hyperparameters, and its networks on some data."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.estimate import print_estimate
from ganzoo_core.cli.list import describe
from ganzoo_core.cli.options import data_dir_option, data_option, json_option, set_option
from ganzoo_core.cli.output import note, print_json, print_line, print_table, shape_text
from ganzoo_core.datasets import data_folder
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.drawing.words import typed
from ganzoo_core.errors import DataError, PluginError, UnknownNameError
from ganzoo_core.registry import registry
from ganzoo_core.runs.own import named
from ganzoo_core.runs.plan import resolve
from ganzoo_core.runs.presets import presets
from ganzoo_core.settings import Settings
from ganzoo_core.storage.names import one_line, shell_word
from ganzoo_core.variant import DataSource, Variant


@click.command("show")
@click.argument("variant", shell_complete=complete.variants)
@data_option
@data_dir_option
@set_option
@json_option
def command(
    variant: str, data: str | None, data_dir: Path | None, pairs: tuple[tuple[str, str], ...], as_json: bool
) -> None:
    """Show a variant, its hyperparameters and its networks; with --data also what a run would take.

    VARIANT is a name that `ganzoo list` shows, or FILE.py:CLASS, a class in a file of yours, which is executed.
    """
    texts = dict(pairs)
    data = data or texts.get("data")
    plan = resolve(named(variant), {}, texts | {"data": data} if data else texts)
    folder = data_folder(data_dir)
    found = _on_data(plan.variant, plan.source, folder) if data else _on_some_data(plan.variant, folder)
    spec, described = found
    shown = describe(type(plan.variant), plan.plugin) | {
        "settings": _values(plan.variant.config),
        "presets": list(presets(type(plan.variant))),
        "sampling": _values(plan.variant.Sampling()),
        "data": None if spec is None else spec.to_dict(),
        "inputs": None,
        "networks": None,
        **(described or {}),
    }
    takes = None
    if data and plan.source.is_local(folder):
        from ganzoo_core.training.train import dry_run

        try:
            takes = dry_run(plan.variant.name, data_dir=data_dir, texts=texts | {"data": data})
        except DataError as error:
            note(f"what a run would take can't be told: {error}")
    if as_json:
        print_json(shown | {"run": None if takes is None else takes.to_dict()})
        return
    _print(shown, with_values=bool(pairs))
    if takes is not None:
        click.echo()
        print_estimate(takes)


def _values(config: Settings) -> list[dict[str, Any]]:
    values = config.to_dict()
    return [asdict(option) | {"value": values[option.name]} for option in config.options()]


def _on_data(variant: Variant, source: DataSource, folder: Path) -> tuple[DataSpec | None, dict[str, Any] | None]:
    """Inputs and networks on that data set, which is loaded only where nothing else tells its shape and classes."""
    if source.shape is None or source.classes is None:
        spec = source.load(folder).spec
    else:
        spec = DataSpec(source.name, source.shape, source.classes, source.kind, columns=source.columns)
    return spec, _networks(variant, spec)


def _on_some_data(variant: Variant, folder: Path) -> tuple[DataSpec | None, dict[str, Any] | None]:
    """Inputs and networks on the first data set that suits the variant, its default tried before all others.

    But for the default, where it is on this machine, only data sets are tried that tell their shape without being
    loaded; (None, None) where none suits.
    """
    reason = ""
    for cls in _sources(variant.default_data):
        is_dark = cls.shape is None or cls.classes is None
        if is_dark and cls.name == variant.default_data and not cls.takes_path and cls().is_local(folder):
            try:
                return _on_data(variant, cls(), folder)
            except DataError as error:
                reason = f" ({error})"
        if cls.shape is not None and cls.classes is not None:
            spec = DataSpec(cls.name, cls.shape, cls.classes, cls.kind, columns=cls.columns)
            try:
                return spec, _networks(variant, spec)
            except DataError as error:
                reason = reason or f" ({error})"
    note(
        f"no installed data set that suits {variant.name} tells its shape; --data NAME shows the networks on it{reason}"
    )
    return None, None


def _sources(first: str) -> Iterator[type[DataSource]]:
    """Every data set, the one called `first` before all others: where it suits, no other plugin is imported."""
    zoo = registry()
    with contextlib.suppress(UnknownNameError, PluginError):
        yield zoo.dataset(first)[0]
    yield from (cls for name, (cls, _) in zoo.datasets().items() if name != first)


def _networks(variant: Variant, spec: DataSpec) -> dict[str, Any]:
    """Inputs and networks on such data as JSON values. Raises `DataError` where they don't suit each other."""
    variant.check_data(spec)
    from ganzoo_core.cli.layers import describe_networks

    return describe_networks(variant, spec)


def _print(shown: dict[str, Any], with_values: bool) -> None:
    print_line(f"{shown['name']}:", shown["title"])
    needs = "needs labels" if shown["conditional"] else "needs no labels"
    click.echo(one_line(f"{shown['paper']} ({shown['year']}), from {shown['package']} {shown['version']}"))
    click.echo(one_line(f"takes {', '.join(shown['kinds'])}; {needs}"))
    if shown["weights"]:
        click.echo(one_line(f"comes with trained weights: ganzoo sample {shell_word(shown['name'])}"))
    for preset in shown["presets"]:
        command = f"ganzoo run {shell_word(shown['name'])} --config {shell_word(preset)}"
        click.echo(one_line(f"comes with the preset {preset}: {command}"))
    click.echo()
    value = "value" if with_values else "default"
    print_table(("setting", value, "type", "meaning"), [_setting_row(setting) for setting in shown["settings"]])
    if shown["sampling"]:
        click.echo()
        rows = [_setting_row(option) for option in shown["sampling"]]
        print_table(("option of sampling", "default", "type", "meaning"), rows)
    if shown["inputs"]:
        click.echo()
        print_table(("input", "kind", "shape", "meaning"), [_input_row(one) for one in shown["inputs"]])
    for name, network in (shown["networks"] or {}).items():
        click.echo()
        print_line(name, f"on {shown['data']['name']} ({shape_text(shown['data']['shape'])})")
        layers = [_layer_row(layer) for layer in network["layers"]]
        print_table(("layer", "type", "output", "parameters"), [*layers, ("total", "", "", network["parameters"])])


def _setting_row(setting: dict[str, Any]) -> tuple[str, ...]:
    """A setting as it is, its default among the words where that differs."""
    value, default = typed(setting["value"]), typed(setting["default"])
    words = [setting["doc"]]
    words += [f"({' | '.join(setting['choices'])})"] if setting["choices"] else []
    words += [f"(default {default})"] if value != default else []
    return setting["name"], value, setting["type"], " ".join(words)


def _input_row(one: dict[str, Any]) -> tuple[str, ...]:
    """What a generator takes: an image of any size, a text of how many words, numbers."""
    words = [one["doc"]] if one["doc"] else []
    multiples = f", with sides that are multiples of {one['multiple']}" if one["multiple"] > 1 else ""
    words += [f"of any size{multiples}"] if one["any_size"] else []
    words += [f"of {len(one['names']):,} known words"] if one["kind"] == "text" else []
    return one["name"], one["kind"], shape_text(one["shape"]), "; ".join(words)


def _layer_row(layer: dict[str, Any]) -> tuple[Any, ...]:
    shape = layer["shape"]
    return (layer["name"], layer["type"], None if shape is None else shape_text(shape), layer["parameters"])
