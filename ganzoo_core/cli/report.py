"""`ganzoo report`: a run on one page, to read in a browser."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Write the report of a run again: one file, to be read without network or server.

    RUN is a run folder, finished or not. The path of the page is printed on stdout.
    """
    from ganzoo_core.report.run_page import write_report

    click.echo(write_report(Path(os.path.expanduser(run))))
