"""What the tests share: the toy plugin on the path, as if installed, and plugin packages installed for one test."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ganzoo_core import registry as registry_module
from ganzoo_core.registry import Registry

if TYPE_CHECKING:
    from forks import Forks
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parent
TOY_PLUGIN = ROOT / "tests" / "toy_plugin"
TAKERS = ROOT / "tests" / "takers"
for helpers in (ROOT / "tests", ROOT / "plugins" / "folder" / "tests", TAKERS):
    sys.path.insert(0, str(helpers))  # for `forks`, `clocks`, `engines`, `folders` and `ganzoo_takers`
sys.path.insert(0, str(TOY_PLUGIN))  # importlib.metadata finds its entry point there
sys.path.append(str(ROOT))  # for `benchmarks`; last, so that an installed ganzoo is the one that is tested
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests' networks are tiny: a second thread only waits

# A background shell leaves some signals ignored; the runs that the tests signal must hear them.
for number in (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.fixture
def subprocess_env(tmp_path: Path) -> dict[str, str]:
    """An environment for `python -m ganzoo_core` that knows the toy plugin and no data folder of the user's."""
    return _offline_env(tmp_path)


def _offline_env(folder: Path) -> dict[str, str]:
    paths = [str(TOY_PLUGIN), os.environ.get("PYTHONPATH", "")]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")  # tests run offline, everywhere
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        "GANZOO_DATA": str(folder / "data"),
        **nowhere,
    }


@pytest.fixture(scope="session")
def mother(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Starts commands in processes of their own, at little cost."""
    if os.name != "posix":
        pytest.skip("needs fork")
    from forks import Forks

    folder = tmp_path_factory.mktemp("forks")
    forks = Forks(folder, _offline_env(folder))
    yield forks
    forks.close()


@pytest.fixture
def forks(mother: Forks) -> Iterator[Forks]:
    """The same for one test: nothing of it runs on."""
    yield mother
    mother.stop()


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.fixture
def quick_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classifier that samples are judged by learns for a moment, for tests of what is made of its figures."""
    from functools import partial

    from ganzoo_tools.evaluation import keeping
    from ganzoo_tools.evaluation.classifier import train_classifier

    monkeypatch.setattr(keeping, "train_classifier", partial(train_classifier, steps=25))


class PluginSite:
    """A folder of installed packages on `sys.path`, as pip writes them: modules, METADATA and entry_points.txt."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(
        self, package: str, files: dict[str, str], entry_points: dict[str, str] | None = None, version: str = "1.0"
    ) -> None:
        """Install `package`; `files` holds sources by path. Left out, the entry point is `x = "ganzoo_x"`."""
        for path, source in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source)
        if entry_points is None:
            module = Path(next(iter(files))).parts[0].removesuffix(".py")
            entry_points = {module.removeprefix("ganzoo_"): module}
        info = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[ganzoo]", *lines, ""]))
        importlib.invalidate_caches()
        registry_module.registry.cache_clear()

    def registry(self) -> Registry:
        """A registry of the packages in this folder alone, in alphabetical order."""
        found = sorted(metadata.distributions(path=[str(self.folder)]), key=lambda dist: dist.name)
        return Registry(e for dist in found for e in dist.entry_points.select(group="ganzoo"))

    def imported(self) -> set[str]:
        """The modules of this folder that have been imported."""
        return {name for name, module in sys.modules.items() if self._is_ours(module)}

    def forget(self) -> None:
        """Drop what was imported from this folder, and the environment's registry with it."""
        for name in self.imported():
            del sys.modules[name]
        registry_module.registry.cache_clear()

    def _is_ours(self, module: object) -> bool:
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and Path(file).is_relative_to(self.folder)


@pytest.fixture
def plugin_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginSite]:
    """Plugin packages for one test; `registry()` finds them beside those of the environment."""
    site = PluginSite(tmp_path / "site-packages")
    site.folder.mkdir()
    monkeypatch.syspath_prepend(str(site.folder))
    monkeypatch.delenv("GANZOO_PLUGINS", raising=False)
    registry_module.registry.cache_clear()
    yield site
    site.forget()


@pytest.fixture
def takers(plugin_site: PluginSite, monkeypatch: pytest.MonkeyPatch) -> PluginSite:
    """The variants of `ganzoo_takers`, whose generators take inputs, installed for one test."""
    monkeypatch.syspath_prepend(str(TAKERS))
    plugin_site.install("ganzoo-takers", {}, {"takers": "ganzoo_takers"})
    return plugin_site


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, driven by Playwright, where there is one."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def said() -> list[str]:
    """What the console of `new_page` says, all of it errors; a test takes out what it expects."""
    return []


@pytest.fixture
def new_page(browser: Browser, said: list[str]) -> Iterator[Callable[[], Page]]:
    """Makes empty pages, light and wide."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")

    def new() -> Page:
        opened = context.new_page()
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        return opened

    yield new
    context.close()
    assert said == []


@pytest.fixture
def look_at(new_page: Callable[[], Page]) -> Callable[[Path], Page]:
    """Opens a file as a page."""

    def look(file: Path) -> Page:
        opened = new_page()
        opened.goto(file.as_uri())
        return opened

    return look


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Runs a program in a fresh interpreter, these folders first on its path; gives its standard output."""

    def run(program: str, *path: Path) -> str:
        prelude = f"import sys; sys.path[:0] = {[str(p) for p in path]!r}\n"
        done = subprocess.run([sys.executable, "-c", prelude + program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An empty folder, for images."""
    path = tmp_path / "images"
    path.mkdir()
    return path


@pytest.fixture
def user_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the caches of image folders go when the data folder can't have them: not the user's own place."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "user" / name))
    return tmp_path / "user" / "ganzoo"
