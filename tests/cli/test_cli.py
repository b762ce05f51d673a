"""The commands that look at the zoo: list, show, data, plugins; and what all commands share."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from ganzoo_core import registry
from ganzoo_core.cli import main
from ganzoo_core.cli.options import UserPath
from ganzoo_core.cli.output import one_line, print_table
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import FileError
from ganzoo_core.hookspecs import hookimpl
from ganzoo_core.interfaces import Discriminator, Generator
from ganzoo_core.losses import NonSaturating
from ganzoo_core.settings import Settings, option
from ganzoo_core.variant import Config, DataSource, Variant


class TinyGenerator(Generator):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.latent_dim = 3
        self.shape = spec.shape
        self.constant = nn.Parameter(torch.zeros(5))
        self.body = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, torch.Size(spec.shape).numel()))

    def forward(self, z, labels=None):
        return self.body(z).view(-1, *self.shape)


class TinyDiscriminator(Discriminator):
    def __init__(self, spec: DataSpec) -> None:
        super().__init__()
        self.score = nn.utils.parametrizations.spectral_norm(nn.Linear(torch.Size(spec.shape).numel(), 1))
        self.spare = nn.Linear(2, 2)

    def forward(self, x, labels=None):
        return self.score(x.flatten(1)).squeeze(1)


class Tiny(Variant):
    name = "tiny"
    title = "Tiny Nets"
    paper = "arXiv:0000.00001"
    year = 2014
    kinds = ("images", "points")

    def generator(self, data):
        return TinyGenerator(data)

    def discriminator(self, data):
        return TinyDiscriminator(data)

    def loss(self):
        return NonSaturating()


class Pointed(Tiny):
    name = "pointed"
    kinds = ("points",)


class Cubic(Tiny):
    name = "cubic"
    kinds = ("voxels",)


class Hostile(Tiny):
    name = "hostile"
    title = "[/bold] closing nothing"
    paper = "[red]<script>\x1b[31m"
    conditional = True


@dataclass(frozen=True, kw_only=True)
class SizedOptions(Settings):
    image_size: int = option(4, "pixels a side", minimum=1)


class Digits(DataSource):
    name, title, origin = "digits", "Digits", "made up"
    shape, classes, size = (1, 4, 4), ("0", "1"), 1797

    def load(self, data_dir, split="train"):
        raise AssertionError("showing must not load what tells its shape")


class Dots(Digits):
    name, kind, shape, classes = "dots", "points", (2,), ()

    def is_local(self, data_dir):
        return (data_dir / "dots").exists()


class Pictures(DataSource):
    name, title, origin, takes_path, Options = "folder", "Pictures", "your machine", True, SizedOptions

    def load(self, data_dir, split="train"):
        side = self.options.image_size
        return Dataset(DataSpec(f"folder:{self.path}", (1, side, side)), torch.zeros(3, 1, side, side))


class Moody(Digits):
    name = "moody"

    def is_local(self, data_dir):
        raise RuntimeError("not today")


@dataclass
class FakeEntryPoint:
    name: str
    load: Callable[[], ModuleType]
    package: str = "ganzoo-fake"
    module: str = "ganzoo_fake"

    @property
    def dist(self) -> Any:
        return SimpleNamespace(name=self.package, version="1.2.3")


def plugin(variants: list[type[Variant]], datasets: list[type[DataSource]]) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        print("a plugin that talks at import")
        module = ModuleType("fake")
        module.GANZOO_API = 1
        module.ganzoo_variants = hookimpl(lambda: variants, specname="ganzoo_variants")
        if datasets:
            module.ganzoo_datasets = hookimpl(lambda: datasets, specname="ganzoo_datasets")
        return module

    return load


def broken() -> ModuleType:
    raise ImportError("no module named 'quantum';\n[bold]install it")


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeEntryPoint]]:
    """A zoo with good, strange and broken plugins."""
    entry_points = [
        FakeEntryPoint("tiny", plugin([Tiny, Pointed, Cubic], [Digits, Dots, Pictures, Moody])),
        FakeEntryPoint("hostile", plugin([Hostile], []), "ganzoo-[red]"),
        FakeEntryPoint("quantum", broken, "ganzoo-quantum"),
    ]
    every = metadata.entry_points

    def offered(**asked: str) -> Any:
        return entry_points if asked == {"group": "ganzoo"} else every(**asked)

    monkeypatch.setattr(metadata, "entry_points", offered)
    monkeypatch.delenv("GANZOO_PLUGINS", raising=False)
    monkeypatch.delenv("GANZOO_DATA", raising=False)
    registry.registry.cache_clear()
    yield entry_points
    registry.registry.cache_clear()


def ganzoo(*args: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(args), env=env)


def as_json(*args: str) -> Any:
    result = ganzoo(*args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# What all commands share


def test_help_names_every_command_and_version_is_printed():
    result = ganzoo("--help")
    assert result.exit_code == 0
    for command in (
        "list",
        "show",
        "data",
        "run",
        "sample",
        "explore",
        "evaluate",
        "compare",
        "export",
        "new",
        "check",
        "plugins",
    ):
        assert f"\n  {command} " in result.stdout
    assert ganzoo("--version").stdout == "ganzoo 0.1.0\n"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("lst", "Error: there is no command called 'lst'; did you mean list?"),
        ("x", "Error: there is no command called 'x'; known: list, show, data, run"),
    ],
)
def test_unknown_command_names_the_near_ones(typed: str, message: str):
    result = ganzoo(typed)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (FileError("no\nroom \x1b[31mhere"), "Error: no room �[31mhere\n"),
        (OSError(28, "No space left on device", "runs"), "Error: [Errno 28] No space left on device: 'runs'\n"),
        (KeyboardInterrupt(), "Error: stopped by Ctrl-C\n"),
        (
            ZeroDivisionError("oh"),
            "Error: ZeroDivisionError: oh; this is a bug in ganzoo or in a plugin, "
            "and GANZOO_TRACEBACK=1 shows where\n",
        ),
    ],
)
def test_every_failure_is_one_line(monkeypatch: pytest.MonkeyPatch, raised: BaseException, line: str):
    def fail() -> None:
        raise raised

    monkeypatch.setattr("ganzoo_core.cli.list.registry", fail)
    result = ganzoo("list")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", line)


def test_a_traceback_can_be_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ganzoo_core.cli.list.registry", lambda: 1 / 0)
    assert isinstance(ganzoo("list", GANZOO_TRACEBACK="1").exception, ZeroDivisionError)


def test_listing_leaves_torch_and_numpy_unimported():
    code = (
        "import sys; from ganzoo_core.cli import main\n"
        "for args in (['list'], ['data'], ['plugins'], ['--help'], ['run', '--help'], ['list', '--json']):\n"
        "    main(args, standalone_mode=False)\n"
        "sys.exit(','.join({'torch', 'numpy'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["data"], ["--help"]])
def test_a_closed_pipe_is_no_error(arguments: list[str]):
    process = subprocess.Popen(
        [sys.executable, "-m", "ganzoo_core", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr as stderr:
        assert "Error" not in stderr.read()
    assert process.wait() in (0, 1)


def test_a_terminal_without_unicode_gets_question_marks():
    code = "from ganzoo_core.cli import main; main(['plugins'], standalone_mode=False); print('é')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(registry.__file__).parents[1])},
    )
    assert result.stdout.endswith("?\n"), result.stderr


# Output helpers


def test_one_line_shows_control_characters():
    assert one_line("a\n b\x1b[0m\x07") == "a b�[0m�"


@pytest.mark.parametrize("width", [30, 60, 80])
def test_tables_lose_nothing_at_any_width(width: int):
    words = [f"word{i}" for i in range(20)]
    rows = [("a-rather-long-name", 1234, True, " ".join(words)), ("[b]", 5, None, "short")]

    @click.command()
    def command() -> None:
        print_table(("name", "count", "here", "prose"), rows)

    lines = CliRunner().invoke(command, env={"COLUMNS": str(width)}).stdout.splitlines()
    assert max(map(len, lines)) <= max(width, 34)
    assert set(words) | {"a-rather-long-name", "1,234", "yes", "[b]", "-"} <= set(" ".join(lines).split())


def test_a_table_in_a_pipe_is_that_of_a_terminal_without_its_bold(monkeypatch, capsys):
    rows = [("a-name", 1234, True, "猫 e\u0301"), ("[b]", 5, None, "a longer text :)"), ("", -1, False, "")]
    headers = ("name", "count", "here", "prose")
    print_table(headers, rows)
    plain = capsys.readouterr().out
    monkeypatch.setattr("ganzoo_core.cli.output._plain_lines", None)
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(headers, rows)
    drawn = capsys.readouterr().out
    assert drawn.count("\x1b[1m") == 4 and re.sub(r"\x1b\[\d*m", "", drawn) == plain
    assert plain.splitlines()[1] == "a-name  1,234  yes   猫 e\u0301            "


# list


def test_list_as_json(zoo: list[FakeEntryPoint]):
    found = as_json("list")
    assert [v["name"] for v in found["variants"]] == ["cubic", "hostile", "pointed", "tiny"]
    assert found["variants"][-1] == {
        "name": "tiny",
        "title": "Tiny Nets",
        "year": 2014,
        "paper": "arXiv:0000.00001",
        "conditional": False,
        "kinds": ["images", "points"],
        "package": "ganzoo-fake",
        "version": "1.2.3",
        "weights": False,
    }
    assert found["broken"] == [
        {
            "name": "quantum",
            "package": "ganzoo-quantum",
            "version": "1.2.3",
            "error": "ImportError: no module named 'quantum'; [bold]install it",
        }
    ]


def test_list_shows_strange_texts_as_they_are(zoo: list[FakeEntryPoint]):
    result = ganzoo("list", COLUMNS="100")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "[red]<script>�[31m" in result.stdout and "ganzoo-[red]" in result.stdout
    assert "tiny" in result.stdout and "arXiv:0000.00001" in result.stdout
    assert "ImportError: no module named 'quantum'; [bold]install it" in result.stdout


def test_list_of_an_empty_zoo(zoo: list[FakeEntryPoint]):
    zoo.clear()
    assert "No variants are installed; each is a package of its own" in ganzoo("list").stdout
    assert as_json("list") == {"variants": [], "missing": {}, "broken": []}


# plugins


def test_plugins(zoo: list[FakeEntryPoint]):
    tiny, hostile, quantum = as_json("plugins")["plugins"]
    assert tiny == {
        "name": "tiny",
        "package": "ganzoo-fake",
        "version": "1.2.3",
        "hooks": ["ganzoo_datasets", "ganzoo_variants"],
        "variants": ["tiny", "pointed", "cubic"],
        "datasets": ["digits", "dots", "folder", "moody"],
        "commands": [],
        "error": None,
    }
    assert hostile["variants"] == ["hostile"]
    assert quantum["error"].startswith("ImportError")
    table = ganzoo("plugins", COLUMNS="120").stdout
    assert "datasets: digits, dots, folder, moody; variants: tiny, pointed, cubic" in table
    assert "broken: ImportError: no module named 'quantum'" in table


def test_plugins_of_an_empty_zoo(zoo: list[FakeEntryPoint]):
    zoo.clear()
    assert ganzoo("plugins").stderr == "no plugins are installed\n"


# data


def test_data(zoo: list[FakeEntryPoint], tmp_path: Path):
    found = as_json("data", "--data-dir", str(tmp_path))
    assert found["data_dir"] == str(tmp_path)
    digits, dots, folder, moody = found["datasets"]
    assert digits == {
        "name": "digits",
        "title": "Digits",
        "kind": "images",
        "shape": [1, 4, 4],
        "classes": ["0", "1"],
        "size": 1797,
        "origin": "made up",
        "local": True,
        "package": "ganzoo-fake",
        "version": "1.2.3",
    }
    assert (dots["local"], dots["classes"]) == (False, [])
    assert (folder["name"], folder["shape"], folder["local"]) == ("folder:PATH", None, None)
    assert moody["local"] is None
    (tmp_path / "dots").touch()
    assert as_json("data", "--data-dir", str(tmp_path))["datasets"][1]["local"] is True


def test_data_as_a_table_reads_the_environment(zoo: list[FakeEntryPoint], tmp_path: Path):
    result = ganzoo("data", GANZOO_DATA=str(tmp_path))
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["digits", "images", "1x4x4", "2", "1,797", "yes", "made", "up"] in lines
    assert ["dots", "points", "2", "none", "1,797", "no", "made", "up"] in lines
    assert ["folder:PATH", "images", "-", "-", "-", "-", "your", "machine"] in lines
    assert f"data folder: {tmp_path}\n" in result.stderr


def test_data_shows_what_is_kept(zoo: list[FakeEntryPoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "a").write_bytes(bytes(2_000_000))
    os.utime(kept / "a", (0, 86_400))
    (cls,) = (cls for cls, _ in registry.registry().datasets().values() if cls.takes_path)
    monkeypatch.setattr(cls, "caches", classmethod(lambda cls, folder: {folder / "kept": "3 images"}))
    assert as_json("data", "--data-dir", str(tmp_path))["caches"] == [
        {"data": "folder", "holds": "3 images", "bytes": 2_000_000, "used": "1970-01-02T00:00:00+00:00",
         "path": str(kept)},
    ]  # fmt: skip
    lines = [line.split()[:6] for line in ganzoo("data", "--data-dir", str(tmp_path)).stdout.splitlines()]
    assert ["folder", "3", "images", "2.0", "MB", "1970-01-02"] in lines
    monkeypatch.setattr(cls, "caches", classmethod(lambda cls, folder: 1 / 0))
    assert as_json("data", "--data-dir", str(tmp_path))["caches"] == []


def test_every_path_of_every_command_takes_the_tilde(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/me")
    with click.Context(main) as context:
        commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    paths = [p for command in commands.values() for p in command.params if isinstance(p.type, click.Path)]
    assert len(paths) > 8
    for parameter in paths:
        assert isinstance(parameter.type, UserPath), parameter
    assert UserPath(path_type=Path).convert("~/x", None, None) == Path("/home/me/x")
    assert UserPath().convert("~nobody-of-that-name/x/", None, None) == "~nobody-of-that-name/x/"


# show


def test_show_counts_layers(zoo: list[FakeEntryPoint]):
    shown = as_json("show", "tiny", "--set", "batch-size=7")
    assert shown["data"]["name"] == "digits"
    generator, discriminator = shown["networks"]["generator"], shown["networks"]["discriminator"]
    assert generator["parameters"] == 5 + (3 * 8 + 8) + (8 * 16 + 16)
    assert generator["layers"] == [
        {"name": "body.0", "type": "Linear", "shape": [8], "parameters": 32},
        {"name": "body.1", "type": "ReLU", "shape": [8], "parameters": 0},
        {"name": "body.2", "type": "Linear", "shape": [16], "parameters": 144},
        {"name": "(itself)", "type": "TinyGenerator", "shape": [1, 4, 4], "parameters": 5},
    ]
    assert discriminator["layers"] == [
        {"name": "score", "type": "Linear", "shape": [1], "parameters": 17},
        {"name": "spare", "type": "Linear", "shape": None, "parameters": 6},
    ]
    batch = next(s for s in shown["settings"] if s["name"] == "batch_size")
    assert (batch["value"], batch["default"], batch["type"]) == (7, 64, "int")
    assert [s["name"] for s in shown["settings"]] == [o.name for o in Config.options()]


def test_show_as_text(zoo: list[FakeEntryPoint]):
    result = ganzoo("show", "tiny", "--set", "batch_size=7")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("tiny: Tiny Nets\narXiv:0000.00001 (2014), from ganzoo-fake 1.2.3\n")
    assert "samples per update (default 64)" in result.stdout
    assert "generator on digits (1x4x4)" in result.stdout
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["spare", "Linear", "-", "6"] in lines
    assert ["total", "181"] in lines


def test_show_on_data_that_must_be_loaded(zoo: list[FakeEntryPoint]):
    shown = as_json("show", "tiny", "--data", "folder:here", "--set", "image_size=6")
    assert shown["data"]["shape"] == [1, 6, 6] and shown["run"] is None
    told = "what a run would take can't be told: batch_size must be at most 3, the size of folder:"
    assert told in ganzoo("show", "tiny", "--data", "folder:here", "--set", "image_size=6").stderr
    assert as_json("show", "tiny", "--set", "data=dots")["data"]["name"] == "dots"


def test_show_falls_back_to_data_that_suits(zoo: list[FakeEntryPoint]):
    assert as_json("show", "pointed")["data"]["name"] == "dots"
    result = ganzoo("show", "cubic", "--json")
    assert json.loads(result.stdout)["networks"] is None
    assert "no installed data set that suits cubic tells its shape; --data NAME shows" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tinny"], 1, "there is no variant called 'tinny'; did you mean tiny?"),
        (["quantum"], 1, "the variant 'quantum' can't be used: ganzoo-quantum 1.2.3: ImportError"),
        (["tiny", "--data", "digit"], 1, "there is no data set called 'digit'; did you mean digits?"),
        (["tiny", "--set", "batch_siz=3"], 1, "there is no setting called 'batch_siz'; did you mean batch_size?"),
        (["tiny", "--set", "steps=many"], 1, "steps must be a whole number, but is 'many'"),
        (["pointed", "--data", "digits"], 1, "pointed takes points, but digits holds images"),
        (["tiny", "--set", "steps"], 2, "it must be KEY=VALUE, such as batch_size=128, but is 'steps'"),
    ],
)
def test_show_refuses_in_a_sentence(zoo: list[FakeEntryPoint], arguments: list[str], code: int, message: str):
    result = ganzoo("show", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
