"""`ganzoo advise`: which GAN for this data."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli.options import data_dir_option, json_option, set_option
from ganzoo_core.cli.output import print_json, print_line, print_table
from ganzoo_core.drawing.words import number
from ganzoo_core.hookspecs import hookimpl

GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo advise`."""
    cli.add_command(command)


@click.command("advise")
@click.argument("data")
@click.option("--minutes", type=float, default=15, show_default=True, metavar="N", help="How long you want to train.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="Where to train.")
@data_dir_option
@set_option
@json_option
def command(
    data: str, minutes: float, device: str, data_dir: Path | None, pairs: tuple[tuple[str, str], ...], as_json: bool
) -> None:
    """Say which GAN to train on DATA, and the command for it.

    DATA is a name that `ganzoo list` shows, or folder:PATH and the like. The variant is the one with the least FID on
    the leaderboard's data set that is most like it, in the time you have; a few of its steps are timed, and where they
    are slower here than there, it counts as less time.
    """
    from ganzoo_tools.advice.advise import advise

    found = advise(data, minutes=minutes, device=device, data_dir=data_dir, options=dict(pairs))
    if as_json:
        print_json(found.to_dict())
        return
    for what, why in found.reasons.items():
        value = (
            found.variant
            if what == "variant"
            else found.settings.get({"size": "image_size", "batch": "batch_size"}.get(what, what), "")
        )
        print_line(f"{what}:", f"{value} - {why}" if value else why)
    if found.measured[1:]:
        click.echo()
        rows = [(one.variant, number(one.fid), f"{one.seconds:g}", one.seeds) for one in found.measured]
        print_table(("measured", "FID", "after s", "seeds"), rows)
    click.echo()
    click.echo(found.command)
