"""`ganzoo sample`: pictures or arrays from a trained generator."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import KeyValue, UserPath, sampling_option
from ganzoo_core.cli.output import default_output, draw, note, on_terminal, print_path
from ganzoo_core.cli.progress import samples_progress
from ganzoo_core.errors import FileError
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage.files import as_file_error, behind_link, own_folder, write_atomically
from ganzoo_core.storage.names import shell_word

if TYPE_CHECKING:
    from ganzoo_core.sampling.trained_generator import TrainedGenerator

_MOST_DRAWN = 1000


@click.command("sample")
@click.argument("source", shell_complete=complete.sources)
@click.option("-n", "count", type=click.IntRange(min=1), metavar="N", help="How many samples in all.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME_OR_INDEX",
    help="A class to sample, by name or index; repeat it for several; N is split among them.",
)  # fmt: skip
@click.option(
    "--input", "inputs", multiple=True, type=UserPath(), metavar="FILE|FOLDER",
    help="A picture of yours, or a folder of them, for a generator that makes pictures of pictures; repeatable.",
)  # fmt: skip
@click.option(
    "--text",
    "texts",
    multiple=True,
    metavar="TEXT",
    help="What to make a picture of, for a generator that takes texts.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Same seed, same samples."
)
@click.option("--best", is_flag=True, help="Take the generator that the run's metric found best, not the last one.")
@sampling_option
@click.option(
    "--grid", type=KeyValue(), metavar="KEY=VALUE,VALUE,...",
    help="The same latents under several values of an option of sampling, such as truncation=1,0.7,0.5: a column for "
    "each, as a picture.",
)  # fmt: skip
@click.option(
    "-o", "output", type=UserPath(), metavar="FILE",
    help="A picture (.png), arrays (.npz), an empty or new folder for a PNG each (DIR/), or the snapshots of a run in "
    "motion (.gif, .mp4); by default samples-seed<N>.png, best-seed<N>.png or grid-seed<N>.png, in the run folder "
    "where SOURCE is one.",
)  # fmt: skip
def command(
    source: str,
    count: int | None,
    labels: tuple[str, ...],
    inputs: tuple[str, ...],
    texts: tuple[str, ...],
    seed: int,
    best: bool,
    pairs: tuple[tuple[str, str], ...],
    grid: tuple[str, str] | None,
    output: str | None,
) -> None:
    """Generate samples with a trained generator.

    SOURCE is a run folder, a generator.safetensors, a variant that ships trained weights, or what is
    fetched: https://HOST/PATH#sha256=HEX, or hf:OWNER/REPO@COMMIT[:FILE] on Hugging Face.

    The path of the output is printed on stdout. Arrays and folders take any number of samples; a folder has a subfolder
    per class.

    With --input each picture gives one of its own, named after it, in the folder `made` beside the weights or in that
    of -o; N and --label then count for each. Without, such a generator takes the examples that its run keeps. An .mp4
    needs the extra ganzoo-core[film].
    """
    from ganzoo_core.drawing.films import is_film

    stem = "grid" if grid else "best" if best else "samples"
    path = Path(output) if output else default_output(Path(source), seed, stem)
    if is_film(path):
        _animate(source, path)
        print_path(path)
        return
    if grid:
        _check_grid(grid[0], dict(pairs), inputs)
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_core.sampling.sample_files import is_picture
    from ganzoo_core.sampling.samples import default_count

    generator = load(source, texts=dict(pairs), best=best)
    if inputs:
        _translate(generator, source, inputs, texts, labels, seed, count or 1, output)
        return
    if grid:
        asked = {"labels": labels or None, "seed": seed, "text": list(texts) or None}
        _show_grid(generator, grid, count, dict(pairs), asked, path)
        return
    text = [one for one in texts for _ in range(max(1, (count or 8 * len(texts)) // len(texts)))] or None
    with samples_progress() as progress:
        generator.save_samples(output or path, count, labels=labels or None, seed=seed, text=text, progress=progress)
    if on_terminal():
        shown = None if count is None else min(count, _MOST_DRAWN)
        draw(generator.sample(shown, labels=labels or None, seed=seed, text=text))
    spec = generator.spec
    if is_picture(output or path) and count is None and not labels and generator.variant.conditional:
        shown = default_count(spec, True)
        if shown < spec.num_classes and spec.has_pixels:
            note(f"the picture shows the first {shown} of {spec.num_classes} classes; --label NAME shows any other")
    print_path(path)


def _check_grid(name: str, others: dict[str, str], inputs: Sequence[str]) -> None:
    if name in others:
        raise click.UsageError(f"--grid and --set both say what {name} is; leave it out of --set")
    if inputs:
        raise click.UsageError("--grid shows samples beside each other; leave out --input")


def _show_grid(
    generator: TrainedGenerator,
    grid: tuple[str, str],
    count: int | None,
    others: dict[str, str],
    asked: dict[str, Any],
    path: Path,
) -> None:
    """Write the same samples under each value of an option, and print where."""
    from ganzoo_core.sampling.grids import check_grid_file, sampling_grid

    check_grid_file(path)
    name, text = grid
    found = sampling_grid(
        generator, name, [one for one in text.split(",") if one.strip()], count, others=others, **asked
    )
    found.save(path)
    if on_terminal():
        draw(found)
    print_path(path)


def _translate(
    generator: TrainedGenerator,
    source: str,
    inputs: Sequence[str],
    texts: Sequence[str],
    labels: Sequence[str],
    seed: int,
    count: int,
    output: str | None,
) -> None:
    """Write what the generator makes of each picture, and print where: the file of one, the folder of many."""
    from ganzoo_core.drawing.pictures import image_of, png_bytes
    from ganzoo_core.sampling.sample_files import is_folder
    from ganzoo_core.sampling.translate import find_pictures, image_input, translated

    if len(texts) > 1:
        raise click.UsageError("with --input give one --text at most")
    image_input(generator)
    pictures = find_pictures([Path(os.path.expanduser(path)) for path in inputs])
    many = len(pictures) * max(1, len(labels) or generator.spec.num_classes * generator.variant.conditional) * count > 1
    if output is not None and not is_folder(output) and (many or Path(output).suffix.lower() != ".png"):
        raise click.UsageError(f"several pictures, or other than PNG, go into a folder: -o {shell_word(output + '/')}")
    named = Path(os.path.expanduser(source))
    home = (named if os.path.isdir(named) else named.parent if os.path.exists(named) else Path()) / "made"
    folder = home if output is None else Path(output)
    last = folder
    with samples_progress() as progress:
        made = translated(generator, pictures, labels=labels or None, text=(*texts, None)[0], seed=seed, n=count)
        for number, one in enumerate(made, start=1):
            last = Path(output) if output is not None and not is_folder(output) else folder / f"{one.name}.png"
            _make_folders(last.parent, home if output is None else None)
            write_atomically(last if output is None else behind_link(last), png_bytes(image_of(one.samples.values[0])))
            if progress is not None:
                progress(number, max(number, len(pictures)))
            if on_terminal() and not many:
                draw(one.samples)
    print_path(folder if many else last)


def _make_folders(folder: Path, home: Path | None) -> None:
    """Make a folder, with those it lies in; below `home`, which may be a stranger's run, not through a link."""
    with as_file_error(folder):
        for one in (*reversed(folder.parents), folder):
            if home is not None and one.is_relative_to(home):
                own_folder(one)
        folder.mkdir(parents=True, exist_ok=True)


def _animate(source: str, output: Path) -> None:
    """Write the snapshots of a run as a film. Their latents and labels were fixed when it started."""
    from ganzoo_core.drawing.films import check_film, film_bytes
    from ganzoo_core.drawing.gifs import snapshot_frames

    context, kind = click.get_current_context(), output.suffix.lower()
    given = ("count", "labels", "seed", "pairs", "best", "grid")
    if any(context.get_parameter_source(name) == ParameterSource.COMMANDLINE for name in given):
        raise click.UsageError(
            f"a {kind} shows the snapshots of a run as they are; leave out -n, --label, --seed, --best, --set and "
            f"--grid"
        )
    check_film(output)
    folder = Path(os.path.expanduser(source))
    if not os.path.isdir(folder):
        raise FileError(
            f"a {kind} shows the snapshots of a run, so SOURCE must be a run folder, but is {source}; "
            f"give a .png or .npz, or let `ganzoo explore` make a {kind}"
        )
    snapshots = RunFolder.open(folder).snapshots()
    if not snapshots:
        raise FileError(
            f"{folder} has no snapshots in samples/ to show; train it: ganzoo run --resume {shell_word(folder)}"
        )
    write_atomically(behind_link(output), film_bytes(snapshot_frames(snapshots), output))
