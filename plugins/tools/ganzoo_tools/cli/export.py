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
    "-o", "output", type=UserPath(dir_okay=False), metavar="FILE|hf:OWNER/REPO", required=True,
    help="An ONNX model (.onnx), or weights for others to use (.safetensors, or a repository on Hugging Face), with a "
    "card and a picture beside them.",
)  # fmt: skip
@click.option("--limits", default="", metavar="TEXT", help="Weights: what they are bad at, for the card.")
@click.option(
    "--examples", is_flag=True,
    help="Weights: put the inputs that the run keeps beside them; they are pictures or texts of its data.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="hf: show what would be published, and publish nothing.")
@sampling_option
def command(
    source: str, output: str, limits: str, examples: bool, dry_run: bool, pairs: tuple[tuple[str, str], ...]
) -> None:
    """Export a trained generator as an ONNX model, or as weights for others to use.

    SOURCE is a run folder, a generator.safetensors, a variant that ships trained weights, or what is
    fetched: https://HOST/PATH#sha256=HEX, or hf:OWNER/REPO@COMMIT[:FILE] on Hugging Face.

    An ONNX model is checked against PyTorch before it is written; it needs pip install "ganzoo-tools[onnx]".

    Weights are stored as float16. SOURCE is then a run folder, of which the card says what it was trained on, how, and
    how good it is. In a package's folder as weights/VARIANT.safetensors they come with it: `ganzoo sample VARIANT`.

    Published on Hugging Face they are one commit of weights, card (README.md) and picture; that needs pip install
    "ganzoo-core[hub]", and `hf auth login` once. Others then say hf:OWNER/REPO@COMMIT.

    The paths of what was written are printed on stdout, or the name of what was published.
    """
    is_on_hub = output.startswith("hf:")
    if dry_run and not is_on_hub:
        raise click.UsageError("--dry-run is for -o hf:OWNER/REPO")
    if is_on_hub or output.lower().endswith(".safetensors"):
        if pairs:
            raise click.UsageError("weights are the same for all options of sampling; leave out --set")
        folder = Path(source).expanduser()
        if not os.path.isdir(folder):
            raise FileError(f"a card is made of a run, so SOURCE must be a run folder, but is {shorten(source)}")
        if is_on_hub:
            return _publish(folder, output, limits, examples, dry_run)
        from ganzoo_tools.shipping import ship

        for path in ship(folder, Path(output), limits=limits, examples=examples):
            print_path(path)
        return
    if limits or examples:
        raise click.UsageError("--limits and --examples are for weights: -o FILE.safetensors, or hf:OWNER/REPO")
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_tools.onnx import export_onnx

    difference = export_onnx(load(source, texts=dict(pairs)), Path(output))
    note(f"its samples are within {difference:.1g} of PyTorch's")
    print_path(Path(output))


def _publish(run: Path, target: str, limits: str, examples: bool, dry_run: bool) -> None:
    """Publish a run's weights, or show each file's name, its bytes, and the card."""
    from ganzoo_tools.publishing import repository

    with repository(run, target, limits=limits, examples=examples) as made:
        if not dry_run:
            click.echo(made.publish())
            return
        for path in made.files():
            click.echo(f"{path.name}: {path.stat().st_size:,} bytes")
        click.echo()
        click.echo((made.folder / "README.md").read_text(encoding="utf-8"), nl=False)
