"""The plugins that are known, installed or not: catalogue.toml beside this file. Needs no torch."""

from __future__ import annotations

import tomllib
from importlib import metadata, resources


def known_packages() -> dict[str, str]:
    """The variants of the catalogue whose packages are not installed, each with its package."""
    catalogue = resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8")
    plugins = [plugin for plugin in tomllib.loads(catalogue)["plugin"] if not _is_installed(plugin["package"])]
    return {variant: plugin["package"] for plugin in plugins for variant in plugin["variants"]}


def _is_installed(package: str) -> bool:
    try:
        metadata.distribution(package)
    except metadata.PackageNotFoundError:
        return False
    return True
