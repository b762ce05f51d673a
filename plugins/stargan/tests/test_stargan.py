"""StarGAN against its paper: its layers, its data, its loss by hand, and that it learns to recolour."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganzoo_stargan import Stargan, StarganConfig
from ganzoo_stargan.coloured_digits import COLOURS, ColouredDigits
from ganzoo_stargan.loss import StarLoss
from ganzoo_stargan.networks import Verdict

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

THREE = ("red", "green", "blue")


def test_the_data_is_digits_of_one_colour_each() -> None:
    data = ColouredDigits().load(Path())
    assert (data.spec.shape, data.spec.classes, len(data)) == ((3, 28, 28), THREE, 1797)
    assert data.samples.dtype == torch.uint8 and torch.bincount(data.labels).tolist() == [599] * 3
    for label, colour in enumerate(COLOURS.values()):
        images = data.samples[data.labels == label].float()
        ink = images.amax((0, 2, 3))
        assert ink.tolist() == list(colour)  # full ink is the colour itself
        assert images.amin() == 0
    with pytest.raises(DataError, match="coloured-digits has no held-out part: its only split is 'train', but 'test'"):
        ColouredDigits().load(Path(), "test")


def test_the_networks_of_the_paper() -> None:
    """Tables 4 and 5, at 128 pixels and with three classes."""
    data = DataSpec("x", (3, 128, 128), THREE)
    variant = Stargan(StarganConfig(generator_channels=64, residual_blocks=6, discriminator_channels=64,
                                    discriminator_layers=6))  # fmt: skip
    sizes = [tuple(p.shape) for p in variant.generator(data).parameters() if p.ndim == 4]
    assert sizes == [
        (64, 3 + 3, 7, 7),
        (128, 64, 4, 4),
        (256, 128, 4, 4),
        *[(256, 256, 3, 3)] * 12,
        (256, 128, 4, 4),  # transposed: from, to
        (128, 64, 4, 4),
        (3, 64, 7, 7),
    ]
    discriminator = variant.discriminator(data)
    sizes = [tuple(p.shape) for p in discriminator.parameters() if p.ndim == 4]
    widths = [3, 64, 128, 256, 512, 1024, 2048]
    assert sizes == [
        *[(b, a, 4, 4) for a, b in pairwise(widths)],
        (1, 2048, 3, 3),
        (3, 2048, 2, 2),
    ]
    verdict = discriminator(torch.zeros(2, 3, 128, 128))
    assert (verdict.logits.shape, verdict.class_logits.shape) == ((2, 1, 2, 2), (2, 3))


def test_the_label_joins_as_planes() -> None:
    generator = Stargan(StarganConfig(generator_channels=2, residual_blocks=1)).generator(
        DataSpec("x", (1, 16, 16), THREE)
    )
    seen: list[torch.Tensor] = []
    generator.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    source = torch.rand(2, 1, 16, 24)
    assert generator(torch.empty(2, 0), torch.tensor([2, 0]), source=source).shape == (2, 1, 16, 24)
    torch.testing.assert_close(seen[0][:, :1], source)
    assert seen[0][:, 1:].mean((2, 3)).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_generator_with_a_skip_says_what_to_change() -> None:
    """With a last layer of 0 the picture comes out as the tanh leaves it; without a skip nothing does."""
    source, labels, data = torch.rand(3, 1, 16, 16) * 2 - 1, torch.tensor([0, 1, 2]), DataSpec("x", (1, 16, 16), THREE)
    with_it, without = (Stargan(StarganConfig(skip=skip)).generator(data) for skip in (True, False))
    for generator in (with_it, without):
        torch.nn.init.zeros_(generator.layers[-1].weight)
    torch.testing.assert_close(with_it(torch.empty(3, 0), labels, source=source), torch.tanh(source))
    assert not without(torch.empty(3, 0), labels, source=source).any()


def test_sources_are_the_batch_in_another_order_with_their_labels() -> None:
    batch = {"real": torch.arange(8.0).view(8, 1, 1, 1), "labels": torch.arange(8)}
    derived = Stargan().derive(batch, torch.Generator().manual_seed(0), None)
    assert torch.equal(derived["source"].flatten(), derived["source_labels"].float())
    assert sorted(derived["source_labels"].tolist()) == list(range(8)) and derived["real"] is batch["real"]
    assert derived["source_labels"].tolist() != list(range(8))


def known_turn() -> SimpleNamespace:
    """Two images of 2x2. The critic is 3 times their sum, of mean slope; class log-odds are 0 and log 3."""
    three = math.log(3)
    real, fake = torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2, requires_grad=True)
    on_real = Verdict(torch.tensor([1.0, 3.0]), torch.tensor([[0.0, 0.0], [three, 0.0]], requires_grad=True))
    on_fake = Verdict(torch.tensor([0.0, 2.0], requires_grad=True), torch.tensor([[three, 0.0], [0.0, three]]))
    return SimpleNamespace(
        real=real, fake=fake, labels=torch.tensor([0, 1]), on_real=on_real, on_fake=on_fake,
        real_logits=on_real.logits, fake_logits=on_fake.logits, critic=lambda x: 3 * x.flatten(1).sum(1),
        batch={"source": torch.full((2, 1, 2, 2), 0.5), "source_labels": torch.tensor([1, 0])},
        generate=lambda source, labels: source + labels.view(-1, 1, 1, 1),
    )  # fmt: skip


def test_the_terms_by_hand() -> None:
    """The critic's slope is the length of (3, 3, 3, 3): 6. The ways back are 1 and 0, of 0.5."""
    turn = known_turn()
    loss = StarLoss(StarganConfig())
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"real": -2.0, "fake": 1.0, "penalty": 10 * 25.0, "class": (math.log(2) + math.log(4)) / 2}
    )
    terms["class"].backward()
    torch.testing.assert_close(turn.on_real.class_logits.grad, torch.tensor([[-1 / 4, 1 / 4], [3 / 8, -3 / 8]]))
    terms = loss.for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"adversarial": -1.0, "class": math.log(4 / 3), "cycle": 10 * 0.5}
    )
    sum(terms.values()).backward()
    assert turn.on_fake.logits.grad.tolist() == [-0.5, -0.5]
    torch.testing.assert_close(turn.fake.grad, torch.tensor([10 / 8, -10 / 8]).view(2, 1, 1, 1).expand(2, 1, 2, 2))


def test_weights_come_from_the_config() -> None:
    loss = StarLoss(StarganConfig(penalty_weight=0.0, cycle_weight=0.0, class_weight=3.0))
    turn = known_turn()
    terms = loss.for_discriminator(turn)
    assert list(terms) == ["real", "fake", "class"]
    assert terms["class"].item() == pytest.approx(3 * (math.log(2) + math.log(4)) / 2)
    terms = loss.for_generator(turn)
    assert list(terms) == ["adversarial", "class"] and terms["class"].item() == pytest.approx(3 * math.log(4 / 3))


@pytest.mark.long
def test_it_learns_classes_and_the_way_back() -> None:
    records = train_steps("stargan", "coloured-digits", 30, batch_size=8, generator_channels=8).records
    assert records[-1]["discriminator/class"] < 0.5 * records[0]["discriminator/class"]
    assert records[-1]["generator/cycle"] < 0.7 * records[0]["generator/cycle"]


def test_what_it_cannot_take_is_refused() -> None:
    cases = [
        ((1, 28, 28), ("a",), {}, "multiples of 4 and at least 16, but odd has 1 classes of 28x28"),
        ((1, 30, 28), THREE, {}, "multiples of 4 and at least 16, but odd has 3 classes of 30x28"),
        ((1, 28, 28), THREE, {"discriminator_layers": 3}, "multiples of 8 and at least 16, but odd has 3 classes of"),
        ((1, 32, 32), THREE, {"discriminator_layers": 6}, "multiples of 64 and at least 64, but odd has 3 classes of"),
    ]  # fmt: skip
    for shape, classes, config, message in cases:
        with pytest.raises(DataError, match=f"stargan takes images of two classes or more, its domains, .* {message}"):
            Stargan(StarganConfig(**config)).check_data(DataSpec("odd", shape, classes))
    with pytest.raises(SettingError, match="latent_dim has no effect on StarganConfig: an image is made of an image"):
        StarganConfig(latent_dim=3)
