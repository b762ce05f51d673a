"""A variant's parts named by class attributes: a class, or where it is; and settings that get another default."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from ganzoo_toy.networks import CountingLoss, ToyDiscriminator, ToyGenerator

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import ContractError, PluginError, SettingError
from ganzoo_core.losses import LeastSquares
from ganzoo_core.runs.own import add_file
from ganzoo_core.settings import Settings
from ganzoo_core.variant import by_name

RING = DataSpec("ring", (2,), (), "points")


class MyGenerator(ToyGenerator):
    def __init__(self, config, data):
        super().__init__(config.latent_dim, 8, data.shape, 0)


class MyDiscriminator(ToyDiscriminator):
    def __init__(self, data):
        super().__init__(8, data.shape, 0)


class MyLoss(CountingLoss):
    def __init__(self, config):
        super().__init__(config.steps)


class Mine(ganzoo.Variant):
    """Mine."""

    name, title, paper, year = "mine", "Mine", "arXiv:0000.00000", 2026
    Generator, Discriminator, Loss = MyGenerator, MyDiscriminator, MyLoss


def test_a_class_is_called_with_what_its_init_names():
    variant = by_name([Mine], ganzoo.Variant)["mine"]()
    assert variant.generator(RING).latent_dim == 100
    assert variant.discriminator(RING).hidden.in_features == 2
    assert variant.loss().poison_step == 10_000


def test_what_a_class_states_takes_the_place_of_a_method_further_up_and_the_reverse():
    class Made(Mine):
        def loss(self):
            return CountingLoss(3)

    class Stated(Made):
        Loss = "ganzoo_core.losses:LeastSquares"

    class Below(Stated):
        Generator = MyGenerator

    class Mixin:
        Loss = LeastSquares

    class Mixed(Mixin, Made):
        pass

    class Both(Stated):
        Loss = LeastSquares

        def loss(self):
            return CountingLoss(4)

    assert [type(cls().loss()) for cls in (Made, Stated, Below, Mixed, Both)] == [
        CountingLoss, LeastSquares, LeastSquares, LeastSquares, CountingLoss,
    ]  # fmt: skip


PACKAGE = """
import ganzoo_core as ganzoo
class Base(ganzoo.Variant):
    "A base."
    name, title, paper, year = "base", "Base", "arXiv:0000.00000", 2026
    kinds = ("points",)
    Generator, Discriminator = ".networks:G", "ganzoo_base.networks:D"
    Loss = "ganzoo_core.losses:LeastSquares"
GANZOO_API = 2
@ganzoo.hookimpl
def ganzoo_variants(): return [Base]
"""
NETWORKS = """
from ganzoo_toy.networks import ToyDiscriminator, ToyGenerator
class G(ToyGenerator):
    def __init__(self, config, data): super().__init__(config.latent_dim, 8, data.shape, 0)
class D(ToyDiscriminator):
    def __init__(self, data): super().__init__(8, data.shape, 0)
"""


def test_a_name_is_imported_when_needed_from_beside_the_class_that_states_it(plugin_site):
    plugin_site.install("ganzoo-base", {"ganzoo_base/__init__.py": PACKAGE, "ganzoo_base/networks.py": NETWORKS})
    base, _ = ganzoo.registry.registry().variant("base")
    assert "ganzoo_base.networks" not in sys.modules

    class Child(base):  # of another package, where there is no .networks
        name = "child"

    variant = Child()
    assert type(variant.generator(RING)).__module__ == "ganzoo_base.networks"
    assert isinstance(variant.loss(), LeastSquares)
    assert (
        ganzoo.train("base", data="ring8", steps=1, out=plugin_site.folder / "run", progress=False).info["variant"]
        == "base"
    )


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (".nowhere:G", r"Mine.Generator is '.nowhere:G', but there is no such module"),
        ("ganzoo_nowhere:G", "Mine.Generator is 'ganzoo_nowhere:G', but there is no such module"),
        ("ganzoo_core.losses:G", "Mine.Generator is 'ganzoo_core.losses:G', but ganzoo_core.losses has no G"),
        ("ganzoo_core.losses:r1_penalty", "Mine.Generator must be a class, but is <function r1_penalty"),
    ],
)
def test_a_name_of_nothing_is_told(monkeypatch, stated, message):
    monkeypatch.setattr(Mine, "Generator", stated)
    by_name([Mine], ganzoo.Variant)
    with pytest.raises(ContractError, match=message):
        Mine().generator(RING)


class Asking(MyGenerator):
    def __init__(self, data, width, *, depth, slope=0.2, **others):
        super().__init__(None, data)


class Unfinished(ganzoo.Generator):
    pass


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            Asking,
            "Mine.Generator is Asking, whose __init__ asks for width, depth, but it is made with config and data "
            "alone; take the rest from there, or write the method generator that makes it",
        ),
        (Unfinished, "Mine.Generator is Unfinished, which lacks forward"),
        (None, "Mine.Generator must be a class, but is None"),
    ],
)
def test_a_class_that_cannot_be_made_is_told(monkeypatch, stated, message):
    monkeypatch.setattr(Mine, "Generator", stated)
    with pytest.raises(ContractError, match=message):
        Mine().generator(RING)


def test_a_loss_that_asks_for_data_is_told(monkeypatch):
    monkeypatch.setattr(Mine, "Loss", MyGenerator)
    with pytest.raises(ContractError, match="whose __init__ asks for data, but it is made with config alone; take the"):
        Mine().loss()


def test_a_dot_where_there_is_no_package_is_told(plugin_site, tmp_path):
    """In a file that is run by itself there is nothing beside the class."""
    text = Path(__file__).parents[2].joinpath("examples", "my_gan.py").read_text("utf-8")
    (tmp_path / "mine.py").write_text(f"{text}\n    Generator = '.nets:G'\n", "utf-8")
    with pytest.raises(
        ContractError,
        match="MyGan.Generator is '.nets:G', whose dot means beside it in its package, but MyGan is in none; give the",
    ):
        ganzoo.registry.registry().variant(add_file(str(tmp_path / "mine.py")))[0]().generator(RING)


@pytest.mark.parametrize("stated", ["no colon", 5, "a:b:c", ":G", "a b:c"])
def test_what_can_be_no_name_is_told_when_it_is_listed(monkeypatch, stated):
    monkeypatch.setattr(Mine, "Loss", stated)
    with pytest.raises(PluginError, match='Mine.Loss must be a class, or where it is: "module:Class", but is'):
        by_name([Mine], ganzoo.Variant)


def test_an_import_error_of_the_module_itself_is_not_hidden(plugin_site):
    broken = NETWORKS.replace("ganzoo_toy.networks", "ganzoo_gone")
    plugin_site.install("ganzoo-base", {"ganzoo_base/__init__.py": PACKAGE, "ganzoo_base/networks.py": broken})
    with pytest.raises(ModuleNotFoundError, match="ganzoo_gone"):
        ganzoo.registry.registry().variant("base")[0]().generator(RING)


@dataclass(frozen=True, kw_only=True)
class Other(ganzoo.Config):
    steps: int = 500
    latent_dim: int | None = None


def test_another_default_keeps_doc_and_rule():
    options = {option.name: option for option in Other.options()}
    assert (options["steps"].default, options["steps"].doc) == (500, "updates of the generator")
    assert options["latent_dim"].type == "int or none"
    assert list(options) == [option.name for option in ganzoo.Config.options()]
    with pytest.raises(SettingError, match="steps must be at least 1, but is 0"):
        Other(steps=0)
    assert ganzoo.Config().steps == 10_000


def test_options_of_sampling(plugin_site, in_tmp):
    plugin_site.install("ganzoo-staged", {}, {"staged": "staged"})
    run = ganzoo.train("staged", data="ring8", steps=2, device="cpu", progress=False, out="run")
    assert "truncation" not in run.info["settings"]
    whole, half, none = (ganzoo.load("run", **options) for options in ({}, {"truncation": 0.5}, {"truncation": 0.0}))
    assert (whole.sampling.to_dict(), half.sampling.to_dict()) == ({"truncation": 1.0}, {"truncation": 0.5})
    torch.testing.assert_close(half.sample(8).values, whole.sample(8).values / 2)
    assert not none.sample(8).values.any()
    typed = ganzoo.load("run", texts={"truncation": "0.5"})
    assert torch.equal(typed.sample(8).values, half.sample(8).values)
    with pytest.raises(
        ganzoo.GanzooError, match="no option of sampling of staged called 'truncaton'; did you mean trunc"
    ):
        ganzoo.load("run", truncaton=0.5)
    with pytest.raises(SettingError, match="steps is a setting of staged's training, which is over; leave it out"):
        ganzoo.load("run", steps=5)
    with pytest.raises(SettingError, match=r"truncation must be at most 1, but is 2\.0"):
        ganzoo.load("run", truncation=2.0)
    with pytest.raises(
        SettingError, match="truncation is an option of sampling, not of training; give it later: ganzoo"
    ):
        ganzoo.train("staged", data="ring8", truncation=0.5)


def test_sampling_must_be_settings():
    class Wrong(Mine):
        Sampling = int

    with pytest.raises(
        PluginError, match="Wrong.Sampling must be a dataclass that extends ganzoo_core.settings.Settings"
    ):
        by_name([Wrong], ganzoo.Variant)
    assert not Settings.options() and not Mine.Sampling.options()


def test_the_command_line_sets_options_of_sampling(plugin_site, in_tmp):
    from click.testing import CliRunner

    from ganzoo_core.cli import main

    plugin_site.install("ganzoo-staged", {}, {"staged": "staged"})
    ganzoo.train("staged", data="ring8", steps=2, device="cpu", progress=False, out="run")

    def call(*arguments):
        return CliRunner().invoke(main, arguments)

    assert call("sample", "run", "-n", "4", "--set", "truncation=0", "-o", "none.npz").exit_code == 0
    import numpy as np

    assert not np.load("none.npz")["samples"].any()
    assert "option of sampling" in call("show", "staged", "--data", "ring8").stdout
    assert (
        "leave out -n, --label, --seed, --best, --set and --grid"
        in call("sample", "run", "--set", "truncation=0", "-o", "x.gif").stderr
    )
    for command in (("explore", "run", "-o", "x.png"), ("export", "run", "-o", "x.onnx")):
        found = call(*command, "--set", "size=3")
        assert (
            found.exit_code == 1
            and "there is no option of sampling of staged called 'size'; known: truncation" in found.stderr
        )
