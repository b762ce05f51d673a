"""`ganzoo new --from V`: what it makes trains and keeps every promise unedited, whatever V's loss and players are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from few import FEW

from ganzoo_core.errors import SettingError
from ganzoo_core.registry import registry
from ganzoo_core.testing import check, train_steps
from ganzoo_tools.scaffold.package import new_package

ROOT = Path(__file__).parents[3]
EXAMPLES = {path.name.partition("-")[2]: path for path in ROOT.glob("examples/ganzoo-*")}
VARIANTS = sorted({*registry().variants(), "my-lsgan"} - {"toy", "toy-conditional"})

# Variants whose loss is more than two methods.
BASES = """
from dataclasses import dataclass
import ganzoo_core as ganzoo
from ganzoo_toy import Toy, ToyConfig
GANZOO_API = 1

@dataclass(frozen=True, kw_only=True)
class EitherConfig(ToyConfig):
    kind: str = ganzoo.option("critic", "which loss", choices=("critic", "squares"))

class Counting(Toy):
    "Its loss has state and an argument."
    name = "counting"

class Opening(Toy):
    "Its players open what its loss needs, as cyclegan's do, and set what it reads."
    name = "opening"
    def loss(self):
        from ganzoo_base_losses import Opened
        return Opened(3)
    def players(self, networks):
        from ganzoo_base_losses import Opened
        assert isinstance(networks.loss, Opened)
        networks.loss.open(2)
        networks.loss.weight = 0.5
        return super().players(networks)

class Skipping(Toy):
    "Its loss passes turns."
    name = "skipping"
    def loss(self):
        from ganzoo_base_losses import Skipped
        return Skipped()

class Either(Toy):
    "Its loss is of a class that a setting chooses, and that has no name."
    name = "either"
    Config = EitherConfig
    def loss(self):
        from ganzoo_core.losses import LeastSquares, Wasserstein
        kind = LeastSquares if self.config.kind == "squares" else Wasserstein
        return type("", (kind,), {})()

class Threefold(Toy):
    "A player of its own beside the two."
    name = "threefold"
    def loss(self):
        from ganzoo_base_losses import Thirds
        return Thirds()
    def players(self, networks):
        from ganzoo_core.interfaces import new_player
        generator, discriminator, loss = networks
        steps = self.config.n_critic
        return [
            new_player(self, "discriminator", [discriminator], loss.for_discriminator, steps=steps),
            new_player(self, "first", [generator.hidden], loss.for_first),
            new_player(self, "generator", [generator.output], loss.for_generator),
        ]

@ganzoo.hookimpl
def ganzoo_variants():
    return [Counting, Opening, Skipping, Either, Threefold]
"""
LOSSES = """
import torch
from ganzoo_core.losses import NonSaturating, Wasserstein

class Opened(Wasserstein):
    def __init__(self, size):
        super().__init__()
        self.size, self.weight = size, None
    def open(self, factor):
        self.register_buffer("seen", torch.zeros(self.size * factor))
    def for_discriminator(self, turn):
        self.seen[0] += turn.real.mean()
        return {name: self.weight * term for name, term in super().for_discriminator(turn).items()}
    def figures(self, turn):
        return {"seen": self.seen[0].detach().clone()}

class Skipped(NonSaturating):
    may_pass = True
    def for_discriminator(self, turn):
        return super().for_discriminator(turn) if bool(turn.real_logits.mean() < 0) else {}

class Thirds(NonSaturating):
    def for_first(self, turn):
        return self.for_generator(turn)
"""


@pytest.fixture
def build_on(plugin_site, in_tmp):
    """Makes a package on a variant, as `ganzoo new child --from NAME` does, and installs it with all that it needs."""
    plugin_site.install("ganzoo-bases", {"ganzoo_bases.py": BASES, "ganzoo_base_losses.py": LOSSES})
    for name, folder in EXAMPLES.items():
        if name not in registry().variants():
            package = f"ganzoo_{name}".replace("-", "_")
            plugin_site.install(f"ganzoo-{name}", sources(folder, package), {name: package})

    def build(name: str) -> None:
        folder, names = new_package("child", base=name, folder=in_tmp / "child")
        plugin_site.install(names.distribution, sources(folder, names.package), {names.variant: names.package})

    return build


def sources(folder: Path, package: str) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.glob(f"{package}/*.py")}


def trained(name: str, **settings):
    """Three steps, by which all phases but the last are over."""
    variant = registry().variant(name)[0]
    short = {setting: 1 for setting in variant.Config.names() if setting.endswith("_steps")}
    return train_steps(name, variant.default_data, 3, **{"batch_size": 8} | short | settings)


@pytest.mark.parametrize("name", ["counting", "opening", "skipping", "either", "threefold"])
@pytest.mark.long
def test_what_is_built_on_it_keeps_its_loss_whole(build_on, name):
    build_on(name)
    child, parent = trained("child"), trained(name)
    assert {key for record in child.records for key in record} - {
        key for record in parent.records for key in record
    } == {"discriminator/child"}
    assert child.state().keys() == parent.state().keys()
    assert (child.networks.loss.boundary, child.networks.loss.may_pass) == (
        parent.networks.loss.boundary, parent.networks.loss.may_pass,
    )  # fmt: skip
    first, own = parent.records[0], child.records[0]
    for key in first.keys() & own.keys():
        if key.startswith("discriminator/"):
            assert own[key] == first[key], key
    assert [result for result in check("child") if result.failure] == []


def test_a_setting_still_chooses_the_loss(build_on):
    build_on("either")
    assert trained("child").networks.loss.boundary is None
    assert trained("child", kind="squares").networks.loss.boundary == 0.5
    with pytest.raises(SettingError, match="kind must be one of critic, squares, but is 'none'"):
        trained("child", kind="none")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n not in FEW)) for n in VARIANTS])
def test_what_is_built_on_each_variant_trains(build_on, name):
    build_on(name)
    assert any("discriminator/child" in record for record in trained("child").records)


@pytest.mark.long
@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_built_on_each_variant_keeps_every_promise(build_on, name):
    build_on(name)
    assert [result for result in check("child") if result.failure] == []


def test_what_is_built_on_pix2pix_takes_pictures_of_any_size(build_on):
    build_on("pix2pix")
    pictures = torch.zeros(2, 1, 32, 24, dtype=torch.uint8)
    assert trained("child").sample(2, inputs={"source": pictures}).values.shape == (2, 1, 32, 24)
