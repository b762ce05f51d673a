"""What a plugin does to end the program, anywhere: `run` and `check` exit with 1 and name the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import ganzoo_core
from ganzoo_core.cli import main
from ganzoo_core.errors import PluginError

PLUGIN = """
import ganzoo_toy
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl

GANZOO_API = 1


def fail(where, then):
    if where == {where!r}:
        {what}
    return then()


class Bad(ganzoo_toy.Toy):
    \"\"\"It fails in one place.\"\"\"

    name = "bad"

    def __init__(self, config=None):
        fail("init", lambda: super(Bad, self).__init__(config))

    def generator(self, data):
        from ganzoo_toy.networks import ToyGenerator

        class Net(ToyGenerator):
            def forward(self, z, labels=None):
                return fail("forward", lambda: super(Net, self).forward(z, labels))

        return fail("generator", lambda: Net(4, 8, data.shape, 0))

    def discriminator(self, data):
        return fail("discriminator", lambda: super(Bad, self).discriminator(data))

    def loss(self):
        from ganzoo_toy.networks import CountingLoss

        class Loss(CountingLoss):
            def for_generator(self, turn):
                return fail("for_generator", lambda: super(Loss, self).for_generator(turn))

        return fail("loss", lambda: Loss(None))

    def optimizer(self, player, parameters):
        return fail("optimizer", lambda: super(Bad, self).optimizer(player, parameters))

    def players(self, networks):
        found = fail("players", lambda: super(Bad, self).players(networks))
        found[0].after_update = lambda: fail("after_update", lambda: None)
        return found

    def check_data(self, data):
        return fail("check_data", lambda: super(Bad, self).check_data(data))


class Watch(ganzoo.Callback):
    def on_log(self, record):
        fail("callback", lambda: None)


@hookimpl
def ganzoo_variants():
    return [Bad]


@hookimpl
def ganzoo_callbacks(run):
    return fail("hook", lambda: [Watch()])
"""
ENDS = {
    "import sys; sys.exit(0)": "it ended the program (exit code 0)",
    "import sys; sys.exit()": "it ended the program (exit code None)",
    "import sys; sys.exit('x')": "it ended the program (exit code x)",
    "raise SystemExit(True)": "it ended the program (exit code True)",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "raise GeneratorExit": "GeneratorExit",
    "raise BaseException('over')": "BaseException: over",
    "import asyncio; raise asyncio.CancelledError": "CancelledError",
    "import click; raise click.exceptions.Exit(0)": "Exit: 0",
    "import click; raise click.Abort": "Abort",
    "raise ZeroDivisionError('oh')": "ZeroDivisionError: oh",
    "raise StopIteration": "StopIteration",
    "None + 1": "TypeError: unsupported operand",
}
PLACES = (
    "init", "check_data", "generator", "discriminator", "loss", "optimizer", "players", "forward", "for_generator",
    "after_update", "hook",
)  # fmt: skip


def install(site, where: str, what: str) -> None:
    site.install("ganzoo-bad", {"ganzoo_bad.py": PLUGIN.format(where=where, what=what)}, version="0.3")


def run() -> Result:
    return CliRunner().invoke(main, ["run", "bad", "--data", "ring8", "--steps", "2", "--quiet"])


@pytest.mark.parametrize("what", ENDS)
@pytest.mark.parametrize("where", ["generator", "for_generator"])
def test_an_end_of_any_kind_names_the_plugin(plugin_site, in_tmp, where: str, what: str):
    install(plugin_site, where, what)
    result = run()
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: ganzoo-bad 0.3: {ENDS[what]}")
    assert f"{plugin_site.folder / 'ganzoo_bad.py'}:11, fail" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("what", ["import sys; sys.exit(0)", "None + 1"])
def test_an_end_in_any_place_names_the_plugin(plugin_site, in_tmp, where: str, what: str):
    install(plugin_site, where, what)
    result = run()
    assert (result.exit_code, result.stdout) == (1, "")
    hook = " failed in ganzoo_callbacks" * (where == "hook")
    assert f"Error: ganzoo-bad 0.3{hook}: {ENDS[what]}" in result.stderr


@pytest.mark.parametrize("what", ENDS)
def test_a_callback_is_dropped_with_a_warning_whatever_it_raises(plugin_site, in_tmp, caplog, what: str):
    install(plugin_site, "callback", what)
    result = run()
    assert result.exit_code == 0, result.stderr
    assert f"Watch is dropped, as its on_log failed: {ENDS[what]}" in caplog.text
    assert Path("runs/bad-ring8-1/generator.safetensors").exists()


def test_a_script_that_trains_is_not_ended(plugin_site, in_tmp):
    install(plugin_site, "for_generator", "import sys; sys.exit(0)")
    with pytest.raises(PluginError, match=r"^ganzoo-bad 0.3: it ended the program \(exit code 0\) \(at .*:11, fail\)$"):
        ganzoo_core.train("bad", data="ring8", steps=2)


def test_a_bad_config_names_the_plugin(plugin_site, in_tmp):
    source = PLUGIN.format(where="nowhere", what="pass").replace(
        "    name = \"bad\"\n",
        "    name = \"bad\"\n    import dataclasses\n\n    @dataclasses.dataclass(frozen=True, kw_only=True)\n"
        "    class Config(ganzoo_toy.ToyConfig):\n        def __post_init__(self):\n            raise SystemExit\n",
    )  # fmt: skip
    plugin_site.install("ganzoo-bad", {"ganzoo_bad.py": source})
    for command in (["run", "bad", "--data", "ring8"], ["show", "bad"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert "Error: ganzoo-bad 1.0: it ended the program (exit code None) (at " in result.stderr


def test_a_plugin_may_end_its_own_command_and_no_other(plugin_site, in_tmp):
    source = """
import sys
import click
from ganzoo_core import hookimpl

GANZOO_API = 1


@click.command("leave")
@click.argument("code", type=int)
def leave(code):
    sys.exit(code)


@click.command("call")
def call():
    import ganzoo_core

    ganzoo_core.registry.registry().variant("bad")[0]().loss()


@hookimpl
def ganzoo_commands(cli):
    cli.add_command(leave)
    cli.add_command(call)
"""
    plugin_site.install("ganzoo-leave", {"ganzoo_leave.py": source})
    install(plugin_site, "loss", "import sys; sys.exit(0)")
    assert [CliRunner().invoke(main, ["leave", code]).exit_code for code in ("0", "3")] == [0, 3]
    result = CliRunner().invoke(main, ["call"])
    assert result.exit_code == 1
    assert "Error: ganzoo-bad 0.3: it ended the program (exit code 0)" in result.stderr


def test_a_data_set_that_gives_none(plugin_site, in_tmp):
    source = """
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl

GANZOO_API = 1


class Dots(ganzoo.DataSource):
    name, title, origin, kind = "dots", "Dots", "made up", "points"

    def load(self, data_dir, split="train"): ...


@hookimpl
def ganzoo_datasets():
    return [Dots]
"""
    plugin_site.install("ganzoo-dots", {"ganzoo_dots.py": source})
    result = CliRunner().invoke(main, ["run", "toy", "--data", "dots"])
    assert result.exit_code == 1
    assert result.stderr == "Error: dots (ganzoo-dots 1.0): load must give a ganzoo_core.Dataset, but gives None\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "what", "found"),
    [
        ("generator", "import os; os._exit(0)", "its process was gone: os._exit, a crash, or out of memory"),
        ("for_generator", "import os; os._exit(0)", "its process was gone: os._exit, a crash, or out of memory"),
        ("for_generator", "import sys; sys.exit(0)", "it ended the program (exit code 0)"),
        ("check_data", "None + 1", "expected no exception on grey images, but found TypeError"),
        ("init", "None + 1", "expected no exception on grey images, but found TypeError"),
    ],
)
def test_check_finds_whoever_ends_it(plugin_site, in_tmp, monkeypatch, where: str, what: str, found: str):
    monkeypatch.setenv("COLUMNS", "1000")
    install(plugin_site, where, what)
    result = CliRunner().invoke(main, ["check", "bad", "--json"])
    assert result.exit_code == 1
    assert found in result.stdout
