"""`ganzoo project`: the latent behind a picture."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath, sampling_option
from ganzoo_core.cli.output import default_output, note, print_path
from ganzoo_core.cli.progress import samples_progress
from ganzoo_core.hookspecs import hookimpl

GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo project`."""
    cli.add_command(command)


@click.command("project")
@click.argument("source", shell_complete=complete.sources)
@click.option(
    "--input", "picture", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE", required=True,
    help="The picture; its middle is taken, at the size of training.",
)  # fmt: skip
@click.option(
    "--label", "labels", multiple=True, metavar="NAME_OR_INDEX",
    help="The class it is of, repeatable; by default all are tried, and the nearest sample counts.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(0, 100_000), default=300, show_default=True, metavar="N", help="Steps of descent."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
    help="Where the first latents come from.",
)  # fmt: skip
@click.option(
    "-o", "output", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE.png",
    help="The picture to write, and FILE.json beside it; by default projection-seed<N>.png, in the run folder where "
    "SOURCE is one.",
)  # fmt: skip
@sampling_option
def command(
    source: str,
    picture: Path,
    labels: tuple[str, ...],
    steps: int,
    seed: int,
    output: Path | None,
    pairs: tuple[tuple[str, str], ...],
) -> None:
    """Find the latent of which a generator makes a sample nearest to a picture.

    SOURCE is a run folder, a generator.safetensors, or a variant that ships trained weights. A picture of the target
    beside the sample is written, and the latent as JSON: `ganzoo explore SOURCE --latent FILE.json` goes on from it.
    Both paths are printed on stdout, the error on stderr.
    """
    from ganzoo_core.errors import FileError
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_tools.projection import project, read_target, save

    path = output or default_output(Path(source), seed, "projection")
    if path.suffix.lower() != ".png":
        raise FileError(f"a projection is written as .png, and its latent beside it, but the file is {path.name!r}")
    generator = load(source, texts=dict(pairs))
    target = read_target(generator, picture)
    with samples_progress() as progress:
        found = project(generator, target, labels=labels or None, steps=steps, seed=seed, progress=progress)
    latent = save(found, generator, path)
    of_class = "" if found.label is None else f", of the class {generator.spec.classes[found.label]}"
    note(f"the sample is off by {found.error:.3f} of full white in the mean{of_class}")
    if found.encoded is not None:
        note(f"what the generator's own encoder reads is off by {found.encoded[1]:.3f}")
    print_path(path)
    print_path(latent)
