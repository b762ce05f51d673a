"""`python -m ganzoo_core` is `ganzoo`."""

from __future__ import annotations

from ganzoo_core.cli import main

if __name__ == "__main__":
    main(prog_name="ganzoo")
