"""The losses by hand, values and gradients; slopes on a linear critic, where they are known; and the rules for each."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from ganzoo_dcgan_losses import Bgan, Dragan, DraganConfig, HingeGan, Lsgan, Ragan, SoftmaxGan, WganDiv, WganDivConfig
from ganzoo_dcgan_losses.loss import (
    BatchSoftmax,
    BoundarySeeking,
    LocalPenalty,
    RelativisticAverage,
    WassersteinDivergence,
)

from ganzoo_core import DataSpec
from ganzoo_core.errors import SettingError
from ganzoo_core.losses import Hinge, LeastSquares

LOG3 = math.log(3)


class Game:
    """Logits of two real and two fake samples, and a linear critic of slope (3, 4) on points of the plane."""

    def __init__(self, real: list[float], fake: list[float]) -> None:
        self.real_logits = torch.tensor(real, requires_grad=True)
        self.fake_logits = torch.tensor(fake, requires_grad=True)
        self.weight = torch.tensor([3.0, 4.0], requires_grad=True)
        self.turn = SimpleNamespace(
            real_logits=self.real_logits, fake_logits=self.fake_logits, critic=lambda x: x @ self.weight,
            real=torch.tensor([[0.0, 1.0], [1.0, 0.0]]), fake=torch.tensor([[5.0, 1.0], [1.0, 7.0]]),
        )  # fmt: skip


def told(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    sum(terms.values()).backward()
    return {name: term.item() for name, term in terms.items()}


def close(found: torch.Tensor | None, expected: list[float]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected))


def test_relativistic_average_by_hand():
    # Means 0 and log 3: the real ones are -log 3 -+ log 3, the fake ones 0 and 2 log 3, relative to the other kind.
    game = Game([-LOG3, LOG3], [0.0, 2 * LOG3])
    found = told(RelativisticAverage().for_discriminator(game.turn))
    assert found == pytest.approx({"real": (math.log(10) + math.log(2)) / 2, "fake": (math.log(2) + math.log(10)) / 2})
    # sigmoid(relative): real 1/10, 1/2, fake 1/2, 9/10; each also moves the mean that the others are measured by.
    real, fake = [(1 / 10 - 1) / 2, (1 / 2 - 1) / 2], [1 / 4, 9 / 20]
    close(game.real_logits.grad, [part - sum(fake) / 2 for part in real])
    close(game.fake_logits.grad, [part - sum(real) / 2 for part in fake])

    game = Game([-LOG3, LOG3], [0.0, 2 * LOG3])
    found = told(RelativisticAverage().for_generator(game.turn))
    assert found == pytest.approx(
        {"real": (math.log(10 / 9) + math.log(2)) / 2, "fake": (math.log(2) + math.log(10 / 9)) / 2}
    )
    real, fake = [1 / 20, 1 / 4], [(1 / 2 - 1) / 2, (9 / 10 - 1) / 2]
    close(game.fake_logits.grad, [part - sum(real) / 2 for part in fake])


def test_least_squares_by_hand():
    """Logits 1 and 3 of real samples, 0 and 2 of fake ones: halves of the mean squares to 1, to 0, and to 1."""
    game = Game([1.0, 3.0], [0.0, 2.0])
    assert told(LeastSquares().for_discriminator(game.turn)) == {"real": 1.0, "fake": 1.0}
    close(game.real_logits.grad, [0.0, 1.0])
    close(game.fake_logits.grad, [0.0, 1.0])
    game = Game([1.0, 3.0], [0.0, 2.0])
    assert told(LeastSquares().for_generator(game.turn)) == {"adversarial": 0.5}
    close(game.fake_logits.grad, [-0.5, 0.5])


def test_boundary_seeking_by_hand():
    game = Game([0.0, LOG3], [2.0, -1.0])
    assert told(BoundarySeeking().for_generator(game.turn)) == pytest.approx({"adversarial": (4 + 1) / 4})
    close(game.fake_logits.grad, [1.0, -0.5])


def test_batch_softmax_by_hand():
    game = Game([0.0, LOG3], [LOG3, 0.0])  # Z = 1 + 3 + 3 + 1
    assert told(BatchSoftmax().for_discriminator(game.turn)) == pytest.approx({"softmax": math.log(8) - LOG3 / 2})
    close(game.real_logits.grad, [1 / 8 - 1 / 2, 3 / 8 - 1 / 2])
    close(game.fake_logits.grad, [3 / 8, 1 / 8])
    game = Game([0.0, LOG3], [LOG3, 0.0])
    assert told(BatchSoftmax().for_generator(game.turn)) == pytest.approx({"softmax": math.log(8) - LOG3 / 2})
    close(game.fake_logits.grad, [3 / 8 - 1 / 4, 1 / 8 - 1 / 4])


def test_local_penalty_on_a_linear_critic():
    game = Game([0.0, LOG3], [LOG3, 0.0])
    found = told(LocalPenalty(DraganConfig(penalty=2.0)).for_discriminator(game.turn))
    assert found == pytest.approx(
        {
            "real": (math.log(2) + math.log(4 / 3)) / 2,
            "fake": (math.log(4) + math.log(2)) / 2,
            "penalty": 2 * (5 - 1) ** 2,
        }
    )
    close(game.weight.grad, [2 * 2 * 4 * 3 / 5, 2 * 2 * 4 * 4 / 5])


def test_local_penalty_looks_near_real_samples():
    seen = []

    def critic(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.detach())
        return x.square().sum(dim=1)

    game = Game([0.0, 0.0], [0.0, 0.0])
    game.turn.critic = critic
    for noise in (0.0, 0.1):
        LocalPenalty(DraganConfig(noise=noise)).for_discriminator(game.turn)
    assert torch.equal(seen[0], game.turn.real)
    assert 0 < (seen[1] - game.turn.real).abs().max() < 0.5


@pytest.mark.parametrize("power", [2.0, 6.0])
def test_wasserstein_divergence_on_a_linear_critic(power: float):
    game = Game([1.0, 4.0], [3.0, -1.0])
    loss = WassersteinDivergence(WganDivConfig(penalty=0.5, power=power))
    assert told(loss.for_discriminator(game.turn)) == pytest.approx(
        {"real": -2.5, "fake": 1.0, "penalty": 0.5 * 5**power}
    )
    close(game.real_logits.grad, [-0.5, -0.5])
    close(game.weight.grad, [0.5 * power * 5 ** (power - 2) * side for side in (3, 4)])
    assert told(loss.for_generator(Game([1.0, 4.0], [3.0, -1.0]).turn)) == pytest.approx({"adversarial": -1.0})


def test_wasserstein_divergence_takes_the_slope_of_each_sample():
    game = Game([0.0, 0.0], [0.0, 0.0])
    game.turn.fake = game.turn.real
    game.turn.critic = lambda x: (x * torch.tensor([[3.0, 4.0], [0.0, 0.0]])).sum(dim=1)
    found = WassersteinDivergence(WganDivConfig(penalty=1.0, power=2.0)).for_discriminator(game.turn)
    assert found["penalty"].item() == pytest.approx(25 / 2)


def test_each_variant_has_its_loss_and_the_small_networks_where_slopes_are_held():
    assert type(HingeGan().loss()) is Hinge and type(Lsgan().loss()) is LeastSquares
    made = {cls.name: type(cls().loss()) for cls in (Ragan, Dragan, WganDiv, Bgan, SoftmaxGan)}
    assert made == {
        "ragan": RelativisticAverage,
        "dragan": LocalPenalty,
        "wgan-div": WassersteinDivergence,
        "bgan": BoundarySeeking,
        "softmax-gan": BatchSoftmax,
    }
    for config in (DraganConfig, WganDivConfig):
        with pytest.raises(SettingError, match="arch must be one of small, but is 'paper'"):
            config(arch="paper")
    with pytest.raises(SettingError, match=r"power must be at least 1, but is 0\.5"):
        WganDivConfig(power=0.5)


@pytest.mark.parametrize("variant", [Dragan, WganDiv, Ragan])
def test_both_players_of_some_are_equally_fast(variant: type[Dragan]):
    game = variant()
    critic = game.discriminator(DataSpec("grey", (1, 28, 28)))
    rates = [game.optimizer(name, critic.parameters()).defaults["lr"] for name in ("generator", "discriminator")]
    assert rates == [4e-4, 4e-4]
