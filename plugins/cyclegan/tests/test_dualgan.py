"""DualGAN against its paper: its networks, its losses by hand, its clipping, and that noise changes what is made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_cyclegan import Dualgan, DualganConfig
from ganzoo_cyclegan.loss import DualLearning
from torch import nn

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

AB = ("a", "b")


def test_the_networks_of_the_paper() -> None:
    """At 256 pixels a U-Net of eight levels, and critics of patches of 70 pixels."""
    data = DataSpec("x", (3, 256, 256), AB)
    variant = Dualgan(
        DualganConfig(generator_channels=64, discriminator_channels=64, discriminator_layers=3, dropout=0.5)
    )
    generator = variant.generator(data)
    widths = [layer.out_channels for layer in generator.into[0].modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 512, 512, 512, 512, 512]
    assert generator.latent_dim == 3 * 512  # the channels of three layers
    sizes = [tuple(p.shape) for p in variant.discriminator(data).of[0].parameters() if p.ndim == 4]
    assert sizes == [(64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1, 512, 4, 4)]


def test_other_noise_makes_another_picture() -> None:
    generator = Dualgan(DualganConfig(dropout=0.5)).generator(DataSpec("x", (1, 28, 28), AB)).eval()
    rng = torch.Generator().manual_seed(0)
    z, source = generator.latent(2, rng), torch.rand(1, 1, 28, 28, generator=rng).expand(2, -1, -1, -1)
    one, other = generator(z, torch.tensor([1, 1]), source=source)
    assert not torch.equal(one, other)
    assert Dualgan().generator(DataSpec("x", (1, 28, 28), AB)).latent_dim == 0


def test_the_terms_by_hand() -> None:
    """Critics say 1 and 3 of real images, 0 and 2 of fakes; a cycle adds 2 to a pixel, of which the fake adds 1."""
    fake = torch.ones(2, 1, 2, 2, requires_grad=True)
    logits = torch.tensor([0.0, 2.0], requires_grad=True)
    turn = SimpleNamespace(
        real=torch.zeros(2, 1, 2, 2), fake=fake, fake_logits=logits, real_logits=torch.tensor([1.0, 3.0]),
        generate=lambda source: source + 1,
    )  # fmt: skip
    loss = DualLearning(DualganConfig(cycle_weight=100.0))
    assert {name: term.item() for name, term in loss.for_discriminator(turn).items()} == {"real": -2.0, "fake": 1.0}
    terms = loss.for_generator(turn)
    assert {name: term.item() for name, term in terms.items()} == {"adversarial": -1.0, "cycle": 200.0}
    sum(terms.values()).backward()
    assert logits.grad.tolist() == [-0.5, -0.5]
    torch.testing.assert_close(fake.grad, torch.full((2, 1, 2, 2), 100 / 8))
    assert list(DualLearning(DualganConfig(cycle_weight=0.0)).for_generator(turn)) == ["adversarial"]


def test_critics_move_three_times_and_are_clipped() -> None:
    training = train_steps("dualgan", "outlined-digits", 0, batch_size=4, clip=0.05, generator_lr=3e-3)
    moves: list[str] = []
    for player in training.players:
        assert isinstance(player.optimizer, torch.optim.RMSprop)
        player.optimizer.register_step_post_hook(lambda *_, name=player.name: moves.append(name))
    assert [player.optimizer.param_groups[0]["lr"] for player in training.players] == [1e-3, 3e-3]
    training.train(1)
    assert moves == ["discriminator"] * 3 + ["generator"]
    critics = [p.abs().max().item() for p in training.networks.discriminator.parameters()]
    assert max(critics) == pytest.approx(0.05)
    assert max(p.abs().max().item() for p in training.networks.generator.parameters()) > 0.06


@pytest.mark.long
def test_it_learns_to_come_back() -> None:
    records = train_steps("dualgan", "outlined-digits", 60, batch_size=8, generator_channels=8).records
    assert records[-1]["generator/cycle"] < 0.5 * records[0]["generator/cycle"]


def test_what_it_cannot_take_is_refused() -> None:
    with pytest.raises(DataError) as error:
        Dualgan().check_data(DataSpec("odd", (1, 30, 28), AB))
    assert str(error.value) == (
        "dualgan takes images of two classes, its domains, whose sides are multiples of 4 and at least 8, but odd "
        "has 2 classes of 30x28"
    )
    with pytest.raises(DataError, match="multiples of 16 and at least 24, but small has 2 classes of 16x16"):
        Dualgan(DualganConfig(discriminator_layers=3)).check_data(DataSpec("small", (1, 16, 16), AB))
    with pytest.raises(SettingError, match="latent_dim has no effect on DualganConfig: its noise says which channels"):
        DualganConfig(latent_dim=3)
