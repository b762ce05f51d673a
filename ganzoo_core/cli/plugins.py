"""`ganzoo plugins`: the installed plugins, what each offers, which are broken and why."""

from __future__ import annotations

from typing import Any

import click

from ganzoo_core.cli.options import json_option
from ganzoo_core.cli.output import note, print_json, print_table
from ganzoo_core.registry import Plugin, registry


@click.command("plugins")
@json_option
def command(as_json: bool) -> None:
    """List the installed plugins, what each offers, and which are broken."""
    plugins = [_describe(plugin) for plugin in registry().plugins()]
    if as_json:
        print_json({"plugins": plugins})
        return
    if not plugins:
        note("no plugins are installed")
        return
    print_table(
        ("plugin", "package", "offers"),
        [(p["name"], f"{p['package']} {p['version']}", _offers(p)) for p in plugins],
    )


def _describe(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "package": plugin.package,
        "version": plugin.version,
        "hooks": list(plugin.hooks),
        "variants": list(plugin.variants),
        "datasets": list(plugin.datasets),
        "commands": list(plugin.commands),
        "error": plugin.error,
    }


def _offers(plugin: dict[str, Any]) -> str:
    """What a plugin offers by name, or why it offers nothing; a hook with nothing to name is named itself."""
    if plugin["error"]:
        return f"broken: {plugin['error']}"
    named = {f"ganzoo_{kind}": plugin[kind] for kind in ("variants", "datasets", "commands")}
    parts = [
        f"{hook.removeprefix('ganzoo_')}: {', '.join(named[hook])}" if named.get(hook) else hook
        for hook in plugin["hooks"]
    ]
    return "; ".join(parts) or "nothing"
