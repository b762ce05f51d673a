"""The conformance suite on variants whose generators take inputs: each keeps every promise, and what breaks one."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from ganzoo_takers import SOURCE, Domains, Noisy, Translator, Upscaler, Writer
from ganzoo_takers.networks import Translate, pairs

from ganzoo_core.registry import registry
from ganzoo_core.testing import RULES, _failure, rules
from ganzoo_core.testing.cases import Case
from ganzoo_core.variant import Variant


def case(variant: type[Variant]) -> Case:
    return Case(variant, registry().variant(variant.name)[1], pairs(32))


@pytest.mark.parametrize("variant", [Translator, Noisy, Upscaler, Domains, Writer])
@pytest.mark.long
def test_every_rule_holds(variant: type[Variant], takers) -> None:
    for rule in RULES:
        if rule not in (rules.data, rules.light_import):  # of no one case; in a process of its own
            assert _failure(rule, [case(variant)]) is None


class Larger(Translator):
    def inputs(self, data):
        return (replace(SOURCE, shape=(3, 32, 32)),)


class Deaf(Translator):
    def generator(self, data):
        class Ignores(Translate):
            def forward(self, z, labels=None, *, source):
                return super().forward(z, source=torch.zeros_like(source))

        return Ignores(3, 4)


class Fixed(Translator):
    def generator(self, data):
        class Cuts(Translate):
            def forward(self, z, labels=None, *, source):
                return super().forward(z, source=source[:, :, :16, :16])

        return Cuts(3, 4)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (
            Larger,
            r"expected inputs\(data\) to describe source as it comes, \(3, 16, 16\) of torch.float32, but it says",
        ),
        (Deaf, "expected another source to give other samples, but forward ignores it"),
        (Fixed, "expected a source of 18x20 to give samples of 18x20, as any size that is a multiple of 2 will do"),
    ],
)
def test_what_breaks_the_rule(variant: type[Variant], message: str, takers) -> None:
    failure = _failure(rules.inputs, [case(variant)])
    assert failure is not None and re.search(message, failure), failure
