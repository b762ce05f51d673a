"""`ganzoo export`: a trained generator for programs that have no PyTorch, and for other people."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath, sampling_option
from ganzoo_core.cli.output import note, print_path
from ganzoo_core.errors import FileError, shorten
from ganzoo_core.hookspecs import hookimpl

GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo export`."""
    cli.add_command(command)


@click.command("export")
@click.argument("source", shell_complete=complete.sources)
@click.option(
    "-o", "output", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE", required=True,
    help="An ONNX model (.onnx), or weights for others to use (.safetensors), with a card and a picture beside them.",
)  # fmt: skip
@click.option("--limits", default="", metavar="TEXT", help=".safetensors: what it is bad at, for the card.")
@click.option(
    "--examples", is_flag=True,
    help=".safetensors: put the inputs that the run keeps beside the weights; they are pictures or texts of its data.",
)  # fmt: skip
@sampling_option
def command(source: str, output: Path, limits: str, examples: bool, pairs: tuple[tuple[str, str], ...]) -> None:
    """Export a trained generator as an ONNX model, or as weights for others to use.

    SOURCE is a run folder, a generator.safetensors, a variant that ships trained weights, or what is
    fetched: https://HOST/PATH#sha256=HEX, or hf:OWNER/REPO@COMMIT[:FILE] on Hugging Face.

    An ONNX model is checked against PyTorch before it is written; it needs pip install "ganzoo-tools[onnx]".

    Weights are stored as float16. SOURCE is then a run folder, of which the card says what it was trained on, how, and
    how good it is. In a package's folder as weights/VARIANT.safetensors they come with it: `ganzoo sample VARIANT`.

    The paths of what was written are printed on stdout.
    """
    if output.suffix.lower() == ".safetensors":
        if pairs:
            raise click.UsageError("weights are the same for all options of sampling; leave out --set")
        from ganzoo_tools.shipping import ship

        folder = Path(source).expanduser()
        if not os.path.isdir(folder):
            raise FileError(f"a card is made of a run, so SOURCE must be a run folder, but is {shorten(source)}")
        for path in ship(folder, output, limits=limits, examples=examples):
            print_path(path)
        return
    if limits or examples:
        raise click.UsageError("--limits and --examples are for weights: -o FILE.safetensors")
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_tools.onnx import export_onnx

    difference = export_onnx(load(source, texts=dict(pairs)), output)
    note(f"its samples are within {difference:.1g} of PyTorch's")
    click.echo(output)
