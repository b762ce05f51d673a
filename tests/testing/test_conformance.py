"""Every installed variant keeps every promise, and a variant that breaks one is caught."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest
import torch
from click.testing import CliRunner
from ganzoo_toy import Toy, ToyConfig
from ganzoo_toy.networks import CountingLoss, ToyDiscriminator, ToyGenerator

from ganzoo_core import option
from ganzoo_core.cli import main
from ganzoo_core.interfaces import new_player
from ganzoo_core.registry import registry
from ganzoo_core.testing import RULES, VariantSuite, _failure, result_on
from ganzoo_core.testing.cases import Case, cases

NAMES = sorted(registry().variants())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_installed_variant_keeps_every_promise(name, rule):
    failure = result_on(rule, cases(name)).failure
    assert failure is None, failure


class TestToy(VariantSuite):
    variant = "toy"


def test_the_suite_has_a_test_for_each_rule():
    assert {f"test_{rule.__name__}" for rule in RULES} <= set(dir(TestToy))


def broken(**overrides) -> Case:
    """The toy with some attributes replaced, on points."""
    variant = type("Broken", (Toy,), {"__doc__": "A broken toy.", **overrides})
    _, plugin = registry().variant("toy")
    return Case(variant, plugin, next(c for c in cases("toy").tried if c.spec.kind == "points").dataset)


def generator(**methods):
    cls = type("BrokenGenerator", (ToyGenerator,), methods)
    return {"generator": lambda self, data: cls(4, 8, data.shape, 0)}


def discriminator(**methods):
    cls = type("BrokenDiscriminator", (ToyDiscriminator,), methods)
    return {"discriminator": lambda self, data: cls(8, data.shape, 0)}


def loss(**methods):
    cls = type("BrokenLoss", (CountingLoss,), methods)
    return {"loss": lambda self: cls(None)}


def g_loss(function):
    return loss(for_generator=lambda self, turn: function(CountingLoss.for_generator(self, turn), turn))


def d_loss(function):
    return loss(for_discriminator=lambda self, turn: function(CountingLoss.for_discriminator(self, turn), turn))


def wrapped_forward(function):
    return lambda self, z, labels=None: function(ToyGenerator.forward(self, z, labels))


def unowned_players(self, networks):
    return [
        new_player(self, "discriminator", [networks.discriminator.hidden], networks.loss.for_discriminator),
        new_player(self, "generator", [networks.generator], networks.loss.for_generator),
    ]


@dataclass(frozen=True, kw_only=True)
class Greedy(ToyConfig):
    channels: int = option(3, "an option of folders of images too")


@dataclass(frozen=True, kw_only=True)
class Greedier(ToyConfig):
    seed: int = option(3, "a setting of every run too")


class Forgetful(CountingLoss):
    """Counts in a plain attribute, which no checkpoint keeps."""

    def __init__(self, poison_step):
        super().__init__(poison_step)
        self.count = 0

    def for_generator(self, turn):
        self.count += 1
        return {"adversarial": super().for_generator(turn)["adversarial"] * self.count}


class Hidden(ToyGenerator):
    """Keeps a random tensor that is no buffer."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.shift = torch.rand(())

    def forward(self, z, labels=None):
        return super().forward(z + self.shift, labels)


class Mixing(ToyDiscriminator):
    def forward(self, x, labels=None):
        return super().forward(x, labels) + x.mean()


BROKEN = {
    "metadata": [
        ({"paper": "a blog"}, "paper to be arXiv"),
        ({"year": 14}, "year to be a year"),
        ({"Config": Greedy}, r"one owner, but channels is a setting of the data set folder .* and of the variant toy"),
        ({"Config": Greedier}, "one owner, but seed is a setting of every run and of the variant toy"),
        ({"default_data": "digitz"}, "default_data to be a data set that `ganzoo data` lists, but it is 'digitz'"),
    ],
    "parts": [({"loss": lambda self: torch.nn.Identity()}, "expected a Loss, but found Identity")],
    "samples": [
        (generator(forward=wrapped_forward(lambda x: x * 3)), r"to stay in \[-1, 1\]"),
        (generator(forward=wrapped_forward(lambda x: x[:, :1])), r"to give \(8, 2\)"),
        (generator(forward=wrapped_forward(lambda x: x.double())), "to give float32"),
        (generator(forward=wrapped_forward(lambda x: x / 0 * 0)), "to give finite numbers"),
        (generator(latent=lambda self, n, rng: torch.randn(n, 4)), "to draw from rng alone"),
        (generator(latent_range=(0, 1)), "latents within .*latent_range, 0 to 1, but .* of their numbers are not"),
        (generator(latent=lambda self, n, rng: torch.randn(n + 1, 4, generator=rng)), "but it gives 9"),
        (generator(latent_range=(0, 1)), "latents within"),
    ],
    "logits": [
        (discriminator(forward=lambda self, x, labels=None: self.output(self.hidden(x))), r"to give logits \(8,\)"),
        (discriminator(forward=lambda self, x, labels=None: [1]), "a tensor or a named tuple"),
        (discriminator(forward=lambda self, x, labels=None: x[:, 0] / 0), "to give finite logits"),
    ],
    "condition": [({"conditional": True}, "two labels to give two samples")],
    "terms": [
        (g_loss(lambda terms, turn: [1]), "terms as a dict"),
        (g_loss(lambda terms, turn: {"a": turn.on_fake}), "to be a scalar tensor"),
        (g_loss(lambda terms, turn: {"a": terms["adversarial"].detach()}), "was it detached"),
        (g_loss(lambda terms, turn: {"a": terms["adversarial"] * torch.nan}), "to be finite"),
        (g_loss(lambda terms, turn: {3: terms["adversarial"]}), "to be named by a string"),
    ],
    "gradients": [
        (g_loss(lambda terms, turn: {"a": turn.generator.output.bias.sum()}), "get a gradient"),
    ],
    "moves": [
        ({"players": unowned_players, "optimizer": lambda self, player, p: torch.optim.SGD(p, 0.0)}, "to move in"),
        (
            d_loss(lambda terms, turn: (turn.generator.output.bias.data.add_(1), terms)[1]),
            "discriminator's turn to leave generator.output.bias",
        ),
    ],
    "schedule": [({"players": unowned_players}, "n_critic=3 to give the discriminator 3 updates")],
    "no_host_sync": [(g_loss(lambda terms, turn: terms if terms["adversarial"].item() < 9 else {}), "reads 1;")],
    "repeatable": [(g_loss(lambda terms, turn: {"a": terms["adversarial"] * torch.Generator().seed()}), "of one seed")],
    "resumable": [({"loss": lambda self: Forgetful(None)}, "resumed and uninterrupted")],
    "exportable": [({"generator": lambda self, data: Hidden(4, 8, data.shape, 0)}, "is all its state registered")],
    "precisions": [
        (d_loss(lambda terms, turn: {"a": terms["real"] * (1 + 4 * torch.is_autocast_enabled("cpu"))}), "bf16"),
    ],
    "joint_passes": [({"discriminator": lambda self, data: Mixing(8, data.shape, 0)}, "mixes_samples return True")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "overrides", "message"),
    [(rule, *case) for rule, found in BROKEN.items() for case in found],
    ids=[f"{rule}-{i}" for rule, found in BROKEN.items() for i in range(len(found))],
)
def test_a_broken_variant_is_caught(rule, overrides, message, monkeypatch):
    case = broken(**overrides)
    if rule == "exportable":  # loading looks the variant up by its name
        monkeypatch.setattr("ganzoo_core.sampling.generator_file.registry", lambda: _Only(case))
    check = next(r for r in RULES if r.__name__ == rule)
    with pytest.raises(AssertionError, match=message):
        check(case)


class Deciding(CountingLoss):
    """Reads values on the host to decide whether to pass, which it may do once a turn."""

    may_pass = True
    reads = 1

    def for_discriminator(self, turn):
        terms = super().for_discriminator(turn)
        return terms if all(bool(turn.on_real.mean() < 9) for _ in range(self.reads)) else {}


def test_a_loss_that_says_so_may_read_one_value():
    check = next(r for r in RULES if r.__name__ == "no_host_sync")
    check(broken(loss=lambda self: Deciding(None)))
    twice = type("Twice", (Deciding,), {"reads": 2})
    with pytest.raises(AssertionError, match="the discriminator's turn to read 1 tensor, but it reads 2; .*may_pass"):
        check(broken(loss=lambda self: twice(None)))


class _Only:
    def __init__(self, case):
        self.case = case

    def variant(self, name):
        return self.case.variant_class, self.case.plugin


def test_a_heavy_import_is_caught(plugin_site):
    plugin_site.install(
        "ganzoo-heavy",
        {"ganzoo_heavy.py": "import torch\nfrom ganzoo_toy import Toy\nGANZOO_API = 1\n"
         "from ganzoo_core import hookimpl\nclass Heavy(Toy):\n    'x'\n    name = 'heavy'\n"
         "@hookimpl\ndef ganzoo_variants():\n    return [Heavy]\n"},
    )  # fmt: skip
    result = CliRunner().invoke(main, ["check", "heavy", "--json"])
    rules = {r["rule"]: r["failure"] for r in json.loads(result.stdout)["rules"]}
    assert result.exit_code == 1
    assert "it imports torch" in rules["light_import"] or "imports numpy and torch" in rules["light_import"]
    assert rules["repeatable"] is None


def test_every_rule_has_a_variant_that_breaks_it():
    assert set(BROKEN) | {"light_import", "inputs", "data"} == {rule.__name__ for rule in RULES}


def test_check_prints_a_table_and_exits_0():
    result = CliRunner().invoke(main, ["check", "toy"])
    assert result.exit_code == 0, result.stdout
    assert result.stdout.count("✓") == len(RULES) and "✗" not in result.stdout
    assert "keeps 18 of 18 promises" in result.stderr


EXPLOSIVE = """
from ganzoo_core import hookimpl
from ganzoo_toy import Toy
GANZOO_API = 1
class Explosive(Toy):
    name = "explosive"
    def generator(self, data):
        {line}
@hookimpl
def ganzoo_variants():
    return [Explosive]
"""


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raise ZeroDivisionError('oops')", "ZeroDivisionError: oops"),
        ("assert data is None, 'oops'", "AssertionError: oops"),
        ("assert data is None", "AssertionError"),
        ("import torch; torch.zeros(2) @ torch.zeros(3)", "RuntimeError: .*size.*"),
        ("import json; json.loads('')", "JSONDecodeError: .*"),
    ],
)
def test_an_exception_of_the_variants_own_breaks_the_rule(line, error, plugin_site, monkeypatch, capsys):
    monkeypatch.delenv("GANZOO_TRACEBACK", raising=False)
    plugin_site.install("ganzoo-explosive", {"ganzoo_explosive.py": EXPLOSIVE.format(line=line)})
    check = next(r for r in RULES if r.__name__ == "parts")
    failure = _failure(check, cases("explosive").tried)
    place = f"{re.escape(str(plugin_site.folder))}/ganzoo_explosive.py:8"
    hint = "GANZOO_TRACEBACK=1 shows the way there"
    assert re.fullmatch(f"expected no exception on grey images, but found {error} \\(at {place}; {hint}\\)", failure)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("GANZOO_TRACEBACK", "1")
    _failure(check, cases("explosive").tried)
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):\n")


def test_an_exception_outside_the_variants_own_code_has_its_place(monkeypatch):
    check = next(r for r in RULES if r.__name__ == "parts")

    def explode(self, data):
        torch.nn.Linear(2, 3)(torch.zeros(5))  # which raises in torch's own Python

    line = explode.__code__.co_firstlineno + 1
    assert f"{__file__}:{line};" in _failure(check, [broken(generator=explode)])
    assert re.search(r"TypeError: .* \(at .*testing/rules.py:\d+;", _failure(check, [broken(generator=None)]))
