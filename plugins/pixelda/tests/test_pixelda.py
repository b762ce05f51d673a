"""PixelDA against its paper: its layers, its data, its loss by hand, whose labels it reads, and that it adapts."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganzoo_pixelda import Pixelda, PixeldaConfig
from ganzoo_pixelda.data import TexturedDigits, TexturedMnist
from ganzoo_pixelda.loss import PixeldaLoss, content_loss
from ganzoo_pixelda.networks import Classifier, in_colours
from ganzoo_pixelda.textures import blended, waves
from torch import nn

from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.errors import DataError
from ganzoo_core.testing import train_steps

LABELS = Input(name="source_labels", kind="numbers", shape=(10,))


def spec_of(*shape: int, source: tuple[int, ...] | None = None, labels: Input = LABELS) -> DataSpec:
    return DataSpec("odd", shape, columns=(Input(name="source", kind="image", shape=source or shape), labels))


def sizes(network: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return TexturedDigits().load(Path())


def test_no_digit_is_in_both_splits(digits: Dataset) -> None:
    source = TexturedDigits()
    train, test = (
        {tuple(image.flatten().tolist()) for image in source.digits(Path(), split)[0]} for split in ("train", "test")
    )
    assert (len(train), len(test), len(train | test)) == (1349, 448, 1797)
    assert (len(digits), len(source.load(Path(), "test"))) == (674, 224) and digits.spec.shape == (3, 28, 28)


def test_targets_are_other_digits_than_the_sources(digits: Dataset) -> None:
    source, textures = TexturedDigits(), waves(674, 28, 28, torch.Generator().manual_seed(0))
    images, labels = source.digits(Path(), "train")
    sources = {tuple(image.flatten().tolist()) for image in digits.extra["source"]}
    others = [n for n, image in enumerate(images) if tuple(image.flatten().tolist()) not in sources]
    assert len(others) == len(images) - 674  # of an odd number, one is left over
    made = (textures[0] - images[others].float() / 255).abs() * 255
    errors = (made.round() - digits.samples[0]).abs().amax((1, 2, 3))
    assert errors.min() == 0 and labels[others][int(errors.argmin())] == digits.labels[0]


def test_labels_of_sources_are_one_of_ten_numbers(digits: Dataset) -> None:
    given = digits.extra["source_labels"]
    assert given.shape == (674, 10) and given.sum(1).unique().tolist() == [1.0]
    assert digits.spec.column("source_labels").names == digits.spec.classes
    share = float((given.argmax(1) == digits.labels).float().mean())
    assert share < 0.2, "sources and targets of a row are no pairs"
    for labels in (given.argmax(1), digits.labels):
        assert torch.bincount(labels).min() > 40, "each digit is in both domains"


def test_a_texture_is_two_colours_and_all_between() -> None:
    textures = waves(50, 8, 9, torch.Generator().manual_seed(1))
    assert textures.shape == (50, 3, 8, 9) and textures.min() >= 0 and textures.max() <= 1
    assert textures.flatten(1).std(1).max() > 0.1
    colours = textures[0].flatten(1)  # on a line, so that the second singular value is nothing
    assert torch.linalg.svdvals(colours - colours.mean(1, keepdim=True))[1] < 1e-4


def test_a_digit_is_taken_from_its_texture() -> None:
    digit = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 1, 1, 3)
    texture = waves(1, 1, 3, torch.Generator().manual_seed(5))
    expected = torch.stack([texture[..., 0], 1 - texture[..., 1], (texture[..., 2] - 0.2).abs()], -1)
    assert torch.equal(blended(digit, 5), (expected * 255).round().to(torch.uint8))


def test_mnist_is_cut_in_two_where_it_is_there(tmp_path: Path) -> None:
    source = TexturedMnist()
    assert not source.is_local(tmp_path)
    with pytest.raises(DataError) as error:
        source.load(tmp_path)
    assert str(error.value) == (
        f"textured-mnist is made of MNIST, whose files are not in {tmp_path / 'MNIST/raw'}; "
        f"`ganzoo run conv --data mnist --steps 1` fetches them"
    )
    (tmp_path / "MNIST/raw").mkdir(parents=True)
    for prefix, n in (("train", 20), ("t10k", 10)):
        pixels = torch.arange(n * 28 * 28, dtype=torch.int64).mul(7919).remainder(251).to(torch.uint8)
        for kind, shape, values in (("images", (n, 28, 28), pixels), ("labels", (n,), torch.arange(n) % 10)):
            head = bytes([0, 0, 8, len(shape)]) + b"".join(side.to_bytes(4, "big") for side in shape)
            body = bytes(values.to(torch.uint8).tolist())
            (tmp_path / f"MNIST/raw/{prefix}-{kind}-idx{len(shape)}-ubyte").write_bytes(head + body)
    assert source.is_local(tmp_path)
    train, test = source.load(tmp_path), source.load(tmp_path, "test")
    assert (len(train), len(test)) == (10, 5) and train.samples.shape == (10, 3, 28, 28)
    found = torch.cat([train.labels, train.extra["source_labels"].argmax(1)])
    assert sorted(found.tolist()) == sorted([*range(10)] * 2)


def test_the_networks_of_the_paper() -> None:
    data = spec_of(3, 28, 28, source=(1, 28, 28))
    config = PixeldaConfig(generator_channels=64, residual_blocks=6, discriminator_channels=64, classifier_channels=32)
    variant = Pixelda(config)
    assert sizes(variant.generator(data)) == [
        (784, 10),
        (64, 3 + 1, 3, 3),
        *[(64, 64, 3, 3)] * 12,
        (3, 64, 3, 3),
    ]
    assert sizes(variant.discriminator(data)) == [
        (64, 3, 3, 3),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        (512, 256, 3, 3),
        (1, 512 * 4 * 4),
    ]
    classifier = variant.further_networks(data)["classifier"]
    assert sizes(classifier) == [(32, 3, 5, 5), (48, 32, 5, 5), (100, 48 * 7 * 7), (100, 100), (10, 100)]
    assert classifier(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_grey_sources_are_repeated_and_noise_counts() -> None:
    data = spec_of(3, 16, 20, source=(1, 16, 20))
    generator = Pixelda(PixeldaConfig(noise_planes=2)).generator(data)
    seen: list[torch.Tensor] = []
    generator.layers[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    z = generator.latent(2, torch.Generator().manual_seed(0))
    assert z.abs().max() <= 1 and z.min() < -0.5 and z.max() > 0.5
    source = torch.rand(1, 1, 16, 20).expand(2, -1, -1, -1)
    one, other = generator(z, source=source)
    assert (one - other).abs().max() > 1e-3
    assert seen[0].shape == (2, 3 + 2, 16, 20)
    for colour in range(3):
        assert torch.equal(seen[0][:, colour], source[:, 0])
    coloured = torch.rand(2, 3, 4, 4)
    assert torch.equal(in_colours(coloured, 3), coloured)


def test_the_discriminator_is_unsure_while_it_trains() -> None:
    x, data = torch.rand(2, 3, 16, 16), spec_of(3, 16, 16)
    for noise, dropout in ((0.2, 0.0), (0.0, 0.5)):
        config = PixeldaConfig(discriminator_noise=noise, discriminator_dropout=dropout)
        network = Pixelda(config).discriminator(data)
        assert not torch.equal(network(x), network(x))
        network.eval()
        assert torch.equal(network(x), network(x)) and network(x).shape == (2,)


def known_turn() -> SimpleNamespace:
    """Two pictures; T says log 3 to nothing for class 0 of all that is bright, and 0 to 0 of all that is black."""
    three = math.log(3)
    fake = torch.tensor([[1.0], [0.0]], requires_grad=True)
    weights = torch.tensor([three, 0.0])
    return SimpleNamespace(
        fake=fake, labels=None, further={"classifier": lambda x: x * weights},
        real_logits=torch.tensor([three, 0.0], requires_grad=True),
        fake_logits=torch.tensor([0.0, three], requires_grad=True),
        batch={
            "source": torch.tensor([[0.0], [1.0]]),
            "source_labels": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        },
    )  # fmt: skip


def test_the_terms_by_hand() -> None:
    turn = known_turn()
    loss = PixeldaLoss(PixeldaConfig(domain_weight=2.0, task_weight=3.0))
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "real": 2 * (math.log(4 / 3) + math.log(2)) / 2,
            "fake": 2 * (math.log(2) + math.log(4)) / 2,
            "task_adapted": 3 * (math.log(4 / 3) + math.log(2)) / 2,  # right and bright; black, so 1/2
            "task_source": 3 * (math.log(2) + math.log(4)) / 2,  # the second is bright, and class 1
        }
    )
    terms = loss.for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "adversarial": 2 * (math.log(2) + math.log(4 / 3)) / 2,
            "task": 3 * (math.log(4 / 3) + math.log(2)) / 2,
        }
    )
    sum(terms.values()).backward()
    # -2 (1 - D) / 2 on the domain's logits; 3 (softmax - label) / 2 through T's weight log 3 on the pictures.
    torch.testing.assert_close(turn.fake_logits.grad, torch.tensor([-1 / 2, -1 / 4]))
    torch.testing.assert_close(turn.fake.grad, math.log(3) * torch.tensor([[-3 / 8], [3 / 4]]))


def test_the_content_by_hand() -> None:
    """Of 2x2 pictures: k is 4. The first two numbers of a source are bright, the others are masked."""
    source = torch.tensor([1.0, 1.0, -1.0, -1.0]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)
    adapted = torch.tensor([[1.0, -1.0, 0.5, 0.7], [0.0, 0.0, 0.0, 0.0]]).view(2, 1, 2, 2).requires_grad_()
    # (0 + 4) / 4 - (2 / 4)² = 3/4, and (1 + 1) / 4 - (2 / 4)² = 1/4
    assert content_loss(source, adapted).item() == pytest.approx((3 / 4 + 1 / 4) / 2)
    content_loss(source, adapted).backward()
    # of each masked number (-2 d / 4 + 2 (sum of d) / 16) / 2
    expected = torch.tensor([[1 / 8, -3 / 8, 0.0, 0.0], [-1 / 8, -1 / 8, 0.0, 0.0]]).view(2, 1, 2, 2)
    torch.testing.assert_close(adapted.grad, expected)
    turn = known_turn()
    assert "content" not in PixeldaLoss(PixeldaConfig()).for_generator(turn)
    term = PixeldaLoss(PixeldaConfig(content_weight=8.0)).for_generator(turn)["content"]
    assert term.item() == pytest.approx(8 * (0 + 1 - 1) / 2)  # one number each: what all change by is free


def test_no_label_of_a_target_is_read(digits: Dataset) -> None:
    """Other labels of the targets, and training ends bit for bit the same; other labels of the sources, and not."""
    small = {"batch_size": 8, "generator_channels": 4, "discriminator_channels": 4, "classifier_channels": 4}

    def state(data: Dataset) -> dict[str, torch.Tensor]:
        return train_steps("pixelda", data, 3, **small).state()

    usual = state(digits)
    wrong = state(dataclasses.replace(digits, labels=(digits.labels + 1) % 10))
    assert all(torch.equal(usual[name], wrong[name]) for name in usual)
    wrong = state(
        dataclasses.replace(digits, extra=digits.extra | {"source_labels": digits.extra["source_labels"].roll(1, 1)})
    )
    assert not all(torch.equal(usual[name], wrong[name]) for name in usual)


def test_the_classifier_moves_with_the_discriminator() -> None:
    training = train_steps("pixelda", "textured-digits", 0, n_critic=2)
    discriminator, generator = training.players
    owned = {id(p) for p in discriminator.parameters}
    assert {id(p) for p in training.networks.further["classifier"].parameters()} < owned
    assert (discriminator.name, discriminator.steps, generator.name) == ("discriminator", 2, "generator")
    assert [id(p) for p in generator.parameters] == [id(p) for p in training.networks.generator.parameters()]


def test_it_learns_to_read_what_it_adapts(digits: Dataset) -> None:
    narrow = {"batch_size": 16, "generator_channels": 8, "discriminator_channels": 4, "classifier_channels": 8}
    training = train_steps("pixelda", digits, 40, **narrow)
    first, last = training.records[0], training.records[-1]
    for term in ("discriminator/task_source", "generator/task"):
        assert last[term] < 0.7 * first[term]
    made = training.sample(8, inputs={"source": digits.batch(torch.arange(8))["source"]})
    assert made.values.shape == (8, 3, 28, 28)


def test_what_it_cannot_take_is_refused() -> None:
    with pytest.raises(DataError) as error:
        Pixelda().check_data(DataSpec("odd", (3, 28, 28), tuple("0123456789")))
    assert str(error.value) == (
        "pixelda takes pictures with the columns source and source_labels, but odd has none; use --data textured-digits"
    )
    pairs = DataSpec("pairs", (3, 28, 28), columns=(Input(name="source", kind="image", shape=(1, 28, 28)),))
    with pytest.raises(DataError, match="columns source and source_labels, but pairs has source; use --data"):
        Pixelda().check_data(pairs)
    for kind, size in (("text", 10), ("numbers", 1)):
        labels = Input(name="source_labels", kind=kind, shape=(size,))
        with pytest.raises(DataError) as error:
            Pixelda().check_data(spec_of(3, 28, 28, labels=labels))
        assert str(error.value) == (
            "pixelda takes source_labels that are numbers, one for each of two classes or more, but those of odd are "
            f"{kind} of {size}"
        )
    for shape, source in (((3, 28, 28), (1, 14, 14)), ((3, 28, 28), (2, 28, 28)), ((3, 7, 28), (3, 7, 28))):
        with pytest.raises(DataError) as error:
            Pixelda().check_data(spec_of(*shape, source=source))
        assert str(error.value) == (
            "pixelda takes pictures of 8 pixels or more a side and sources of their size, grey or of their colours, "
            f"but odd has {' x '.join(map(str, shape))} and sources of {' x '.join(map(str, source))}"
        )
    numbers = Input(name="source", kind="numbers", shape=(5,))
    with pytest.raises(DataError, match="but odd has 3 x 28 x 28 and sources of 5"):
        Pixelda().check_data(DataSpec("odd", (3, 28, 28), columns=(numbers, LABELS)))
    Pixelda().check_data(spec_of(3, 9, 8))


def test_the_papers_settings_can_be_read() -> None:
    values = tomllib.loads((resources.files("ganzoo_pixelda") / "paper.toml").read_text())
    config = PixeldaConfig(**values)
    assert (config.generator_channels, config.residual_blocks, config.generator_lr) == (64, 6, 1e-4)


def test_a_classifier_of_small_pictures() -> None:
    assert Classifier(PixeldaConfig(), spec_of(3, 9, 8))(torch.zeros(2, 3, 9, 8)).shape == (2, 10)
