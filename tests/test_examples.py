"""The script that shows the Python API runs as it is; the example plugins are tested as wheels (test_wheels.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

SCRIPT = Path(__file__).parent.parent / "examples" / "explore_the_zoo.py"


@pytest.mark.long
def test_explore_the_zoo(in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "2"],
        env=subprocess_env | {"MPLBACKEND": "agg"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for name in ("vanilla", "cgan"):
        assert any(line.startswith(f"{name}: runs/{name}-digits-1, ") for line in lines)
        assert any(line.startswith(f"{name}: at step 2 D tells ") for line in lines)
        assert Image.open(in_tmp / "runs" / f"{name}-digits-1" / "forty.png").width > 8 * 28
    assert "sevens: images (8, 1, 28, 28), uint8, labels [7, 7, 7, 7, 7, 7, 7, 7]" in lines
    assert lines[-1] == "picture: runs/zoo.png" and Image.open(in_tmp / "runs" / "zoo.png").height > 400


def test_it_is_a_notebook_of_cells() -> None:
    assert SCRIPT.read_text(encoding="utf-8").count("\n# %% ") >= 6
