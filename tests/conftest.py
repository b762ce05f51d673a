"""What the tests share: the toy plugin on the path, as if installed, and a folder of real data where there is one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TOY_PLUGIN = Path(__file__).parent / "toy_plugin"
sys.path.insert(0, str(TOY_PLUGIN))  # importlib.metadata finds its entry point there
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests' networks are tiny: a second thread only waits


@pytest.fixture
def subprocess_env(tmp_path: Path) -> dict[str, str]:
    """An environment for `python -m ganzoo_core` that knows the toy plugin and no data folder of the user's."""
    paths = [str(TOY_PLUGIN), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(p for p in paths if p), "GANZOO_DATA": str(tmp_path / "data")}


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))
    return tmp_path
