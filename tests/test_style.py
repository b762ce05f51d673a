"""The house style, as far as tools can tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def mypy_for(system: str) -> list[str]:
    """What Python lacks on that system is an error."""
    return ["mypy", "--platform", system, "--cache-dir", f".mypy_cache/{system}"]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        pytest.param(["mypy"], marks=pytest.mark.long),
        pytest.param(mypy_for("win32"), marks=pytest.mark.slow),
        pytest.param(mypy_for("darwin"), marks=pytest.mark.slow),
    ],
)
def test_clean(command):
    result = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
