"""`python -m ganzoo_core` is `ganzoo`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # where the user stands: a random.py there is no part of ganzoo
    from ganzoo_core.cli import main

    main(prog_name="ganzoo")
