"""The registry over packages as pip installs them: working, broken in every way, and at odds with each other."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ganzoo_core import registry as registry_module
from ganzoo_core.callbacks import Callback, RunInfo
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, Interrupted, PluginError, UnknownNameError
from ganzoo_core.guards import process_state
from ganzoo_core.registry import Registry
from ganzoo_core.runs.plan import find_source
from ganzoo_core.variant import DataSource, Variant

HEAD = """
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl

GANZOO_API = 1
"""


def a_class(name: str, class_name: str = "Mine", attributes: str = "") -> str:
    return f"""
class {class_name}(ganzoo.Variant):
    name, title, paper, year = {name!r}, "A title", "arXiv:1234.56789", 2020
    {attributes}

    def generator(self, data): ...

    def discriminator(self, data): ...

    def loss(self): ...
"""


def a_variant(name: str) -> str:
    """The source of a plugin that offers one variant."""
    return HEAD + a_class(name) + offer("Mine")


def offer(*classes: str) -> str:
    return f"\n@hookimpl\ndef ganzoo_variants():\n    return [{', '.join(classes)}]\n"


def a_dataset(name: str, attributes: str = "") -> str:
    """The source of a plugin that offers one data set."""
    return (
        HEAD
        + f"""
class Source(ganzoo.DataSource):
    name, title, origin = {name!r}, "A title", "made up"
    {attributes}

    def load(self, data_dir, split="train"): ...


@hookimpl
def ganzoo_datasets():
    return [Source]
"""
    )


def the_error(site: Any, source: str) -> str:
    """Why the package with this source is broken; a package beside it must go on working."""
    site.install("ganzoo-good", {"ganzoo_good.py": a_variant("good")})
    site.install("ganzoo-bad", {"ganzoo_bad.py": source}, version="0.3")
    registry = site.registry()
    by_name = {plugin.name: plugin for plugin in registry.plugins()}
    assert set(registry.variants()) == {"good"}
    assert registry.variant("good")[1].error is None
    bad = by_name["bad"]
    assert (bad.package, bad.version, bad.source) == ("ganzoo-bad", "0.3", "ganzoo-bad 0.3")
    assert (bad.hooks, bad.variants, bad.datasets) == ([], {}, {}), "a broken plugin offers nothing"
    assert bad.error is not None
    with pytest.raises(PluginError) as caught:
        registry.variant("bad")
    assert str(caught.value) == f"the variant 'bad' can't be used: ganzoo-bad 0.3: {bad.error}"
    return bad.error


def test_a_working_variant_is_found_with_its_package(plugin_site) -> None:
    plugin_site.install("ganzoo-mine", {"ganzoo_mine/__init__.py": a_variant("mine")}, version="2.1")
    registry = plugin_site.registry()
    cls, plugin = registry.variant("mine")
    assert issubclass(cls, Variant)
    assert (plugin.name, plugin.package, plugin.version, plugin.error) == ("mine", "ganzoo-mine", "2.1", None)
    assert plugin.hooks == ["ganzoo_variants"]
    assert registry.variants() == {"mine": (cls, plugin)}
    assert registry.datasets() == {}
    assert registry.plugins() == [plugin]


def test_variants_come_in_alphabetical_order(plugin_site) -> None:
    for number, name in enumerate(("zebra", "ant", "mole")):
        plugin_site.install(f"ganzoo-{number}", {f"ganzoo_{number}.py": a_variant(name)})
    assert list(plugin_site.registry().variants()) == ["ant", "mole", "zebra"]


def test_a_variant_may_have_another_name_than_its_entry_point(plugin_site) -> None:
    source = HEAD + a_class("one", "One") + a_class("two", "Two") + offer("One", "Two")
    plugin_site.install("ganzoo-pair", {"ganzoo_pair.py": source})
    registry = plugin_site.registry()
    assert registry.variant("two")[1].name == "pair"
    assert list(registry.variants()) == ["one", "two"]


def test_a_plugin_may_be_a_package_with_submodules_and_two_kinds_of_offers(plugin_site) -> None:
    source = a_dataset("dots") + "\nfrom ganzoo_both.more import Mine, ganzoo_variants\n"
    plugin_site.install(
        "ganzoo-both",
        {"ganzoo_both/__init__.py": source, "ganzoo_both/more.py": a_variant("both")},
        {"b": "ganzoo_both"},
    )
    registry = plugin_site.registry()
    assert registry.variant("both")[1] is registry.dataset("dots")[1]
    assert issubclass(registry.dataset("dots")[0], DataSource)
    assert registry.plugins()[0].hooks == ["ganzoo_datasets", "ganzoo_variants"]


def test_a_name_that_nobody_offers_lists_the_near_ones(plugin_site) -> None:
    for name in ("lsgan", "wgan"):
        plugin_site.install(f"ganzoo-{name}", {f"ganzoo_{name}.py": a_variant(name)})
    plugin_site.install("ganzoo-dots", {"ganzoo_dots.py": a_dataset("dots")})
    registry = plugin_site.registry()
    with pytest.raises(UnknownNameError) as caught:
        registry.variant("lsgam")
    assert str(caught.value).startswith("there is no variant called 'lsgam'; did you mean lsgan")
    with pytest.raises(UnknownNameError) as caught:
        registry.variant("quux")
    assert str(caught.value) == "there is no variant called 'quux'; known: lsgan, wgan"
    with pytest.raises(UnknownNameError) as caught:
        registry.dataset("dot")
    assert str(caught.value) == "there is no data set called 'dot'; did you mean dots?"
    with pytest.raises(UnknownNameError, match="no variant called 'dots'"):
        registry.variant("dots")


def test_an_environment_without_plugins_is_empty() -> None:
    registry = Registry([])
    assert (registry.plugins(), registry.variants(), registry.datasets()) == ([], {}, {})
    with pytest.raises(UnknownNameError, match="there is no variant called 'x'; known: none"):
        registry.variant("x")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        pytest.param("raise ValueError('boom')", "ValueError: boom", id="raises at import"),
        pytest.param("raise ValueError('one\\n  two')", "ValueError: one two", id="several lines become one"),
        pytest.param("import sys; sys.exit(3)", "it ended the program (exit code 3)", id="exits"),
        pytest.param("raise SystemExit", "it ended the program (exit code None)", id="exits with no code"),
        pytest.param(
            "import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'", id="missing dependency"
        ),
        pytest.param(
            a_variant("bad").replace("GANZOO_API = 1", ""),
            "it states no core API version (GANZOO_API); this core offers 1 and 2",
            id="no API version",
        ),
        pytest.param(
            a_variant("bad").replace("GANZOO_API = 1", "GANZOO_API = 99"),
            "it was written for core API 99; this core offers 1 and 2",
            id="another API version",
        ),
        pytest.param(
            HEAD + "def ganzoo_variants(): return []",
            "it implements no hook; mark its functions with @hookimpl",
            id="no hook",
        ),
        pytest.param(
            a_variant("bad") + "\n@hookimpl\ndef ganzoo_networks(): return []",
            "it implements ganzoo_networks, which is no hook of this core",
            id="unknown hook",
        ),
        pytest.param(
            HEAD + "@hookimpl\ndef ganzoo_variants(): return 5",
            "ganzoo_variants must return a list, but returned int",
            id="not a list",
        ),
        pytest.param(
            HEAD + "@hookimpl\ndef ganzoo_datasets(): return 'digits'",
            "ganzoo_datasets must return a list, but returned str",
            id="text for a list",
        ),
        pytest.param(
            HEAD + "@hookimpl\ndef ganzoo_variants(): pass",
            "ganzoo_variants must return a list, but returned NoneType",
            id="forgot to return",
        ),
        pytest.param(
            HEAD + "@hookimpl\ndef ganzoo_variants(): raise KeyError('k')", "KeyError: 'k'", id="the hook raises"
        ),
        pytest.param(HEAD + offer("5"), "it must offer subclasses of Variant, but offers 5", id="not a class"),
        pytest.param(
            HEAD + offer("int"), "it must offer subclasses of Variant, but offers <class 'int'>", id="a foreign class"
        ),
        pytest.param(
            HEAD + "@hookimpl\ndef ganzoo_datasets(): return [ganzoo.Variant]",
            "it must offer subclasses of DataSource, but offers <class 'ganzoo_core.variant.Variant'>",
            id="a variant for a data set",
        ),
        pytest.param(
            HEAD + a_class("bad", attributes="del paper, year") + offer("Mine"),
            "Mine must state its paper (str), year (int)",
            id="states too little",
        ),
        pytest.param(
            HEAD + a_class("bad", attributes="name, year = 7, '2020'") + offer("Mine"),
            "Mine must state its name (str), year (int)",
            id="states it in other types",
        ),
        pytest.param(
            HEAD + a_class("bad", attributes="name = ''") + offer("Mine"),
            "Mine must state its name (str)",
            id="no name",
        ),
        pytest.param(
            a_dataset("dots", "del origin"), "Source must state its origin (str)", id="a data set of no origin"
        ),
        pytest.param(
            a_variant("../../etc"),
            "Mine.name must be letters, digits and any of . _ -, but is '../../etc'",
            id="a name that is a path",
        ),
        pytest.param(
            a_dataset("a:b"),
            "Source.name must be letters, digits and any of . _ -, but is 'a:b'",
            id="a name with a colon",
        ),
        pytest.param(
            a_variant("bad").replace("def loss(self): ...", "").replace("def generator(self, data): ...", ""),
            "Mine lacks generator (or state its Generator), loss (or state its Loss)",
            id="abstract",
        ),
        pytest.param(
            HEAD + a_class("same", "A") + a_class("same", "B") + offer("A", "B"),
            "it offers two called 'same'",
            id="two of one name",
        ),
        pytest.param(
            a_variant("bad") + "\n@hookimpl\ndef ganzoo_datasets(): return 5",
            "ganzoo_datasets must return a list, but returned int",
            id="half of it is nonsense",
        ),
        pytest.param(
            HEAD + "@hookimpl\ndef ganzoo_variants(colour): return []", "PluginValidationError: ", id="wrong arguments"
        ),
    ],
)
def test_a_broken_plugin_says_why_and_harms_nobody(plugin_site, source: str, error: str) -> None:
    found = the_error(plugin_site, source)
    assert found.startswith(error) if error.endswith(": ") else found == error
    assert "\n" not in found


def test_an_entry_point_to_nowhere_is_broken(plugin_site) -> None:
    plugin_site.install("ganzoo-good", {"ganzoo_good.py": a_variant("good")})
    plugin_site.install("ganzoo-bad", {}, {"bad": "ganzoo_bad"})
    plugin_site.install("ganzoo-worse", {"ganzoo_worse.py": ""}, {"worse": "ganzoo_worse:nothing"})
    errors = {plugin.name: plugin.error for plugin in plugin_site.registry().plugins()}
    assert errors == {
        "good": None,
        "bad": "ModuleNotFoundError: No module named 'ganzoo_bad'",
        "worse": "AttributeError: module 'ganzoo_worse' has no attribute 'nothing'",
    }


@pytest.mark.parametrize(
    "raised", ["KeyboardInterrupt", "GeneratorExit", "BaseException", "type('Odd', (BaseException,), {})"]
)
def test_what_would_end_the_program_at_import_is_an_error_of_the_plugin(plugin_site, raised: str) -> None:
    assert the_error(plugin_site, f"raise {raised}") == ("Odd" if "Odd" in raised else raised)


def test_an_exception_that_cannot_be_printed(plugin_site) -> None:
    source = "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd"
    assert the_error(plugin_site, source) == "Odd: it can't be printed: ValueError"


def test_ctrl_c_during_an_import_names_the_plugin(plugin_site) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    endless = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True: pass"
    plugin_site.install("ganzoo-slow", {"ganzoo_slow.py": endless})
    try:
        with pytest.raises(Interrupted, match=r"^stopped by Ctrl-C while ganzoo-slow 1.0 was being imported$"):
            plugin_site.registry().plugins()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_import_that_takes_long_is_named(plugin_site, monkeypatch) -> None:
    monkeypatch.setattr("ganzoo_core.guards.process_state._SLOW_S", 0.01)
    told, messages = threading.Event(), []
    monkeypatch.setattr(sys, "ganzoo_told", told, raising=False)
    hears = logging.Handler()
    hears.emit = lambda record: (messages.append(record.getMessage()), told.set())  # type: ignore[method-assign]
    plugin_site.install("ganzoo-slow", {"ganzoo_slow.py": "import sys; sys.ganzoo_told.wait(20)\n" + a_variant("slow")})
    logging.getLogger("ganzoo").addHandler(hears)
    try:
        assert "slow" in plugin_site.registry().variants()
    finally:
        logging.getLogger("ganzoo").removeHandler(hears)
    assert messages == ["still importing ganzoo-slow 1.0; Ctrl-C stops it"]


def test_one_thread_names_every_slow_import_once(monkeypatch, caplog) -> None:
    monkeypatch.setattr(process_state, "_SLOW_S", 0.02)
    threads: list[threading.Thread] = []
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: (threads.append(self), start(self)))

    def named(source: str) -> None:
        with imports.watched(source):
            deadline = time.monotonic() + 20
            while source not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(0.1)

    with process_state.SlowImports() as imports:
        assert not threads, "nothing is imported yet"
        named("ganzoo-one 1.0")
        with imports.watched("ganzoo-outer 1.0"):
            named("ganzoo-inner 1.0")
        named("ganzoo-two 1.0")
    threads[0].join(20)
    assert len(threads) == 1 and not threads[0].is_alive()
    named_ones = [message.split()[2] for message in caplog.messages]
    assert [name for name in named_ones if name != "ganzoo-outer"] == ["ganzoo-one", "ganzoo-inner", "ganzoo-two"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("import os; os.chdir('/')", "the working folder"),
        ("import signal; signal.signal(signal.SIGTERM, lambda *_: None)", "the signal handlers"),
        ("import sys, io; sys.stderr = io.StringIO()", "sys.stderr"),
        ("import logging; logging.root.addHandler(logging.NullHandler())", "the root logger"),
        ("import sys, io; sys.stdout = io.StringIO()", None),
    ],
)
@pytest.mark.parametrize("where", ["at import", "in a hook"])
def test_a_plugin_leaves_the_process_as_it_is(plugin_site, caplog, change: str, what: str | None, where: str) -> None:
    def state() -> list[Any]:
        return [os.getcwd(), signal.getsignal(signal.SIGTERM), sys.stdout, sys.stderr, list(logging.root.handlers)]

    hook = f"\n@hookimpl\ndef ganzoo_callbacks(run):\n    {change}\n    return []\n"
    source = a_variant("moving") + (f"\n{change}\n" if where == "at import" else hook)
    plugin_site.install("ganzoo-moving", {"ganzoo_moving.py": source})
    before, registry = state(), plugin_site.registry()
    registry.callbacks(run_info())
    assert state() == before
    told = f"ganzoo-moving 1.0 changed {what}, which is put back: a plugin leaves the process as it is"
    assert caplog.messages == ([told] if what else [])


def test_a_plugin_may_find_its_working_folder_gone(plugin_site, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    plugin_site.install("ganzoo-mine", {"ganzoo_mine.py": a_variant("mine")})
    assert "mine" in plugin_site.registry().variants()


def test_a_broken_plugin_is_imported_once(plugin_site) -> None:
    plugin_site.install("ganzoo-bad", {"ganzoo_bad.py": "import sys; sys.tries = 1 + getattr(sys, 'tries', 0); 1 / 0"})
    registry = plugin_site.registry()
    try:
        for _ in range(3):
            registry.plugins()
        assert sys.tries == 1  # type: ignore[attr-defined]
    finally:
        del sys.tries  # type: ignore[attr-defined]


def test_a_name_of_its_own_imports_that_package_alone(plugin_site) -> None:
    plugin_site.install("ganzoo-one", {"ganzoo_one.py": a_variant("one")})
    plugin_site.install("ganzoo-two", {"ganzoo_two.py": "raise AssertionError('imported')"})
    plugin_site.install("ganzoo-dots", {"ganzoo_dots.py": a_dataset("dots")})
    registry = plugin_site.registry()
    assert plugin_site.imported() == set()
    registry.variant("one")
    assert plugin_site.imported() == {"ganzoo_one"}
    registry.dataset("dots")
    assert plugin_site.imported() == {"ganzoo_one", "ganzoo_dots"}


MESSAGE = "the variant 'mine' is claimed by ganzoo-a 1.0 and by ganzoo-b 2.0; uninstall one of them"


@pytest.mark.parametrize("entries", [("a", "b"), ("mine", "mine")], ids=["entries apart", "entries alike"])
def test_two_packages_that_claim_one_name(plugin_site, entries: tuple[str, str]) -> None:
    """Nobody gets the name; what else the two offer, and everybody else, is untouched."""
    both = HEAD + a_class("mine") + a_class("other", "Other") + offer("Mine", "Other")
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": both}, {entries[0]: "ganzoo_a"})
    plugin_site.install("ganzoo-b", {"ganzoo_b.py": a_variant("mine")}, {entries[1]: "ganzoo_b"}, version="2.0")
    plugin_site.install("ganzoo-c", {"ganzoo_c.py": a_variant("third")})
    registry = plugin_site.registry()
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            registry.variant("mine")
        assert str(caught.value) == MESSAGE
        assert list(registry.variants()) == ["other", "third"]
    assert [plugin.error for plugin in registry.plugins()] == [MESSAGE, MESSAGE, None]
    assert registry.variant("other")[1].package == "ganzoo-a"
    with pytest.raises(UnknownNameError):
        registry.variant("a")  # the name of an entry point in trouble, but of no variant


@pytest.mark.parametrize("load_all_first", [False, True])
def test_a_contested_name_is_with_the_entry_point_that_bears_it(plugin_site, load_all_first: bool) -> None:
    """So that nobody can take a variant from its package, and the answer is the same whatever was asked before."""
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": a_variant("mine")}, {"mine": "ganzoo_a"})
    plugin_site.install("ganzoo-b", {"ganzoo_b.py": a_variant("mine")}, {"thief": "ganzoo_b"}, version="2.0")
    registry = plugin_site.registry()
    if load_all_first:
        registry.plugins()
    assert registry.variant("mine")[1].package == "ganzoo-a"
    assert [plugin.error for plugin in registry.plugins()] == [None, MESSAGE]
    assert registry.variant("mine")[1].package == "ganzoo-a"
    assert registry.variants()["mine"][1].package == "ganzoo-a"


def test_two_packages_that_claim_one_data_set(plugin_site) -> None:
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": a_dataset("dots")})
    plugin_site.install("ganzoo-b", {"ganzoo_b.py": a_dataset("dots")})
    registry = plugin_site.registry()
    with pytest.raises(PluginError) as caught:
        registry.dataset("dots")
    assert str(caught.value) == (
        "the data set 'dots' is claimed by ganzoo-a 1.0 and by ganzoo-b 1.0; uninstall one of them"
    )
    assert registry.datasets() == {}
    with pytest.raises(UnknownNameError, match="no variant called 'dots'"):
        registry.variant("dots")


@pytest.mark.parametrize("entry", ["thief", "digits"])
@pytest.mark.parametrize("load_all_first", [False, True])
def test_nobody_can_take_a_data_set_from_the_core(plugin_site, entry: str, load_all_first: bool) -> None:
    plugin_site.install("ganzoo-thief", {"ganzoo_thief.py": a_dataset("digits")}, {entry: "ganzoo_thief"})
    registry = registry_module.registry()
    if load_all_first:
        registry.plugins()
    assert registry.dataset("digits")[1].package == "ganzoo-core"
    errors = {plugin.package: plugin.error for plugin in registry.plugins() if plugin.error}
    assert list(errors) == ["ganzoo-thief"]
    assert re.fullmatch(
        r"the data set 'digits' is claimed by ganzoo[-\w]* [\d.]+ and by ganzoo[-\w]* [\d.]+; uninstall one of them",
        errors["ganzoo-thief"],
    )
    assert registry.datasets()["digits"][1].package == "ganzoo-core"


def test_one_module_behind_two_entry_points(plugin_site) -> None:
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": a_variant("mine")}, {"mine": "ganzoo_a", "again": "ganzoo_a"})
    registry = plugin_site.registry()
    assert registry.variant("mine")[1].name == "mine"
    found = {plugin.name: plugin for plugin in registry.plugins()}
    assert [plugin.error for plugin in found.values()] == [None, None]
    assert list(found["mine"].variants) == ["mine"] and not found["again"].variants


SEVERAL = (
    HEAD
    + "".join(a_class(name, f"V{name}") for name in "abc")
    + offer("Va", "Vb", "Vc")
    + "\n@hookimpl\ndef ganzoo_callbacks(run):\n    return [ganzoo.Callback()]\n"
)


@pytest.mark.parametrize("names", [["a", "b", "c"], ["a", "x", "y"], ["x"], ["b", "c", "d"]])
def test_several_variants_of_one_package(plugin_site, names) -> None:
    """As many entry points to its module as it likes: each variant is there once, and each observer."""
    plugin_site.install("ganzoo-str", {"ganzoo_str.py": SEVERAL}, dict.fromkeys(names, "ganzoo_str"))
    registry = plugin_site.registry()
    assert [registry.variant(name)[0].name for name in "abc"] == ["a", "b", "c"]
    assert [plugin.error for plugin in registry.plugins()] == [None] * len(names)
    assert list(registry.variants()) == ["a", "b", "c"]
    for name in set(names) & set("abc"):
        assert registry.variant(name)[1].name == name
    assert len(registry.callbacks(run_info())) == 1


def run_info() -> RunInfo:
    spec = DataSpec("dots", (2,), kind="points")
    return RunInfo(Path("runs/x"), "mine", spec, {"steps": 3}, "cpu", {"generator": 5}, 0, 3)


OBSERVER = HEAD + "class Watch(ganzoo.Callback): ...\n\n@hookimpl\ndef ganzoo_callbacks(run):\n    "


def test_callbacks_of_all_working_plugins_are_gathered(plugin_site) -> None:
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": OBSERVER + "return [Watch(), Watch()]"})
    plugin_site.install("ganzoo-b", {"ganzoo_b.py": OBSERVER + "return [Watch()] if run.total_steps == 3 else []"})
    plugin_site.install("ganzoo-bad", {"ganzoo_bad.py": OBSERVER + "return [Watch()]\n1 / 0"})
    plugin_site.install("ganzoo-c", {"ganzoo_c.py": a_variant("c")})
    callbacks = plugin_site.registry().callbacks(run_info())
    assert len(callbacks) == 3
    assert all(isinstance(callback, Callback) for callback in callbacks)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ValueError('no\\n disk')", "ValueError: no disk"),
        ("raise ganzoo.GanzooError('install tensorboard')", "install tensorboard"),
        ("return Watch()", "ganzoo_callbacks must return a list, but returned Watch"),
        ("return None", "ganzoo_callbacks must return a list, but returned NoneType"),
        ("return [5]", "ganzoo_callbacks must offer instances of Callback, but offers 5"),
    ],
)
def test_a_plugin_that_fails_to_make_its_callbacks_is_named(plugin_site, body: str, reason: str) -> None:
    plugin_site.install("ganzoo-watch", {"ganzoo_watch.py": OBSERVER + body}, version="0.2")
    with pytest.raises(PluginError) as caught:
        plugin_site.registry().callbacks(run_info())
    assert str(caught.value) == f"ganzoo-watch 0.2 failed in ganzoo_callbacks: {reason}"


COMMAND = (
    HEAD
    + """
import click

@click.command("{0}")
def command():
    "Greet."
    click.echo("{1}")

@hookimpl
def ganzoo_commands(cli):
    cli.add_command(command)
"""
)


def test_commands_of_all_working_plugins_are_gathered(plugin_site) -> None:
    plugin_site.install("ganzoo-hi", {"ganzoo_hi.py": COMMAND.format("hi", "hello")})
    plugin_site.install("ganzoo-bad", {"ganzoo_bad.py": COMMAND.format("bad", "oh") + "1 / 0"})
    registry = plugin_site.registry()
    assert list(registry.commands()) == ["hi"] and registry.command("hi")[1].package == "ganzoo-hi"
    with pytest.raises(PluginError, match=r"the command 'bad' can't be used: ganzoo-bad 1.0: ZeroDivisionError"):
        registry.command("bad")
    with pytest.raises(UnknownNameError, match="there is no command called 'ho'; did you mean hi?"):
        registry.command("ho")


def test_a_command_imports_no_other_plugin(plugin_site) -> None:
    plugin_site.install("ganzoo-hi", {"ganzoo_hi.py": COMMAND.format("hi", "hello")})
    plugin_site.install("ganzoo-other", {"ganzoo_other.py": COMMAND.format("other", "no")})
    plugin_site.registry().command("hi")
    assert plugin_site.imported() == {"ganzoo_hi"}


def test_nobody_takes_a_command_from_another(plugin_site) -> None:
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": COMMAND.format("same", "a")})
    plugin_site.install("ganzoo-b", {"ganzoo_b.py": COMMAND.format("same", "b")})
    with pytest.raises(PluginError, match=r"the command 'same' is claimed by ganzoo-a 1.0 and by ganzoo-b 1.0"):
        plugin_site.registry().command("same")


def test_a_command_has_a_name_that_can_be_typed(plugin_site) -> None:
    plugin_site.install("ganzoo-odd", {"ganzoo_odd.py": COMMAND.format("-x", "x")})
    (odd,) = plugin_site.registry().plugins()
    assert odd.error == "a command must be named by letters, digits and any of . _ -, but is called '-x'"


def test_what_was_the_cores_tells_where_it_is_now(plugin_site) -> None:
    registry = plugin_site.registry()
    for what, ask, name, package in (
        ("command", registry.command, "evaluate", "ganzoo-tools"),
        ("data set", registry.dataset, "folder", "ganzoo-folder"),
    ):
        with pytest.raises(UnknownNameError) as caught:
            ask(name)
        assert str(caught.value) == f"the {what} {name!r} comes with a package of its own: pip install {package}"


SECTIONS = (
    HEAD
    + """
from pathlib import Path
from ganzoo_core.hookspecs import ReportSection

@hookimpl
def ganzoo_report_sections(folder, generator):
    {0}
"""
)


def test_sections_of_all_working_plugins_are_gathered(plugin_site, caplog) -> None:
    plugin_site.install("ganzoo-a", {"ganzoo_a.py": SECTIONS.format("return [ReportSection(folder.name, 'a')]")})
    plugin_site.install("ganzoo-b", {"ganzoo_b.py": SECTIONS.format("raise ValueError('no ink')")})
    plugin_site.install("ganzoo-c", {"ganzoo_c.py": SECTIONS.format("return ['<p>']")})
    with caplog.at_level("WARNING", "ganzoo"):
        (section,) = plugin_site.registry().report_sections(Path("runs/x"), None)
    assert (section.title, section.html) == ("x", "a")
    first, second = (record.getMessage() for record in caplog.records)
    assert first == (
        "a section is missing on the page of runs/x: ganzoo-b 1.0 failed in ganzoo_report_sections: ValueError: no ink"
    )
    assert second.endswith("ganzoo_report_sections must offer instances of ReportSection, but offers '<p>'")


def test_a_wrapper_reaches_its_own_plugin_only(plugin_site) -> None:
    wrapper = "\n@hookimpl(wrapper=True)\ndef ganzoo_variants():\n    yield\n    return [[]]\n"
    plugin_site.install("ganzoo-greedy", {"ganzoo_greedy.py": HEAD + wrapper})
    plugin_site.install("ganzoo-mine", {"ganzoo_mine.py": a_variant("mine")})
    assert list(plugin_site.registry().variants()) == ["mine"]


@pytest.mark.parametrize(
    ("limit", "names"),
    [
        ("one", {"one"}),
        ("ganzoo-one", {"one"}),
        (" one , ganzoo-two,", {"one", "two"}),
        ("ganzoo_one", set()),
        ("", set()),
        (",", set()),
    ],
)
def test_ganzoo_plugins_limits_the_environment(plugin_site, monkeypatch, limit: str, names: set[str]) -> None:
    for name in ("one", "two"):
        plugin_site.install(f"ganzoo-{name}", {f"ganzoo_{name}.py": a_variant(name)})
    monkeypatch.setenv("GANZOO_PLUGINS", limit)
    assert set(registry_module.registry().variants()) == names
    assert {plugin.name for plugin in registry_module.registry().plugins()} == names


def test_without_a_limit_the_environment_has_all(plugin_site) -> None:
    plugin_site.install("ganzoo-one", {"ganzoo_one.py": a_variant("one")})
    assert "one" in registry_module.registry().variants()
    assert "digits" in registry_module.registry().datasets(), "ganzoo itself must be installed: its offers are plugins"
    assert registry_module.registry() is registry_module.registry()


@pytest.fixture
def sources(plugin_site) -> None:
    plugin_site.install("ganzoo-dots", {"ganzoo_dots.py": a_dataset("dots")})
    plugin_site.install("ganzoo-pile", {"ganzoo_pile.py": a_dataset("pile", "takes_path = True")})


@pytest.mark.usefixtures("sources")
def test_find_source_with_and_without_a_path(monkeypatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    source, path = find_source("dots")
    assert (source.name, path) == ("dots", None)
    source, path = find_source("pile:some/where")
    assert (source.name, path) == ("pile", Path("some/where"))
    assert find_source("pile:C:/x")[1] == Path("C:/x"), "only the first colon counts"
    assert find_source("pile:~/x")[1] == Path("/home/me/x")
    assert find_source("pile:~nobody-of-that-name/x")[1] == Path("~nobody-of-that-name/x")


@pytest.mark.usefixtures("sources")
def test_a_path_in_the_place_of_a_name_is_told(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my photos").mkdir()
    (tmp_path / "photos.zip").touch()
    for name, way_out in {
        "./my photos": "is a folder and no data set; name it with --data 'pile:./my photos'",
        "my photos": "is a folder and no data set; name it with --data 'pile:my photos'",
        "~/my photos": "is a folder and no data set; name it with --data 'pile:~/my photos'",
        "photos.zip": "is a file and no data set; unpack it if it is an archive, and name the folder with --data "
        "pile:FOLDER",
    }.items():
        with pytest.raises(DataError) as caught:
            find_source(name)
        assert str(caught.value).startswith(f"{name!r} {way_out}")
    with pytest.raises(UnknownNameError):
        find_source("./nowhere")


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("name", ["pile", "pile:"])
def test_a_source_that_needs_a_path_says_so(name: str) -> None:
    with pytest.raises(DataError) as caught:
        find_source(name)
    assert str(caught.value) == "the data set 'pile' needs a path: --data pile:PATH"


@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("name", ["dots:x", "dots:", "dot", "dotz:x"])
def test_a_source_that_is_unknown_or_takes_no_path_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_source(name)
    assert str(caught.value).startswith("there is no data set called 'dot")
    assert "did you mean dots" in str(caught.value)


def test_a_source_of_a_broken_plugin_says_why(plugin_site) -> None:
    plugin_site.install("ganzoo-dots", {"ganzoo_dots.py": "1 / 0"})
    with pytest.raises(PluginError) as caught:
        find_source("dots")
    assert str(caught.value) == (
        "the data set 'dots' can't be used: ganzoo-dots 1.0: ZeroDivisionError: division by zero"
    )
