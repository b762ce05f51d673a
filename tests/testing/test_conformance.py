"""Every installed variant keeps every promise, and a variant that breaks one is caught."""

from __future__ import annotations

import collections
import functools
import json
import random
import re
from dataclasses import dataclass, replace

import pytest
import torch
from click.testing import CliRunner
from few import FEW
from ganzoo_toy import Toy, ToyConfig
from ganzoo_toy.networks import CountingLoss, ToyDiscriminator, ToyGenerator
from staged import Staged, StagedGenerator, StagedLoss

from ganzoo_core import option
from ganzoo_core.cli import check as check_command
from ganzoo_core.cli import main
from ganzoo_core.interfaces import new_player, two_players
from ganzoo_core.losses import NonSaturating
from ganzoo_core.registry import registry
from ganzoo_core.seeds import normal
from ganzoo_core.settings import Settings
from ganzoo_core.testing import RULES, VariantSuite, _failure, game_rules, result_on, run_rules
from ganzoo_core.testing.cases import Case, cases
from ganzoo_core.testing.steps import NotShown

NAMES = sorted(registry().variants())


cases_of = functools.cache(cases)
LONG = (
    *(game_rules.steady, game_rules.stateless, game_rules.in_place),
    *(run_rules.portable, run_rules.splits, run_rules.resumable),
)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        pytest.param(
            name, rule, marks=[pytest.mark.long] * (name not in FEW or rule in LONG), id=f"{name}-{rule.__name__}"
        )
        for name in NAMES
        for rule in RULES
    ],
)
def test_every_installed_variant_keeps_every_promise(name, rule):
    result = result_on(rule, cases_of(name))
    assert (result.failure, result.not_shown) == (None, None)


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


@dataclass(frozen=True, kw_only=True)
class Cuts(Settings):
    truncation: float = option(1.0, "how far from the middle", minimum=0, maximum=1)
    colours: str = option("all", "which", choices=("all", "none"))
    is_sharp: bool = option(False, "whether")


@dataclass(frozen=True, kw_only=True)
class Undocumented(Settings):
    truncation: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Taken(Settings):
    device: int = option(1, "a parameter of load too")


@dataclass(frozen=True, kw_only=True)
class Again(Settings):
    latent_dim: int = option(1, "a hyperparameter too")


def sampled(spoilt):
    """A generator whose samples are spoilt at some of its options."""
    made = generator(
        forward=lambda self, z, labels=None: ToyGenerator.forward(self, z, labels) + 9.0 * spoilt(self.sampling)
    )
    return {"Sampling": Cuts, **made}


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


class Late(CountingLoss):
    """Well behaved until D has had thirty turns; then it does what it should not. A buffer counts."""

    def __init__(self, misdeed):
        super().__init__(None)
        self.misdeed = misdeed

    def for_generator(self, turn):
        terms = super().for_generator(turn)
        return self.misdeed(self, turn, terms) if self.is_late() else terms

    def is_late(self):
        with torch.utils._python_dispatch._disable_current_modes():
            return float(self.turns) > 30


def reads(loss, turn, terms):
    terms["adversarial"].item()
    return terms


def touches(loss, turn, terms):
    turn.discriminator.output.bias.data.add_(0.1)
    return terms


def blows_up(loss, turn, terms):
    return {"adversarial": terms["adversarial"] * torch.inf}


def late(misdeed):
    return {"loss": lambda self: Late(misdeed)}


class Lazy(CountingLoss):
    """A penalty at every fourth step, by a count that no checkpoint keeps; and D passes at first."""

    def __init__(self, poison_step):
        super().__init__(poison_step)
        self.steps = 0

    def for_discriminator(self, turn):
        self.steps += 1
        terms = super().for_discriminator(turn)
        return terms | ({"penalty": turn.real_logits.square().mean()} if self.steps % 4 == 0 else {})


class Keeping(NonSaturating):
    """Has something done at each of D's turns, and keeps what does it."""

    def __init__(self, keep):
        super().__init__()
        self.keep = keep

    def for_discriminator(self, turn):
        self.keep(turn)
        return super().for_discriminator(turn)


class Pool:
    """The last fakes, in a list, as some keep for D."""

    def __init__(self):
        self.fakes = []

    def __call__(self, turn):
        self.fakes.append(turn.fake.detach())


class Window:
    def __init__(self):
        self.last = collections.deque([0, 1, 2], maxlen=3)

    def __call__(self, turn):
        self.last.append(self.last[0])


class Chance:
    def __init__(self):
        self.rng = random.Random(1)

    def __call__(self, turn):
        self.rng.random()


class TorchChance:
    def __init__(self):
        self._rng = torch.Generator()

    def __call__(self, turn):
        torch.rand(2, generator=self._rng)


class OfTheClass:
    count = 0

    def __call__(self, turn):
        type(self).count += 1


class OfTheModule:
    def __call__(self, turn):
        TURNS.append(0)


class OfPython:
    def __call__(self, turn):
        random.random()


TURNS = []
WEIGHTS = torch.ones(8)
KEPT = [
    (Pool, "but loss.keep.fakes went from 3 items to 4 items;"),
    (Window, r"but loss.keep.last\[0\] went from 0 to 1;"),
    (Chance, "but loss.keep.rng changed;"),
    (TorchChance, "but loss.keep._rng changed;"),
    (OfTheClass, r"but OfTheClass.count went from \d+ to \d+;"),
    (OfTheModule, r"but .*test_conformance.TURNS went from \d+ items to \d+ items;"),
    (OfPython, "but Python's own random generator changed;"),
]


class Moves:
    """The generator's terms, by an object that counts."""

    def __init__(self, loss):
        self.loss, self.made = loss, 0

    def terms(self, turn):
        self.made += 1
        return self.loss.for_generator(turn)


def players_of_an_object(self, networks):
    judge, maker = two_players(self, networks)
    return [judge, replace(maker, terms=Moves(networks.loss).terms)]


def players_of_a_closure(self, networks):
    judge, maker = two_players(self, networks)
    counts = {"turns": 0}

    def count():
        counts["turns"] += 1

    return [judge, replace(maker, after_update=functools.partial(count))]


class Unregistered(CountingLoss):
    """Keeps a moving mean in a tensor that is no buffer."""

    def __init__(self, poison_step):
        super().__init__(poison_step)
        self._mean = torch.zeros(())

    def for_discriminator(self, turn):
        self._mean = 0.9 * self._mean + 0.1 * turn.real_logits.mean().detach()
        return super().for_discriminator(turn)


class Replacing(CountingLoss):
    """Puts a new tensor in the place of its buffer."""

    def for_discriminator(self, turn):
        self.turns = self.turns + 1
        return super().for_discriminator(turn)


class Looping(ToyGenerator):
    def forward(self, z, labels=None):
        return torch.stack([super(Looping, self).forward(z[k : k + 1], labels)[0] for k in range(len(z))])


class Branching(ToyGenerator):
    def forward(self, z, labels=None):
        return super().forward(-z if z.mean() > 9 else z, labels)


class Pulling(NonSaturating):
    """Pulls the samples of a batch apart, and does not say so."""

    def for_generator(self, turn):
        x = turn.fake.flatten(1)
        return super().for_generator(turn) | {"apart": -(x - x.mean(0)).square().mean().sqrt()}


class PlainGenerator(ToyGenerator):
    """Without BatchNorm, which mixes samples."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.norm = torch.nn.Identity()


class MixingInTraining(ToyDiscriminator):
    def forward(self, x, labels=None):
        return super().forward(x, labels) + (x.mean() if self.training else 0.0)


class NormedMixing(MixingInTraining):
    """Each pass changes a vector that its weights are divided by, too."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.hidden = torch.nn.utils.parametrizations.spectral_norm(self.hidden)


class Mixing(ToyDiscriminator):
    def forward(self, x, labels=None):
        return super().forward(x, labels) + x.mean()


BROKEN = {
    "metadata": [
        ({"Sampling": Undocumented}, "expected Undocumented.truncation to have a doc; declare it with option()"),
        ({"Sampling": Taken}, "expected Taken.device to have a name of its own, but device is taken"),
        ({"Sampling": Again}, "expected Again.latent_dim to have a name of its own, but latent_dim is taken"),
        ({"paper": "a blog"}, "paper to be arXiv"),
        ({"year": 14}, "year to be a year"),
        ({"Config": Greedy}, r"one owner, but channels is a setting of the data set folder .* and of the variant toy"),
        ({"Config": Greedier}, "one owner, but seed is a setting of every run and of the variant toy"),
        ({"default_data": "digitz"}, "default_data to be a data set that `ganzoo data` lists, but it is 'digitz'"),
    ],
    "parts": [({"loss": lambda self: torch.nn.Identity()}, "expected a Loss, but found Identity")],
    "samples": [
        (sampled(lambda options: options.truncation == 0), "truncation=0.0, colours=all, is_sharp=False to stay in"),
        (sampled(lambda options: options.colours == "none"), "colours=none, is_sharp=False to stay in"),
        (sampled(lambda options: options.is_sharp), r"is_sharp=True to stay in \[-1, 1\]"),
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
    "no_host_sync": [
        (g_loss(lambda terms, turn: terms if terms["adversarial"].item() < 9 else {}), "reads 1;"),
        (g_loss(lambda terms, turn: {"a": turn.fake_logits[turn.fake_logits < 9].mean()}), "reads 1; .*a mask for an"),
        (
            g_loss(lambda terms, turn: {"a": (turn.fake_logits * torch.ones(len(turn.fake))).mean()}),
            r"to keep to the run's device, but ones at .*test_conformance.py:\d+ makes or takes a tensor on the CPU",
        ),
        (
            g_loss(lambda terms, turn: {"a": (turn.fake_logits * WEIGHTS).mean()}),
            r"to keep to the run's device, but mul at .*test_conformance.py:\d+ makes or takes a tensor on the CPU",
        ),
    ],
    "repeatable": [(g_loss(lambda terms, turn: {"a": terms["adversarial"] * torch.Generator().seed()}), "of one seed")],
    "resumable": [({"loss": lambda self: Forgetful(None)}, "resumed and uninterrupted")],
    "exportable": [({"generator": lambda self, data: Hidden(4, 8, data.shape, 0)}, "is all its state registered")],
    "precisions": [
        (d_loss(lambda terms, turn: {"a": terms["real"] * (1 + 4 * torch.is_autocast_enabled("cpu"))}), "bf16"),
    ],
    "steady": [
        (late(reads), r"expected step 31 to keep the rules too, but the generator's turn reads 1 tensors on the host"),
        (late(touches), "but the generator's turn changes discriminator.output.bias, which it does not own"),
        (late(blows_up), "but the generator's term adversarial is inf"),
    ],
    "stateless": [
        ({"loss": lambda self: Lazy(None)}, "but loss.steps went from 3 to 4; a resume loses it: keep it in a buffer"),
        ({"loss": lambda self: Unregistered(None)}, "but loss._mean changed; a resume loses it"),
        *(({"loss": lambda self, keep=keep: Keeping(keep())}, found) for keep, found in KEPT),
        ({"players": players_of_an_object}, "but the generator's Moves.made went from 3 to 4;"),
        ({"players": players_of_a_closure}, r"but the generator's counts\['turns'\] went from 3 to 4;"),
    ],
    "in_place": [({"loss": lambda self: Replacing(None)}, "a step puts another in the place of loss.turns; change it")],
    "portable": [
        ({"generator": lambda self, data: Looping(4, 8, data.shape, 0)}, "a static shape of 2 for .*; look for len"),
        (
            {"generator": lambda self, data: Branching(4, 8, data.shape, 0)},
            r"exported to ONNX, but \w+ at .*test_conformance.py:\d+, Branching.forward: ",
        ),
    ],
    "splits": [
        (
            {"loss": lambda self: Pulling(), "generator": lambda self, data: PlainGenerator(4, 8, data.shape, 0)},
            r"expected generator/apart to be the same over two halves of a mini-batch, .*mixes_samples be True",
        )
    ],
    "joint_passes": [
        ({"discriminator": lambda self, data: Mixing(8, data.shape, 0)}, "mixes_samples return True"),
        ({"discriminator": lambda self, data: MixingInTraining(8, data.shape, 0)}, "mixes_samples return True"),
        ({"discriminator": lambda self, data: NormedMixing(8, data.shape, 0)}, "mixes_samples return True"),
    ],
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


@pytest.mark.long
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


class SpectralNorm(ToyDiscriminator):
    """Its weights are divided anew at each pass, by torch's first way and its second."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.hidden = torch.nn.utils.spectral_norm(self.hidden)
        self.output = torch.nn.utils.parametrizations.spectral_norm(self.output)


class Dropping(ToyDiscriminator):
    def forward(self, x, labels=None):
        return super().forward(torch.nn.functional.dropout(x, 0.3, self.training), labels)


class InstanceNoise(ToyDiscriminator):
    def forward(self, x, labels=None):
        return super().forward(x + 0.1 * normal(*x.shape, like=x) * self.training, labels)


class Caching(ToyDiscriminator):
    """Makes a constant on first use, for each device and type."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._scales = {}

    def forward(self, x, labels=None):
        scale = self._scales.setdefault((x.device, x.dtype), x.new_ones(2))
        return super().forward(x * scale, labels)


class Recurrent(ToyDiscriminator):
    """nn.GRU keeps its parameters in a list too."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.gru = torch.nn.GRU(1, 1)

    def forward(self, x, labels=None):
        return super().forward(x + self.gru(x.flatten()[:3, None])[0].mean(), labels)


@pytest.mark.parametrize("kind", [SpectralNorm, Dropping, InstanceNoise, Caching])
def test_what_torch_keeps_and_what_a_network_draws_breaks_nothing(kind):
    found = broken(discriminator=lambda self, data: kind(8, data.shape, 0))
    for rule in (run_rules.joint_passes, game_rules.steady, game_rules.stateless, game_rules.in_place):
        assert _failure(rule, [found]) is None
    assert _failure(game_rules.no_host_sync, [found]) is None


def test_parameters_that_are_in_a_list_too_are_no_state_apart():
    found = broken(discriminator=lambda self, data: Recurrent(8, data.shape, 0))
    assert _failure(game_rules.stateless, [found]) is None


def players_with_a_schedule(self, networks):
    """A learning rate that Python changes: it is kept by the group, and costs the recorded step only."""
    judge, maker = two_players(self, networks)

    def decay():
        judge.optimizer.param_groups[0]["lr"] *= 0.99

    return [replace(judge, after_update=decay), maker]


def test_a_learning_rate_that_python_changes_is_told():
    found = broken(players=players_with_a_schedule)
    for rule in (game_rules.stateless, run_rules.resumable):
        assert _failure(rule, [found]) is None
    with pytest.raises(NotShown, match="optimizer.discriminator changes its lr in Python: such a run records no step"):
        game_rules.in_place(found)


def test_what_ends_the_steps_in_a_row_is_told_once():
    found = broken(**late(lambda loss, turn, terms: {"adversarial": terms["adversarial"].detach()}))
    assert "must have a gradient" in _failure(game_rules.steady, [found])
    for rule in (game_rules.stateless, game_rules.in_place):
        with pytest.raises(NotShown, match="ended early, as steady says"):
            rule(found)


def test_what_cannot_be_tried_without_numbers_is_left_alone():
    class Numbers(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.from_numpy(x.numpy().copy())

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    assert _failure(game_rules.no_host_sync, [broken(loss=lambda self: Deciding(None))]) is None
    found = broken(**g_loss(lambda terms, turn: {"a": Numbers.apply(turn.fake_logits).mean()}))
    assert _failure(game_rules.no_host_sync, [found]) is None


class LatePhases(Staged):
    """Keeps the rules in its first phases."""

    def generator(self, data):
        class Late(StagedGenerator):
            shift = 0.0

            def begin_phase(self, phase):
                super().begin_phase(phase)
                self.shift = torch.rand(()) if phase == "high" else 0.0

            def forward(self, z, labels=None):
                return super().forward(z + self.shift, labels)

        return Late(self.config.latent_dim, data.shape)

    def loss(self):
        class Late(StagedLoss):
            def path(self, turn):
                return {"path": super().path(turn)["path"] * (1 + torch.is_autocast_enabled("cpu"))}

        return Late((2,))


def test_each_phase_is_exported_and_tried_in_each_precision(monkeypatch):
    found = replace(broken(), variant_class=LatePhases)
    monkeypatch.setattr("ganzoo_core.sampling.generator_file.registry", lambda: _Only(found))
    with pytest.raises(AssertionError, match="is all its state registered"):
        run_rules.exportable(found)
    with pytest.raises(AssertionError, match="expected path/path in the phase high near"):
        run_rules.precisions(found)


class Silent(NonSaturating):
    """Its discriminator never moves."""

    def for_discriminator(self, turn):
        return {}


@pytest.mark.long
def test_what_nothing_made_show_is_not_counted_as_kept(monkeypatch):
    found = broken(loss=lambda self: Silent())
    for rule in (game_rules.gradients, game_rules.moves):
        with pytest.raises(NotShown, match="discriminator passed in every step that was looked at"):
            rule(found)
    kinds = {"onnx": None}
    monkeypatch.setattr(run_rules.importlib.util, "find_spec", lambda name: kinds.get(name, True))
    result = CliRunner().invoke(main, ["check", "toy", "--json"])
    assert result.exit_code == 0
    with pytest.raises(NotShown, match="onnx is not installed"):
        run_rules.portable(broken())


def test_a_promise_that_did_not_show_is_told(monkeypatch):
    dark = {"rule": "portable", "promise": "It can.", "failure": None, "not_shown": "onnx is not installed"}
    monkeypatch.setattr(check_command, "_results", lambda request: ({"tried": [], "skipped": []}, [dark]))
    result = CliRunner().invoke(main, ["check", "toy"])
    assert result.exit_code == 0
    assert "not shown: onnx is not installed" in result.stdout
    assert "toy keeps 0 of 1 promises, and 1 did not show" in result.stderr


@pytest.mark.parametrize("rule", [r for r in RULES if r.__name__ != "light_import"], ids=lambda rule: rule.__name__)
def test_a_game_in_stages_keeps_every_promise(plugin_site, rule):
    plugin_site.install("ganzoo-staged", {}, {"staged": "staged"})
    result = result_on(rule, cases("staged"))
    assert (result.failure, result.not_shown) == (None, None)


@pytest.mark.long
def test_check_prints_a_table_and_exits_0():
    result = CliRunner().invoke(main, ["check", "toy"])
    assert result.exit_code == 0, result.stdout
    assert result.stdout.count("✓") == len(RULES) and "✗" not in result.stdout
    assert "keeps 23 of 23 promises" in result.stderr


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
