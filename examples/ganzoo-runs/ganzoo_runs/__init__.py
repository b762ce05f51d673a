"""`ganzoo runs`: what lies in a folder of runs, newest last."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core import hookimpl

GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add the command."""
    cli.add_command(runs)


@click.command("runs")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default="runs")
def runs(folder: Path) -> None:
    """List the runs in FOLDER: variant, data, steps and seconds of training."""
    from ganzoo_core import Run

    for file in sorted(folder.glob("*/run.json"), key=lambda path: path.stat().st_mtime):
        run = Run(file.parent)
        done, info = max((record["step"] for record in run.records()), default=0), run.info
        where = f"{file.parent}: {info['variant']} on {info['data']['name']}"
        click.echo(f"{where}, {done} of {info['settings']['steps']} steps, {run.trained_seconds():.1f} s")
