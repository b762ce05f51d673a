from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from ganzoo_runs import runs

import ganzoo_core as ganzoo


def test_it_lists_what_was_trained(tmp_path: Path) -> None:
    ganzoo.train("vanilla", data="ring8", steps=3, device="cpu", out=tmp_path / "a")
    (tmp_path / "no run").mkdir()
    result = CliRunner().invoke(runs, [str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (
        result.output.startswith(f"{tmp_path / 'a'}: vanilla on ring8, 3 of 3 steps, ")
        and result.output.count("\n") == 1
    )


def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(runs, [str(tmp_path / "none")])
    assert result.exit_code == 2 and "does not exist" in result.output
