"""`ganzoo explore`: a page to walk through latents; or coordinates, interpolations and labels as a picture."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TypeVar

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath, sampling_option
from ganzoo_core.cli.output import default_output, draw, is_interactive, note, on_terminal, print_path
from ganzoo_core.errors import SettingError, shorten
from ganzoo_core.hookspecs import hookimpl

Number = TypeVar("Number", int, float)


GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo explore`."""
    cli.add_command(command)


@click.command("explore")
@click.argument("source", shell_complete=complete.sources)
@click.option(
    "--positions", metavar="N,N,...",
    help="Coordinates of the latent to move, counted from 0; by default the five that change the sample most.",
)  # fmt: skip
@click.option(
    "--values",
    metavar="X,X,...",
    help="The values to set them to, such as --values=-2,1,4; by default -4,-2,0,2,4, or five over the range that the "
    "generator states.",
)
@click.option(
    "--interpolate", "steps", type=click.IntRange(2, 1000), metavar="N",
    help="N steps from the latent of this seed to that of the next.",
)  # fmt: skip
@click.option(
    "--loop", "seeds", type=click.IntRange(2, 1000), metavar="N",
    help="A closed way through the latents of N seeds, from this one on: a film, with --labels under every label.",
)  # fmt: skip
@click.option(
    "--frames",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Steps of --loop from one seed to the next.  [default: 30]",
)
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Latents of each seed that --loop shows.  [default: 1]",
)
@click.option(
    "--fps", type=click.IntRange(1, 50), metavar="N",
    help="Pictures a second of a film: 25 by default for --loop; the others take some seconds and hold the last one.",
)  # fmt: skip
@click.option(
    "--spherical/--straight", default=None,
    help="The path of --interpolate and --loop: along the arc (default), or straight.",
)  # fmt: skip
@click.option("--labels", "all_labels", is_flag=True, help="The latent under every label.")
@click.option("--label", metavar="NAME_OR_INDEX", help="The class to show; the first by default.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
    help="Use the latent of the first sample of this seed.",
)  # fmt: skip
@click.option(
    "--latent", "start", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE.json",
    help="Begin with the latent in a file, of `ganzoo project` or of the page, in place of that of the seed.",
)  # fmt: skip
@click.option(
    "-o", "output", type=UserPath(dir_okay=False, path_type=Path), metavar="FILE",
    help="A picture (.png), a film (.gif, .mp4) or arrays (.npz); by default explore-seed<N>.png or the like, and "
    "loop-seed<N>.gif, in the run folder where SOURCE is one.",
)  # fmt: skip
@click.option(
    "--browser/--no-browser", default=None, help="Serve the page, even in a pipe, and open it in a browser or not."
)
@sampling_option
def command(
    source: str,
    positions: str | None,
    values: str | None,
    steps: int | None,
    seeds: int | None,
    frames: int | None,
    count: int | None,
    fps: int | None,
    spherical: bool | None,
    all_labels: bool,
    label: str | None,
    seed: int,
    start: Path | None,
    output: Path | None,
    browser: bool | None,
    pairs: tuple[tuple[str, str], ...],
) -> None:
    """Show the latent space of a trained generator.

    SOURCE is a run folder, a generator.safetensors, a variant that ships trained weights, or what is
    fetched: https://HOST/PATH#sha256=HEX, or hf:OWNER/REPO@COMMIT[:FILE] on Hugging Face.

    On a terminal, with no options but --label, --seed, --latent and --set, a page to walk through the latents opens in
    the browser. Its address is printed on stdout; it works on this machine only, until Ctrl-C.

    Otherwise a file is written, and its path printed on stdout: a row per position, a column per value, with the
    unchanged sample beside them; or the result of --interpolate, --loop or --labels. An .mp4 needs the extra
    ganzoo-core[film].
    """
    moves = positions is not None or values is not None
    _check_usage(moves, steps is not None, all_labels, seeds is not None, spherical, label)
    _check_film_usage(seeds is not None, all_labels, frames, count, fps, output)
    asks_for_file = moves or steps is not None or seeds is not None or all_labels or output is not None
    if browser is not None and asks_for_file:
        raise click.UsageError(
            "--browser and --no-browser serve a page; leave them out for a file, or leave out "
            "--positions, --values, --interpolate, --loop, --labels and -o"
        )
    if browser is not None or (not asks_for_file and is_interactive()):
        _serve(source, label, seed, dict(pairs), start, opens=browser is not False)
        return
    asked_positions, asked_values = _numbers("positions", positions, int), _numbers("values", values, float)
    from ganzoo_core.drawing.films import check_film
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_tools.exploration import walks
    from ganzoo_tools.exploration.latents import read_latent

    check_film(output or "")
    generator = load(source, texts=dict(pairs))
    z = None if start is None else read_latent(start, generator)
    on_arc = spherical is not False
    if seeds is not None:
        name = "loop"
        found = walks.loop(
            generator, seeds, frames or 30, n=count or 1, spherical=on_arc, label=label, all_labels=all_labels,
            seed=seed, start=z,
        )  # fmt: skip
    elif steps is not None:
        name = "interpolation"
        found = walks.interpolation(generator, steps, spherical=on_arc, label=label, seed=seed, start=z)
    elif all_labels:
        name = "labels"
        found = walks.across_labels(generator, seed=seed, start=z)
    else:
        name = "explore"
        found = walks.coordinates(generator, asked_positions, asked_values, label=label, seed=seed, start=z)
    path = output or default_output(Path(source), seed, name, ".gif" if found.is_closed else ".png")
    found.save(path, fps)
    if on_terminal():
        draw(found)
    print_path(path)


def _serve(
    source: str, label: str | None, seed: int, texts: dict[str, str], start: Path | None, *, opens: bool
) -> None:
    """Serve the page until Ctrl-C."""
    from ganzoo_core.sampling.generator_file import load
    from ganzoo_tools.exploration.latents import Explorer, read_latent
    from ganzoo_tools.exploration.server import ExploreServer
    from ganzoo_tools.serving.door import door, open_browser

    try:
        generator = load(source, texts=texts)
        explorer = Explorer(generator, None if start is None else (seed, read_latent(start, generator)))
        index = explorer.parse_query({} if label is None else {"label": label}).label
        with ExploreServer(explorer, seed=seed, label=index) as server, contextlib.ExitStack() as stack:
            click.echo(server.url)
            note("Ctrl-C ends it.")
            if opens:
                server.door = stack.enter_context(door(server.url))
                open_browser(server.door)
            server.serve_forever()
    except KeyboardInterrupt:
        note()  # the terminal has shown ^C


def _check_usage(
    moves: bool, interpolates: bool, all_labels: bool, loops: bool, spherical: bool | None, label: str | None
) -> None:
    if moves + interpolates + (all_labels or loops) > 1:
        raise click.UsageError(
            "--positions with --values, --interpolate, --loop and --labels exclude each other, but for --loop --labels"
        )
    if spherical is not None and not (interpolates or loops):
        raise click.UsageError("--spherical and --straight are ways of --interpolate N and --loop N")
    if label is not None and all_labels:
        raise click.UsageError("--labels shows every label; leave out --label")


def _check_film_usage(
    loops: bool, all_labels: bool, frames: int | None, count: int | None, fps: int | None, output: Path | None
) -> None:
    if not loops and (frames is not None or count is not None):
        raise click.UsageError("--frames and -n are of --loop N")
    if all_labels and count is not None:
        raise click.UsageError("--labels shows one latent under every label; leave out -n")
    moves = loops if output is None else output.suffix.lower() in (".gif", ".mp4")
    if fps is not None and not moves:
        raise click.UsageError("--fps is the speed of a film: give -o FILE.gif or -o FILE.mp4")


def _numbers(name: str, text: str | None, kind: type[Number]) -> list[Number] | None:
    """The numbers in a text with commas between them. Raises `SettingError` for what is none."""
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        what, example = ("whole numbers", "18,28,54") if kind is int else ("numbers", "-2,1,4")
        raise SettingError(
            f"{name} must be {what} with commas between them, such as {example}, but is {shorten(repr(text))}"
        ) from None
