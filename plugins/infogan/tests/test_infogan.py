"""infogan: its latent, its layers, its loss by hand, who moves what, and that its codes can be read in the end."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from types import SimpleNamespace

import ganzoo_infogan
import pytest
import torch
from ganzoo_infogan import Clustergan, Infogan, InfoganConfig
from ganzoo_infogan.loss import MutualInformation
from ganzoo_infogan.networks import Codes, Verdict

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.testing import train_steps

GREY = DataSpec("grey", (1, 28, 28))
PAPER = Path(ganzoo_infogan.__file__).parent / "infogan" / "paper.toml"


def test_a_latent_is_a_category_then_codes_then_noise() -> None:
    generator = Infogan().generator(GREY)
    z = generator.latent(2000, torch.Generator().manual_seed(0))
    assert z.shape == (2000, 10 + 2 + 62)
    codes = generator.codes(z)
    assert codes.category.sum(1).eq(1).all() and codes.category.max(1).values.eq(1).all()
    assert codes.category.mean(0).sub(0.1).abs().max() < 0.03
    assert codes.continuous.abs().max() <= 1 and codes.continuous.std() == pytest.approx(1 / math.sqrt(3), abs=0.02)
    assert z[:, 12:].std() == pytest.approx(1, abs=0.02)


def test_the_networks_of_appendix_c1() -> None:
    paper = Infogan(InfoganConfig.from_dict(tomllib.loads(PAPER.read_text())))
    generator, judge = paper.generator(GREY), paper.discriminator(GREY)
    weights = [tuple(p.shape) for p in generator.parameters() if p.ndim > 1]
    assert weights == [(1024, 74), (6272, 1024), (128, 64, 4, 4), (64, 1, 4, 4)]
    weights = [tuple(p.shape) for p in judge.parameters() if p.ndim > 1]
    assert weights == [(64, 1, 4, 4), (128, 64, 4, 4), (1024, 6272), (1, 1024), (128, 1024), (12, 128)]
    assert judge.mixes_samples  # BatchNorm


def test_the_generators_terms_by_hand() -> None:
    """Q gives the asked category 1/2 of two at first, then 3/4; the codes are off by 1 and 0, then by 0 and 2."""
    category = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]], requires_grad=True)
    means = torch.tensor([[1.0, 0.0], [0.5, -1.0]], requires_grad=True)
    asked = Codes(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.5, 1.0]]))
    turn = SimpleNamespace(
        z=None,
        on_fake=Verdict(torch.zeros(2), torch.zeros(2, 3)),
        fake_logits=torch.zeros(2),
        generator=SimpleNamespace(codes=lambda z: asked),
        discriminator=SimpleNamespace(read=lambda features: Codes(category, means)),
    )
    terms = MutualInformation(InfoganConfig(info_weight=2.0)).for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "adversarial": math.log(2),
            "category": 2 * (math.log(2) + math.log(4 / 3)) / 2,
            "continuous": 2 * (0.5 * 1 + 0.5 * 4) / 2,
        }
    )
    (terms["category"] + terms["continuous"]).backward()
    # Weight 2 over a batch of 2: softmax minus one-hot, and the difference of means.
    torch.testing.assert_close(category.grad, torch.tensor([[0.5, -0.5], [-0.25, 0.25]]))
    torch.testing.assert_close(means.grad, torch.tensor([[1.0, 0.0], [0.0, -2.0]]))


def test_q_is_on_the_generators_side() -> None:
    variant = Infogan(InfoganConfig(n_critic=3))
    networks = ganzoo.Networks(variant.generator(GREY), variant.discriminator(GREY), variant.loss())
    first, second = variant.players(networks)
    judge = networks.discriminator
    ids = [{id(p) for p in player.parameters} for player in (first, second)]
    assert ids[0] == {id(p) for part in (judge.trunk, judge.source) for p in part.parameters()}
    assert ids[1] == {id(p) for part in (networks.generator, judge.reader) for p in part.parameters()}
    assert (first.steps, second.steps) == (3, 1)
    assert [p.optimizer.param_groups[0]["lr"] for p in (first, second)] == [2e-4, 1e-3]


@pytest.mark.parametrize("variant", [Infogan(), Clustergan()])
def test_what_they_cannot_halve_is_refused(variant: ganzoo.Variant) -> None:
    for height, width in [(30, 28), (28, 30), (4, 28)]:
        with pytest.raises(DataError) as error:
            variant.check_data(DataSpec("odd", (1, height, width)))
        assert str(error.value) == (
            f"{variant.name} takes images whose sides are multiples of 4, at least 8, but odd is {height}x{width}; "
            "use another image size"
        )
    with pytest.raises(DataError, match=f"{variant.name} takes images or points or curves, but cubes holds voxels"):
        variant.check_data(DataSpec("cubes", (1, 8, 8, 8), kind="voxels"))


def unread(info_weight: float) -> float:
    """The category's term on points after training, as if lambda were 1: log 8 where Q has to guess."""
    settings = {"categories": 8, "continuous": 1, "latent_dim": 2, "widths": (64, 64), "info_weight": info_weight}
    return train_steps("infogan", "ring8", 200, **settings).records[-1]["generator/category"] / info_weight


def test_its_codes_come_to_be_read() -> None:
    """Without lambda only Q gains by it, and the generator has no reason to tell."""
    assert unread(1.0) < 0.3 * math.log(8)
    assert unread(1e-6) > 0.6 * math.log(8)
