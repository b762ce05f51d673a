"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ganzoo_core.cli import complete


class KeyValue(click.ParamType):
    """`KEY=VALUE`, split at the first `=`."""

    name = "KEY=VALUE"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The pair (key, text of the value)."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not (key.strip() and equals):
            self.fail(f"it must be KEY=VALUE, such as batch_size=128, but is {value!r}", param, ctx)
        return key.strip().replace("-", "_"), text.strip()


class UserPath(click.Path):
    """A path in which `~` is the user's home, also where no shell has put it in: within quotes, or after `=`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What `click.Path` makes of it."""
        return super().convert(os.path.expanduser(value), param, ctx)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

set_option = click.option(
    "--set", "pairs", type=KeyValue(), multiple=True, metavar="KEY=VALUE",
    help="Set a hyperparameter or an option of the data; can be repeated.",
)  # fmt: skip

sampling_option = click.option(
    "--set", "pairs", type=KeyValue(), multiple=True, metavar="KEY=VALUE",
    help="Set an option of sampling, such as a truncation, where the variant has any (`ganzoo show`); can be repeated.",
)  # fmt: skip

data_option = click.option(
    "--data",
    metavar="NAME",
    shell_complete=complete.data_sets,
    help="A data set of `ganzoo data`, or folder:PATH for your own images.",
)

data_dir_option = click.option(
    "--data-dir", type=UserPath(file_okay=False, path_type=Path), metavar="DIR",
    help="Where data sets are stored; GANZOO_DATA sets it too.",
)  # fmt: skip
