"""Convolutions from few channels and to few give what the layers give, with their gradients, and theirs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from ganzoo_toy import Toy, ToyConfig
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo_core import Discriminator, Generator
from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.losses import gradient_penalty
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.training import few_channels
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.few_channels import FewChannels

MANY = 48
TO_FEW, FROM_FEW = (MANY, 1), (2, MANY)


@pytest.fixture(autouse=True)
def of_any_size(monkeypatch) -> None:
    monkeypatch.setattr(few_channels, "_LEAST", 0)


@pytest.fixture
def spreads(monkeypatch) -> list[tuple[int, ...]]:
    """The shapes of what is spread by a product and sums."""
    calls, real = [], few_channels._spread
    monkeypatch.setattr(few_channels, "_spread", lambda x, *rest: calls.append(tuple(x.shape)) or real(x, *rest))
    return calls


def is_taken(layer: nn.Module) -> bool:
    with FewChannels([layer]).here():
        return "forward" in vars(layer)


def gradients(layer: nn.Module, shape: tuple[int, ...]) -> list[torch.Tensor]:
    """What a layer gives, its gradient with respect to a picture, and all gradients of the two."""
    torch.manual_seed(1)
    x = torch.randn(2, layer.in_channels, *shape, dtype=torch.double, requires_grad=True)
    y = layer(x)
    (gradient,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
    return [y, gradient, *torch.autograd.grad((gradient**2).sum() + y.sin().sum(), [x, *layer.parameters()])]


def assert_same(layer: nn.Module, shape: tuple[int, ...] = (9, 12)) -> None:
    layer.double()
    expected = gradients(layer, shape)
    with FewChannels([layer]).here():
        found = gradients(layer, shape)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("size", "stride"), [(2, 1), (3, 1), (4, 1), (5, 1), (2, 2), (3, 2), (4, 2), (5, 2), (5, 3)])
def test_a_convolution_from_few_channels(size: int, stride: int, bias: bool, spreads: list):
    for padding in range((size + 1) // 2):
        layer = nn.Conv2d(*FROM_FEW, size, stride, padding, bias=bias)
        assert_same(layer)
    assert spreads


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("size", "stride"), [(2, 1), (3, 1), (4, 1), (5, 1), (2, 2), (3, 2), (4, 2), (5, 2), (5, 3)])
def test_a_transposed_convolution_to_few_channels(size: int, stride: int, bias: bool, spreads: list):
    for padding, beyond in itertools.product(range((size + 1) // 2), range(stride)):
        layer = nn.ConvTranspose2d(*TO_FEW, size, stride, padding, output_padding=beyond, bias=bias)
        assert_same(layer)
    assert spreads


@pytest.mark.parametrize(("size", "padding"), [(2, 0), (2, 1), (3, 1), (4, 1), (4, 2), (5, 2)])
def test_a_convolution_to_few_channels_that_keeps_the_size(size: int, padding: int, spreads: list):
    assert_same(nn.Conv2d(*TO_FEW, size, padding=padding))
    assert spreads


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, MANY, (3, 5), (1, 2), (1, 0)),
        nn.ConvTranspose2d(MANY, 3, (4, 3), (2, 1), (1, 0), output_padding=(1, 0)),
        nn.Conv2d(MANY, 3, (3, 5), padding=(1, 2)),
    ],
)
def test_sides_of_two_lengths(layer: nn.Module, spreads: list):
    assert_same(layer)
    assert spreads


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(3, MANY, 7, padding=3),
        nn.Conv2d(MANY, 3, 7, padding=3),
        nn.ConvTranspose2d(MANY, 3, 6, 2, 2),
        nn.Conv2d(32, 3, 3, padding=1),
    ],
    ids=str,
)
def test_a_large_square_and_few_times_three_channels_are_left_to_the_library(layer: nn.Module, spreads: list):
    assert is_taken(layer)
    assert_same(layer)
    assert not spreads


def test_with_many_threads_the_library_spreads(monkeypatch, spreads: list):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    for layer in (nn.Conv2d(3, MANY, 4, 2, 1), nn.Conv2d(MANY, 3, 3, padding=1), nn.ConvTranspose2d(MANY, 3, 4, 2, 1)):
        assert_same(layer, (9, 9))
    assert not spreads


class Scaled(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 2


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, MANY, 3),
        nn.Conv2d(1, 3, 3),
        nn.Conv2d(1, 8, 3),
        nn.Conv2d(3, 32, 3),
        nn.ConvTranspose2d(32, 3, 3),
        nn.Conv2d(8, 1, 3, padding=1),
        nn.ConvTranspose2d(8, 1, 3),
        nn.Conv2d(1, MANY, 1),
        nn.Conv2d(2, MANY, 3, groups=2),
        nn.Conv2d(1, MANY, 3, dilation=2),
        nn.Conv2d(1, MANY, 3, stride=4),
        nn.Conv2d(1, MANY, 3, padding="same"),
        nn.Conv2d(1, MANY, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(MANY, 1, 7),  # of a picture of 7 x 7 it leaves one number
        nn.Conv2d(MANY, 1, 4, stride=2, padding=1),
        nn.ConvTranspose2d(1, MANY, 3),
        nn.ConvTranspose2d(MANY, 2, 3, groups=2),
        Scaled(1, MANY, 3),
        nn.Conv1d(1, MANY, 3),
        nn.Conv3d(1, MANY, 3),
    ],
    ids=str,
)
def test_what_is_left_as_it_is(layer: nn.Module):
    assert not is_taken(layer)


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(1, MANY, 4, 2, 1), nn.Conv2d(MANY, 1, 3, padding=1), nn.ConvTranspose2d(MANY, 1, 4, 2, 1)]
)
def test_small_pictures_are_left_to_the_library(layer: nn.Module, monkeypatch, spreads: list):
    small = [2, layer.in_channels, 16, 16]
    numbers = layer(torch.zeros(small)).numel() if layer.in_channels == 1 else torch.zeros(small).numel()
    for least, n in ((numbers, 1), (numbers + 1, 0)):
        monkeypatch.setattr(few_channels, "_LEAST", least)
        with FewChannels([layer]).here():
            layer(torch.randn(small, requires_grad=True)).sum().backward()
        assert len(spreads) == n
        spreads.clear()


def test_one_that_has_another_forward_keeps_it():
    layer = nn.Conv2d(1, MANY, 3)
    layer.forward = forward = lambda x: x
    with FewChannels([layer]).here():
        assert layer.forward is forward
    assert layer.forward is forward


def test_a_layer_is_as_before_afterwards_also_after_an_error():
    layer = nn.Conv2d(1, MANY, 3)
    few = FewChannels([layer])
    with pytest.raises(KeyError), few.here():
        raise KeyError
    assert "forward" not in vars(layer)


def test_a_weight_of_bounded_slope(spreads: list):
    layer = spectral_norm(nn.Conv2d(1, MANY, 3, padding=1)).eval()
    x = torch.randn(2, 1, 8, 8, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    with FewChannels([layer]).here():
        (found,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(found, expected)
    assert spreads


def test_a_picture_that_needs_no_gradient_is_convolved_as_ever(monkeypatch, spreads: list):
    monkeypatch.setattr(few_channels, "_Path", None)
    layer = nn.Conv2d(1, MANY, 3)
    x = torch.randn(2, 1, 8, 8)
    with FewChannels([layer]).here():
        layer(x).sum().backward()
        layer(x.requires_grad_().detach())
        with torch.no_grad():
            layer(x)
    assert not spreads and layer.weight.grad is not None


def test_one_picture_and_a_size_that_is_asked_for():
    first, last = nn.Conv2d(1, MANY, 3, padding=1), nn.Conv2d(MANY, 1, 3, padding=1)
    larger = nn.ConvTranspose2d(MANY, 1, 3, 2, 1)
    one = torch.randn(1, 8, 8, requires_grad=True)

    def made():
        x = first(one)
        return last(x), larger(x), larger(x, output_size=[16, 16])

    expected = made()
    with FewChannels([first, last, larger]).here():
        found = made()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_autocast_is_kept_to():
    torch.manual_seed(0)
    first, last = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 1, 3, padding=1)
    x = torch.randn(4, 1, 8, 8, requires_grad=True)

    def made():
        with torch.autocast("cpu", torch.bfloat16):
            y = last(first(x))
        return y, *torch.autograd.grad(y.float().square().sum(), [x, *first.parameters(), *last.parameters()])

    expected = made()
    with FewChannels([first, last]).here():
        found = made()
    assert found[0].dtype == torch.bfloat16
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a.float(), b.float(), rtol=0.05, atol=0.05 * float(b.detach().abs().max()))


def test_channels_last_stays_so():
    layer = nn.Conv2d(16, 1, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(4, 16, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    with FewChannels([layer]).here():
        (gradient,) = torch.autograd.grad(layer(x).square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last) and not gradient.is_contiguous()


def test_a_penalty_asks_once_for_the_gradient_of_its_pictures(spreads: list):
    critic = nn.Sequential(nn.Conv2d(1, MANY, 4, 2, 1), nn.LeakyReLU(), nn.Flatten(), nn.Linear(MANY * 16, 1))
    real, fake = torch.randn(2, 4, 1, 8, 8)

    def weight_gradient():
        critic.zero_grad()
        torch.manual_seed(0)
        gradient_penalty(critic, real, fake).backward(inputs=list(critic.parameters()))
        return critic[0].weight.grad

    expected = weight_gradient()
    with FewChannels([critic]).here():
        found = weight_gradient()
    assert len(spreads) == 1
    torch.testing.assert_close(found, expected)


class Painter(Generator):
    latent_dim = 4

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, MANY, 4), nn.ReLU())
        self.last = nn.ConvTranspose2d(MANY, 1, 4, 2, 1)

    def forward(self, z, labels=None):
        return torch.tanh(self.last(self.layers(z)))


class Looker(Discriminator):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, MANY, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(MANY * 16, 1))

    def forward(self, x, labels=None):
        return self.layers(x)


class Pictures(Toy):
    name = "toy-pictures"

    def generator(self, data):
        return Painter()

    def discriminator(self, data):
        return Looker()


def trained() -> Engine:
    data = Dataset(DataSpec("squares", (1, 8, 8)), torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    engine = Engine(Pictures(replace(ToyConfig(), batch_size=8)), data, RunSettings(device="cpu", precision="fp32"))
    for _ in range(3):
        engine.train_step()
    return engine


def test_a_step_computes_so_and_samples_are_made_as_ever(monkeypatch, spreads: list):
    found = trained()
    assert set(spreads) == {(8, MANY, 4, 4)}, "the generator's last layer, and the picture's gradient"
    spreads.clear()
    found.sampler.eval()(torch.randn(8, 4))
    assert not spreads
    monkeypatch.setattr(few_channels, "_sooner", lambda layer: None)
    expected = trained().state()
    assert not spreads
    for name, tensor in found.state().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize(
    ("device", "has_onednn", "taken"), [("cpu", True, True), ("cpu", False, False), ("meta", True, False)]
)
def test_what_is_not_onednns_is_computed_as_ever(device: str, has_onednn: bool, taken: bool, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: has_onednn)
    layer = nn.Conv2d(1, MANY, 3)
    with few_channels.new_few_channels([layer], torch.device(device))():
        assert ("forward" in vars(layer)) == taken
