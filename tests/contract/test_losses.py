"""Losses and penalties against numbers worked out by hand: value and gradient, two samples, unequal logits.

With logits r = (2, -1) on real and f = (0.5, -3) on fake samples, softplus(x) = log(1 + e^x) and sigmoid s:
softplus(±2) = 2.126928, 0.126928; softplus(±1) = 1.313262, 0.313262; softplus(±0.5) = 0.974077, 0.474077;
softplus(±3) = 3.048587, 0.048587; s(2) = 0.880797, s(-1) = 0.268941, s(0.5) = 0.622459, s(-3) = 0.047426.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from ganzoo_core import losses
from ganzoo_core.interfaces import Loss, Turn
from ganzoo_core.losses import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Wasserstein,
    gradient_penalty,
    r1_penalty,
)

REAL, FAKE = (2.0, -1.0), (0.5, -3.0)
NON_SATURATING_FAKE = (0.511332, (0.311230, 0.023713))  # (0.974077 + 0.048587) / 2; s(f) / 2
NON_SATURATING_REAL = (0.720095, (-0.059601, -0.365529))  # (0.126928 + 1.313262) / 2; (s(r) - 1) / 2

# loss, (value, gradient) of D's real term, of its fake term, of G's term
BY_HAND = [
    pytest.param(
        NonSaturating(), NON_SATURATING_REAL, NON_SATURATING_FAKE,
        (1.761332, (-0.188770, -0.476287)),  # (0.474077 + 3.048587) / 2; (s(f) - 1) / 2
        id="NonSaturating",
    ),
    pytest.param(
        NonSaturating(real_label=0.9),
        (0.770095, (-0.009601, -0.315529)),  # 0.9 softplus(-r) + 0.1 softplus(r); (s(r) - 0.9) / 2
        NON_SATURATING_FAKE, (1.761332, (-0.188770, -0.476287)),
        id="NonSaturating, smooth",
    ),
    pytest.param(
        Minimax(), NON_SATURATING_REAL, NON_SATURATING_FAKE,
        (-0.511332, (-0.311230, -0.023713)),  # minus D's fake term
        id="Minimax",
    ),
    pytest.param(
        LeastSquares(),
        (1.25, (0.5, -1.0)),  # (1² + 2²) / 4; (r - 1) / 2
        (2.3125, (0.25, -1.5)),  # (0.5² + 3²) / 4; f / 2
        (4.0625, (-0.25, -2.0)),  # (0.5² + 4²) / 4; (f - 1) / 2
        id="LeastSquares",
    ),
    pytest.param(
        Hinge(),
        (1.0, (0.0, -0.5)),  # (0 + 2) / 2
        (0.75, (0.5, 0.0)),  # (1.5 + 0) / 2
        (1.25, (-0.5, -0.5)),  # -(0.5 - 3) / 2
        id="Hinge",
    ),
    pytest.param(
        Wasserstein(),
        (-0.5, (-0.5, -0.5)),  # -(2 - 1) / 2
        (-1.25, (0.5, 0.5)),  # (0.5 - 3) / 2
        (1.25, (-0.5, -0.5)),
        id="Wasserstein",
    ),
]  # fmt: skip


class Judgement(NamedTuple):
    logits: Tensor
    classes: Tensor


def a_turn(real: tuple[float, ...], fake: tuple[float, ...], wrap: Any = lambda logits: logits) -> Any:
    """A turn without networks: what the discriminator says is known."""
    turn: Any = object.__new__(Turn)
    turn.leaves = tuple(torch.tensor(values, requires_grad=True) for values in (real, fake))
    turn.on_real, turn.on_fake = map(wrap, turn.leaves)
    return turn


def assert_term(term: Tensor, logits: Tensor, expected: tuple[float, tuple[float, ...]]) -> None:
    value, gradient = expected
    assert term.shape == ()
    torch.testing.assert_close(term.detach(), torch.tensor(value), rtol=0, atol=2e-6)
    (found,) = torch.autograd.grad(term, logits, retain_graph=True)
    torch.testing.assert_close(found, torch.tensor(gradient), rtol=0, atol=2e-6)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: Judgement(x, x * 7)], ids=["logits", "named tuple"])
@pytest.mark.parametrize(("loss", "real", "fake", "generator"), BY_HAND)
def test_values_and_gradients_by_hand(loss: Loss, real: Any, fake: Any, generator: Any, wrap: Any) -> None:
    turn = a_turn(REAL, FAKE, wrap)
    terms = loss.for_discriminator(turn)
    assert list(terms) == ["real", "fake"]
    assert_term(terms["real"], turn.leaves[0], real)
    assert_term(terms["fake"], turn.leaves[1], fake)
    terms = loss.for_generator(turn)
    assert list(terms) == ["adversarial"]
    assert_term(terms["adversarial"], turn.leaves[1], generator)


def test_every_loss_was_worked_out_by_hand() -> None:
    offered = {cls for _, cls in inspect.getmembers(losses, inspect.isclass) if issubclass(cls, Loss)} - {Loss}
    assert offered == {type(case.values[0]) for case in BY_HAND}


# loss, then at logits of ±100 the values of D's terms when D is right and when it is wrong, and of G's when D is wrong
# about the fakes and when it is right
EXTREMES = [
    (NonSaturating(), (0.0, 0.0), (100.0, 100.0), 0.0, 100.0),
    (Minimax(), (0.0, 0.0), (100.0, 100.0), -100.0, 0.0),
    (LeastSquares(), (4900.5, 5000.0), (5100.5, 5000.0), 4900.5, 5100.5),
    (Hinge(), (0.0, 0.0), (101.0, 101.0), -100.0, 100.0),
    (Wasserstein(), (-100.0, -100.0), (100.0, 100.0), -100.0, 100.0),
]


@pytest.mark.parametrize(("loss", "right", "wrong", "fooled", "caught"), EXTREMES)
def test_extreme_logits_stay_finite(loss: Loss, right: Any, wrong: Any, fooled: float, caught: float) -> None:
    for real, fake, expected, generator in ((100.0, -100.0, right, caught), (-100.0, 100.0, wrong, fooled)):
        turn = a_turn((real, real), (fake, fake))
        terms = loss.for_discriminator(turn)
        assert [float(t.detach()) for t in terms.values()] == pytest.approx(list(expected), abs=1e-4)
        adversarial = loss.for_generator(turn)["adversarial"]
        assert float(adversarial.detach()) == pytest.approx(generator, abs=1e-4)
        for term in (*terms.values(), adversarial):
            gradients = torch.autograd.grad(term, turn.leaves, allow_unused=True, retain_graph=True)
            assert all(g is None or torch.isfinite(g).all() for g in gradients)


def test_the_non_saturating_gradient_does_not_vanish_where_the_minimax_one_does() -> None:
    turn = a_turn((0.0, 0.0), (-100.0, -100.0))
    assert_term(NonSaturating().for_generator(turn)["adversarial"], turn.leaves[1], (100.0, (-0.5, -0.5)))
    assert_term(Minimax().for_generator(turn)["adversarial"], turn.leaves[1], (0.0, (0.0, 0.0)))


def test_the_wasserstein_loss_logs_the_critics_estimate() -> None:
    turn = SimpleNamespace(real_logits=torch.tensor(REAL), fake_logits=torch.tensor(FAKE))
    figures = Wasserstein().figures(turn)  # type: ignore[arg-type]
    assert {name: value.item() for name, value in figures.items()} == {"wasserstein_distance": 1.75}  # 0.5 + 1.25
    assert NonSaturating().figures(turn) == {}  # type: ignore[arg-type]


def test_the_wasserstein_loss_averages_bf16_scores_in_float32() -> None:
    turn = SimpleNamespace(real_logits=torch.tensor([32.0, 32.25]).bfloat16(), fake_logits=torch.zeros(2).bfloat16())
    terms = Wasserstein().for_discriminator(turn)  # type: ignore[arg-type]
    assert terms["real"].item() == -32.125  # which bf16 does not have
    assert Wasserstein().for_generator(turn)["adversarial"].dtype == torch.float32  # type: ignore[arg-type]
    assert Wasserstein().figures(turn)["wasserstein_distance"].item() == 32.125  # type: ignore[arg-type]


def test_boundaries_are_where_a_loss_calls_a_sample_real() -> None:
    assert NonSaturating.boundary == Minimax.boundary == Hinge.boundary == 0
    assert LeastSquares.boundary == 0.5
    assert Wasserstein.boundary is None


class Linear(nn.Module):
    """f(x) = <w, x>: its gradient is w everywhere."""

    def __init__(self, *weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight


class Quadratic(nn.Module):
    """f(x) = a ||x||² / 2: its gradient is a x."""

    def __init__(self, a: float = 1.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * self.a * x.flatten(1).square().sum(1)


POINTS = torch.tensor([[3.0, 4.0], [0.0, 1.0]])  # norms 5 and 1; as one vector 5.099


@pytest.mark.parametrize(("center", "penalty"), [(1.0, 16.0), (0.0, 25.0), (7.0, 4.0)])
@pytest.mark.parametrize("shape", [(6, 2), (6, 1, 2, 1), (6, 2, 1, 1, 1)])
def test_the_gradient_penalty_of_a_linear_critic(center: float, penalty: float, shape: tuple[int, ...]) -> None:
    found = gradient_penalty(Linear(3.0, 4.0), torch.randn(shape), torch.randn(shape), center=center)
    assert found.shape == ()
    assert found.item() == pytest.approx(penalty, rel=1e-5)
    assert gradient_penalty(Linear(3.0, 4.0), torch.randn(shape), torch.randn(shape)).item() == pytest.approx(16)


def test_the_r1_penalty_of_a_linear_critic() -> None:
    assert r1_penalty(Linear(3.0, 4.0), torch.randn(6, 1, 2, 1)).item() == pytest.approx(25)


def test_the_gradient_penalty_takes_the_norm_per_sample() -> None:
    """((5 - 1)² + (1 - 1)²) / 2 = 8; with the norm of the whole batch it were (√26 - 1)² = 16.8."""
    critic = Quadratic()
    penalty = gradient_penalty(critic, POINTS, POINTS)  # real = fake, so that every point between is known
    assert penalty.item() == pytest.approx(8)
    penalty.backward()
    assert float(critic.a.grad) == pytest.approx(20)  # d/da of the mean of (a n - 1)² = the mean of 2 n (a n - 1)


def test_the_r1_penalty_takes_the_norm_per_sample() -> None:
    """(25 + 1) / 2 = 13; over the whole batch it were 26."""
    critic = Quadratic()
    penalty = r1_penalty(critic, POINTS)
    assert penalty.item() == pytest.approx(13)
    penalty.backward()
    assert float(critic.a.grad) == pytest.approx(26)  # d/da of a² 13


def test_penalties_give_the_linear_critic_its_second_order_gradient() -> None:
    critic = Linear(3.0, 4.0)
    gradient_penalty(critic, POINTS, POINTS + 1).backward()
    torch.testing.assert_close(critic.weight.grad, torch.tensor([4.8, 6.4]))  # 2 (5 - 1) w / 5
    critic = Linear(3.0, 4.0)
    r1_penalty(critic, POINTS).backward()
    torch.testing.assert_close(critic.weight.grad, torch.tensor([6.0, 8.0]))  # 2 w


def test_penalties_reach_neither_the_samples_nor_the_generator() -> None:
    generator = nn.Linear(2, 2)
    real, critic = POINTS.clone().requires_grad_(), Quadratic()
    fake = generator(torch.ones(2, 2))
    (gradient_penalty(critic, real.detach(), fake) + r1_penalty(critic, real) + r1_penalty(critic, fake)).backward()
    assert critic.a.grad is not None
    assert real.grad is None
    assert all(p.grad is None for p in generator.parameters())


def test_the_points_between_lie_one_to_a_pair_and_anywhere_on_it() -> None:
    torch.manual_seed(0)
    real, fake = torch.zeros(500, 3), torch.ones(500, 3) * torch.tensor([1.0, 2.0, -4.0])
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum(1)

    gradient_penalty(critic, real, fake)
    share = seen[0] / fake
    torch.testing.assert_close(share, share[:, :1].expand(-1, 3))  # one share for all coordinates of a sample
    assert 0 <= share.min() < 0.02
    assert 0.98 < share.max() <= 1
    assert abs(float(share.mean()) - 0.5) < 0.05


def test_a_critic_that_is_flat_gets_a_finite_gradient() -> None:
    critic = Linear(0.0, 0.0)
    penalty = gradient_penalty(critic, POINTS, POINTS + 1)
    penalty.backward()
    assert penalty.item() == 1
    assert torch.isfinite(critic.weight.grad).all()


def test_penalties_take_the_bf16_samples_of_mixed_precision() -> None:
    generator, critic = nn.Linear(2, 2), nn.Linear(2, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fake = generator(POINTS)
        assert fake.dtype == torch.bfloat16
        penalty = gradient_penalty(lambda x: critic(x).squeeze(1), POINTS, fake)
        penalty = penalty + r1_penalty(lambda x: critic(x).squeeze(1), fake)
    penalty.backward()
    norm = float(critic.weight.detach().norm())
    assert penalty.item() == pytest.approx((norm - 1) ** 2 + norm**2, rel=0.03)
    assert torch.isfinite(critic.weight.grad).all()
