"""The README begins with two commands, and .ci/run is one of them. What it shows is tested in test_docs.py."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def test_two_commands_come_first_and_make_their_own_environment():
    install, test = BASH[:2]
    assert README.index(install) < README.index(test) < README.index("## ")
    assert install.startswith("python3 -m venv ") and install.strip().endswith("ganzoo run cgan")
    assert test.startswith("python3 -m venv ") and "pytest" in test


def test_ci_runs_the_test_command_word_for_word():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r'grep -m 1 -F "(.*?)" README.md', script).group(1)
    assert next(line for line in README.splitlines() if pattern in line) == BASH[1].strip()
