"""`ganzoo report`: a run on one page, to open in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from ganzoo_core.cli import complete
from ganzoo_core.cli.options import UserPath
from ganzoo_core.cli.output import is_interactive, print_path


@click.command("report")
@click.argument("run", type=UserPath(path_type=Path), shell_complete=complete.runs)
@click.option("--live", is_flag=True, help="Open the page of a run that trains now, started with --watch.")
def command(run: Path, live: bool) -> None:
    """Rewrite the report of a run: one file that needs no network or server.

    RUN is a run folder, finished or not. The path of the page is printed on stdout.
    """
    if live:
        _open_live(run)
        return
    from ganzoo_core.report.run_page import write_report

    click.echo(write_report(run))


def _open_live(run: Path) -> None:
    """Open the page of a run that lives, on a terminal; print the path of the file that leads there."""
    from ganzoo_core.runs.run_folder import RunFolder

    page = RunFolder.open(run).live_page()
    print_path(page)
    if is_interactive():
        webbrowser.open(page.resolve().as_uri())
