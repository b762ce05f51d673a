"""`ganzoo sample`: pictures or arrays from a trained generator."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.core import ParameterSource

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath
from ganzoo_core.cli.output import default_output, draw, note, on_terminal, print_path
from ganzoo_core.cli.progress import samples_progress
from ganzoo_core.errors import FileError
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import behind_link, write_atomically
from ganzoo_core.storage.names import shell_word

_MOST_DRAWN = 1000


@click.command("sample")
@click.argument("source", shell_complete=complete.sources)
@click.option("-n", "count", type=click.IntRange(min=1), metavar="N", help="How many samples in all.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME_OR_INDEX",
    help="A class to sample, by name or index; repeat it for several; N is split among them.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Same seed, same samples."
)
@click.option(
    "-o", "output", type=UserPath(), metavar="FILE",
    help="A picture (.png), arrays (.npz), an empty or new folder for a PNG each (DIR/), or the snapshots of a run in "
    "motion (.gif); by default samples-seed<N>.png, in the run folder where SOURCE is one.",
)  # fmt: skip
def command(source: str, count: int | None, labels: tuple[str, ...], seed: int, output: str | None) -> None:
    """Generate samples with a trained generator.

    SOURCE is a run folder, a generator.safetensors, or a variant that ships trained weights. The path of the output is
    printed on stdout. Arrays and folders take any number of samples; a folder has a subfolder per class.
    """
    path = Path(output) if output else default_output(Path(source), seed)
    if path.suffix.lower() == ".gif":
        _animate(source, path)
        print_path(path)
        return
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_core.sampling.sample_files import is_picture
    from ganzoo_core.sampling.samples import default_count

    generator = load(source)
    with samples_progress() as progress:
        generator.save_samples(output or path, count, labels=labels or None, seed=seed, progress=progress)
    if on_terminal():
        shown = None if count is None else min(count, _MOST_DRAWN)
        draw(generator.sample(shown, labels=labels or None, seed=seed))
    spec = generator.spec
    if is_picture(output or path) and count is None and not labels and generator.variant.conditional:
        shown = default_count(spec, True)
        if shown < spec.num_classes and spec.has_pixels:
            note(f"the picture shows the first {shown} of {spec.num_classes} classes; --label NAME shows any other")
    print_path(path)


def _animate(source: str, output: Path) -> None:
    """Write the snapshots of a run as a GIF. Their latents and labels were fixed when it started."""
    context = click.get_current_context()
    if any(context.get_parameter_source(name) == ParameterSource.COMMANDLINE for name in ("count", "labels", "seed")):
        raise click.UsageError("a .gif shows the snapshots of a run as they are; leave out -n, --label and --seed")
    folder = Path(os.path.expanduser(source))
    if not folder.is_dir():
        raise FileError(
            f"a .gif shows the snapshots of a run, so SOURCE must be a run folder, but is {source}; "
            f"give a .png or .npz, or let `ganzoo explore` make a .gif"
        )
    snapshots = RunFolder.open(folder).snapshots()
    if not snapshots:
        raise FileError(
            f"{folder} has no snapshots in samples/ to show; train it: ganzoo run --resume {shell_word(folder)}"
        )
    from ganzoo_core.drawing.gifs import snapshots_gif

    write_atomically(behind_link(output), snapshots_gif(snapshots))
