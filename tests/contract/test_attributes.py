"""Every attribute of a variant and of a data set against every odd value: listed as broken, or listed and usable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ganzoo_toy import Toy

from ganzoo_core.cli import main
from ganzoo_core.cli.data import _describe as describe_source
from ganzoo_core.cli.list import describe
from ganzoo_core.datasets.sources import Ring8
from ganzoo_core.errors import PluginError
from ganzoo_core.registry import registry
from ganzoo_core.variant import _SOURCE, _VARIANT, check_attributes


class NotSettings:
    pass


ODD: tuple[Any, ...] = (
    None, True, 0, 5, -1, 1.5, float("nan"), "", " ", "images", "x\ny", b"images", (), ("images",), ["points"],
    ("images", None), ("nonsense",), ([],), (0,), (2, True), {}, {"a": 1}, {"images"}, object(), NotSettings, int,
    lambda self: 1, property(lambda self: 1), range(3), Ellipsis,
)  # fmt: skip
RULES = [*((Toy, key) for key in _VARIANT), *((Ring8, key) for key in _SOURCE)]


@pytest.mark.parametrize(("base", "key"), RULES, ids=lambda part: getattr(part, "__name__", part))
def test_an_odd_value_is_refused_by_name_or_harms_nobody(base: Any, key: str):
    refused = 0
    for value in ODD:
        cls = type("Odd", (base,), {key: value})
        try:
            check_attributes(cls)
        except PluginError as error:
            refused += 1
            assert str(error).startswith((f"Odd.{key} must be ", f"Odd must state its {key} ("))
        else:
            toy, ring = registry().variant("toy")[1], registry().dataset("ring8")[1]
            told = describe(cls, toy) if base is Toy else describe_source(cls, ring, Path())
            json.dumps(told, allow_nan=False)
    assert refused >= len(ODD) / 2, f"{key} takes nearly anything"


def test_good_classes_keep_every_rule():
    for cls, _ in registry().variants().values():
        check_attributes(cls)
    for source, _ in registry().datasets().values():
        check_attributes(source)


@pytest.mark.parametrize("value", ["None", "5", "[[]]", "type('Odd', (), {'__repr__': lambda self: 1 / 0})()"])
def test_a_broken_plugin_is_listed_and_every_command_goes_on(plugin_site, in_tmp, value: str):
    for number, key in enumerate(("kinds", "Config", "conditional", "default_data", "generator")):
        source = (
            "import ganzoo_toy\nfrom ganzoo_core import hookimpl\nGANZOO_API = 1\n"
            f"class Odd(ganzoo_toy.Toy):\n    name = 'odd{number}'\n    {key} = {value}\n"
            "@hookimpl\ndef ganzoo_variants(): return [Odd]\n"
        )
        plugin_site.install(f"ganzoo-odd{number}", {f"ganzoo_odd{number}.py": source})
    for command in ("list --json", "plugins --json", "data --json", "show toy --json", "list", "plugins"):
        result = CliRunner().invoke(main, command.split())
        assert result.exit_code == 0, (command, result.output)
    broken = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)["broken"]
    assert {one["package"] for one in broken} == {f"ganzoo-odd{number}" for number in range(5)}
    run = CliRunner().invoke(main, ["run", "toy", "--data", "ring8", "--steps", "1", "--quiet"])
    assert run.exit_code == 0, run.output
