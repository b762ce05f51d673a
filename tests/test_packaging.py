"""No package asks for `ganzoo`, a name that is somebody else's on PyPI: ours are `ganzoo-core` and `ganzoo-NAME`."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ganzoo_core import __version__
from ganzoo_core.cli import main
from ganzoo_core.hookspecs import CORE_PACKAGE

ROOT = Path(__file__).parent.parent
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("*/*/pyproject.toml"))]
FOLDERS = ("ganzoo_core", "plugins", "examples", "docs", "benchmarks")
SUFFIXES = {".md", ".py", ".txt", ".toml", ".html", ".js", ".yml"}
BARE = re.compile(r"pip install(?:\s+|[^\n&;|#`)]*[ \"'])[\"']?ganzoo(?![\w-])|[\"']ganzoo\s*[\[<>=~!]")
EXTRA = re.compile(r"\b(ganzoo-[\w-]+)\[(\w+)\]")


def project(path: Path) -> dict:
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def requirements(path: Path) -> set[str]:
    """The names of all packages that a project may ask for."""
    stated = project(path)
    asked = chain(stated["dependencies"], *stated.get("optional-dependencies", {}).values())
    return {canonicalize_name(Requirement(text).name) for text in asked}


def texts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in SUFFIXES)


SHIPPED = [
    *sorted(ROOT.glob("*.md")),
    *PROJECTS[:1],
    ROOT / ".ci" / "run",
    *(path for name in FOLDERS for path in texts(ROOT / name) if path.relative_to(ROOT).parts[2:3] != ("tests",)),
]


@pytest.fixture(params=[[], ["--from", "toy"]], ids=["fresh", "derived"])
def made(request: pytest.FixtureRequest, in_tmp: Path) -> Path:
    """What `ganzoo new` makes."""
    result = CliRunner().invoke(main, ["new", "My GAN", *request.param])
    assert result.exit_code == 0, result.output
    return in_tmp / result.stdout.strip()


def test_the_core_is_installed_under_its_name():
    assert project(ROOT / "pyproject.toml")["name"] == CORE_PACKAGE == "ganzoo-core"
    assert metadata.version(CORE_PACKAGE) == project(ROOT / "pyproject.toml")["version"] == __version__


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_project_depends_on_no_stranger_of_our_name(path: Path):
    assert "ganzoo" not in requirements(path)
    assert path == PROJECTS[0] or CORE_PACKAGE in requirements(path)


def test_a_new_package_depends_on_no_stranger_of_our_name(made: Path):
    assert {"ganzoo", CORE_PACKAGE} & requirements(made / "pyproject.toml") == {CORE_PACKAGE}
    assert not [path for path in texts(made) if BARE.search(path.read_text(encoding="utf-8"))]


def test_nobody_is_told_to_install_a_stranger():
    assert len(SHIPPED) > 100 and not [path for path in SHIPPED if BARE.search(path.read_text(encoding="utf-8"))]


def test_each_extra_that_is_named_is_there():
    extras = {project(path)["name"]: project(path).get("optional-dependencies", {}) for path in PROJECTS}
    named = {found for path in SHIPPED for found in EXTRA.findall(path.read_text(encoding="utf-8"))}
    assert named and not {(name, extra) for name, extra in named if extra not in extras.get(name, {})}


@pytest.mark.parametrize(
    "text",
    ["pip install ganzoo", "`pip install ganzoo`", "pip install 'ganzoo[onnx]'", 'pip install "ganzoo"',
     "pip install\nganzoo", "pip install -U ganzoo.", "pip install build ganzoo", 'dependencies = ["ganzoo>=0.1"]',
     "'ganzoo ~= 1'"],
)  # fmt: skip
def test_the_search_for_the_stranger_finds_it(text: str):
    assert BARE.search(text)


@pytest.mark.parametrize(
    "text",
    ["pip install ganzoo-core", "pip install ganzoo_toy", "pip install . && ganzoo run cgan",
     "pip install build\nganzoo list", "$ pip install -e .\n$ ganzoo list", "`pip install x`, then `ganzoo list`",
     '"ganzoo": __version__'],
)  # fmt: skip
def test_the_search_for_the_stranger_leaves_others_alone(text: str):
    assert not BARE.search(text)
