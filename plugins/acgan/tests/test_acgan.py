"""acgan: its layers, its loss by hand, whose parameters move, and that it learns classes without collapsing them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_acgan import Acgan, AcganConfig
from ganzoo_acgan.loss import AuxiliaryClassifier
from ganzoo_acgan.networks import Verdict
from sklearn.datasets import load_digits
from torch import nn

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

TEN = tuple("0123456789")
GREY = DataSpec("grey", (1, 28, 28), TEN)


def counts(module: nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in module.named_parameters()}


def digits() -> Dataset:
    """The 1,797 digits of 8x8, each pixel repeated to 2x2: (1, 16, 16), with labels."""
    found = load_digits()
    images = torch.tensor(found.images * 255 / 16).round().to(torch.uint8).unsqueeze(1)
    images = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return Dataset(DataSpec("digits", (1, 16, 16), TEN), images, torch.tensor(found.target))


def test_generator_has_the_layers_of_28x28():
    generator = Acgan().generator(GREY)
    assert counts(generator) == {
        "layers.0.weight": (100 + 10) * 1024,
        "layers.0.bias": 1024,
        "layers.1.weight": 1024,
        "layers.1.bias": 1024,
        "layers.3.weight": 1024 * 128 * 7 * 7,
        "layers.3.bias": 128 * 7 * 7,
        "layers.4.weight": 128 * 7 * 7,
        "layers.4.bias": 128 * 7 * 7,
        "layers.7.weight": 128 * 64 * 4 * 4,
        "layers.7.bias": 64,
        "layers.8.weight": 64,
        "layers.8.bias": 64,
        "layers.10.weight": 64 * 1 * 4 * 4,
        "layers.10.bias": 1,
    }
    assert isinstance(generator.layers[-1], nn.Tanh)


def test_discriminator_has_the_layers_of_28x28_and_two_answers_in_logits():
    discriminator = Acgan().discriminator(GREY)
    assert counts(discriminator) == {
        "layers.0.weight": 1 * 32 * 5 * 5,
        "layers.0.bias": 32,
        "layers.3.weight": 32 * 64 * 5 * 5,
        "layers.3.bias": 64,
        "layers.7.weight": 64 * 4 * 4 * 1024,
        "layers.7.bias": 1024,
        "source.weight": 1024,
        "source.bias": 1,
        "classes.weight": 1024 * 10,
        "classes.bias": 10,
    }
    assert not discriminator.mixes_samples  # real and fake go through together
    verdict = discriminator(torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64))
    assert verdict._fields == ("logits", "class_logits")
    assert (verdict.logits.shape, verdict.class_logits.shape) == ((3,), (3, 10))
    assert (verdict.class_logits.exp().sum(1) - 1).abs().min() > 1e-3  # no logarithms of probabilities


@pytest.mark.parametrize(
    ("shape", "first", "seen"),
    [
        ((1, 16, 16), (8, 4, 4), 2 * 6 * 6),
        ((3, 28, 28), (8, 7, 7), 4 * 4 * 4),
        ((3, 32, 32), (16, 4, 4), 4 * 5 * 5),
        ((1, 64, 64), (32, 4, 4), 8 * 4 * 4),
        ((3, 20, 48), (8, 5, 12), 2 * 8 * 22),
    ],
)
def test_other_sizes_have_fewer_or_more_layers(shape: tuple[int, ...], first: tuple[int, ...], seen: int):
    variant = Acgan(AcganConfig(generator_channels=4, discriminator_channels=2, discriminator_width=5))
    data = DataSpec("any", shape, ("cat", "dog", "emu"))
    variant.check_data(data)
    generator, discriminator = variant.generator(data), variant.discriminator(data)
    assert generator.layers[6].unflattened_size == first
    samples = generator(torch.randn(2, 100), torch.tensor([0, 2]))
    assert samples.shape == (2, *shape)
    assert samples.abs().max() <= 1
    assert counts(discriminator)["source.weight"] == 5
    assert discriminator.layers[-2].in_features == seen
    assert discriminator(samples).class_logits.shape == (2, 3)


def test_the_generator_hears_the_label():
    torch.manual_seed(0)
    generator = Acgan().generator(GREY).eval()
    z = torch.randn(1, 100).expand(2, -1)
    three, four = generator(z, torch.tensor([3, 4]))
    assert (three - four).abs().max() > 1e-3


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(DataError, match="acgan needs labels, but plain has none; choose labelled data"):
        Acgan().check_data(DataSpec("plain", (1, 28, 28)))
    with pytest.raises(DataError, match="acgan takes images, but ring holds points"):
        Acgan().check_data(DataSpec("ring", (2,), TEN, kind="points"))
    for shape in [(1, 30, 28), (1, 28, 30), (1, 12, 12)]:
        with pytest.raises(DataError) as error:
            Acgan().check_data(DataSpec("odd", shape, TEN))
        assert str(error.value) == (
            f"acgan takes images whose sides are multiples of 4, at least 16, but odd is {shape[1]}x{shape[2]}; "
            "use another image size"
        )
    with pytest.raises(SettingError, match=r"class_for_generator must be at least 0, but is -1\.0"):
        AcganConfig(class_for_generator=-1.0)


WEIGHTS = AcganConfig(class_on_real=1.0, class_on_fake=0.5, class_for_generator=0.1)


class Case:
    """Two samples of three classes. Of each real one D says log-odds 0 and log 3, of the fake ones log 3 and 0."""

    def __init__(self) -> None:
        three = math.log(3)
        self.real = Verdict(torch.tensor([0.0, three]), torch.tensor([[0.0, 0.0, 0.0], [0.0, three, 0.0]]))
        self.fake = Verdict(torch.tensor([three, 0.0]), torch.tensor([[three, 0.0, 0.0], [0.0, 0.0, three]]))
        for tensor in (*self.real, *self.fake):
            tensor.requires_grad_()
        self.turn = SimpleNamespace(
            on_real=self.real, on_fake=self.fake, real_logits=self.real.logits, fake_logits=self.fake.logits,
            labels=torch.tensor([0, 1]),
        )  # fmt: skip


def test_discriminators_terms_by_hand():
    case = Case()
    terms = AuxiliaryClassifier(WEIGHTS).for_discriminator(case.turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "real": (math.log(2) + math.log(4 / 3)) / 2,
            "fake": (math.log(4) + math.log(2)) / 2,
            "class_real": (math.log(3) + math.log(5 / 3)) / 2,
            "class_fake": 0.5 * (math.log(5 / 3) + math.log(5)) / 2,
        }
    )
    sum(terms.values()).backward()
    # d/dlogits: (sigmoid - target) / 2, and weight (softmax - one-hot) / 2.
    close(case.real.logits.grad, [(1 / 2 - 1) / 2, (3 / 4 - 1) / 2])
    close(case.fake.logits.grad, [3 / 4 / 2, 1 / 2 / 2])
    close(case.real.class_logits.grad, [[-1 / 3, 1 / 6, 1 / 6], [1 / 10, -1 / 5, 1 / 10]])
    close(case.fake.class_logits.grad, [[-1 / 10, 1 / 20, 1 / 20], [1 / 20, -1 / 5, 3 / 20]])


def test_generators_terms_by_hand():
    case = Case()
    terms = AuxiliaryClassifier(WEIGHTS).for_generator(case.turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"adversarial": (math.log(4 / 3) + math.log(2)) / 2, "class": 0.1 * (math.log(5 / 3) + math.log(5)) / 2}
    )
    sum(terms.values()).backward()
    close(case.fake.logits.grad, [-1 / 4 / 2, -1 / 2 / 2])
    close(case.fake.class_logits.grad, [[-1 / 50, 1 / 100, 1 / 100], [1 / 100, -1 / 25, 3 / 100]])
    assert case.real.logits.grad is None and case.real.class_logits.grad is None


def test_weights_come_from_the_config():
    config = AcganConfig(class_on_real=2.0, class_on_fake=3.0, class_for_generator=4.0)
    assert Acgan(config).loss().config is config


def close(found: torch.Tensor, expected: list) -> None:
    torch.testing.assert_close(found, torch.tensor(expected))


def test_optimizers():
    variant = Acgan(AcganConfig(generator_lr=3e-4, discriminator_lr=1e-4))
    parameter = nn.Parameter(torch.zeros(1))
    generator, discriminator = (variant.optimizer(name, [parameter]) for name in ("generator", "discriminator"))
    assert (generator.defaults["lr"], generator.defaults["betas"]) == (3e-4, (0.5, 0.999))
    assert (discriminator.defaults["lr"], discriminator.defaults["betas"]) == (1e-4, (0.5, 0.999))


def test_each_player_moves_once_a_step_all_its_parameters():
    training = train_steps(Acgan, digits(), 0, batch_size=8, generator_width=16, discriminator_width=16)
    before = {id(p): p.clone() for network in training.networks for p in network.parameters()}
    (record,) = training.train(1).records
    assert [name for name in record if "/" in name] == [
        *(f"discriminator/{term}" for term in ("real", "fake", "class_real", "class_fake")),
        *(f"generator/{term}" for term in ("adversarial", "class")),
    ]
    for network in training.networks:
        for name, p in network.named_parameters():
            assert not torch.equal(before[id(p)], p), name
    assert [next(iter(p.optimizer.state.values()))["step"].item() for p in training.players] == [1, 1]


def read_by_neighbour(dataset: Dataset, samples: torch.Tensor) -> torch.Tensor:
    """The label (N,) of the real sample that is nearest to each sample."""
    real = dataset.batch(torch.arange(len(dataset)))["real"].flatten(1)
    return dataset.labels[torch.cdist(samples.flatten(1), real).argmin(1)]


def spread(samples: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How far the samples of each class (10,) lie from their mean, root mean square."""
    classes = [samples[labels == label].flatten(1) for label in range(10)]
    return torch.stack([(x - x.mean(0)).square().sum(1).mean().sqrt() for x in classes])


def asked(config: AcganConfig, dataset: Dataset, steps: int) -> tuple[float, float]:
    """After training: the share of labels right, and the least class's spread as a part of the real one's."""
    made = train_steps(Acgan(config), dataset, steps).sample(500, labels=range(10))
    right = (read_by_neighbour(dataset, made.values) == made.labels).float().mean().item()
    real = dataset.batch(torch.arange(len(dataset)))["real"]
    return right, (spread(made.values, made.labels) / spread(real, dataset.labels)).min().item()


SMALL = {
    "batch_size": 32,
    "generator_width": 256,
    "generator_channels": 32,
    "discriminator_width": 256,
    "class_for_generator": 1.0,
}


@pytest.mark.long
def test_it_learns_digits_and_draws_each_class_in_many_ways():
    dataset = digits()
    right, variety = asked(AcganConfig(**SMALL), dataset, 400)
    assert right > 0.7
    assert variety > 0.5
    assert asked(AcganConfig(**SMALL), dataset, 0)[0] < 0.2


@pytest.mark.long
def test_without_its_class_term_the_generator_draws_what_it_likes():
    right, _ = asked(AcganConfig(**SMALL | {"class_for_generator": 0.0}), digits(), 400)
    assert right < 0.2
