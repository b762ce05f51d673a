"""`ganzoo report`: a run on one page, to open in a browser."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath


@click.command("report")
@click.argument("run", type=UserPath(path_type=Path), shell_complete=complete.runs)
def command(run: Path) -> None:
    """Rewrite the report of a run: one file that needs no network or server.

    RUN is a run folder, finished or not. The path of the page is printed on stdout.
    """
    from ganzoo_core.report.run_page import write_report

    click.echo(write_report(run))
