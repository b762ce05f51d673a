"""What `ganzoo` by itself says: the commands of a first evening."""

from __future__ import annotations

from ganzoo_core.cli.output import print_table
from ganzoo_core.registry import registry
from ganzoo_core.storage.names import shell_word


def first_variant() -> str:
    """The variant to begin with: the oldest that can be asked for a class, else the oldest; NAME without any."""
    found = [cls for cls, _ in registry().variants().values() if "images" in cls.kinds]
    return min(found, key=lambda cls: (not cls.conditional, cls.year, cls.name)).name if found else "NAME"


def first_evening() -> list[tuple[str, str]]:
    """Five commands, each with what it gives; those of plugins where they are installed."""
    name = first_variant()
    run = f"runs/{name}-digits-1"
    steps = [
        (f"ganzoo run {shell_word(name)}", "watch it learn to draw digits"),
        (f"ganzoo sample {shell_word(run)}", "new digits, as a picture"),
        (f"ganzoo report {shell_word(run)}", "the run on one page"),
    ]
    of_plugins = {
        "explore": (f"ganzoo explore {shell_word(run)}", "sliders for what it has learned"),
        "compare": ("ganzoo compare --variants all --minutes 1", "which one is best?"),
    }
    return [*steps, *(step for command, step in of_plugins.items() if command in registry().commands())]


def show_first_evening() -> None:
    """Print them, and where to look for more."""
    more = [
        ("ganzoo list", "every variant of the zoo"),
        ("ganzoo doctor", "is this machine ready?"),
        ("ganzoo --help", "every command"),
    ]
    print_table(("a first evening", ""), [*first_evening(), ("", ""), *more])
