"""stackgan: its layers, its losses by hand, who moves in which stage, and that texts are learned."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ganzoo_shapes import Shapes
from ganzoo_stackgan import Stackgan, StackganConfig
from ganzoo_stackgan.loss import MatchingAware, divergence, matching
from ganzoo_stackgan.networks import Condition, Eye, Reader
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

TEXT = Input(name="text", kind="text", shape=(4,), names=("a", "red", "blue", "dot"))
COLOUR = DataSpec("colour", (3, 32, 32), columns=(TEXT,))
SMALL = StackganConfig(text_dim=6, condition_dim=5, judged_dim=7, generator_channels=2, discriminator_channels=3)


@cache
def shapes() -> Dataset:
    return Shapes().load(Path(), "test")


def counts(module: nn.Module) -> dict[str, int]:
    return {name: parameter.numel() for name, parameter in module.named_parameters()}


def close(found: torch.Tensor, expected: list) -> None:
    torch.testing.assert_close(found, torch.tensor(expected))


def test_first_stage_has_the_layers_of_16x16():
    sketch = Stackgan().generator(COLOUR).stage1
    assert counts(sketch) == {
        "condition.layer.weight": 128 * 64,
        "condition.layer.bias": 64,
        "layers.0.weight": (100 + 32) * 128 * 4 * 4,
        "layers.2.weight": 128,
        "layers.2.bias": 128,
        "layers.5.weight": 128 * 64 * 9,
        "layers.6.weight": 64,
        "layers.6.bias": 64,
        "layers.9.weight": 64 * 32 * 9,
        "layers.10.weight": 32,
        "layers.10.bias": 32,
        "layers.12.weight": 32 * 3 * 9,
        "layers.12.bias": 3,
    }


def test_second_stage_has_the_layers_of_32x32():
    stage = Stackgan().generator(COLOUR).stage2
    assert stage.down(torch.zeros(2, 3, 16, 16)).shape == (2, 64, 8, 8)
    sizes = counts(stage)
    assert sizes["down.0.weight"] == 3 * 32 * 9
    assert sizes["down.2.weight"] == 32 * 64 * 16
    assert sizes["layers.0.weight"] == (64 + 32) * 64 * 9
    assert [sizes[f"layers.{block}.0.weight"] for block in (3, 4)] == [64 * 64 * 9] * 2
    assert [sizes[f"layers.{layer}.weight"] for layer in (6, 10)] == [64 * 32 * 9, 32 * 16 * 9]
    assert sizes["layers.13.weight"] == 16 * 3 * 9


def test_judges_see_picture_and_text():
    discriminator = Stackgan().discriminator(COLOUR)
    for judge, side in ((discriminator.stage1, 16), (discriminator.stage2, 32)):
        last = {16: 64, 32: 128}[side]
        assert judge.layers(torch.zeros(2, 3, side, side)).shape == (2, last, 4, 4)
        assert counts(judge.last) == {
            "0.weight": (last + 64) * last, "0.bias": last, "3.weight": last * 16, "3.bias": 1,
        }  # fmt: skip
    assert not discriminator.mixes_samples


@pytest.mark.parametrize(
    ("shape", "enlarge"), [((3, 32, 32), 2), ((1, 16, 24), 2), ((3, 64, 64), 4), ((4, 48, 32), 4), ((3, 64, 64), 8)]
)
def test_any_size_that_halves_often_enough(shape: tuple[int, ...], enlarge: int):
    variant = Stackgan(StackganConfig(**SMALL.to_dict() | {"enlarge": enlarge}))
    data = DataSpec("any", shape, columns=(TEXT,))
    variant.check_data(data)
    generator, discriminator = variant.generator(data), variant.discriminator(data)
    text = torch.tensor([[1, 2, 4, 0], [1, 3, 4, 0], [0, 0, 0, 0]])
    for phase in ("reading", "stage1", "stage2"):
        for network in (generator, discriminator):
            network.begin_phase(phase)
        made = generator(torch.randn(3, generator.latent_dim), text=text)
        assert made.shape == (3, *shape) and made.abs().max() <= 1
        assert discriminator(made, text=text).shape == (3,)
        blocks = made.unfold(2, enlarge, enlarge).unfold(3, enlarge, enlarge).flatten(4)
        assert (blocks == blocks[..., :1]).all() == (phase != "stage2")


def test_the_reader_gives_the_state_after_the_last_word():
    torch.manual_seed(0)
    reader = Reader(SMALL, COLOUR)
    found = reader(torch.tensor([[1, 2, 4, 0], [4, 2, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]))
    states, _ = reader.gru(reader.words(torch.tensor([[1], [2], [4]])))
    torch.testing.assert_close(found[0], states[2, 0])
    torch.testing.assert_close(found[2], states[0, 0])
    assert not torch.equal(found[0], found[1])  # the order counts
    assert found.shape == (4, 6) and found.isfinite().all()


def test_conditioning_by_hand():
    condition = Condition(1, 2)
    with torch.no_grad():
        condition.layer.weight.zero_()
        condition.layer.bias.copy_(torch.tensor([1.0, -1.0, math.log(2), 0.0]))
    close(condition(torch.zeros(1, 1), torch.tensor([[3.0, 4.0]])), [[7.0, 3.0]])


def test_divergence_by_hand():
    mean = torch.tensor([[1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    log_std = torch.tensor([[0.0, math.log(2)], [0.0, 0.0]], requires_grad=True)
    found = divergence(mean, log_std)
    # (mean² + std² - 1 - log std²) / 2 of four numbers: 1/2, (3 - 2 log 2) / 2, 0, 2.
    assert found.item() == pytest.approx((0.5 + (3 - 2 * math.log(2)) / 2 + 2) / 4)
    found.backward()
    close(mean.grad, [[1 / 4, 0], [0, 2 / 4]])
    close(log_std.grad, [[0, 3 / 4], [0, 0]])


def test_matching_by_hand():
    seen = torch.tensor([[2.0, 0.0], [0.0, 3.0]], requires_grad=True)
    read = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    # Cosines: 1, 1/√2; 0, 1/√2. Ten times these are the logits, by rows and by columns.
    root = 10 / math.sqrt(2)
    rows = math.log1p(math.exp(root - 10)) + math.log1p(math.exp(-root))
    columns = math.log1p(math.exp(-10)) + math.log(2)
    found = matching(seen, read)
    assert found.item() == pytest.approx((rows + columns) / 4)
    found.backward()
    # A cosine changes across the picture's numbers alone, by the text's part there over the picture's length.
    wrong, right = (sigmoid(-root) + sigmoid(-10)) / 4, -(sigmoid(-root) + 1 / 2) / 4
    upper = 10 / 2 / math.sqrt(2) * (sigmoid(root - 10) + 1 / 2) / 4
    close(seen.grad, [[0, upper], [10 / 3 * (wrong + right / math.sqrt(2)), 0]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


class Game:
    """Logits log-odds 0 and log 3 of two real pairs, log 3 and 0 of two fakes, 0 and log 3 of two wrong pairs."""

    def __init__(self) -> None:
        three = math.log(3)
        self.real, self.wrong = (torch.tensor([0.0, three], requires_grad=True) for _ in range(2))
        self.fake = torch.tensor([three, 0.0], requires_grad=True)
        self.asked: list[torch.Tensor] = []
        self.turn = SimpleNamespace(
            real="pictures", real_logits=self.real, fake_logits=self.fake, critic=self.critic,
            batch={"text": torch.tensor([[1], [2]]), "other_text": torch.tensor([[2], [1]])},
        )  # fmt: skip

    def critic(self, x: str, text: torch.Tensor) -> torch.Tensor:
        assert x == "pictures"
        self.asked.append(text)
        return self.wrong


def test_discriminators_terms_by_hand():
    game = Game()
    terms = MatchingAware(SMALL).for_discriminator(game.turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "real": (math.log(2) + math.log(4 / 3)) / 2,
            "fake": (math.log(4) + math.log(2)) / 4,
            "wrong": (math.log(2) + math.log(4)) / 4,
        }
    )
    sum(terms.values()).backward()
    close(game.real.grad, [-1 / 4, -1 / 8])
    close(game.fake.grad, [3 / 16, 1 / 8])
    close(game.wrong.grad, [1 / 8, 3 / 16])
    assert [text.tolist() for text in game.asked] == [[[2], [1]]]


def test_generators_terms_by_hand():
    game = Game()
    condition = SimpleNamespace(distribution=lambda embedding: (embedding, torch.zeros(2, 1)))
    game.turn.generator = SimpleNamespace(condition=condition, text=lambda text: text.float())
    terms = MatchingAware(StackganConfig(kl_weight=3.0)).for_generator(game.turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"adversarial": (math.log(4 / 3) + math.log(2)) / 2, "kl": 3 * (1 + 4) / 2 / 2}
    )
    sum(terms.values()).backward()
    close(game.fake.grad, [-1 / 8, -1 / 4])


def test_the_other_text_is_another_pictures():
    batch = {"text": torch.tensor([[1], [2], [3]])}
    derived = Stackgan().derive(batch, torch.Generator(), "stage1")
    assert derived["other_text"].tolist() == [[3], [1], [2]]


def test_one_part_at_a_time_is_in_play():
    variant = Stackgan(SMALL)
    parts = [variant.generator(COLOUR), variant.discriminator(COLOUR), Eye(SMALL, COLOUR)]
    for phase, expected in (("reading", "text"), ("stage1", "stage1"), ("stage2", "stage2")):
        for part in parts:
            part.begin_phase(phase)
        for network in parts[:2]:
            moving = {name.partition(".")[0] for name, p in network.named_parameters() if p.requires_grad}
            assert moving == {expected}
        assert all(p.requires_grad == (phase == "reading") for p in parts[2].parameters())


def test_it_goes_through_its_phases_and_each_moves_its_own():
    config = SMALL.to_dict() | {"batch_size": 8, "reading_steps": 1, "stage1_steps": 1}
    training = train_steps(Stackgan(StackganConfig(**config)), shapes(), 0)
    game = ["discriminator/real", "discriminator/fake", "discriminator/wrong", "generator/adversarial", "generator/kl"]
    expected = [
        ("text", ["reader/generator_text", "reader/discriminator_text"]),
        ("stage1", game),
        ("stage2", game),
    ]
    for part, terms in expected:
        before = {id(p): p.clone() for network in training.networks for p in network.parameters()}
        record = training.train(1).records[-1]
        assert [name for name in record if "/" in name] == terms
        for network in list(training.networks)[:2]:
            for name, p in network.named_parameters():
                assert torch.equal(before[id(p)], p) == (name.partition(".")[0] != part), (part, name)


def test_optimizers():
    variant, parameter = Stackgan(StackganConfig(reader_lr=3e-3, generator_lr=3e-4)), nn.Parameter(torch.zeros(1))
    rates = {
        name: variant.optimizer(name, [parameter]).defaults["lr"] for name in ("reader", "generator", "discriminator")
    }
    assert rates == {"reader": 3e-3, "generator": 3e-4, "discriminator": 4e-4}


def test_what_it_cannot_take_is_refused_in_a_sentence():
    with pytest.raises(
        DataError, match="digits has no column 'text', it has no columns; .* a folder with a metadata.csv"
    ):
        Stackgan().check_data(DataSpec("digits", (1, 28, 28)))
    with pytest.raises(DataError) as error:
        Stackgan(StackganConfig(enlarge=4)).check_data(DataSpec("odd", (3, 40, 32), columns=(TEXT,)))
    assert str(error.value) == (
        "stackgan with enlarge=4 takes images whose sides are multiples of 16, but odd is 40x32; use another image size"
    )
    with pytest.raises(ValueError, match="enlarge must be a power of two, but is 3"):
        StackganConfig(enlarge=3)
    with pytest.raises(SettingError, match=r"kl_weight must be at least 0, but is -1\.0"):
        StackganConfig(kl_weight=-1.0)


def test_the_papers_settings_are_settings():
    preset = tomllib.loads((resources.files("ganzoo_stackgan") / "paper.toml").read_text())
    config = StackganConfig(**preset)
    data = DataSpec("birds", (3, 256, 256), columns=(TEXT,))
    Stackgan(config).check_data(data)
    assert config.enlarge == 4 and config.condition_dim == 128
    assert sum(phase.steps or 0 for phase in Stackgan(config).phases(data)) < config.steps


def test_texts_and_pictures_find_each_other():
    """After a hundred steps a picture's own text is the nearest of 32 ten times as often as by chance."""
    training = train_steps(Stackgan, shapes(), 100, batch_size=32, text_dim=64, reading_steps=100)
    first, last = (training.records[k]["reader/generator_text"] for k in (0, -1))
    assert first > 3 > 2 > last


@pytest.mark.long
def test_the_first_stage_paints_the_colour_that_is_asked_for():
    settings = {"reading_steps": 150, "stage1_steps": 10_000, "text_dim": 64}
    training = train_steps(Stackgan, shapes(), 900, **settings)
    generator, spec = training.networks.generator.eval(), shapes().spec
    names = spec.column("text").names
    text = {
        colour: torch.tensor(
            [[names.index(w) + 1 for w in f"a large {colour} square above a large {colour} circle".split()] + [0]]
        )
        for colour in ("red", "blue")
    }
    z = torch.randn(32, generator.latent_dim)
    with torch.no_grad():
        made = {colour: generator(z, text=one.expand(32, -1)).mean(dim=(0, 2, 3)) for colour, one in text.items()}
    assert made["red"][0] - made["red"][2] > made["blue"][0] - made["blue"][2] + 0.1


def test_a_text_is_made_into_pictures(in_tmp: Path):
    run = ganzoo.train(
        "stackgan", steps=3, reading_steps=1, stage1_steps=1, batch_size=4, generator_channels=2, progress=False
    )
    generator = ganzoo.load(run.folder)
    assert [one.name for one in generator.inputs] == ["text"]
    assert generator.sample(3, text="a large red circle").values.shape == (3, 3, 32, 32)
    with pytest.raises(DataError, match="a text for text must have a word that the data has, but 'ein Haus' has none"):
        generator.sample(1, text="ein Haus")


def test_the_second_stage_begins_from_the_firsts_picture():
    torch.manual_seed(0)
    generator = Stackgan().generator(COLOUR).eval()
    z, text = torch.randn(4, generator.latent_dim), torch.tensor([[1, 2, 4, 0]]).expand(4, -1)
    made = {}
    for phase in ("stage1", "stage2"):
        generator.begin_phase(phase)
        made[phase] = generator(z, text=text)
    assert 0 < (made["stage1"] - made["stage2"]).abs().mean() < 0.1
