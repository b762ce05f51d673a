"""CycleGAN against its paper, and on the contract's promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets
import torch
from ganzoo_cyclegan import Cyclegan, CycleganConfig, OutlinedDigits
from ganzoo_cyclegan.loss import CycleConsistency
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

import ganzoo_core as ganzoo
from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

SMALL = {"batch_size": 4, "generator_channels": 2, "residual_blocks": 1, "discriminator_channels": 2}
SHAPE = (1, 16, 16)


def test_the_data_is_unpaired() -> None:
    data = OutlinedDigits().load(Path())
    assert (data.spec.shape, data.spec.classes, len(data)) == (OutlinedDigits.shape, OutlinedDigits.classes, 1797)
    assert data.samples.dtype == torch.uint8
    ink = data.samples.float().mean((1, 2, 3))
    assert ink[data.labels == 0].mean() > ink[data.labels == 1].mean()
    assert torch.bincount(data.labels).tolist() == [899, 898]
    with pytest.raises(DataError, match="outlined-digits has no held-out part: its only split is 'train'"):
        OutlinedDigits().load(Path(), "test")


def test_an_outline_is_the_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one square twice, of full ink: where the first is white the second is black, but for a line around it."""
    square = np.zeros((2, 8, 8))
    square[:, 2:6, 2:6] = 16
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: SimpleNamespace(images=square))
    filled, outlined = OutlinedDigits().load(Path()).samples[:, 0].int()
    assert (filled == 255).sum() > 40 and not outlined[filled == 255].any()
    grown = torch.nn.functional.max_pool2d(filled[None].float(), 3, 1, 1)[0]
    torch.testing.assert_close(outlined.float(), grown - filled, rtol=0, atol=1)  # rounded


def test_the_networks_of_the_paper() -> None:
    """c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3; C64, C128, C256, C512 and a logit for each patch."""
    data = DataSpec("x", (3, 256, 256), ("a", "b"))
    variant = Cyclegan(CycleganConfig(generator_channels=64, residual_blocks=9, discriminator_channels=64,
                                      discriminator_layers=3))  # fmt: skip
    sizes = [tuple(p.shape) for p in variant.generator(data).into[1].parameters() if p.ndim == 4]
    assert sizes == [
        (64, 3, 7, 7),
        (128, 64, 3, 3),
        (256, 128, 3, 3),
        *[(256, 256, 3, 3)] * 18,
        (256, 128, 3, 3),
        (128, 64, 3, 3),
        (3, 64, 7, 7),
    ]
    sizes = [tuple(p.shape) for p in variant.discriminator(data).of[1].parameters() if p.ndim == 4]
    assert sizes == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1, 512, 4, 4)]


def test_a_sample_is_an_image_translated_to_its_label() -> None:
    """In a batch that is in class order, as in training, and in any other."""
    generator = Cyclegan(CycleganConfig(generator_channels=4, residual_blocks=1)).generator(DataSpec("x", SHAPE))
    source, labels = torch.rand(4, 1, 16, 16) * 2 - 1, torch.tensor([0, 0, 1, 1])
    found = generator(torch.empty(4, 0), labels, source=source)
    torch.testing.assert_close(found, torch.cat([generator.into[0](source[:2]), generator.into[1](source[2:])]))
    order = torch.tensor([3, 0, 2, 1])
    mixed = generator.eval()(torch.empty(4, 0), labels[order], source=source[order])
    torch.testing.assert_close(mixed, found[order])


def test_a_discriminator_judges_its_class() -> None:
    judges = Cyclegan(CycleganConfig(discriminator_channels=2)).discriminator(DataSpec("x", SHAPE))
    x = torch.rand(2, 1, 16, 16)
    patches = judges(x, torch.tensor([1, 0]))
    torch.testing.assert_close(patches, torch.cat([judges.of[1](x[:1]), judges.of[0](x[1:])]))
    assert patches.shape == (2, 1, 6, 6)


def test_the_weights_carry_no_picture() -> None:
    trained = train_steps("cyclegan", "outlined-digits", 1, **SMALL)
    assert not list(trained.networks.generator.buffers())
    assert max(p.numel() for p in trained.networks.generator.parameters()) < 28 * 28


class Add(nn.Module):
    """A network whose answers are known: it adds a number to each pixel."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.tensor(number))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.number


class ByClass(nn.Module):
    """What adds the first number to the first half of a batch, and the second to the rest."""

    def __init__(self, *numbers: float) -> None:
        super().__init__()
        self.each = nn.ModuleList([Add(number) for number in numbers])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([add(half) for add, half in zip(self.each, x.chunk(2), strict=True)])


def known_turn() -> SimpleNamespace:
    """x is 0 and 0, y is 4 and 6; F adds 1, G adds 2; D_X adds 1, D_Y subtracts 1."""
    real = torch.tensor([0.0, 0.0, 4.0, 6.0])[:, None, None, None].expand(-1, 1, 2, 2)
    into, judge = ByClass(1.0, 2.0), ByClass(1.0, -1.0)
    fake = into(real.roll(2, 0))
    turn = SimpleNamespace(real=real, fake=fake, into=into, judge=judge, critic=judge, fake_logits=judge(fake))
    turn.generate = lambda source: into(source)
    return turn


def test_the_generators_terms_by_hand() -> None:
    """F(y) = 5, 7, of which D_X says 6, 8; G(x) = 2, 2, of which D_Y says 1, 1. Both cycles add 3."""
    turn = known_turn()
    terms = CycleConsistency(CycleganConfig(cycle_weight=10.0, identity_weight=0.5)).for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == {
        "adversarial": (25 + 49 + 0 + 0) / 4,
        "cycle": 30.0,
        "identity": 5 * (1 + 2) / 2,
    }
    sum(terms.values()).backward()
    first, second = (add.number.grad.item() for add in turn.into.each)
    assert first == 2 * (5 + 7) / 4 + 10 + 5 / 2  # adversarial; both cycles, half of each; identity
    assert second == 0 + 10 + 5 / 2
    assert list(CycleConsistency(CycleganConfig()).for_generator(turn)) == ["adversarial", "cycle"]


@pytest.mark.parametrize("pool_size", [0, 2])
def test_the_discriminators_terms_by_hand(pool_size: int) -> None:
    """D_X says 1, 1 of x and 6, 8 of F(y); D_Y says 3, 5 of y and 1, 1 of G(x). A pool is empty at first."""
    turn = known_turn()
    turn.fake = turn.fake.detach()
    turn.real_logits, turn.fake_logits = turn.judge(turn.real), turn.judge(turn.fake)
    loss = new_loss(pool_size, (1, 2, 2))
    terms = loss.for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == {
        "real": (0 + 0 + 4 + 16) / 8,
        "fake": (36 + 64 + 1 + 1) / 8,
    }
    assert turn.real_logits.flatten(1)[:, 0].tolist() == [1, 1, 3, 5]
    assert turn.fake_logits.flatten(1)[:, 0].tolist() == [6, 8, 1, 1]
    sum(terms.values()).backward()
    first, second = (add.number.grad.item() for add in turn.judge.each)
    assert (first, second) == ((0 + 6 + 8) / 4, (2 + 4 + 1 + 1) / 4)
    assert all(add.number.grad is None for add in turn.into.each)
    if pool_size:  # a full one gives each domain earlier fakes of its own
        assert sorted(loss.pools[0].images.flatten(1)[:, 0].tolist()) == [5, 7]
        loss.pools[0].images.fill_(20.0)
        loss.pools[1].images.fill_(30.0)
        torch.manual_seed(0)
        terms = loss.for_discriminator(turn)
        logits = turn.fake_logits.flatten(1)[:, 0].tolist()
        assert set(logits[:2]) <= {6, 8, 21} and set(logits[2:]) <= {1, 29} and {21, 29} & set(logits)
        assert terms["fake"].item() == sum(logit**2 for logit in logits) / 8


def new_loss(pool_size: int, shape: tuple[int, ...]) -> CycleConsistency:
    loss = CycleConsistency(CycleganConfig(pool_size=pool_size, batch_size=4))
    if pool_size:
        loss.open_pools(shape, torch.device("cpu"))
    return loss


@pytest.mark.parametrize("size", [0, 3])
def test_there_is_a_pool_for_each_domain_or_none(size: int) -> None:
    loss = train_steps("cyclegan", "outlined-digits", 0, **SMALL | {"pool_size": size}).networks.loss
    assert [tuple(pool.images.shape) for pool in loss.pools] == [(3, 1, 28, 28)] * 2 * bool(size)


def train(folder: Path, steps: int) -> None:
    ganzoo.train("cyclegan", steps=steps, pool_size=3, device="cpu", out=folder, **SMALL)


@pytest.mark.long
def test_a_resumed_run_ends_bit_for_bit_as_an_uninterrupted_one(tmp_path: Path) -> None:
    """The pool is full when it stops at 5, and swaps before that and after."""
    train(tmp_path / "whole", 10)
    train(tmp_path / "parts", 5)
    stopped = load_file(tmp_path / "parts" / "checkpoint.safetensors")
    ganzoo.train(resume=tmp_path / "parts", steps=10)
    whole, resumed = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not stopped["loss.pools.0.is_empty"].any()
    assert not torch.equal(whole["loss.pools.0.images"], stopped["loss.pools.0.images"])


def test_a_batch_in_parts_gives_the_numbers_of_the_whole() -> None:
    """Without a pool, which remembers: each part holds as many of each class, and what is derived is the whole's."""
    settings = SMALL | {"batch_size": 8, "pool_size": 0}
    whole, parts = (train_steps("cyclegan", "outlined-digits", 3, accumulate=n, **settings) for n in (1, 4))
    assert whole.records[-1] == pytest.approx(parts.records[-1], rel=1e-3, abs=1e-3)
    with pytest.raises(SettingError, match="accumulate must be 1 for cyclegan, as every microbatch would change what"):
        train_steps("cyclegan", "outlined-digits", 1, accumulate=2, **SMALL)


@pytest.mark.long
def test_two_processes_give_the_numbers_of_one(tmp_path: Path) -> None:
    sets = [
        word for pair in (SMALL | {"pool_size": 0, "log_every": 1}).items() for word in ("--set", "{}={}".format(*pair))
    ]
    program = [sys.executable, "-m", "ganzoo_core", "run", "cyclegan"]
    command = [*program, "--steps", "2", "--device", "cpu", "--precision", "fp32", "--quiet", *sets]
    for count in (1, 2):
        more = ["--out", str(tmp_path / str(count))] + (["--processes", "2"] if count > 1 else [])
        subprocess.run([*command, *more], check=True, cwd=tmp_path, env=os.environ | {"OMP_NUM_THREADS": "1"})
    one, two = (load_file(tmp_path / str(count) / "checkpoint.safetensors") for count in (1, 2))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-4, msg=name)  # later, kinks of L1 turn signs


@pytest.mark.long
def test_a_picture_of_ones_own_is_translated_at_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ganzoo_folder", reason="pictures are read by ganzoo-folder, which is not installed")
    monkeypatch.chdir(tmp_path)
    train(Path("run"), 2)
    Image.fromarray(np.zeros((45, 33), dtype=np.uint8)).save("mine.png")
    command = [sys.executable, "-m", "ganzoo_core", "sample", "run", "--input", "mine.png", "--label", "outlined"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "run/made/mine.png\n"), done.stderr
    with Image.open("run/made/mine.png") as image:
        assert (image.size, image.mode) == ((33, 45), "L")


def test_weights_of_nothing_switch_terms_off() -> None:
    turn = known_turn()
    assert list(CycleConsistency(CycleganConfig(cycle_weight=0.0)).for_generator(turn)) == ["adversarial"]


@pytest.mark.long
def test_it_learns_to_come_back(tmp_path: Path) -> None:
    run = ganzoo.train(
        "cyclegan", steps=60, log_every=1, batch_size=8, generator_channels=8, device="cpu", out=tmp_path / "run"
    )
    cycles = [record["generator/cycle"] for record in run.records() if "generator/cycle" in record]
    assert sum(cycles[-5:]) < 0.5 * sum(cycles[:5])
    assert {"d_real", "d_fake", "accuracy_real", "accuracy_fake"} <= run.records()[-1].keys()


@pytest.mark.parametrize(
    ("data", "config", "message"),
    [
        (
            DataSpec("digits", (1, 28, 28), tuple("0123456789")),
            {},
            "images of two classes, its domains, whose sides .* digits has 10 classes of 28x28",
        ),
        (DataSpec("plain", (1, 28, 28)), {}, "cyclegan needs labels, but plain has none"),
        (
            DataSpec("odd", (1, 30, 28), ("a", "b")),
            {},
            "multiples of 4 and at least 16, but odd has 2 classes of 30x28",
        ),
        (DataSpec("small", (1, 16, 16), ("a", "b")), {"discriminator_layers": 3}, "at least 24, but small has"),
    ],
)
def test_what_it_cannot_take_is_refused(data: DataSpec, config: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Cyclegan(CycleganConfig(**config)).check_data(data)


def test_a_size_of_the_latent_is_refused() -> None:
    with pytest.raises(SettingError) as error:
        ganzoo.train("cyclegan", latent_dim=3)
    assert str(error.value) == (
        "latent_dim has no effect on cyclegan: an image is made of an image, without noise; leave it out"
    )


def test_a_generator_that_changes_begins_by_changing_little():
    """What it gives is added to the source and cut to [-1, 1]: with weights of 0 the source comes out."""
    data = DataSpec("some", SHAPE, ("a", "b"))
    generator = Cyclegan(CycleganConfig(changes=True)).generator(data)
    source, labels = torch.rand(4, *SHAPE) * 2 - 1, torch.tensor([0, 0, 1, 1])
    z = torch.zeros(4, 0)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
    assert torch.equal(generator(z, labels, source=source), source)
    with torch.no_grad():
        generator.into[1][-2].bias.fill_(9.0)  # before the tanh, which makes 1 of it
    made = generator(z, labels, source=source)
    assert torch.equal(made[:2], source[:2])
    torch.testing.assert_close(made[2:], (source[2:] + 1).clamp(-1, 1))
