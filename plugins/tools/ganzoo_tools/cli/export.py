"""`ganzoo export`: a trained generator for programs that have no PyTorch."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath, sampling_option
from ganzoo_core.cli.output import note
from ganzoo_core.hookspecs import hookimpl

GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo export`."""
    cli.add_command(command)


@click.command("export")
@click.argument("source", shell_complete=complete.sources)
@click.option(
    "-o", "output", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE.onnx", required=True,
    help="The ONNX model to write.",
)  # fmt: skip
@sampling_option
def command(source: str, output: Path, pairs: tuple[tuple[str, str], ...]) -> None:
    """Export a trained generator as an ONNX model.

    SOURCE is a run folder, a generator.safetensors, or a variant that ships trained weights. The model is checked
    against PyTorch before it is written; its path is printed on stdout. Needs pip install "ganzoo-tools[onnx]".
    """
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_tools.onnx import export_onnx

    difference = export_onnx(load(source, texts=dict(pairs)), output)
    note(f"its samples are within {difference:.1g} of PyTorch's")
    click.echo(output)
