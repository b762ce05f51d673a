"""cyclegan: its data, its networks, its loss and pool by hand, and that the pool survives a resume bit for bit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganzoo_cyclegan import Cyclegan, CycleganConfig, OutlinedDigits
from ganzoo_cyclegan.loss import CycleConsistency, ImagePool, unpaired
from ganzoo_cyclegan.networks import SOURCES, TwoGenerators, patch_discriminator
from ganzoo_cyclegan.outlined_digits import outline
from safetensors.torch import load_file
from torch import Tensor, nn

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import VariantSuite

YES = torch.tensor(True)


class TestCyclegan(VariantSuite):
    variant = "cyclegan"


def test_the_data_is_unpaired() -> None:
    data = OutlinedDigits().load(Path())
    assert (data.spec.shape, data.spec.classes, len(data)) == (OutlinedDigits.shape, OutlinedDigits.classes, 1797)
    assert data.samples.dtype == torch.uint8
    ink = data.samples.float().mean((1, 2, 3))
    assert ink[data.labels == 0].mean() > ink[data.labels == 1].mean()
    assert torch.bincount(data.labels).tolist() == [899, 898]
    with pytest.raises(DataError, match="outlined-digits has no held-out part: its only split is 'train'"):
        OutlinedDigits().load(Path(), "test")


def test_an_outline_is_the_edge() -> None:
    square = torch.zeros(1, 1, 9, 9)
    square[..., 2:7, 2:7] = 1
    edge = torch.zeros(1, 1, 9, 9)
    edge[..., 1:8, 1:8] = 1
    edge[..., 2:7, 2:7] = 0
    assert torch.equal(outline(square), edge)


@pytest.mark.parametrize(("layers", "pixels"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_is_as_large_as_said(layers: int, pixels: int) -> None:
    """The field of one score: the pixels that its gradient reaches."""
    judge = patch_discriminator(1, 2, layers)
    linear = nn.Sequential(*(part for part in judge if isinstance(part, nn.Conv2d)))
    x = torch.zeros(1, 1, 128, 128, requires_grad=True)
    scores = linear(x)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    assert int((x.grad[0, 0].abs().sum(0) > 0).sum()) == pixels
    assert [part.out_channels for part in linear] == [2 * 2**k for k in range(layers + 1)] + [1]


def test_the_generators_of_the_paper() -> None:
    """64 channels and 6 blocks: c7s1-64, d128, d256, R256 x 6, u128, u64, c7s1-3."""
    into = TwoGenerators((3, 128, 128), 64, 6).into[0]
    sizes = [tuple(p.shape) for p in into.parameters() if p.ndim == 4]
    assert sizes == [
        (64, 3, 7, 7),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        *[(256, 256, 3, 3)] * 12,
        (256, 128, 3, 3),
        (128, 64, 3, 3),
        (3, 64, 7, 7),
    ]


def test_a_sample_is_the_other_image_translated() -> None:
    generator = TwoGenerators((1, 16, 16), 4, 1)
    z = torch.rand(2, 2, 1, 16, 16) * 2 - 1
    found = generator(z, torch.tensor([0, 1]))
    torch.testing.assert_close(found[:1], generator.into[0](z[:1, 1]))
    torch.testing.assert_close(found[1:], generator.into[1](z[1:, 0]))


def test_the_first_images_are_kept_as_sources() -> None:
    generator = TwoGenerators((1, 16, 16), 4, 1)
    levels = torch.arange(2 * SOURCES).float() * 2 / 255 - 1
    images = levels[:, None, None, None].expand(-1, 1, 16, 16)
    x, y = images[:SOURCES], images[SOURCES:]
    generator.remember(x[:5], y[:5], ~YES)
    assert int(generator.seen) == 0 and not generator.sources.any()
    generator.remember(x[:5], y[:5], YES)
    assert set(generator.sources[0].flatten().tolist()) == set(range(5))
    for start in range(5, SOURCES, 9):
        generator.remember(x[start : start + 9], y[start : start + 9], YES)
    generator.remember(x[:5], y[:5], YES)  # there are enough: left out
    assert generator.sources[0, :, 0, 0, 0].tolist() == list(range(SOURCES))
    assert generator.sources[1, :, 0, 0, 0].tolist() == list(range(SOURCES, 2 * SOURCES))
    z = generator.latent(SOURCES, torch.Generator().manual_seed(0))
    torch.testing.assert_close(z[:, 0].sort(0).values, x)
    torch.testing.assert_close(z[:, 1] - z[:, 0], torch.full_like(x, SOURCES * 2 / 255))


def test_a_batch_is_parted_by_its_labels() -> None:
    turn = SimpleNamespace(real=torch.arange(6.0), labels=torch.tensor([1, 0, 1, 1, 1, 0]))
    x, y, both = unpaired(turn)
    assert (x.tolist(), y.tolist(), bool(both)) == ([1, 5, 1], [0, 2, 3], True)
    for label in (0, 1):
        x, y, both = unpaired(SimpleNamespace(real=torch.arange(4.0), labels=torch.full((4,), label)))
        assert (len(x), len(y), bool(both)) == (2, 2, False)


class Add(nn.Module):
    """A network whose answers are known: it adds a number to each pixel."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.number


def known_turn() -> SimpleNamespace:
    """x is 0 and 0, y is 4 and 6; F adds 1, G adds 2; D_X adds 1, D_Y subtracts 1."""
    real = torch.tensor([0.0, 4.0, 0.0, 6.0])[:, None, None, None].expand(-1, 1, 2, 2)
    generator = SimpleNamespace(into=[Add(1.0), Add(2.0)], remember=lambda x, y, both: None)
    judges = SimpleNamespace(of=[Add(1.0), Add(-1.0)])
    labels = torch.tensor([0, 1, 0, 1])
    return SimpleNamespace(real=real, labels=labels, generator=generator, discriminator=judges)


def test_the_generators_terms_by_hand() -> None:
    """F(y) = 5, 7, of which D_X says 6, 8; G(x) = 2, 2, of which D_Y says 1, 1. Both cycles add 3."""
    turn = known_turn()
    terms = CycleConsistency(10.0, 5.0).for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == {
        "adversarial_x": (25 + 49) / 2,
        "adversarial_y": 0.0,
        "cycle_x": 30.0,
        "cycle_y": 30.0,
        "identity_x": 5.0,
        "identity_y": 10.0,
    }
    sum(terms.values()).backward()
    first, second = (into.number.grad.item() for into in turn.generator.into)
    assert first == 2 * (5 + 7) / 2 + 10 + 10 + 5  # adversarial, both cycles, identity
    assert second == 0 + 10 + 10 + 5
    assert set(CycleConsistency(10.0, 0.0).for_generator(turn)) == {n for n in terms if "identity" not in n}


def test_the_discriminators_terms_by_hand() -> None:
    """D_X says 1, 1 of x and 6, 8 of F(y); D_Y says 3, 5 of y and 1, 1 of G(x)."""
    turn = known_turn()
    loss = CycleConsistency(10.0, 5.0)
    loss.open_pools(0, SimpleNamespace(sources=torch.zeros(2, SOURCES, 1, 2, 2)))
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == {
        "real_x": 0.0,
        "real_y": (4 + 16) / 4,
        "fake_x": (36 + 64) / 4,
        "fake_y": 0.5,
    }
    assert turn.real_logits.tolist() == [1, 1, 3, 5] and turn.fake_logits.tolist() == [6, 8, 1, 1]
    sum(terms.values()).backward()
    first, second = (judge.number.grad.item() for judge in turn.discriminator.of)
    assert (first, second) == ((6 + 8) / 2, (2 + 4) / 2 + 1)
    assert all(into.number.grad is None for into in turn.generator.into)


def test_a_batch_without_one_domain_moves_nobody() -> None:
    turn = known_turn()
    turn.labels = torch.zeros(4, dtype=torch.int64)
    assert not any(CycleConsistency(10.0, 5.0).for_generator(turn).values())


def test_the_pool_fills_and_then_swaps_at_even_odds() -> None:
    torch.manual_seed(0)
    pool = ImagePool(4, (1, 1, 1))
    for start in (0, 2):
        fakes = torch.arange(start, start + 2).float().view(2, 1, 1, 1)
        assert torch.equal(pool.exchange(fakes), fakes)
    assert pool.images.flatten().tolist() == [0, 1, 2, 3]
    inside, old, rounds = {0.0, 1.0, 2.0, 3.0}, 0, 500
    for number in range(rounds):
        new = {4.0 + 2 * number, 5.0 + 2 * number}
        given = set(pool.exchange(torch.tensor(sorted(new)).view(2, 1, 1, 1)).flatten().tolist())
        held = set(pool.images.flatten().tolist())
        assert given | held == inside | new and len(given) == 2 and len(held) == 4  # nothing lost, nothing twice
        old += len(given - new)
        inside = held
    assert 0.45 < old / (2 * rounds) < 0.55


def test_a_pool_of_none_gives_back_what_comes() -> None:
    fakes = torch.rand(3, 1, 2, 2)
    assert ImagePool(0, (1, 2, 2)).exchange(fakes) is fakes


def train(folder: Path, steps: int) -> None:
    ganzoo.train(
        "cyclegan", steps=steps, batch_size=4, pool_size=3, generator_channels=2, residual_blocks=1,
        discriminator_channels=2, device="cpu", out=folder,
    )  # fmt: skip


def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(tmp_path: Path) -> None:
    """The pools are full after two steps and swap from then on, before the stop at 5 and after it."""
    train(tmp_path / "whole", 10)
    train(tmp_path / "parts", 5)
    stopped = load_file(tmp_path / "parts" / "checkpoint.safetensors")
    ganzoo.train(resume=tmp_path / "parts", steps=10)
    whole, resumed = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    for pool in ("loss.pools.0", "loss.pools.1"):
        assert whole[f"{pool}.images"].any() and int(whole[f"{pool}.count"]) == 20
        assert not torch.equal(whole[f"{pool}.images"], stopped[f"{pool}.images"])


def test_it_learns_to_come_back(tmp_path: Path) -> None:
    run = ganzoo.train(
        "cyclegan", steps=60, log_every=1, batch_size=8, generator_channels=8, device="cpu", out=tmp_path / "run"
    )
    cycles = [record["generator/cycle_x"] + record["generator/cycle_y"] for record in run.records()]
    assert sum(cycles[-5:]) < 0.5 * sum(cycles[:5])
    assert {"d_real", "d_fake", "accuracy_real", "accuracy_fake"} <= run.records()[-1].keys()


@pytest.mark.parametrize(
    ("data", "config", "message"),
    [
        (DataSpec("digits", (1, 28, 28), tuple("0123456789")), {}, "takes data of two classes, its two domains, but"),
        (DataSpec("plain", (1, 28, 28)), {}, "cyclegan needs labels, but plain has none"),
        (DataSpec("odd", (1, 30, 28), ("a", "b")), {}, "sides are multiples of 4, at least 16, but odd is 30x28"),
        (DataSpec("small", (1, 16, 16), ("a", "b")), {"discriminator_layers": 3}, "but 3 leave fewer of small, which"),
    ],
)
def test_what_it_cannot_take_is_refused(data: DataSpec, config: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cyclegan(CycleganConfig(**config)).check_data(data)


def test_a_size_of_the_latent_is_refused() -> None:
    with pytest.raises(SettingError) as error:
        ganzoo.train("cyclegan", latent_dim=3)
    assert str(error.value) == (
        "latent_dim has no effect on cyclegan: a latent is a pair of images, one of each domain; leave it out"
    )


def test_a_pool_smaller_than_half_a_batch_is_refused() -> None:
    with pytest.raises(SettingError) as error:
        CycleganConfig(pool_size=7)
    assert str(error.value) == "pool_size must be 0 or at least 8, half of batch_size, but is 7"
    assert CycleganConfig(pool_size=0).pool_size == 0
