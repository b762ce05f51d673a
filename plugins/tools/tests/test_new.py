"""`ganzoo new`: what it writes, what it refuses, and that what it makes works before anybody edits it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import astuple
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ganzoo_core.cli import main
from ganzoo_core.hookspecs import VERSION
from ganzoo_core.testing import RULES
from ganzoo_tools.scaffold import LICENCES
from ganzoo_tools.scaffold.package import Names

ROOT = Path(__file__).parents[3]
FRESH = {
    ".github/workflows/publish.yml", ".github/workflows/test.yml", ".gitignore", "LICENSE", "README.md",
    "ganzoo_my_gan/__init__.py", "ganzoo_my_gan/loss.py", "ganzoo_my_gan/networks.py", "ganzoo_my_gan/py.typed",
    "pyproject.toml", "tests/test_variant.py",
}  # fmt: skip


def new(*arguments: str, author: str | None = "Ann Onym") -> Result:
    by = [] if author is None else ["--author", author]
    return CliRunner().invoke(main, ["new", *arguments, *by])


def made(*arguments: str, author: str | None = "Ann Onym") -> Path:
    """The folder of a new package, which must be all that goes to stdout."""
    result = new(*arguments, author=author)
    assert result.exit_code == 0, result.stderr
    return Path(result.stdout.removesuffix("\n"))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("My GAN", ("My GAN", "my-gan", "MyGan", "ganzoo_my_gan", "ganzoo-my-gan")),
        ("lsgan", ("lsgan", "lsgan", "Lsgan", "ganzoo_lsgan", "ganzoo-lsgan")),
        ("ganzoo-lsgan", ("lsgan", "lsgan", "Lsgan", "ganzoo_lsgan", "ganzoo-lsgan")),
        ("  R3_gan--v2. ", ("R3_gan--v2.", "r3-gan-v2", "R3GanV2", "ganzoo_r3_gan_v2", "ganzoo-r3-gan-v2")),
        ("3dgan", ("3dgan", "3dgan", "Gan3dgan", "ganzoo_3dgan", "ganzoo-3dgan")),
        ("none", ("none", "none", "GanNone", "ganzoo_none", "ganzoo-none")),
    ],
)
def test_names_follow_from_one(text, names):
    assert astuple(Names.of(text)) == names


LETTERS = "the name must be made of the letters a to z, digits, spaces and any of . _ -, but is"
TAKEN = "is taken by the variant of ganzoo-toy 1.0; choose another"
AUTHOR = "the author must be one name, on one line and without commas, but is"
REFUSED = [
    ([""], "the name must hold a letter or a digit, but is ''"),
    ([" ._- "], "the name must hold a letter or a digit, but is ' ._- '"),
    (["ganzoo-"], "the name must hold a letter or a digit, but is 'ganzoo-'"),
    (["Kölner GAN"], f"{LETTERS} 'Kölner GAN'"),
    (["a/../b"], f"{LETTERS} 'a/../b'"),
    (["a$b"], f"{LETTERS} 'a$b'"),
    (["g" * 33], f"the name must have at most 32 characters, but '{'g' * 33}' has 33"),
    (["toy"], f"the name 'toy' {TAKEN}"),
    (["TOY conditional"], f"the name 'toy-conditional' {TAKEN}"),
    (["core"], "a package ganzoo_core is installed already; choose another name than 'core'"),
    (["x", "-o", "there"], "there is already there; name another folder with -o, or move it away"),
    (["x", "-o", "dangling"], "dangling is already there"),
    (["x", "-o", "note.txt"], "note.txt is already there"),
    (["x", "-o", "no/parent"], "could not write no/parent: No such file or directory; make the folder no first"),
    (["x", "--from", "tyo"], "there is no variant called 'tyo'; did you mean toy"),
    (["x", "--author", "Ann,Bob"], f"{AUTHOR} 'Ann,Bob'; give --author NAME"),
    (["x", "--author", "a\nb"], rf"{AUTHOR} 'a\nb'; give --author NAME"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[" ".join(arguments) for arguments, _ in REFUSED])
def test_refusals_are_one_sentence_and_leave_nothing(arguments, message, in_tmp):
    Path("there").mkdir()
    Path("dangling").symlink_to("nowhere")
    Path("note.txt").write_text("mine")
    result = new(*arguments, author=None)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert result.stderr.startswith(f"Error: {message}") and result.stderr.count("\n") == 1, result.stderr
    assert {path.name for path in in_tmp.iterdir()} == {"there", "dangling", "note.txt"}
    assert not any(Path("there").iterdir())


def test_the_name_of_a_broken_plugin_is_taken(plugin_site, in_tmp):
    plugin_site.install("ganzoo-sad", {"ganzoo_sad.py": "raise ValueError('oops')"})
    result = new("sad")
    assert result.exit_code == 1
    assert "the name 'sad' is taken (the variant 'sad' can't be used: ganzoo-sad 1.0: ValueError: oops)" in (
        result.stderr
    )


def test_a_class_without_an_address_is_no_base(plugin_site, in_tmp):
    source = (
        "from ganzoo_core import hookimpl\nfrom ganzoo_toy import Toy\nGANZOO_API = 1\n"
        "@hookimpl\ndef ganzoo_variants():\n    class Hidden(Toy):\n        name = 'hidden'\n    return [Hidden]\n"
    )
    plugin_site.install("ganzoo-hidden", {"ganzoo_hidden.py": source})
    result = new("mine", "--from", "hidden")
    assert result.exit_code == 1 and "leave out --from" in result.stderr
    assert "hidden can't be built on: its class can't be imported as ganzoo_hidden.ganzoo_variants" in result.stderr
    assert not Path("ganzoo-mine").exists()


def test_it_says_what_was_made_and_how_to_go_on(in_tmp):
    result = new("My GAN")
    assert result.stdout == "ganzoo-my-gan\n"
    assert "The variant my-gan is the class MyGan in ganzoo-my-gan/ganzoo_my_gan/__init__.py." in result.stderr
    assert result.stderr.endswith("  pip install -e ./ganzoo-my-gan\n  ganzoo check my-gan\n")
    assert new("My GAN", "-o", str(in_tmp / "a b")).stderr.count(f"pip install -e '{in_tmp}/a b'") == 1


def test_the_files_of_a_fresh_package(in_tmp):
    folder = made("My GAN")
    assert files(folder) == FRESH
    assert (folder.stat().st_mode & 0o777) == (made("other").parent / "ganzoo-other/tests").stat().st_mode & 0o777
    stated = project(folder)
    assert stated["name"] == "ganzoo-my-gan" and stated["description"] == "My GAN, a variant for ganzoo"
    assert stated["entry-points"] == {"ganzoo": {"my-gan": "ganzoo_my_gan"}}
    assert stated["dependencies"] == ["ganzoo-core>=0.1"] and VERSION.startswith("0.1.")
    assert (stated["authors"], stated["license"]) == ([{"name": "Ann Onym"}], "MIT")
    workflow = (folder / ".github/workflows/test.yml").read_text()
    assert "python-version: ${{ matrix.python }}" in workflow and "- run: ganzoo check my-gan" in workflow
    assert "class TestMyGan(VariantSuite):\n    variant = " in (folder / "tests/test_variant.py").read_text()


def test_a_tag_builds_checks_and_publishes(in_tmp):
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((made("My GAN") / ".github/workflows/publish.yml").read_text())
    assert workflow[True] == {"push": {"tags": ["v*"]}}, "YAML takes `on` for true"
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    runs = [step["run"] for step in build["steps"] if "run" in step]
    assert runs[:2] == ["pip install build && python -m build", "pip install dist/*.whl"]
    assert runs[-1] == "ganzoo check my-gan" and "m.version('ganzoo-my-gan')" in runs[2]
    assert publish["needs"] == "build" and publish["permissions"] == {"id-token": "write"}, "no password"
    assert workflow["permissions"] == {"contents": "read"} and "permissions" not in build
    assert publish["steps"][-1] == {"uses": "pypa/gh-action-pypi-publish@release/v1"}


def test_the_files_of_a_derived_package(in_tmp):
    folder = made("My GAN", "--from", "toy-conditional")
    assert files(folder) == FRESH - {"ganzoo_my_gan/networks.py"}
    assert project(folder)["dependencies"] == ["ganzoo-core>=0.1", "ganzoo-toy>=1.0"]
    source = (folder / "ganzoo_my_gan/__init__.py").read_text()
    assert "import ganzoo_core as ganzoo\nimport ganzoo_toy\n" in source
    assert "class MyGan(ganzoo_toy.ToyConditional):" in source
    assert 'paper = "arXiv:0000.00000"' in source and "year = 2026" in source
    assert "built on toy-conditional" in (folder / "README.md").read_text()


def test_a_local_version_and_a_paper_in_quotes_are_taken_over(plugin_site, in_tmp):
    source = (
        "from ganzoo_core import hookimpl\nfrom ganzoo_toy import Toy\nGANZOO_API = 1\n"
        "class Critic(Toy):\n    name, paper = 'critic', 'a \"good\" paper'\n"
        "@hookimpl\ndef ganzoo_variants():\n    return [Critic]\n"
    )
    plugin_site.install("a-critic", {"a_critic/__init__.py": source}, {"critic": "a_critic"}, version="2.0+cu1")
    folder = made("mine", "--from", "critic")
    assert project(folder)["dependencies"] == ["ganzoo-core>=0.1", "a-critic>=2.0"]
    source = (folder / "ganzoo_mine/__init__.py").read_text()
    assert "import a_critic\nimport ganzoo_core as ganzoo\n" in source and 'paper = "a \\"good\\" paper"' in source


OPENINGS = {
    "MIT": "MIT License\n\nCopyright (c) 20",
    "BSD-3-Clause": "BSD 3-Clause License\n\nCopyright (c) 20",
    "Apache-2.0": f"\n{' ' * 33}Apache License\n{' ' * 27}Version 2.0, January 2004",
}


@pytest.mark.parametrize("licence", LICENCES)
def test_the_licence_asked_for(licence, in_tmp):
    folder = made("x", "--license", licence.lower())
    if licence == "none":
        assert "LICENSE" not in files(folder) and "license" not in project(folder)
        assert (folder / "README.md").read_text().endswith("None yet, so nobody else may use it.\n")
        return
    text = (folder / "LICENSE").read_text()
    assert text.startswith(OPENINGS[licence]) and ("Ann Onym" in text or licence == "Apache-2.0")
    assert project(folder)["license"] == licence
    assert (folder / "README.md").read_text().endswith(f"{licence}, see `LICENSE`.\n")


def test_an_unknown_licence_is_wrong_usage(in_tmp):
    result = new("x", "--license", "GPL")
    assert result.exit_code == 2 and not Path("ganzoo-x").exists()


def test_an_authors_name_stays_as_it_is(in_tmp):
    author = 'Zoë "$title" \\ O\'Neill 🦓'
    folder = made("x", author=author)
    assert project(folder)["authors"] == [{"name": author}]
    assert author in (folder / "LICENSE").read_text(encoding="utf-8")


def test_the_author_is_gits_user_unless_given(in_tmp, monkeypatch):
    Path("config").write_text("[user]\nname = Git User\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(in_tmp / "config"))
    assert project(made("one", author=None))["authors"] == [{"name": "Git User"}]
    assert "authors" not in project(made("two", author=""))
    monkeypatch.setenv("PATH", "")
    folder = made("three", author=None)
    assert "authors" not in project(folder)
    assert "the ganzoo-three authors" in (folder / "LICENSE").read_text()


def test_a_full_disk_leaves_nothing_behind(in_tmp, monkeypatch):
    write, written = Path.write_text, []

    def fill(path, *arguments, **options):
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        written.append(path)
        return write(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", fill)
    result = new("x")
    assert len(written) == 3 and not list(in_tmp.iterdir())
    assert (result.exit_code, result.stderr) == (
        1, "Error: could not write ganzoo-x: No space left on device; free some space or write elsewhere\n",
    )  # fmt: skip


def python(*arguments: str | Path, cwd: Path, env: dict[str, str]) -> str:
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "arguments", [["3" * 32], ["3" * 32, "--from", "toy"], ["My GAN"], ["My GAN", "--from", "toy"]]
)
def test_a_package_is_clean(arguments, in_tmp):
    folder = made(*arguments)
    for config in ([], ["--config", ROOT / "pyproject.toml"]):
        house = ["--extend-ignore", "I001"] if config else []  # which sorts the core's own imports apart
        python("ruff", "check", "--no-cache", *config, *house, ".", cwd=folder, env=dict(os.environ))
    python("ruff", "format", "--no-cache", "--check", ".", cwd=folder, env=dict(os.environ))


@pytest.mark.long
def test_a_packages_types_are_right(in_tmp):
    """Under the house's own rules, whose cache of torch's types this shares; also where networks take a column."""
    options = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
    for arguments, n in ((["My GAN"], 3), (["Your GAN", "--from", "toy"], 2), (["Their GAN"], 3)):
        folder = made(*arguments)
        package = folder.name.replace("-", "_")
        if arguments == ["Their GAN"]:
            file = folder / package / "networks.py"
            source = file.read_text().replace(
                "labels: Tensor | None = None)", "labels: Tensor | None = None, *, a: Tensor)"
            )
            assert source.count("*, a: Tensor") == 2
            file.write_text(source)
        out = python("mypy", *options, "--ignore-missing-imports", "-p", package, cwd=folder, env=dict(os.environ))
        assert out == f"Success: no issues found in {n} source files\n"


def test_the_wheel_holds_the_templates(tmp_path):
    tools = ROOT / "plugins" / "tools"
    python("hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=tools, env=dict(os.environ))
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    here = {str(path.relative_to(tools)) for path in tools.glob("ganzoo_tools/scaffold/templates/**/*.txt")}
    here |= {str(path.relative_to(tools)) for path in tools.glob("ganzoo_tools/templates/*")}
    assert len(here) > 15 and here <= held and "ganzoo_tools/py.typed" in held


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "name"), [(["My GAN"], "my-gan"), (["3dgan", "--from", "toy"], "3dgan")], ids=["fresh", "derived"]
)
def test_a_package_works_before_it_is_edited(arguments, name, in_tmp, subprocess_env):
    """Built as a wheel, installed, listed, trained, and tested by its own tests, all offline."""
    folder, site = made(*arguments), in_tmp / "site"
    offline = ["--no-deps", "--no-index", "--no-cache-dir", "--disable-pip-version-check", "-q"]
    python(
        "pip", "wheel", *offline, "--no-build-isolation", "-w", "dist", f"./{folder}", cwd=in_tmp, env=subprocess_env
    )
    (wheel,) = Path("dist").glob("*.whl")
    assert wheel.name == f"ganzoo_{name.replace('-', '_')}-0.1.0-py3-none-any.whl"
    python("pip", "install", *offline, "--target", site, wheel, cwd=in_tmp, env=subprocess_env)
    env = subprocess_env | {"PYTHONPATH": os.pathsep.join([str(site), subprocess_env["PYTHONPATH"]])}

    variants = json.loads(python("ganzoo_core", "list", "--json", cwd=in_tmp, env=env))["variants"]
    assert [v["package"] for v in variants if v["name"] == name] == [f"ganzoo-{name}"]
    run = python("ganzoo_core", "run", name, "--data", "ring8", "--steps", "3", "--quiet", cwd=in_tmp, env=env)
    assert (in_tmp / run.strip() / "generator.safetensors").exists()
    own = python("pytest", "-q", "-p", "no:cacheprovider", cwd=folder, env=env)
    assert f"{len(RULES) + (len(arguments) == 1)} passed" in own
