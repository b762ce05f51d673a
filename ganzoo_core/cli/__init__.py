"""The command `ganzoo`: one module a command, imported when the command is asked for."""

from __future__ import annotations

from ganzoo_core.cli.group import main

__all__ = ["main"]
