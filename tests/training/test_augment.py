"""Augmentation: each image by itself, values by hand, gradients, p of ADA, and that nothing leaks into what is made."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import pytest
import torch
from engines import assert_equal, weights
from ganzoo_toy import Toy, ToyConfig
from torch import Tensor

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.distributed.processes import SingleProcess
from ganzoo_core.errors import SettingError
from ganzoo_core.losses import gradient_penalty
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.seeds import Microbatch, current_microbatch
from ganzoo_core.storage import tensor_files
from ganzoo_core.training import augment
from ganzoo_core.training.augment import Ada, DiffAugment, Flip
from ganzoo_core.training.engine import Engine
from ganzoo_core.turn import Batch, Turn

PIXELS = DataSpec("pixels", (3, 12, 12), ("one", "two"))


def ada(p: float) -> Ada:
    made = Ada(64, 0.0)
    made.p.fill_(p)
    return made


ALL = {"flip": Flip, "diffaugment": DiffAugment, "ada": lambda: ada(0.8)}


def draws(n: int, on=(), u=(), z=()) -> augment._Draws:
    """Draws of n images: nothing changed, but for these numbers by their places."""
    found = [dict.fromkeys(range(size), value) for size, value in ((13, 0.0), (8, 0.5), (7, 0.0))]
    given = (dict(some or {}) for some in (on, u, z))
    lists = ((before | some).values() for before, some in zip(found, given, strict=True))
    return augment._Draws(*(tuple(torch.full((n,), float(value)) for value in values) for values in lists))


def images(n: int = 4, channels: int = 3, side: int = 12) -> Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 12, 12), (4, 12, 20)])
@pytest.mark.parametrize("name", ALL)
def test_images_keep_their_form_and_are_changed_each_by_itself(name, shape):
    x = torch.rand(6, *shape) * 2 - 1
    torch.manual_seed(1)
    whole, _ = ALL[name]()(x, {})
    assert whole.shape == x.shape and whole.dtype == torch.float32
    other = x.clone()
    other[1:] = 0
    torch.manual_seed(1)
    torch.testing.assert_close(ALL[name]()(other, {})[0][0], whole[0])
    assert not torch.equal(whole, x)


def test_flip_mirrors_every_second_image():
    x = images(400)
    changed, _ = Flip()(x, {})
    mirrored = (changed == x.flip(3)).flatten(1).all(1)
    assert ((changed == x).flatten(1).all(1) ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def drawn(monkeypatch, *numbers: float) -> None:
    """Have `uniform` give these for all images alike."""
    monkeypatch.setattr(augment, "uniform", lambda n, count, like: torch.tensor([numbers]).expand(n, count))


def test_diffaugment_by_hand(monkeypatch):
    x = torch.zeros(1, 3, 8, 8)
    x[0, 0, 2, 3] = 0.9  # one red pixel
    drawn(monkeypatch, 0.5, 0.5, 0.5, 0.999, 0.0, 0.999, 0.999)  # no colours; down and left by 1; cut at a corner
    changed, _ = DiffAugment()(x, {})
    expected = torch.zeros(1, 3, 8, 8)
    expected[0, 0, 3, 2] = 0.9
    torch.testing.assert_close(changed, expected)
    drawn(monkeypatch, 1.0, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0)  # brighter by a half; nothing moved; cut at the first corner
    changed, _ = DiffAugment()(x, {})
    assert torch.equal(changed[0, 1] == 0, torch.arange(8)[:, None].lt(2) & torch.arange(8).lt(2))
    assert changed[0, 1, 4, 4] == 0.5 and changed[0, 0, 2, 3] == pytest.approx(1.4)
    drawn(monkeypatch, 0.5, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0)  # no saturation: grey
    changed, _ = DiffAugment()(x, {})
    torch.testing.assert_close(changed[0, :, 2, 3], torch.full((3,), 0.3))


def test_translation_never_goes_beyond_an_eighth():
    x = torch.zeros(300, 1, 16, 16)
    x[:, :, 8, 8] = 1
    moved = augment._moved(x, torch.rand(300, 1, 1, 1), torch.rand(300, 1, 1, 1))
    places = moved.flatten(1).argmax(1)
    rows, columns = places // 16, places % 16
    assert set(rows.tolist()) == set(columns.tolist()) == {6, 7, 8, 9, 10}


def test_ada_is_nothing_at_p_0_and_at_p_changes_about_so_many():
    x = images(256)
    torch.testing.assert_close(ada(0.0)(x, {})[0], x, rtol=0, atol=1e-5)
    for p in (0.05, 0.2):
        kept = ((ada(p)(x, {})[0] - x).abs().amax((1, 2, 3)) < 1e-4).float().mean()
        assert kept < (1 - p) ** 4
    assert ((ada(0.05)(x, {})[0] - x).abs().amax((1, 2, 3)) < 1e-4).float().mean() > 0.3


@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        (lambda x: x.flip(3), {"on": {0: 1}, "u": {0: 0.1}}),
        (lambda x: x.rot90(1, (2, 3)), {"on": {1: 1}, "u": {1: 0.3}}),
        (lambda x: x.rot90(2, (2, 3)), {"on": {1: 1}, "u": {1: 0.6}}),
    ],
)
def test_geometry_of_ada_by_hand(monkeypatch, change, numbers):
    monkeypatch.setattr(Ada, "_draw", lambda self, like, copies: draws(len(like), **numbers))
    x = images()
    torch.testing.assert_close(ada(0.5)(x, {})[0], change(x), rtol=0, atol=1e-5)


def test_colours_of_ada_by_hand():
    colours = torch.tensor([2.0]), torch.tensor([0.25]), torch.eye(3)[None]
    assert augment._coloured(torch.zeros(1, 3, 1, 1), colours).flatten().tolist() == [0.25] * 3
    assert augment._coloured(torch.zeros(1, 1, 1, 1), colours).item() == pytest.approx(0.25)
    assert augment._coloured(torch.ones(1, 1, 1, 1), colours).item() == pytest.approx(2.25)
    assert augment._coloured(torch.ones(1, 2, 1, 1), colours).flatten().tolist() == [2.25, 1.0]


@pytest.mark.parametrize("which", range(8, 13))
def test_a_grey_colour_is_changed_as_a_grey_image(which):
    x, found = torch.rand(1, 1, 4, 4), draws(1, on={which: 1}, u={6: 0.1, 7: 0.8}, z={4: 0.7, 5: -0.3, 6: 1.2})
    colours = ada(0.5)._colours(found)
    torch.testing.assert_close(
        augment._coloured(x.expand(1, 3, 4, 4), colours), augment._coloured(x, colours).expand(1, 3, 4, 4)
    )


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, [1.0, 0.0, 0.0]),
        ({"on": {11: 1}, "u": {7: 5 / 6}}, [0.0, 1.0, 0.0]),  # hue by a third of a turn: red is green
        ({"on": {8: 1}, "z": {4: 1.0}}, [1.2, 0.2, 0.2]),  # brightness
        ({"on": {9: 1}, "z": {5: 2.0}}, [2.0, 0.0, 0.0]),  # contrast
        (
            {"on": {10: 1}, "u": {6: 0.1}},
            [1 / 3, -2 / 3, -2 / 3],
        ),  # luma mirrored: I - 2 v v^T, v = (1, 1, 1) / sqrt(3)
        ({"on": {12: 1}, "z": {6: -1.0}}, [2 / 3, 1 / 6, 1 / 6]),  # half the saturation
        ({"on": {8: 1, 9: 1, 10: 1}, "u": {6: 0.1}, "z": {4: 1.0, 5: 1.0}}, [0.188562, -1.225652, -1.225652]),
    ],
)
def test_colours_of_red(numbers, expected):
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    found = augment._coloured(red, ada(0.5)._colours(draws(1, **numbers)))
    torch.testing.assert_close(found.flatten(), torch.tensor(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sides", [(8, 8), (8, 12)])
def test_numpy_and_pytorch_change_alike(sides, monkeypatch):
    module, x = ada(0.5), torch.rand(64, 3, *sides)
    torch.manual_seed(0)
    found = module(x, {})[0]
    monkeypatch.setattr(augment, "_small", lambda numbers: numbers)
    torch.manual_seed(0)
    torch.testing.assert_close(found, module(x, {})[0], rtol=0, atol=1e-4)


def test_ada_costs_nothing_while_p_is_0():
    x = images()
    torch.manual_seed(0)
    found = ada(0.0)(x, {})[0]
    after = torch.rand(1)
    torch.manual_seed(0)
    assert found is x and after == torch.rand(1), "no number is drawn either"


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_copied_from_the_host(name, monkeypatch):
    """A CUDA graph records no copy from memory that the driver does not know."""
    module, x = ALL[name](), images()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a tensor was made from Python's numbers")

    monkeypatch.setattr(augment, "_small", lambda numbers: numbers)  # as on a GPU
    for maker in ("tensor", "as_tensor", "from_numpy"):
        monkeypatch.setattr(torch, maker, refuse)
    module(x, {})


def test_changes_of_ada_are_made_in_the_order_of_the_paper():
    """Mirrored first, and moved by two pixels then: the other way round it would be at column 11."""
    found = draws(1, on={0: 1, 7: 1}, u={0: 0.1}, z={2: -1.0})
    x = torch.zeros(1, 1, 16, 16)
    x[..., 2] = 1.0
    expected = torch.zeros(1, 1, 16, 16)
    expected[..., 15] = 1.0
    torch.testing.assert_close(augment._sampled(x, augment._grid(x, found)), expected, rtol=0, atol=1e-5)


def turned(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def placed(x: float, y: float) -> Tensor:
    return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


@pytest.mark.parametrize("sides", [(16, 16), (16, 8)])
def test_geometry_of_ada_is_the_product_of_its_changes(sides):
    height, width = sides
    u = {0: 0.1, 1: 0.7, 2: 0.9, 3: 0.2, 4: 0.35, 5: 0.8}
    found = draws(1, on=dict.fromkeys(range(8), 1), u=u, z={0: 0.7, 1: -1.1, 2: 0.4, 3: -0.6})
    size, long = 2 ** (0.2 * 0.7), 2 ** (0.2 * -1.1)
    product = (
        torch.diag(torch.tensor([-1.0, 1, 1]))
        @ turned(math.pi)
        @ placed(round(0.8 * width / 8), round(-0.6 * height / 8))
        @ torch.diag(torch.tensor([size, size, 1]))
        @ turned(-0.3 * math.pi)
        @ torch.diag(torch.tensor([long, 1 / long, 1]))
        @ turned(0.6 * math.pi)
        @ placed(0.4 * width / 8, -0.6 * height / 8)
    )
    pixels = torch.diag(torch.tensor([width / 2, height / 2, 1]))
    matrix = (pixels.inverse() @ product @ pixels)[None, :2]
    expected = torch.nn.functional.affine_grid(matrix, [1, 1, *sides], align_corners=False)
    torch.testing.assert_close(augment._grid(torch.zeros(1, 1, *sides), found), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["diffaugment", "ada"])
def test_colours_leave_opacity_alone(name, monkeypatch):
    x = torch.cat([images(), torch.ones(4, 1, 12, 12)], 1)
    monkeypatch.setattr(augment, "_grid", lambda like, draws: torch.nn.functional.affine_grid(
        torch.eye(2, 3).expand(len(like), 2, 3), [len(like), 1, 12, 12], align_corners=False))  # fmt: skip
    changed, _ = ALL[name]()(x, {})
    inside = changed[:, 3] != 0  # a cutout
    torch.testing.assert_close(changed[:, 3][inside], torch.ones(int(inside.sum())), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ALL)
def test_columns_that_are_images_go_the_same_way(name):
    x, small = images(), torch.rand(4, 3, 4, 4)
    changed, columns = ALL[name]()(x, {"source": x.clone(), "small": small, "numbers": torch.ones(4, 2)})
    torch.testing.assert_close(columns["source"], changed)
    assert columns["small"] is small and len(columns) == 3


@pytest.mark.parametrize("name", ALL)
def test_gradients_and_their_gradients_pass(name):
    x = images().double().float().requires_grad_()
    w = torch.randn(3 * 12 * 12, requires_grad=True)
    torch.manual_seed(1)
    changed, _ = ALL[name]()(x, {})
    (gradient,) = torch.autograd.grad((changed.flatten(1) @ w).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert w.grad.abs().sum() > 0

    def linear(v: Tensor) -> Tensor:
        torch.manual_seed(1)
        return (ALL[name]()(v, {})[0].flatten(1) @ w).sum()

    step = torch.randn_like(x) * 1e-3
    with torch.no_grad():  # all that is done to an image is affine in it
        assert linear(x + step) - linear(x) == pytest.approx((gradient * step).sum().item(), rel=2e-2, abs=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_microbatches_get_what_the_whole_would(name):
    x = images(8)
    torch.manual_seed(3)
    whole, _ = ALL[name]()(torch.cat([x, -x]), {}, copies=2)
    parts = []
    for number in range(2):
        common, part = torch.Generator().manual_seed(3), x[4 * number : 4 * number + 4]
        token = current_microbatch.set(Microbatch(number, 2, common))
        parts.append(ALL[name]()(torch.cat([part, -part]), {}, copies=2)[0].unflatten(0, (2, 4)))
        current_microbatch.reset(token)
    torch.testing.assert_close(torch.cat(parts, 1).flatten(0, 1), whole)
    assert not torch.equal(whole[:8], -whole[8:])  # each of the two in its own way


class Linear(torch.nn.Module):
    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        return x.sum((1, 2, 3))


def test_all_that_the_discriminator_sees_is_augmented():
    def doubled(x, columns, copies=1):
        return 2 * x, columns

    x = images()
    batch = Batch({"real": x}, torch.zeros(4, 1), torch.nn.Identity(), False)
    batch._fake = -x
    for joint in (True, False):
        turn = Turn(batch, None, Linear(), owns_generator=False, joint=joint, augment=doubled)
        torch.testing.assert_close(turn.real_logits, 2 * x.sum((1, 2, 3)))
        torch.testing.assert_close(turn.fake_logits, -2 * x.sum((1, 2, 3)))
        torch.testing.assert_close(turn.critic(x), 2 * x.sum((1, 2, 3)))
        # of D(2x) = 2 sum(x) the gradient is 2 everywhere, its norm 2 sqrt(432)
        expected = (2 * 432**0.5 - 1) ** 2
        assert gradient_penalty(turn.critic, x, -x).item() == pytest.approx(expected, rel=1e-4)


def told(real: float, fake: float) -> Turn:
    batch = Batch({"real": images()}, torch.zeros(4, 1), torch.nn.Identity(), False)
    turn = Turn(batch, None, Linear(), owns_generator=False, joint=True)
    turn.real_logits, turn.fake_logits = torch.full((4,), real), torch.full((4,), fake)
    return turn


def test_p_follows_the_discriminator_every_fourth_step_and_stays_in_its_range():
    found, alone = Ada(64, 0.0), SingleProcess()
    stride = 4 * 64 / augment.IMAGES
    for step in range(1, 9):
        found.observe([told(1.0, -1.0)], alone)
        assert found.p.item() == pytest.approx(step // 4 * stride)
    for _ in range(4):
        found.observe([told(-1.0, -1.0)], alone)
    assert found.p.item() == pytest.approx(stride)
    found.p.fill_(augment.MOST)
    for _ in range(4):
        found.observe([told(1.0, -1.0)], alone)
    assert found.p.item() == pytest.approx(augment.MOST)
    found.p.zero_()
    for _ in range(4):
        found.observe([told(-1.0, -1.0)], alone)
    assert found.p.item() == 0
    critic = Ada(64, None)
    for _ in range(4):
        critic.observe([told(9.0, 5.0)], alone)  # above the middle
    assert critic.p.item() == pytest.approx(stride)


def pixels(n: int = 64) -> Dataset:
    samples = torch.randint(0, 256, (n, 3, 12, 12), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return Dataset(PIXELS, samples, torch.arange(n) % 2)


def engine(name: str, run: RunSettings | None = None) -> Engine:
    return Engine(Toy(ToyConfig(augment=name)), pixels(), run or RunSettings(device="cpu", precision="fp32"))


@pytest.mark.parametrize("name", ["none", *ALL])
def test_a_run_with_augmentation_is_resumed_bit_for_bit(name, tmp_path):
    whole, resumed = engine(name), engine(name)
    if name == "ada":
        whole.augment.p.fill_(0.5)
    for _ in range(6):
        whole.train_step()
    path = tmp_path / "checkpoint.safetensors"
    tensor_files.save(path, "checkpoint", {"step": 6}, whole.state())
    resumed.restore(6, tensor_files.load(path, "checkpoint")[1], path)
    for _ in range(5):
        a, b = whole.measure(whole.train_step()), resumed.measure(resumed.train_step())
    assert a == b and ("augment_p" in a) == (name == "ada")
    assert_equal(weights(whole), weights(resumed))
    assert any(tensor.startswith("augment.") for tensor in whole.state()) == (name == "ada")


def test_a_resume_may_turn_it_on(tmp_path):
    plain, later = engine("none"), engine("ada")
    plain.train_step()
    later.restore(1, weights(plain), tmp_path / "x")
    later.train_step()


def test_recorded_steps_equal_played_ones():
    from engines import recorded

    played, replayed = engine("ada"), engine("ada")
    graph = recorded(replayed)
    for _ in range(12):
        assert played.measure(played.train_step()) == replayed.measure(replayed.train_step())
    assert graph.replays
    assert_equal(weights(played), weights(replayed))


def test_what_can_not_be_augmented_is_refused():
    ring = Dataset(replace(PIXELS, name="ring", shape=(2,), kind="points"), torch.zeros(32, 2), torch.arange(32) % 2)
    with pytest.raises(SettingError, match="augment must be none for ring, which holds points, but is ada"):
        Engine(Toy(ToyConfig(augment="ada")), ring, RunSettings(device="cpu"))


def test_mirrored_digits_are_warned_of(caplog):
    digits = replace(pixels(), spec=replace(PIXELS, classes=("3", "7")))
    with caplog.at_level(logging.WARNING, "ganzoo"):
        engine("flip")
        for name in ("diffaugment", "ada"):
            Engine(Toy(ToyConfig(augment=name)), digits, RunSettings(device="cpu"))
        assert not caplog.messages
        Engine(Toy(ToyConfig(augment="flip")), digits, RunSettings(device="cpu"))
    assert caplog.messages == [
        "augment=flip mirrors what is generated too, and the classes of pixels look like digits or letters, which "
        "mirrored are none"
    ]


def mean_by_quarter(p: float) -> list[float]:
    """A picture that is bright at the top left alone, augmented many times: the mean of each quarter."""
    x = torch.zeros(100_000, 1, 8, 8)
    x[:, :, :4, :4] = 1.0
    placed = augment._sampled(x, augment._grid(x, ada(p)._draw(x, 1))).mean(0)
    return torch.nn.functional.avg_pool2d(placed, 4).flatten().tolist()


@pytest.mark.parametrize(("p", "margin"), [(0.3, 0.2), (0.6, 0.03)])
def test_nothing_of_it_leaks(p, margin):
    """Pictures are most often as they were, neither turned nor mirrored, and a generator must follow (section 2.2)."""
    home, *others = mean_by_quarter(p)
    assert home > max(others) + margin


def test_upside_down_is_still_rarer_at_the_largest_p():
    home, mirrored, *below = mean_by_quarter(augment.MOST)
    assert min(home, mirrored) > max(below) + 0.005


def test_it_would_leak_at_p_1():
    """Turned and mirrored at random, nothing tells which way a picture was."""
    quarters = mean_by_quarter(1.0)
    assert max(quarters) - min(quarters) < 0.006
