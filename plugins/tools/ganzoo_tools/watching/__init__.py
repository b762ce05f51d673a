"""`ganzoo run --watch`: a page that shows a run while it trains, and can pause it. Importing this imports no torch."""

from __future__ import annotations

from ganzoo_core import Callback, hookimpl

GANZOO_API = 2


@hookimpl
def ganzoo_watchers() -> list[Callback]:
    """The page, for one run."""
    from ganzoo_tools.watching.watch import Watch

    return [Watch()]
