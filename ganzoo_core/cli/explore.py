"""`ganzoo explore`: what a latent's coordinates do, ways between two latents, one latent under all labels."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import click

from ganzoo_core.cli._output import draw, on_terminal, print_path
from ganzoo_core.cli.sample import default_output
from ganzoo_core.errors import SettingError

Number = TypeVar("Number", int, float)


@click.command("explore")
@click.argument("source")
@click.option(
    "--positions", metavar="N,N,...",
    help="Coordinates of the latent to move, counted from 0; by default the five that change the sample most.",
)  # fmt: skip
@click.option(
    "--values", metavar="X,X,...", help="What they are set to, such as --values=-2,1,4; by default -4,-2,0,2,4."
)
@click.option(
    "--interpolate", "steps", type=click.IntRange(min=2), metavar="N",
    help="N steps from the latent of this seed to that of the next.",
)  # fmt: skip
@click.option(
    "--spherical/--straight", default=None, help="The way of --interpolate: along the arc (default), or straight."
)
@click.option("--labels", "all_labels", is_flag=True, help="The latent under every label.")
@click.option("--label", metavar="NAME_OR_INDEX", help="The class to show; the first by default.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
    help="The latent is that of the first sample of this seed.",
)  # fmt: skip
@click.option(
    "-o", "output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="A picture (.png), an animation (.gif) or arrays (.npz); by default explore-seed<N>.png or the like, in the "
    "run folder where SOURCE is one.",
)  # fmt: skip
def command(
    source: str,
    positions: str | None,
    values: str | None,
    steps: int | None,
    spherical: bool | None,
    all_labels: bool,
    label: str | None,
    seed: int,
    output: Path | None,
) -> None:
    """Show what a trained generator has made of its latent space.

    SOURCE is a run folder, a generator.safetensors, or a variant that comes with trained weights. A row per position, a
    column per value, the untouched sample beside them; or --interpolate, or --labels. The path of the file written is
    printed on stdout.
    """
    _check_usage(positions is not None or values is not None, steps is not None, all_labels, spherical, label)
    asked_positions, asked_values = _numbers("positions", positions, int), _numbers("values", values, float)
    from ganzoo_core import explore
    from ganzoo_core.trained import load

    generator = load(source)
    if steps is not None:
        name = "interpolation"
        found = explore.interpolation(generator, steps, spherical=spherical is not False, label=label, seed=seed)
    elif all_labels:
        name = "labels"
        found = explore.across_labels(generator, seed=seed)
    else:
        name = "explore"
        found = explore.coordinates(generator, asked_positions, asked_values, label=label, seed=seed)
    path = output or default_output(Path(source), seed, name)
    found.save(path)
    if on_terminal():
        draw(found)
    print_path(path)


def _check_usage(moves: bool, interpolates: bool, all_labels: bool, spherical: bool | None, label: str | None) -> None:
    if moves + interpolates + all_labels > 1:
        raise click.UsageError("--positions with --values, --interpolate and --labels exclude each other")
    if spherical is not None and not interpolates:
        raise click.UsageError("--spherical and --straight are ways of --interpolate N")
    if label is not None and all_labels:
        raise click.UsageError("--labels shows every label; leave out --label")


def _numbers(name: str, text: str | None, kind: type[Number]) -> list[Number] | None:
    """The numbers in a text with commas between them. Raises `SettingError` for what is none."""
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        what, example = ("whole numbers", "18,28,54") if kind is int else ("numbers", "-2,1,4")
        raise SettingError(
            f"{name} must be {what} with commas between them, such as {example}, but is {text!r}"
        ) from None
