"""`ganzoo sample`: pictures or arrays from a trained generator."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ganzoo_core.cli._output import draw, on_terminal


@click.command("sample")
@click.argument("source")
@click.option("-n", "count", type=click.IntRange(min=1), metavar="N", help="How many samples in all.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME_OR_INDEX",
    help="A class to sample, by name or index; repeat it for several, which share the N.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Same seed, same samples."
)
@click.option(
    "-o", "output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="A picture (.png) or arrays (.npz); by default samples-seed<N>.png, in the run folder where SOURCE is one.",
)  # fmt: skip
def command(source: str, count: int | None, labels: tuple[str, ...], seed: int, output: Path | None) -> None:
    """Draw samples from a trained generator.

    SOURCE is a run folder or a generator.safetensors. The path of the file written is printed on stdout.
    """
    from ganzoo_core.trained import load

    samples = load(source).sample(count, labels=labels or None, seed=seed)
    path = output or default_output(Path(source), seed)
    samples.save(path)
    if on_terminal():
        draw(samples)
    click.echo(path)


def default_output(source: Path, seed: int) -> Path:
    """Where samples go when nobody says: into the run folder, or beside the shell for a lone file of weights."""
    named = Path(os.path.expanduser(source))
    folder = named if named.is_dir() else Path()
    return folder / f"samples-seed{seed}.png"
