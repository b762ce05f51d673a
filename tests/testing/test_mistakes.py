"""What authors get wrong: training and `ganzoo check` name the variant, the part, and the rule that it breaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from engines import dataset
from ganzoo_toy import Toy
from ganzoo_toy.networks import CountingLoss, ToyDiscriminator, ToyGenerator
from torch import nn

from ganzoo_core.errors import PluginError
from ganzoo_core.interfaces import Player
from ganzoo_core.registry import registry
from ganzoo_core.testing import RULES, _failure, train_steps
from ganzoo_core.testing.cases import Case

# What a network gives in place of a tensor x, by the name of the mistake.
OUTPUTS = {
    "None": lambda x: None,
    "a tuple": lambda x: (x, x),
    "an empty tuple": lambda x: (),
    "a list": lambda x: [x],
    "a dict": lambda x: {"x": x},
    "a number": lambda x: 0.5,
    "text": lambda x: "x",
    "itself": lambda x: nn.Identity(),
    "numpy": lambda x: np.zeros(tuple(x.shape)),
    "float64": lambda x: x.double(),
    "half": lambda x: x.half(),
    "whole numbers": lambda x: x.long(),
    "complex": lambda x: x.to(torch.complex64),
    "a scalar": lambda x: x.mean(),
    "too few": lambda x: x[1:],
    "too many": lambda x: torch.cat([x, x]),
    "another device": lambda x: x.to("meta"),
    "an axis before": lambda x: x[None],
}
SHAPES = {"another shape": lambda x: x[:, :1], "an axis behind": lambda x: x[..., None], "flat": lambda x: x.flatten()}
FEW = {key: OUTPUTS[key] for key in ("None", "a scalar", "too few", "too many", "a list", "numpy", "a number")}
TERMS = {
    "None": lambda found: None,
    "a list": lambda found: list(found.values()),
    "a tuple": lambda found: tuple(found.values()),
    "a tensor": lambda found: next(iter(found.values())),
    "a number": lambda found: 1.0,
    "text": lambda found: "loss",
    "of numbers": lambda found: dict.fromkeys(found, 1.0),
    "of None": lambda found: dict.fromkeys(found),
    "of lists": lambda found: {key: [value] for key, value in found.items()},
    "of vectors": lambda found: {key: value.repeat(3) for key, value in found.items()},
    "of batches": lambda found: {key: value[None, None] for key, value in found.items()},
    "of complex numbers": lambda found: {key: value.to(torch.complex64) for key, value in found.items()},
    "of texts": lambda found: dict.fromkeys(found, "x"),
    "by number": lambda found: dict(enumerate(found.values())),
    "by None": lambda found: {None: next(iter(found.values()))},
    "by tuple": lambda found: {(1, 2): next(iter(found.values()))},
}
THINGS = {"None": None, "a tuple": (), "a number": 3, "text": "x", "a class": nn.Linear, "a module": nn.Linear(1, 1)}


def generator(**methods: Any) -> dict[str, Any]:
    cls = type("Net", (ToyGenerator,), methods)
    return {"generator": lambda self, data: cls(4, 8, data.shape, 0)}


def discriminator(**methods: Any) -> dict[str, Any]:
    cls = type("Net", (ToyDiscriminator,), methods)
    return {"discriminator": lambda self, data: cls(8, data.shape, 0)}


def loss(**methods: Any) -> dict[str, Any]:
    return {"loss": lambda self: type("BadLoss", (CountingLoss,), methods)(None)}


def players(change: Any) -> dict[str, Any]:
    return {"players": lambda self, networks: change(Toy.players(self, networks), networks)}


def first_with(**values: Any) -> dict[str, Any]:
    """The game with some attributes of the discriminator's player changed; a function is called with the player."""

    def change(found: list[Player], networks: Any) -> list[Player]:
        for key, value in values.items():
            setattr(found[0], key, value(found[0]) if callable(value) else value)
        return found

    return players(change)


def optimizer(make: Any) -> dict[str, Any]:
    return {"optimizer": lambda self, player, parameters: make(list(parameters))}


def mistakes() -> dict[str, tuple[str, dict[str, Any]]]:
    """Each mistake by name: the rule it breaks, and what it overrides."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for key, bad in (OUTPUTS | SHAPES).items():
        forward = lambda self, z, labels=None, bad=bad: bad(ToyGenerator.forward(self, z))  # noqa: E731
        found[f"samples: {key}"] = ("samples", generator(forward=forward))
    for key, bad in OUTPUTS.items():
        judge = lambda self, x, labels=None, bad=bad: bad(ToyDiscriminator.forward(self, x))  # noqa: E731
        found[f"logits: {key}"] = ("logits", discriminator(forward=judge))
    for key, bad in FEW.items():
        latent = lambda self, n, rng, bad=bad: bad(torch.randn(n, 4, generator=rng))  # noqa: E731
        found[f"latents: {key}"] = ("samples", generator(latent=latent))
    for key, size in {"None": None, "text": "4", "negative": -1, "a float": 4.0, "True": True}.items():
        found[f"latent_dim: {key}"] = (
            "samples", generator(latent_dim=property(lambda self, size=size: size, lambda self, value: None)),
        )  # fmt: skip
    for method in ("for_discriminator", "for_generator"):
        for key, bad in TERMS.items():
            terms = lambda self, turn, bad=bad, method=method: bad(getattr(CountingLoss, method)(self, turn))  # noqa: E731
            found[f"{method}: {key}"] = ("terms", loss(**{method: terms}))
        detached = lambda self, turn, method=method: {  # noqa: E731
            key: term.detach() for key, term in getattr(CountingLoss, method)(self, turn).items()
        }
        found[f"{method}: detached"] = ("terms", loss(**{method: detached}))
    for factory, ours in (("generator", "a Generator"), ("discriminator", "a Discriminator"), ("loss", "a Loss")):
        for key, thing in THINGS.items():
            found[f"{factory}: {key}, not {ours}"] = ("parts", {factory: lambda self, *_, thing=thing: thing})
    for key, boundary in {"text": "0", "a list": [0], "a function": len}.items():
        found[f"boundary: {key}"] = ("terms", loss(boundary=boundary))
    for key, thing in THINGS.items():
        found[f"optimizer: {key}"] = ("moves", optimizer(lambda parameters, thing=thing: thing))
        found[f"players: {key}"] = ("schedule", players(lambda found, networks, thing=thing: thing))
        found[f"a player: {key}"] = ("schedule", players(lambda found, networks, thing=thing: [thing]))
    found["optimizer: of foreign parameters"] = (
        "moves", optimizer(lambda _: torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1)),
    )  # fmt: skip
    found["optimizer: of some"] = ("moves", optimizer(lambda parameters: torch.optim.SGD(parameters[:1], lr=1)))
    for key, steps in {"0": 0, "-1": -1, "1.5": 1.5, "None": None, "True": True, "text": "1"}.items():
        found[f"steps: {key}"] = ("schedule", first_with(steps=steps))
    for key, name in {"None": None, "a number": 1, "empty": "", "taken": "generator"}.items():
        found[f"name: {key}"] = ("schedule", first_with(name=name))
    for key, owned in {"None": None, "none": [], "an iterator": iter(()), "tensors": [torch.zeros(1)]}.items():
        found[f"parameters: {key}"] = ("moves", first_with(parameters=owned))
    found["parameters: foreign"] = ("moves", first_with(parameters=[nn.Parameter(torch.zeros(1))]))
    found["terms: None"] = ("terms", first_with(terms=None))
    found["terms: a dict"] = ("terms", first_with(terms={}))
    found["after_update: a number"] = ("moves", first_with(after_update=3))
    found["players: nobody owns G"] = ("moves", players(lambda found, networks: found[:1]))
    return found


MISTAKES = mistakes()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_variant_part_and_rule(name: str):
    rule, overrides = MISTAKES[name]
    variant = type("Bad", (Toy,), {"__doc__": "A mistake.", "__module__": "ganzoo_toy", "name": "bad", **overrides})
    with pytest.raises(PluginError) as caught:
        train_steps(variant, dataset(classes=0), 1)
    message = str(caught.value)
    assert message.startswith("bad (ganzoo-toy 1.0): ")
    assert message.endswith(f" (the rule {rule} of `ganzoo check`)")
    assert "must" in message
    assert len(message) < 400
    case = Case(variant, registry().variant("toy")[1], dataset())
    tried = next(one for one in RULES if one.__name__ == rule)
    failure = _failure(tried, [case])
    assert failure is not None
    assert "TypeError" not in failure or "Attribute" not in failure


@pytest.mark.parametrize("key", TERMS)
def test_figures_are_scalars_by_name(key: str):
    bad = TERMS[key]
    figures = lambda self, turn: bad({"mine": torch.zeros(())})  # noqa: E731
    variant = type("Bad", (Toy,), {"name": "bad", "__module__": "ganzoo_toy", **loss(figures=figures)})
    with pytest.raises(PluginError, match=r"^bad \(ganzoo-toy 1.0\): the loss's figures must be .* \(the rule terms"):
        train_steps(variant, dataset(classes=0), 1)


def test_there_are_many():
    assert len(MISTAKES) > 120


def test_a_named_tuple_of_other_rows_is_no_output():
    Two = __import__("collections").namedtuple("Two", "logits more")
    forward = lambda self, x, labels=None: Two(ToyDiscriminator.forward(self, x), torch.zeros(3))  # noqa: E731
    variant = type("Bad", (Toy,), {"name": "bad", **discriminator(forward=forward)})
    with pytest.raises(PluginError, match="must give tensors of 32 rows on cpu, but gives"):
        train_steps(variant, dataset(classes=0), 1)


def test_the_right_values_pass():
    assert len(train_steps(Toy, dataset(), 2).records) == 2
