"""`ganzoo new`: a plugin package for a variant of your own."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli.options import UserPath
from ganzoo_core.cli.output import note
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.storage.names import shell_word
from ganzoo_tools.scaffold import LICENCES

GANZOO_API = 2


@hookimpl
def ganzoo_commands(cli: click.Group) -> None:
    """Add `ganzoo new`."""
    cli.add_command(command)


@click.command("new")
@click.argument("name")
@click.option(
    "--from", "base", metavar="VARIANT",
    help="Build on an installed variant: subclass it, with your own loss. Without it, networks and loss are new.",
)  # fmt: skip
@click.option("--author", metavar="NAME", help="The copyright holder; by default git's user.name.")
@click.option(
    "--license", "licence", type=click.Choice(LICENCES, case_sensitive=False), default="MIT", show_default=True,
    metavar="|".join(LICENCES), help="Which licence file to write.",
)  # fmt: skip
@click.option(
    "-o", "folder", type=UserPath(path_type=Path), metavar="DIR",
    help="The folder to make, which must not exist; by default ganzoo-NAME, here.",
)  # fmt: skip
def command(name: str, base: str | None, author: str | None, licence: str, folder: Path | None) -> None:
    """Make a plugin package for a variant of your own, ready to install, test and publish.

    NAME is its name: "My GAN" makes the variant my-gan in the package ganzoo-my-gan. It trains, passes `ganzoo check`
    and builds a wheel as generated; then put in your networks and your loss.

    The path of the new folder is printed on stdout.
    """
    from ganzoo_tools.scaffold.package import new_package

    made, names = new_package(
        name, base=base, author=_git_user() if author is None else author, licence=licence, folder=folder
    )
    click.echo(made)
    note(f"\nThe variant {names.variant} is the class {names.class_name} in {made / names.package}/__init__.py.")
    note("Install it, so that your edits count at once, and check it:\n")
    note(f"  pip install -e {_as_path(made)}\n  ganzoo check {names.variant}")


def _as_path(folder: Path) -> str:
    """A folder as pip takes it for one, and not for the name of a package."""
    return shell_word(folder if folder.is_absolute() else f"./{folder}")


def _git_user() -> str:
    """The name git signs commits with here, or nothing."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "config", "user.name"],
            check=False,
            timeout=5,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
