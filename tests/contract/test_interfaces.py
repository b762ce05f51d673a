"""The turn: what is computed, how often, with or without a graph; and who owns which parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from ganzoo_core.dataspec import DataSpec
from ganzoo_core.interfaces import (
    Batch,
    Discriminator,
    Generator,
    Loss,
    Networks,
    Turn,
    logits_of,
    new_player,
    two_players,
)
from ganzoo_core.registry import registry
from ganzoo_core.training.diagnostics import discriminator_stats


class CountingGenerator(Generator):
    def __init__(self) -> None:
        super().__init__()
        self.latent_dim = 3
        self.linear = nn.Linear(3, 2)
        self.calls = 0

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.calls += 1
        x = torch.tanh(self.linear(z))
        return x if labels is None else x + labels.unsqueeze(1)


class CountingDiscriminator(Discriminator):
    """Its logits depend on the labels; `sizes` holds the batch size of each call."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.norm = nn.Identity() if norm is None else norm
        self.sizes: list[int] = []

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        self.sizes.append(len(x))
        logits = self.linear(self.norm(x)).squeeze(1)
        return logits if labels is None else logits * (1 + labels)


class Judgement(NamedTuple):
    logits: Tensor
    classes: Tensor


class TwoHeaded(CountingDiscriminator):
    def forward(self, x: Tensor, labels: Tensor | None = None) -> Judgement:
        return Judgement(super().forward(x, labels), torch.stack([x.sum(1), x.prod(1)], dim=1))


def a_turn(
    owns_generator: bool,
    *,
    joint: bool = True,
    keep_graph: bool = False,
    discriminator: CountingDiscriminator | None = None,
    labels: bool = True,
) -> tuple[Turn, CountingGenerator, Any]:
    torch.manual_seed(0)
    generator, discriminator = CountingGenerator(), discriminator or CountingDiscriminator()
    batch = {"real": torch.randn(4, 2), "extra": torch.arange(4)}
    if labels:
        batch["labels"] = torch.tensor([0, 1, 2, 0])
    draw = Batch(batch, torch.randn(4, 3), generator, keep_graph)
    turn = Turn(draw, generator, discriminator, owns_generator=owns_generator, joint=joint)
    return turn, generator, discriminator


@pytest.mark.parametrize("owns_generator", [False, True])
def test_what_is_not_asked_for_is_not_computed(owns_generator: bool) -> None:
    turn, generator, discriminator = a_turn(owns_generator)
    assert (turn.real.shape, turn.z.shape, turn.labels.tolist()) == ((4, 2), (4, 3), [0, 1, 2, 0])
    assert turn.batch["extra"].tolist() == [0, 1, 2, 3]
    assert (generator.calls, discriminator.sizes) == (0, [])
    assert turn.fake.shape == (4, 2)
    assert (generator.calls, discriminator.sizes) == (1, [])


def test_real_alone_needs_no_generator_where_passes_are_separate() -> None:
    turn, generator, discriminator = a_turn(False, joint=False)
    assert turn.on_real.shape == (4,)
    assert (generator.calls, discriminator.sizes) == (0, [4])


@pytest.mark.parametrize("joint", [False, True])
def test_the_generators_turn_does_not_judge_the_real_unasked(joint: bool) -> None:
    turn, generator, discriminator = a_turn(True, joint=joint)
    assert turn.on_fake.shape == (4,)
    assert (generator.calls, discriminator.sizes) == (1, [4])
    assert turn.on_real.shape == (4,)
    assert (generator.calls, discriminator.sizes) == (1, [4, 4])


@pytest.mark.parametrize(("joint", "sizes"), [(False, [4, 4]), (True, [8])])
def test_each_attribute_is_computed_once(joint: bool, sizes: list[int]) -> None:
    turn, generator, discriminator = a_turn(False, joint=joint)
    first = (turn.fake, turn.on_real, turn.on_fake)
    again = (turn.fake, turn.on_real, turn.on_fake)
    assert all(a is b for a, b in zip(first, again, strict=True))
    assert (generator.calls, discriminator.sizes) == (1, sizes)


def test_the_fake_is_detached_in_the_discriminators_turn_alone() -> None:
    turn, generator, discriminator = a_turn(False)
    assert not turn.fake.requires_grad
    turn.on_fake.sum().backward()
    assert all(p.grad is None for p in generator.parameters())
    assert discriminator.linear.weight.grad is not None

    turn, generator, _ = a_turn(True)
    assert turn.fake.requires_grad
    turn.on_fake.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())


def test_the_fake_is_what_the_generator_makes_of_z_and_the_labels() -> None:
    turn, generator, _ = a_turn(False)
    torch.testing.assert_close(turn.fake, generator(turn.z, turn.labels).detach(), rtol=0, atol=0)
    assert not torch.equal(turn.fake, generator(turn.z))


def two_turns(keep_graph: bool) -> tuple[Turn, Turn, Batch, CountingGenerator]:
    """The discriminator's turn and then the generator's, on one draw."""
    first, generator, discriminator = a_turn(False, keep_graph=keep_graph)
    draw = first._shared
    return first, Turn(draw, generator, discriminator, owns_generator=True, joint=True), draw, generator


def test_turns_of_one_draw_share_the_generators_pass() -> None:
    first, second, _, generator = two_turns(keep_graph=True)
    assert not first.fake.requires_grad
    assert second.fake.requires_grad
    assert generator.calls == 1
    assert torch.equal(first.fake, second.fake)
    second.on_fake.sum().backward()
    assert generator.linear.weight.grad is not None


def test_a_draw_without_graph_is_passed_again_when_the_generator_moves() -> None:
    first, second, _, generator = two_turns(keep_graph=False)
    assert not first.fake.requires_grad
    assert second.fake.requires_grad
    assert generator.calls == 2


def test_a_generator_that_moved_makes_new_samples() -> None:
    first, second, draw, generator = two_turns(keep_graph=True)
    before = first.fake
    with torch.no_grad():
        generator.linear.weight.add_(1)
    draw.forget()
    assert generator.calls == 1
    assert not torch.equal(second.fake, before)
    assert generator.calls == 2


@pytest.mark.parametrize("joint", [False, True])
def test_what_is_first_asked_for_without_gradients_has_them_later(joint: bool) -> None:
    turn, _, discriminator = a_turn(False, joint=joint)
    with torch.no_grad():
        assert turn.on_real.mean() + turn.on_fake.mean() < 1e9
    (turn.on_real.mean() - turn.on_fake.mean()).backward()
    assert discriminator.linear.weight.grad is not None
    turn, generator, _ = a_turn(True)
    with torch.no_grad():
        assert turn.on_fake.mean() < 1e9
    turn.on_fake.mean().backward()
    assert generator.linear.weight.grad is not None


@pytest.mark.parametrize("labels", [False, True])
def test_one_joint_pass_equals_two(labels: bool) -> None:
    joint, _, discriminator = a_turn(False, joint=True, labels=labels)
    on_real, on_fake = joint.on_real, joint.on_fake
    assert discriminator.sizes == [8]
    separate, _, _ = a_turn(False, joint=False, labels=labels)
    torch.testing.assert_close(on_real, separate.on_real)
    torch.testing.assert_close(on_fake, separate.on_fake)
    assert not torch.allclose(on_real, on_fake)


@pytest.mark.parametrize("joint", [False, True])
def test_named_tuples_are_split_part_by_part(joint: bool) -> None:
    turn, _, _ = a_turn(False, joint=joint, discriminator=TwoHeaded())
    for x, output in ((turn.real, turn.on_real), (turn.fake, turn.on_fake)):
        assert type(output) is Judgement
        assert (output.logits.shape, output.classes.shape) == ((4,), (4, 2))
        torch.testing.assert_close(output.classes, torch.stack([x.sum(1), x.prod(1)], dim=1))
        torch.testing.assert_close(output.logits, turn.critic(x))


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("kind", [CountingDiscriminator, TwoHeaded])
def test_a_turn_has_the_logits_alone_and_computes_them_once(joint: bool, kind: type[CountingDiscriminator]) -> None:
    turn, _, discriminator = a_turn(False, joint=joint, discriminator=kind())
    first = (turn.real_logits, turn.fake_logits)
    assert all(a is b for a, b in zip(first, (turn.real_logits, turn.fake_logits), strict=True))
    assert torch.equal(first[0], logits_of(turn.on_real)) and torch.equal(first[1], logits_of(turn.on_fake))
    assert discriminator.sizes == ([8] if joint else [4, 4])


ASKED: list[tuple[Callable[[Any], Any], bool]] = [
    (lambda turn: (turn.real_logits, turn.fake_logits), True),
    (lambda turn: (turn.on_real, turn.on_fake), True),
    (lambda turn: (turn.on_real, turn.fake_logits), True),
    (lambda turn: vars(turn).update(real_logits=torch.ones(4), fake_logits=torch.zeros(4)), True),
    (lambda turn: vars(turn).update(on_real=torch.ones(4), on_fake=torch.zeros(4)), True),
    (lambda turn: turn.fake_logits, False),
    (lambda turn: (turn.on_real, turn.real_logits), False),
    (lambda turn: turn.critic(turn.real) + turn.critic(turn.fake), False),
]


@pytest.mark.parametrize(("ask", "is_known"), ASKED)
def test_the_balance_is_drawn_from_logits_that_were_asked_for_or_set(ask: Any, is_known: bool) -> None:
    turn, _, discriminator = a_turn(False, joint=False, discriminator=TwoHeaded())
    ask(turn)
    computed = list(discriminator.sizes)
    assert set(discriminator_stats(turn, 0.0)) == (
        {"d_real", "d_fake", "accuracy_real", "accuracy_fake"} if is_known else set()
    )
    assert discriminator.sizes == computed


def test_the_critic_gives_logits_under_the_turns_labels() -> None:
    turn, _, discriminator = a_turn(False, discriminator=TwoHeaded())
    x = torch.randn(4, 2)
    logits = turn.critic(x)
    assert isinstance(logits, Tensor)
    torch.testing.assert_close(logits, discriminator(x, turn.labels).logits)
    assert not torch.allclose(logits, discriminator(x).logits)
    assert logits_of(logits) is logits


def test_without_labels_nobody_is_told_any() -> None:
    turn, _, discriminator = a_turn(False, labels=False)
    assert turn.labels is None
    torch.testing.assert_close(turn.critic(turn.real), discriminator(turn.real))


@pytest.mark.parametrize(
    ("norm", "mixes"),
    [
        (nn.BatchNorm1d(2), True),
        (nn.Sequential(nn.Identity(), nn.Sequential(nn.BatchNorm2d(2))), True),
        (nn.SyncBatchNorm(2), True),
        (nn.LazyBatchNorm1d(), True),
        (nn.LayerNorm(2), False),
        (nn.InstanceNorm1d(2), False),
        (nn.GroupNorm(1, 2), False),
        (nn.Identity(), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_batch_norm_is_found_out(norm: nn.Module, mixes: bool) -> None:
    assert CountingDiscriminator(norm).mixes_samples is mixes


def test_batch_norm_tells_a_joint_pass_from_two() -> None:
    """Why `mixes_samples` exists: with BatchNorm the two differ."""
    joint, _, _ = a_turn(False, joint=True, discriminator=CountingDiscriminator(nn.BatchNorm1d(2)))
    separate, _, _ = a_turn(False, joint=False, discriminator=CountingDiscriminator(nn.BatchNorm1d(2)))
    assert not torch.allclose(joint.on_real, separate.on_real, atol=1e-3)


def test_the_latent_is_a_standard_normal_of_the_rng_alone() -> None:
    generator = CountingGenerator()
    z = generator.latent(20_000, torch.Generator().manual_seed(1))
    torch.manual_seed(99)
    assert torch.equal(z, generator.latent(20_000, torch.Generator().manual_seed(1)))
    assert (z.shape, z.dtype) == ((20_000, 3), torch.float32)
    assert abs(float(z.mean())) < 0.02
    assert abs(float(z.std()) - 1) < 0.02


@pytest.mark.parametrize("base", [Generator, Discriminator, Loss])
def test_the_interfaces_are_abstract(base: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        base()


@pytest.fixture
def networks() -> tuple[Any, Networks]:
    variant_class, _ = registry().variant("toy")
    variant = variant_class(variant_class.Config(n_critic=3, generator_lr=0.01, discriminator_lr=0.02))
    spec = DataSpec("dots", (2,), kind="points")
    return variant, Networks(variant.generator(spec), variant.discriminator(spec), variant.loss())


def ids(parameters: Any) -> set[int]:
    return {id(p) for p in parameters}


def test_two_players_own_their_networks(networks) -> None:
    variant, nets = networks
    discriminator, generator = two_players(variant, nets)
    assert (discriminator.name, discriminator.steps, generator.name, generator.steps) == (
        "discriminator", 3, "generator", 1,
    )  # fmt: skip
    assert ids(discriminator.parameters) == ids(nets.discriminator.parameters())
    assert ids(generator.parameters) == ids(nets.generator.parameters())
    for player, lr in ((discriminator, 0.02), (generator, 0.01)):
        (group,) = player.optimizer.param_groups
        assert ids(group["params"]) == ids(player.parameters)
        assert group["lr"] == lr
        assert player.after_update is None
    assert discriminator.terms == nets.loss.for_discriminator
    assert generator.terms == nets.loss.for_generator


def test_a_player_may_own_several_modules(networks) -> None:
    variant, nets = networks
    clipped = []
    player = new_player(
        variant, "both", [nets.generator, nets.discriminator], nets.loss.for_generator, steps=2,
        after_update=lambda: clipped.append(1),
    )  # fmt: skip
    assert ids(player.parameters) == ids(nets.generator.parameters()) | ids(nets.discriminator.parameters())
    assert player.steps == 2
    assert player.after_update is not None
