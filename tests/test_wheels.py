"""Third parties' packages, the examples and two of version 0.1: built as wheels, installed, used, and uninstalled.

A fresh environment holds the wheels; what they depend on is linked in from this one, but no ganzoo package of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
NEEDED = [ROOT, ROOT / "plugins" / "vanilla", ROOT / "plugins" / "dcgan"]
VARIANTS = ("my-lsgan",)
FROZEN = sorted(path.parent for path in ROOT.glob("tests/frozen/*/pyproject.toml"))  # they state GANZOO_API = 1
OLD = ("cgan", "wgan")

pytest.importorskip("hatchling", reason="wheels are built with hatchling, from the extra `test`")


class Environment:
    """A virtual environment with the wheels in it. Nothing is fetched."""

    def __init__(self, folder: Path, wheels: list[Path]) -> None:
        self.folder = folder
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        self._link_dependencies()
        self.pip("install", "--no-index", "--no-deps", "--no-compile", *wheels)

    def _link_dependencies(self) -> None:
        """Links to all that is installed here but ganzoo's packages, whose metadata would be found too."""
        links = self.folder / "dependencies"
        links.mkdir()
        for place in map(Path, sys.path):
            if place.name not in ("site-packages", "dist-packages"):
                continue
            for path in place.iterdir():
                if "ganzoo" not in path.name and path.suffix != ".pth" and not (links / path.name).exists():
                    (links / path.name).symlink_to(path)
        site = sysconfig.get_path("purelib", vars={"base": str(self.folder / "venv")})
        Path(site, "dependencies.pth").write_text(f"{links}\n")

    def pip(self, *arguments: str | Path) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "-q", *arguments)

    def ganzoo(self, *arguments: str | Path) -> str:
        """The command's stdout; it runs outside the repository, whose sources must not be what is imported."""
        return run(self.python.with_name("ganzoo"), *arguments, cwd=self.folder)

    def variants(self) -> dict[str, str]:
        """What `ganzoo list` shows: the package of each variant. Nothing may be broken."""
        listed = json.loads(self.ganzoo("list", "--json"))
        assert listed["broken"] == []
        return {variant["name"]: variant["package"] for variant in listed["variants"]}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """A program's stdout, without this process's paths; what it says of a failure is what the test shows."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GANZOO_"))}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("wheels")
    flags = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder / "dist")
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "wheel", *flags, *NEEDED, *EXAMPLES, *FROZEN)
    return Environment(folder, sorted((folder / "dist").glob("*.whl")))


def test_what_is_imported_comes_from_the_wheels(environment: Environment) -> None:
    packages = ["ganzoo_core", "ganzoo_vanilla", *(path.name.replace("-", "_") for path in EXAMPLES)]
    code = f"import importlib; print(*(importlib.import_module(p).__file__ for p in {packages}))"
    for path in run(environment.python, "-c", code, cwd=environment.folder).split():
        assert Path(path).is_relative_to(environment.folder / "venv")


def test_list_shows_each_variant_with_its_package(environment: Environment) -> None:
    own = {name: f"ganzoo-{name}" for name in (*VARIANTS, *OLD)}
    assert environment.variants() == {"dcgan": "ganzoo-dcgan", "vanilla": "ganzoo-vanilla"} | own


@pytest.mark.parametrize("name", VARIANTS)
def test_each_variant_is_shown_and_trains_and_samples(environment: Environment, name: str) -> None:
    assert json.loads(environment.ganzoo("show", name, "--json"))["networks"]["generator"]["parameters"] > 0
    out = environment.folder / name
    environment.ganzoo("run", name, "--steps", "2", "--batch-size", "8", "--quiet", "--out", out)
    environment.ganzoo("sample", out, "-n", "8", "-o", out / "samples.npz")
    assert (out / "samples.npz").stat().st_size > 8 * 28 * 28
    assert list((out / "tensorboard").glob("events.*")), "ganzoo-tensorboard is installed and should have written"


def test_trained_weights_come_with_the_wheels(environment: Environment) -> None:
    for name in ("vanilla", "dcgan"):
        environment.ganzoo("sample", name, "-n", "16", "-o", environment.folder / f"{name}.npz")
        assert np.load(environment.folder / f"{name}.npz")["images"].shape == (16, 1, 28, 28)


@pytest.mark.parametrize("name", OLD)
def test_a_plugin_of_version_0_1_trains_and_samples_as_it_is(environment: Environment, name: str) -> None:
    out = environment.folder / name
    environment.ganzoo("run", name, "--data", "ring8", "--steps", "20", "--quiet", "--out", out)
    environment.ganzoo("run", "--resume", out, "--steps", "22", "--quiet")
    environment.ganzoo("sample", out, "-n", "8", "-o", out / "samples.npz")
    assert (out / "samples.npz").stat().st_size > 0


def test_a_run_of_version_0_1_goes_on_with_its_own_plugin(environment: Environment) -> None:
    run = shutil.copytree(ROOT / "tests" / "frozen" / "run", environment.folder / "old")
    environment.ganzoo("run", "--resume", run, "--steps", "20", "--quiet")
    environment.ganzoo("sample", run, "-n", "16", "-o", run / "samples.npz")
    made, before = np.load(run / "samples.npz"), np.load(ROOT / "tests" / "frozen" / "run-at-20.npz")
    np.testing.assert_allclose(made["samples"], before["samples"], atol=1e-5)


@pytest.mark.parametrize("name", (*VARIANTS, *OLD))
def test_each_variant_keeps_every_promise(environment: Environment, name: str) -> None:
    assert json.loads(environment.ganzoo("check", name, "--json"))["ok"]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_each_example_passes_its_own_tests(environment: Environment, folder: Path) -> None:
    """Its author's tests, as far as `check` has not run them."""
    suite = f"not Test{folder.name.removeprefix('ganzoo-').removeprefix('my-')}"
    flags = ("-q", "-x", "-p", "no:cacheprovider", "--import-mode=importlib", "-k", suite)
    run(environment.python, "-m", "pytest", *flags, "-c", os.devnull, "--rootdir", folder, folder / "tests",
        cwd=environment.folder)  # fmt: skip


def test_a_third_partys_command_works_as_the_cores_do(environment: Environment) -> None:
    environment.ganzoo("run", "vanilla", "--data", "ring8", "--steps", "2", "--quiet", "--out", "runs/one")
    assert environment.ganzoo("runs").startswith("runs/one: vanilla on ring8, 2 of 2 steps, ")
    assert "  runs     List the runs in FOLDER" in environment.ganzoo("--help")
    assert {"name": "runs", "commands": ["runs"]}.items() <= next(
        plugin for plugin in json.loads(environment.ganzoo("plugins", "--json"))["plugins"] if plugin["name"] == "runs"
    ).items()


def test_an_uninstalled_variant_is_gone(environment: Environment) -> None:
    """The last test: it takes from the environment that the others share."""
    environment.pip("uninstall", "--yes", "ganzoo-my-lsgan")
    assert "my-lsgan" not in environment.variants()
    assert {"dcgan", "vanilla"} <= environment.variants().keys()
