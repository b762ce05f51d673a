"""How commands print. Text from plugins and files is printed literally: never as markup or terminal codes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from ganzoo_core.storage.files import as_file_error
from ganzoo_core.storage.names import one_line, visible, visible_lines

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.console import Console, RenderableType


_GAP = 2
_PROSE_WIDTH = 14  # a column narrower than this is no pleasure to read


def new_console(*, stderr: bool = False) -> Console:
    """A rich console that interprets nothing in the text it is given."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_json(value: Any) -> None:
    """Print a result as JSON."""
    click.echo(json.dumps(value, indent=2))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a result as a table that is never cut: the last column wraps, or moves below if there is no room.

    Whole numbers are grouped and right-aligned; True and False are yes and no, None is a dash.
    """
    from rich.cells import cell_len

    rows = list(rows)
    columns = [[header, *(_cell(row[i]) for row in rows)] for i, header in enumerate(headers)]
    widths = [max(map(cell_len, column)) for column in columns]
    console = new_console()
    fixed = sum(widths[:-1]) + _GAP * (len(headers) - 1)
    if console.width - fixed < min(widths[-1], _PROSE_WIDTH) and len(headers) > 2:
        print_table(headers[:-1], [row[:-1] for row in rows])
        click.echo()
        print_table((headers[0], headers[-1]), [(row[0], row[-1]) for row in rows])
        return
    numeric = [bool(rows) and all(type(row[i]) is int for row in rows) for i in range(len(headers))]
    room = max(console.width - fixed, _PROSE_WIDTH)
    if widths[-1] <= room and not console.is_terminal:
        click.echo("\n".join(_plain_lines(columns, widths, numeric)))  # a table of rich's takes longer to import
        return
    _rich_table(console, columns, [*widths[:-1], min(widths[-1], room)], numeric)


def _plain_lines(columns: list[list[str]], widths: list[int], numeric: list[bool]) -> Iterator[str]:
    from rich.cells import cell_len

    for line in zip(*columns, strict=True):
        blanks = [" " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)]
        cells = zip(line, blanks, numeric, strict=True)
        yield (" " * _GAP).join(blank + cell if to_right else cell + blank for cell, blank, to_right in cells)


def _rich_table(console: Console, columns: list[list[str]], widths: list[int], numeric: list[bool]) -> None:
    """Print columns, a header first in each, with the header in bold; what is too wide for its column is folded."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=False)
    for width, to_right in zip(widths, numeric, strict=True):
        table.add_column(justify="right" if to_right else "left", width=width, overflow="fold")
    header, *lines = zip(*columns, strict=True)
    table.add_row(*(Text(cell, "bold") for cell in header))
    for line in lines:
        table.add_row(*map(Text, line))
    console.print(table, width=max(console.width, sum(widths) + _GAP * (len(widths) - 1)), crop=False)


def print_line(bold: str, rest: str = "") -> None:
    """Print a line of a result, the first part of it in bold."""
    from rich.text import Text

    new_console().print(Text(one_line(bold), "bold") + Text(f" {one_line(rest)}" if rest else "", "not bold"))


def shape_text(shape: Iterable[int]) -> str:
    """A sample's shape as people write it, 1x28x28; one number has none."""
    return "x".join(str(size) for size in shape) or "number"


def print_path(path: Path) -> None:
    """Print the path of a result: unchanged for a program that reads it, harmless on a terminal."""
    click.echo(visible(path) if is_interactive() else os.fsencode(path))


def note(message: str = "") -> None:
    """Print a message to stderr, as it is no result. Nothing in it controls the terminal except line breaks.

    A full disk or a reader that left must not end a run.
    """
    # The stream by name: click's own way to stderr goes past a live panel, which would then be drawn over the message.
    with contextlib.suppress(OSError):
        click.echo(visible_lines(message), file=sys.stderr)


@contextlib.contextmanager
def log_noted() -> Iterator[None]:
    """Show the core's log as messages: warnings, and notes on slow work."""
    logger, handler = logging.getLogger("ganzoo"), _Notes()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        note(one_line(record.getMessage()))


def is_interactive() -> bool:
    """Whether somebody reads the results; a script wants its files."""
    return sys.stdout.isatty()


def on_terminal() -> bool:
    """Whether messages go to a terminal, where they may move and have colours."""
    return sys.stderr.isatty()


def can_move() -> bool:
    """Whether output on the terminal may be redrawn in place."""
    return on_terminal() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


class Drawable(Protocol):
    """What can be drawn on a terminal: samples, and whatever is made of them."""

    def picture(self) -> Image:
        """All of it as one picture."""

    def terminal(self, width: int) -> RenderableType:
        """In half-block characters, at most `width` of them wide."""


def draw(samples: Drawable) -> None:
    """Draw samples as a message: in real pixels where the terminal has them, else in half-block characters."""
    from ganzoo_core.display import pixels

    console = new_console(stderr=True)
    if pixels.protocol(console) is None:
        console.print(samples.terminal(console.width))
    else:
        picture = samples.picture()
        console.print(pixels.pixel_picture(picture, pixels.columns(picture, console.width)))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else one_line(value)


def default_output(source: Path, seed: int, stem: str = "samples", suffix: str = ".png") -> Path:
    """Where samples are saved by default: in the run folder, or in the working directory for a lone file of weights.

    A link of that name is deleted, as nobody asked to write where it points to, and the run may be a stranger's.
    """
    named = Path(os.path.expanduser(source))
    folder = named if os.path.isdir(named) else Path()  # an address is longer than a name may be
    path = folder / f"{stem}-seed{seed}{suffix}"
    if path.is_symlink():
        with as_file_error(path):
            path.unlink()
    return path
