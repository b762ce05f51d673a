"""The catalogue holds each package of this repository, and tells the way to a variant that is not installed."""

from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner

from ganzoo_core import registry as registry_module
from ganzoo_core.cli import main
from ganzoo_core.registry import Registry, registry

ROOT = Path(__file__).parent.parent
KNOWN = tomllib.loads((ROOT / "ganzoo_core" / "catalogue.toml").read_text(encoding="utf-8"))["plugin"]


def test_each_package_is_listed_as_it_is():
    projects = [tomllib.loads(path.read_text(encoding="utf-8"))["project"] for path in ROOT.glob("plugins/*/*.toml")]
    listed = {one["package"]: one for one in KNOWN}
    assert len(listed) == len(KNOWN) and all(one.keys() == {"package", "about", "variants"} for one in KNOWN)
    assert {one["name"]: one["description"] for one in projects}.items() <= {
        name: one["about"] for name, one in listed.items()
    }.items()
    found: dict[str, list[str]] = {one["name"]: [] for one in projects}
    for name, (_, plugin) in registry().variants().items():
        if plugin.package in found:
            found[plugin.package].append(name)
    assert found == {name: listed[name]["variants"] for name in found}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch):
    """A machine with the core and no plugin."""
    core = [one for one in metadata.entry_points(group="ganzoo") if one.dist and one.dist.name == "ganzoo-core"]
    installed, every = metadata.distributions, metadata.entry_points

    def offered(**asked: str) -> object:
        return core if asked == {"group": "ganzoo"} else every(**asked)

    monkeypatch.setattr(registry_module.metadata, "entry_points", offered)

    def present(**asked: str) -> object:
        return (
            installed(**asked) if asked.get("name", "").removeprefix("ganzoo-") in ("core", asked.get("name")) else []
        )

    monkeypatch.setattr(registry_module.metadata, "distributions", present)
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.mark.parametrize("command", ["run", "show"])
@pytest.mark.parametrize("plugin", [one for one in KNOWN if one["variants"]], ids=lambda one: one["package"])
def test_the_package_of_a_variant_that_is_not_installed_is_named(command: str, plugin: dict, bare):
    for name in plugin["variants"]:
        result = CliRunner().invoke(main, [command, name])
        assert result.exit_code == 1 and result.stderr == (
            f"Error: the variant {name!r} comes with a package of its own: pip install {plugin['package']}\n"
        )


def test_the_list_names_those_that_are_not_installed(bare):
    known = {name: one["package"] for one in KNOWN for name in one["variants"]}
    assert json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)["missing"] == known
    shown = CliRunner().invoke(main, ["list"]).stdout
    assert "Not installed: pip install PACKAGE" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert all([name, package] in rows for name, package in known.items())


def test_what_is_installed_is_not_missing():
    assert json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)["missing"] == {}


def test_what_nobody_knows_is_unknown(bare):
    assert "there is no variant called 'no-gan'" in CliRunner().invoke(main, ["run", "no-gan"]).stderr


def test_what_is_installed_and_left_out_is_not_installed_again():
    name = next(one["variants"][0] for one in KNOWN if one["variants"])
    with pytest.raises(registry_module.UnknownNameError) as told:
        Registry([]).variant(name)
    assert not isinstance(told.value, registry_module.MissingPluginError)
