"""UNIT against its paper: its networks, what they share, and its terms by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_unit import Unit, UnitConfig
from ganzoo_unit.loss import SharedLatentLoss, divergence
from torch import Tensor, nn

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

SMALL = {"batch_size": 4, "generator_channels": 2, "discriminator_channels": 2}
DATA = DataSpec("x", (1, 16, 16), ("a", "b"))


def test_the_networks_of_the_paper() -> None:
    """Three convolutions and three blocks of each encoder's own, one that both share; decoders the other way round."""
    generator = Unit(UnitConfig(generator_channels=64, residual_blocks=3)).generator(DataSpec("x", (3, 64, 64)))
    sizes = [tuple(p.shape) for p in generator.encoders[0].parameters() if p.ndim == 4]
    assert sizes == [(64, 3, 7, 7), (128, 64, 3, 3), (256, 128, 3, 3), *[(256, 256, 3, 3)] * 6]
    for block in (generator.last_encoder, generator.first_decoder):
        assert [tuple(p.shape) for p in block.parameters() if p.ndim == 4] == [(256, 256, 3, 3)] * 2
    sizes = [tuple(p.shape) for p in generator.decoders[1].parameters() if p.ndim == 4]
    assert sizes == [*[(256, 256, 3, 3)] * 6, (256, 128, 3, 3), (128, 64, 3, 3), (3, 64, 7, 7)]


def small() -> nn.Module:
    torch.manual_seed(0)
    return Unit(UnitConfig(generator_channels=4)).generator(DATA)


def test_a_sample_goes_through_the_other_classes_encoder_and_its_own_decoder() -> None:
    generator, source = small().eval(), torch.rand(2, 1, 16, 16) * 2 - 1
    found = generator(torch.empty(2, 0), torch.tensor([1, 0]), source=source)
    for k, (encoder, decoder) in enumerate(((0, 1), (1, 0))):
        code = generator.last_encoder(generator.encoders[encoder](source[k : k + 1]))
        right = generator.decoders[decoder](generator.first_decoder(code))
        torch.testing.assert_close(found[k : k + 1], right)


def test_a_batch_in_class_order_is_encoded_and_decoded_as_any_other() -> None:
    generator, source, labels = small(), torch.rand(4, 1, 16, 16), torch.tensor([0, 0, 1, 1])
    in_training = generator.train()(torch.empty(4, 0), labels, source=source)
    torch.testing.assert_close(in_training, generator.eval()(torch.empty(4, 0), labels, source=source))


def test_codes_have_noise_of_variance_1_while_training_alone() -> None:
    generator, seen = small(), list[Tensor]()
    generator.first_decoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    batch = {"real": torch.rand(8, 1, 16, 16), "labels": torch.arange(8) // 4}
    batch = Unit(UnitConfig(generator_channels=4)).derive(batch, torch.Generator().manual_seed(0), None)
    for is_training in (True, False):
        generator.train(is_training)(torch.empty(8, 0), batch["labels"], source=batch["source"], noise=batch["noise"])
    noise = seen[0] - seen[1]
    torch.testing.assert_close(noise, batch["noise"], rtol=0, atol=1e-5)
    assert abs(noise.std().item() - 1) < 0.1
    assert torch.equal(batch["source"], batch["real"].roll(4, 0))


def test_the_divergence_by_hand() -> None:
    """Of N(2, 1) it is 2, of N(0, 1) nothing."""
    mean = torch.tensor([[2.0, 0.0], [0.0, 0.0]], requires_grad=True)
    found = divergence(mean)
    assert found.item() == 2 / 4
    found.backward()
    torch.testing.assert_close(mean.grad, torch.tensor([[0.5, 0.0], [0.0, 0.0]]))


class Codes(nn.Module):
    """An encoder that adds `e` to each number and a decoder that adds 1, or 3 where it is to be of the other class."""

    def __init__(self) -> None:
        super().__init__()
        self.e = nn.Parameter(torch.tensor(1.0))

    def encode(self, labels: Tensor, x: Tensor) -> Tensor:
        return x + self.e

    def decode(self, labels: Tensor, code: Tensor, *, of_other: bool = False) -> Tensor:
        return code + (3 if of_other else 1)


def known_turn() -> SimpleNamespace:
    """Real images are 0 and 4, what they are made of 4 and 0; fakes are 1 and 2, of which D says 0 and log 3."""
    return SimpleNamespace(
        real=torch.tensor([[0.0], [4.0]]), labels=torch.tensor([0, 1]), generator=Codes(),
        batch={"source": torch.tensor([[4.0], [0.0]]), "noise": torch.tensor([[0.0], [1.0]])},
        fake=torch.tensor([[1.0], [2.0]], requires_grad=True),
        fake_logits=torch.tensor([0.0, math.log(3)], requires_grad=True),
    )  # fmt: skip


def test_the_generators_terms_by_hand() -> None:
    """Codes are 1 and 5 + 1, decoded as 2 and 7; the fakes' are 2 and 3 + 1, which become 5 and 7 of 4 and 0."""
    turn = known_turn()
    terms = SharedLatentLoss(UnitConfig()).for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx({
        "adversarial": 100 * (math.log(2) + math.log(4 / 3)) / 2,
        "kl": 0.2 * (1 + 25) / 4,
        "reconstruction": 100 * (2 + 3) / 2,
        "cycle_kl": 0.1 * (4 + 9) / 4,
        "cycle": 100 * (1 + 7) / 2,
    })  # fmt: skip
    sum(terms.values()).backward()
    # d/dlogit: -100 (1 - sigmoid) / 2. d/dfake: the KL's own value / 2, and the cycle's sign / 2.
    torch.testing.assert_close(turn.fake_logits.grad, torch.tensor([-25.0, -12.5]))
    torch.testing.assert_close(turn.fake.grad, torch.tensor([[0.1 + 50], [0.15 + 50]]))
    assert turn.generator.e.grad.item() == pytest.approx(0.2 * 6 / 2 + 100 + 0.1 * 5 / 2 + 100)


def test_the_weights_are_each_terms_own() -> None:
    weights = ("adversarial_weight", "kl_weight", "reconstruction_weight", "cycle_kl_weight", "cycle_weight")
    moved = {
        weight: [
            name
            for name, term in SharedLatentLoss(UnitConfig(**{weight: 0.0})).for_generator(known_turn()).items()
            if term.item() != whole[name]
        ]
        for whole in [{k: v.item() for k, v in SharedLatentLoss(UnitConfig()).for_generator(known_turn()).items()}]
        for weight in weights
    }
    assert moved == {
        "adversarial_weight": ["adversarial"],
        "kl_weight": ["kl"],
        "reconstruction_weight": ["reconstruction"],
        "cycle_kl_weight": ["kl", "cycle_kl"],
        "cycle_weight": ["cycle"],
    }


def test_a_batch_in_parts_gives_the_numbers_of_the_whole() -> None:
    """The noise of the codes is the whole batch's too."""
    whole, parts = (
        train_steps("unit", "outlined-digits", 2, accumulate=n, **SMALL | {"batch_size": 8}) for n in (1, 4)
    )
    assert whole.records[-1] == pytest.approx(parts.records[-1], rel=1e-3, abs=1e-3)


@pytest.mark.long
def test_it_learns_to_come_back() -> None:
    records = train_steps("unit", "outlined-digits", 60, batch_size=8, generator_channels=8).records
    assert records[-1]["generator/cycle"] < 0.5 * records[0]["generator/cycle"]
    assert records[-1]["generator/reconstruction"] < 0.5 * records[0]["generator/reconstruction"]


@pytest.mark.parametrize(
    ("shape", "config", "message"),
    [
        ((1, 30, 28), {}, "multiples of 4 and at least 16, but odd has 2 classes of 30x28"),
        ((1, 16, 16), {"discriminator_layers": 3}, "multiples of 4 and at least 24, but odd has 2 classes of 16x16"),
    ],
)
def test_what_it_cannot_take_is_refused(shape: tuple[int, ...], config: dict, message: str) -> None:
    with pytest.raises(DataError, match=f"unit takes images of two classes, its domains, whose sides are {message}"):
        Unit(UnitConfig(**config)).check_data(DataSpec("odd", shape, ("a", "b")))


def test_a_size_of_the_latent_is_refused() -> None:
    with pytest.raises(
        SettingError, match="latent_dim has no effect on UnitConfig: an image is made of an image, with"
    ):
        UnitConfig(latent_dim=3)
