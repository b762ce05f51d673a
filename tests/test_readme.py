"""What the README shows works, and .ci/run is what it says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_two_commands_come_first_and_make_their_own_environment():
    install, test = BASH[:2]
    assert README.index(install) < README.index(test) < README.index("## ")
    assert install.startswith("python3 -m venv ") and install.strip().endswith("ganzoo run cgan")
    assert test.startswith("python3 -m venv ") and "pytest" in test


def test_ci_runs_the_test_command_word_for_word():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r'grep -m 1 -F "(.*?)" README.md', script).group(1)
    assert next(line for line in README.splitlines() if pattern in line) == BASH[1].strip()


@pytest.mark.parametrize("code", PYTHON, ids=lambda code: code.strip().splitlines()[0])
def test_python_blocks_run(code, in_tmp):
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    if "sevens.png" in code:
        assert Path("sevens.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("line", re.findall(r"^\$ (ganzoo .*?)(?:  +#.*)?$", README, re.MULTILINE))
def test_console_lines_are_commands(line, subprocess_env, in_tmp):
    """Each parses: what fails, fails for the files it names, not for its usage."""
    result = subprocess.run(line.replace("ganzoo run", "ganzoo run --steps 1"), shell=True, capture_output=True,
                            text=True, env=subprocess_env | {"PATH": _path_with_ganzoo()}, check=False)  # fmt: skip
    assert result.returncode in (0, 1), result.stderr
    if result.returncode == 1:
        missing = r"holds no run|no run folder|could not be fetched|no folder can be read"
        assert re.search(missing, result.stderr), result.stderr


def _path_with_ganzoo() -> str:
    import os
    import sys

    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
