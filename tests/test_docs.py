"""What the pages show works: their blocks run, their outputs are right, what is generated is fresh, the site builds.

The fenced blocks of a page run in order, in one folder. A `python` block runs in the page's one namespace, unless its
first line is a comment with a path: then it is that file, and a plugin is installed. Lines of `console` and `bash`
blocks that begin with `ganzoo` run, for one step of a small batch; pip's do not, as tests run offline. What follows
such a line, or stands in a `text` block behind Python, is its output, `...` standing for anything. A comment
`<!-- not run: REASON -->` before a block keeps it from running; its `ganzoo` lines must be right all the same.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt
from PIL import Image

import ganzoo_core
from ganzoo_core import Config
from ganzoo_core import registry as registry_module
from ganzoo_core.cli import main
from ganzoo_core.drawing.words import typed
from ganzoo_core.runs.run_settings import RunSettings

ROOT = Path(__file__).parent.parent
GENERATED = {"interfaces.md", "cli.md", "catalogue.md"}
TRANSLATED = ".zh.md"  # has its English page's blocks word for word: test_translations.py
DOCS = sorted((ROOT / "docs").rglob("*.md"))
LESSON = re.compile(r"\d+-")  # test_course.py runs it
WRITTEN = [
    page for page in DOCS if not (page.name in GENERATED or page.name.endswith(TRANSLATED) or LESSON.match(page.name))
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WRITTEN, *sorted(ROOT.glob("plugins/*/README.md"))]
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
PATH_LINE = re.compile(r"# ([\w./-]+\.\w+)")


@dataclass(frozen=True)
class Block:
    """A block of code: `reason` says why it does not run, `output` what it prints, `line` where it begins."""

    language: str
    text: str
    line: int
    reason: str | None = None
    output: str | None = None

    @property
    def path(self) -> str | None:
        """The file that it is, where its first line says so."""
        found = PATH_LINE.fullmatch(self.text.partition("\n")[0])
        return found.group(1) if found else None


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    previous = ""
    for token in MarkdownIt().parse(text):
        marker = NOT_RUN.fullmatch(previous.strip())
        if token.type == "code_block" or token.type == "fence":
            language = token.info or ("console" if token.content.startswith(("ganzoo ", "pip ")) else "text")
            last = found[-1] if found else None
            if language == "text" and last and last.language == "python" and previous == "python":
                found[-1] = Block(last.language, last.text, last.line, last.reason, token.content)
            else:
                reason = marker.group(1) if marker else None
                found.append(Block(language, token.content, (token.map or [0])[0] + 1, reason))
            previous = language
        elif token.type == "html_block":
            previous = token.content
        else:
            previous = ""
    return found


def commands(block: Block) -> list[tuple[str, str]]:
    """The commands of a block, each with the output shown below it."""
    if block.language == "bash":
        return [(part.strip(), "") for line in block.text.splitlines() for part in line.split("&&")]
    found: list[tuple[str, str]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif found and "$ " in block.text:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
        elif line.strip():
            found.append((line, ""))
    return found


def words(command: str) -> tuple[dict[str, str], list[str]]:
    """A command's variables and its words, its comment left out."""
    parts = shlex.split(command, comments=True)
    variables = {}
    while parts and re.match(r"[A-Z_]+=", parts[0]):
        name, _, variables_value = parts.pop(0).partition("=")
        variables[name] = variables_value
    return variables, parts


def shortened(arguments: list[str]) -> list[str]:
    """A `run` of one step, on a small batch; any other command as it is."""
    if arguments[0] != "run":
        return arguments
    kept = list(arguments)
    for option in ("--steps", "--epochs", "--batch-size"):
        if option in kept:
            del kept[kept.index(option) : kept.index(option) + 2]
    return [*kept, "--steps", "1", "--batch-size", "4"]


def parse(arguments: list[str]) -> None:
    """Read a command as click would, without running it. Raises `UsageError` for a wrong one."""
    with click.Context(main, info_name="ganzoo") as context:
        if arguments[0].startswith("-"):
            return
        name, command, rest = main.resolve_command(context, arguments)
        assert command is not None
        command.make_context(name, rest, parent=context)


@dataclass
class Session:
    """What a reader does who follows a page from its top."""

    page: Path
    site: Any  # PluginSite
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    files: dict[str, str] = field(default_factory=dict)
    project: dict[str, Any] | None = None

    def follow(self) -> None:
        for block in blocks(self.page.read_text(encoding="utf-8")):
            try:
                self.step(block)
            except Exception as error:
                raise AssertionError(f"{self.page}, block at line {block.line}: {error}") from error

    def step(self, block: Block) -> None:
        if block.language in ("console", "bash"):
            self.install()
            for command, output in commands(block):
                self.command(command, output, block)
        elif block.path is not None:
            self.write(block.path, block.text)
        elif block.language == "python":
            if block.reason is None:
                self.install()
                self.python(block)
        elif not (block.language == "powershell" and block.reason):  # none is here to run it
            assert block.language in ("text", "toml", "json", "yaml"), f"a block of {block.language!r} is not tested"
            {"toml": tomllib.loads, "json": json.loads}.get(block.language, str)(block.text)

    def write(self, path: str, text: str) -> None:
        if path == "pyproject.toml":
            self.project = tomllib.loads(text)["project"]
        elif path.startswith("ganzoo_"):
            self.files[path] = text
        elif path.endswith(".py"):
            self.install()
            exec(compile(text, path, "exec", dont_inherit=True), {"__name__": "file"})
        else:
            Path(path).write_text(text)

    def install(self) -> None:
        """Install the plugins whose files the page has shown since the last time."""
        for module in sorted({Path(path).parts[0] for path in self.files}):
            files = {path: text for path, text in self.files.items() if Path(path).parts[0] == module}
            name = module.removesuffix(".py").replace("_", "-")
            if self.project is not None and self.project["name"] == name:
                points = self.project["entry-points"]["ganzoo"]
                self.site.install(name, files, points, self.project["version"])
            else:
                self.site.install(name, files)
        self.files.clear()

    def python(self, block: Block) -> None:
        text = re.sub(r"\bsteps=[\d_]+", "steps=1", block.text)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile("\n" * block.line + text, str(self.page), "exec", dont_inherit=True), self.namespace)
        if block.output is not None:
            agree(block.output, printed.getvalue())

    def command(self, command: str, output: str, block: Block) -> None:
        variables, parts = words(command)
        if not parts or parts[0] != "ganzoo":
            assert not parts or parts[0] == "pip" or block.reason, f"{command!r} does not run; mark the block `not run`"
            return
        arguments = shortened(parts[1:])
        if block.reason is not None:
            parse(arguments)
            return
        registry_module.registry.cache_clear()
        result = CliRunner().invoke(main, arguments, env=variables, prog_name="ganzoo")
        registry_module.registry.cache_clear()
        assert result.exit_code == 0, f"`{command}` ends with {result.exit_code}: {result.output}"
        if output:
            agree(output, result.output)


def agree(shown: str, printed: str) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    shown, printed = shown.strip() + "\n", printed.strip() + "\n"
    assert doctest.OutputChecker().check_output(shown, printed, flags), f"the page shows\n{shown}\nbut it is\n{printed}"


@pytest.fixture
def desk(in_tmp: Path, plugin_site: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty folder but for what the pages take for granted: two folders of photos, and data sets that need no
    network, stand-ins of a few random images.
    """
    monkeypatch.setenv("COLUMNS", "120")
    rng = np.random.default_rng(0)
    shutil.copytree(ROOT / "examples", in_tmp / "examples", ignore=lambda _, names: [n for n in names if "." not in n])
    for name in ("photos", "pictures"):
        (in_tmp / name).mkdir()
        for number in range(8):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(in_tmp / name / f"{number}.png")
    for folder in ("MNIST", "FashionMNIST", "KMNIST"):
        raw = in_tmp / "data" / folder / "raw"
        raw.mkdir(parents=True)
        for part in ("train", "t10k"):
            write_idx(raw / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (16, 28, 28)))
            write_idx(raw / f"{part}-labels-idx1-ubyte", np.arange(16) % 10)
    records = rng.integers(0, 256, (16, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    (in_tmp / "data" / "cifar-10-batches-bin").mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        records.tofile(in_tmp / "data" / "cifar-10-batches-bin" / f"{name}.bin")
    yield plugin_site


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def _timed(page: Path) -> Any:
    """A page, marked long where it trains much or gives many commands, as those of all variants but one do."""
    pages = ("write-a-plugin", "experiments", "translate", "images", "weights", "explore", "python-api", "evaluate")
    long = ("README.md", *(f"docs/{page}.md" for page in pages))
    name = str(page.relative_to(ROOT))
    variant = page.stem if page.parent.name == "variants" else page.parent.name if name.startswith("plugins/") else None
    is_long = name in long or variant not in {None, "tools", "vanilla"}
    return pytest.param(page, marks=pytest.mark.long) if is_long else page


@pytest.mark.parametrize("page", [_timed(page) for page in PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_shows(page: Path, desk: Any, quick_judge: None) -> None:
    Session(page, desk).follow()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```console\n$ ganzoo lst\n```", "did you mean list"),
        ("```console\n$ ganzoo run toy --stpes 3\n```", "No such option"),
        ("```console\n$ ganzoo run toy --data ring8 --set widht=3\n```", "did you mean width"),
        ("<!-- not run: no time -->\n```console\n$ ganzoo run toy --stpes 3\n```", "No such option"),
        ("```console\n$ ganzoo --version\nganzoo 9.9\n```", "the page shows"),
        ("```console\n$ twine upload dist/*\n```", "mark the block"),
        ("```python\n1 / 0\n```", "division by zero"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```", "the page shows"),
        ("```fortran\nPRINT *, 1\n```", "'fortran' is not tested"),
        ("```powershell\nganzoo list\n```", "'powershell' is not tested"),
        ("    ganzoo lst\n", "did you mean list"),
    ],
)
def test_a_wrong_page_is_caught(text: str, message: str, desk: Any, in_tmp: Path) -> None:
    page = in_tmp / "page.md"
    page.write_text(text)
    with pytest.raises(AssertionError, match=re.escape(message)):
        Session(page, desk).follow()


def reference() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", sorted(GENERATED))
def test_the_reference_is_fresh(page: str) -> None:
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == reference().PAGES[page](), f"docs/{page} is stale; write it again: python docs/reference.py"


# Public modules' names that are the core's business.
INTERNAL = {"Batch", "BatchOrder", "out_of_memory", "result_on", "shorten"}


def test_every_public_name_is_in_the_reference() -> None:
    from ganzoo_core import callbacks, data, errors, hookspecs, interfaces, losses, settings, testing

    listed = {name for _, _, names in reference().SECTIONS for name in names}
    public = set(ganzoo_core.__all__)
    for module in (callbacks, data, errors, interfaces, losses, settings, testing):
        public |= {
            name
            for name, thing in vars(module).items()
            if getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_")
        }
    public |= {name for name in vars(hookspecs) if name.startswith("ganzoo_")}
    assert public - INTERNAL <= listed, f"docs/reference.py lacks {sorted(public - INTERNAL - listed)}"


def test_a_promise_names_a_test_that_is_there() -> None:
    there = {path.name for path in ROOT.rglob("test_*.py")}
    for page in ("reliability.md", "security.md"):
        named = set(re.findall(r"`(test_\w+\.py)`", (ROOT / "docs" / page).read_text(encoding="utf-8")))
        assert len(named) > 10 and named <= there, f"{page} names {sorted(named - there)}"


def test_every_rule_is_explained() -> None:
    from ganzoo_core.testing import RULES

    page = (ROOT / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
    table = page[page.index("| rule |") :]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [rule.__name__ for rule in RULES]


@pytest.mark.parametrize("name", ["write-a-plugin.md", "write-a-plugin.zh.md"])
def test_the_shared_settings_are_fresh(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    table = page[page.index("| setting | default |") :].partition("\n\n")[0].splitlines()[2:]
    assert table == [f"| `{o.name}` | {typed(o.default)} | {o.doc} |" for o in Config.options()]


def test_the_names_that_are_taken_are_fresh() -> None:
    page = (ROOT / "docs" / "write-a-plugin.md").read_text(encoding="utf-8")
    taken = " ".join(page[page.index("Two groups of names are taken") :].partition("\n\n")[0].split())
    options = [cls.Options for cls, _ in registry_module.registry().datasets().values() if cls.name == "folder"]
    run_names, *data_names = [", ".join(f"`{o.name}`" for o in s.options()) for s in (RunSettings, *options)]
    assert f"The settings of every run: {run_names}." in taken
    assert taken.endswith(f"of the data set `folder`: {' '.join(data_names)}.")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The docs as a site, built once."""
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_the_site_fetches_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|img|iframe)\b[^>]*\bsrc="?([^" >]+)', page.read_text(encoding="utf-8"))
        fetched += re.findall(r'<link\b[^>]*\bhref="?([^" >]+)', page.read_text(encoding="utf-8"))
        assert fetched and not [address for address in fetched if "//" in address], (
            f"{page.name} fetches from elsewhere"
        )


def built(name: str) -> str:
    """Where the site has a page of the docs."""
    chinese = name.endswith(TRANSLATED)
    return "zh/" + name.replace(TRANSLATED, ".html") if chinese else name.replace(".md", ".html")


@pytest.mark.long
def test_every_page_fits_a_phone_and_its_equations_are_set(site: Path, look_at: Any) -> None:
    sources = {page: site / built(page.relative_to(ROOT / "docs").as_posix()) for page in DOCS}
    opened = look_at(site / "index.html")
    opened.set_viewport_size({"width": 390, "height": 800})
    for source, page in sources.items():
        opened.goto(page.as_uri())
        opened.wait_for_function("window.document$ && document.readyState == 'complete'")
        beyond = opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{page.name} is {beyond} pixels too wide"
        displayed = len(re.findall(r"^\$\$.*?\$\$$", source.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))
        assert opened.locator(".katex-display").count() == displayed, page.name
        assert opened.locator(".katex-error").count() == 0, page.name


def test_the_site_is_searched_without_a_server_and_a_copied_session_is_its_commands(site: Path, look_at: Any) -> None:
    opened = look_at(site / "index.html")
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.hover(".highlight")
    opened.locator(".highlight button").first.click()
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert copied.split("\n")[0] == "ganzoo run cgan --data ring8" and "runs/cgan-ring8-1" not in copied.split("\n")[1:]
    assert "$" not in copied
    opened.fill("input.md-search__input", "earth mover")
    opened.wait_for_selector(".md-search-result__item")
    assert "WGAN" in opened.locator(".md-search-result__item").first.inner_text()


def test_a_reader_changes_the_language_and_searches_in_it(site: Path, look_at: Any) -> None:
    opened = look_at(site / "variants" / "wgan.html")
    opened.hover(".md-select")
    opened.click(".md-select__link[hreflang=zh]")
    opened.wait_for_url("**/zh/variants/wgan.html")
    assert opened.evaluate("document.documentElement.lang") == "zh"
    assert opened.locator("h1[id=wgan], h2[id=the-loss]").count() == 2
    opened.fill("input.md-search__input", "模式崩溃")
    opened.wait_for_selector(".md-search-result__item")
    assert "实验" in opened.locator(".md-search-result__item").first.inner_text()
