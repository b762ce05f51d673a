"""The group of all commands: it finds them, and reports errors as one line."""

from __future__ import annotations

import atexit
import difflib
import gc
import importlib
import os
from typing import Any

import click

from ganzoo_core.cli.complete import python_files
from ganzoo_core.cli.first_steps import show_first_evening
from ganzoo_core.cli.output import log_noted
from ganzoo_core.cli.surroundings import check_working_folder, ended_by_signals, open_closed_streams
from ganzoo_core.cli.teach import installation, usage
from ganzoo_core.distributed.launch import report
from ganzoo_core.errors import GanzooError, Interrupted, UnknownNameError, out_of_memory, shorten
from ganzoo_core.guards.faults import Ended, stopped_by
from ganzoo_core.hookspecs import MOVED, VERSION
from ganzoo_core.registry import registry
from ganzoo_core.runs.own import named
from ganzoo_core.storage.names import one_line

# The module of each command has its name and holds it as `command`.
_COMMANDS = ("list", "show", "data", "run", "sample", "report", "check", "plugins", "doctor")
_LONGEST = 1000  # characters of a message of click, which quotes all that was typed


class Zoo(click.Group):
    """A click group that imports a command's module on first need, and shows no traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click does, with streams that all exist, and an end without a search for garbage: 0.2 s with PyTorch."""
        open_closed_streams()
        atexit.unregister(gc.freeze)  # once is enough
        atexit.register(gc.freeze)
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The core's commands in the order a newcomer meets them, then those of plugins."""
        return [*_COMMANDS, *(name for name in sorted(registry().commands()) if name not in _COMMANDS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in _COMMANDS:
            try:
                return registry().command(cmd_name)[0]
            except UnknownNameError:
                return None
        module = importlib.import_module(f"ganzoo_core.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an error for an unknown command lists the near ones."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"there is no command called {one_line(args[0])!r}; {self._hint(ctx, args[0])}")
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, name: str) -> str:
        """Where an unknown command may be found."""
        if name in MOVED:
            return f"it comes with a package of its own: pip install {MOVED[name]}"
        if name in registry().variants():
            return f"did you mean `ganzoo run {name}`?"
        known = self.list_commands(ctx)
        near = difflib.get_close_matches(name, {*known, *MOVED}, cutoff=0.5)
        return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, but keep the arguments, so that other processes can be started with the same."""
        ctx.meta["ganzoo.arguments"] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error in one of several processes is reported by their launcher."""
        try:
            check_working_folder()
            return self._invoke(ctx)
        except click.ClickException as error:
            report(error.message, error.__cause__)
            raise

    def _invoke(self, ctx: click.Context) -> Any:
        """Run the command; any error ends as one line on stderr and exit code 1."""
        try:
            with ended_by_signals(), log_noted():
                return super().invoke(ctx)
        except click.ClickException as error:
            # Click quotes what was typed, or what a shell's * found, and calls the attribute final.
            vars(error)["message"] = shorten(one_line(error.message), _LONGEST)
            if isinstance(error, click.UsageError) and (taught := usage(error)):
                raise click.UsageError(shorten(taught, _LONGEST), error.ctx) from error
            raise
        except (GanzooError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise  # click's own business
            raise click.ClickException(_stopped(error) or _said(error) or one_line(error)) from error
        except BaseException as error:
            shown = self._shown(ctx, error)
            if shown is error:
                raise
            raise shown from error

    def _shown(self, ctx: click.Context, error: BaseException) -> BaseException:
        """What to raise in place of an exception that is not ours: it names the plugin that it came from, if it did.

        A plugin may end its own command as it likes, and no other.
        """
        if isinstance(error, Exception) and (known := _stopped(error) or _said(error)):
            return click.ClickException(known)
        name = ctx.invoked_subcommand
        owner = None if name is None or name in _COMMANDS else registry().command(name)[1].source
        ends = isinstance(error, click.exceptions.Exit | click.Abort) or not isinstance(error, Exception)
        fault = registry().fault(error, owner if ends else None)
        if ends and fault is None:
            if not isinstance(error, KeyboardInterrupt):
                return error
            return click.ClickException(f"stopped by {error if isinstance(error, Ended) else 'Ctrl-C'}")
        if os.environ.get("GANZOO_TRACEBACK"):
            return error if fault is None or not ends else fault
        if fault is None:
            if lacking := installation(error):
                return click.ClickException(lacking)
            said = f"{type(error).__name__}: {one_line(error)}"
            return click.ClickException(
                f"{said}; this is a bug in ganzoo or in a plugin, and GANZOO_TRACEBACK=1 shows where"
            )
        return click.ClickException(f"{one_line(fault)}; GANZOO_TRACEBACK=1 shows the way there")


def _stopped(error: Exception) -> str | None:
    """That the user stopped the command, where that ended in another error, such as of a file closed too early."""
    by = None if isinstance(error, Interrupted) else stopped_by(error)
    return by and f"stopped by {by}"


def _said(error: Exception) -> str | None:
    """What to do where a command has used up the memory."""
    said = None if isinstance(error, GanzooError) else out_of_memory(error)
    return said and f"{said}; ask for fewer samples (-n) or smaller ones, or close other programs"


@click.group(cls=Zoo, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="ganzoo", message="%(prog)s %(version)s")
@click.option(
    "--with", "files", multiple=True, metavar="FILE.py[:CLASS]", shell_complete=python_files,
    help="Execute a file of yours, for a command on a run of its variant; repeatable.",
)  # fmt: skip
@click.pass_context
def main(ctx: click.Context, files: tuple[str, ...]) -> None:
    """A zoo of GANs: run them, compare them, publish your own as a plugin.

    Begin with `ganzoo run cgan`. Results go to stdout, progress and messages to stderr.
    """
    for file in files:
        if named(file) == file:
            raise click.UsageError(f"--with takes FILE.py or FILE.py:CLASS, but got {file!r}")
    if ctx.invoked_subcommand is None:
        show_first_evening()
