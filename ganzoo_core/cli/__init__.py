"""The command `ganzoo`: one module per command, imported on first use."""

from __future__ import annotations

from ganzoo_core.cli.group import main

__all__ = ["main"]
