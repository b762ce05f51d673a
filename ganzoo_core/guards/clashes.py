"""What becomes of a name that several plugins claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def settle_clashes(plugins: Sequence[Any], what: str, offers: Callable[[Any], dict[str, Any]]) -> None:
    """Leave each name to one plugin, or to none; who loses it says so in `error`, unless it is the user who took it.

    Entry points of one package that reach the same thing are no clash: one of them keeps it.
    """
    claims: dict[str, list[Any]] = {}
    for plugin in plugins:
        for name in offers(plugin):
            claims.setdefault(name, []).append(plugin)
    for name, owners in claims.items():
        if len(owners) > 1:
            _settle(name, owners, what, offers)


def _settle(name: str, owners: list[Any], what: str, offers: Callable[[Any], dict[str, Any]]) -> None:
    first = _first(name, owners)
    is_same = len({(owner.package, id(offers(owner)[name])) for owner in owners}) == 1
    keeper = owners[0] if is_same and first is None else first
    text = f"the {what} {name!r} is claimed by {' and by '.join(o.source for o in owners)}; uninstall one of them"
    for owner in owners:
        if owner is keeper:
            continue
        del offers(owner)[name]
        if not is_same and not (keeper is not None and keeper.is_own):
            owner.clashes[what, name] = text
            owner.error = "; ".join(owner.clashes.values())


def _first(name: str, owners: list[Any]) -> Any:
    """Whose the name is: the user's own, the core's, or that of the one whose entry point has it; None if several."""
    for found in (
        [owner for owner in owners if owner.is_own],
        [owner for owner in owners if owner.is_core],
        [owner for owner in owners if owner.name == name],
    ):
        if found:
            return found[0] if len(found) == 1 else None
    return None
