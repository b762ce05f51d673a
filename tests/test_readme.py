"""The README begins with two commands, and .ci/run is one of them; CONTRIBUTING.md names what is there.

What both show is tested in test_docs.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from ganzoo_core.hookspecs import VERSION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BASH = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)


def test_two_commands_come_first_and_make_their_own_environment():
    install, test = BASH[:2]
    assert README.index(install) < README.index(test) < README.index("## ")
    assert install.startswith("python3 -m venv ") and install.strip().endswith("ganzoo run cgan")
    assert test.startswith("python3 -m venv ") and "pytest" in test


def test_the_requirements_are_all_projects_here():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    projects = sorted(path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("plugins/*/pyproject.toml"))
    assert [line for line in lines if not line.startswith("#")] == [".", *(f"./{project}" for project in projects)]


def test_what_the_readme_shows_is_there_and_small():
    shown = set(re.findall(r"docs/img/[\w./-]+", README))
    sizes = {path: (ROOT / path).stat().st_size for path in shown}
    assert len(shown) >= 5 and sum(sizes.values()) < 3e6, sizes


def test_the_version_is_the_same_everywhere():
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {VERSION}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_ci_runs_the_test_command_word_for_word():
    script = (ROOT / ".ci" / "run").read_text()
    pattern = re.search(r'grep -m 1 -F "(.*?)" README.md', script).group(1)
    assert next(line for line in README.splitlines() if pattern in line) == BASH[1].strip()


def test_what_a_contributor_is_sent_to_is_there():
    named = set(re.findall(r"(?<![\w-])(?:\.ci|docs|plugins|tests|ganzoo_core)/[\w./-]*\w", CONTRIBUTING))
    there = {path for path in named if "ragan" not in path}  # which is made in the example
    assert len(there) >= 10 and not [path for path in there if not (ROOT / path).exists()]
    (heading,) = re.findall(r'`docs/architecture.md`, under "(.*?)"', CONTRIBUTING)
    assert f"\n## {heading}\n" in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
