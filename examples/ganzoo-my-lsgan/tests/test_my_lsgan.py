"""my-lsgan: the conformance suite, the loss by hand, and that nothing but the loss differs from dcgan."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from ganzoo_dcgan import Dcgan
from ganzoo_my_lsgan import Lsgan

from ganzoo_core import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.testing import VariantSuite


class TestLsgan(VariantSuite):
    variant = "my-lsgan"


def test_the_loss_by_hand() -> None:
    """Logits 1 and 3 of real samples, 0 and 2 of fake ones: halves of the mean squares to 1, to 0 and to 1."""
    on_real = torch.tensor([1.0, 3.0], requires_grad=True)
    on_fake = torch.tensor([0.0, 2.0], requires_grad=True)
    turn = SimpleNamespace(real_logits=on_real, fake_logits=on_fake)
    terms = Lsgan().loss().for_discriminator(turn)
    assert {name: term.item() for name, term in terms.items()} == {"real": 1.0, "fake": 1.0}
    (terms["real"] + terms["fake"]).backward()
    assert on_real.grad.tolist() == [0.0, 1.0] and on_fake.grad.tolist() == [0.0, 1.0]
    assert Lsgan().loss().for_generator(turn)["adversarial"].item() == 0.5


def test_the_networks_are_dcgans() -> None:
    data = DataSpec("grey", (1, 28, 28))
    for part in ("generator", "discriminator"):
        assert str(getattr(Lsgan(), part)(data)) == str(getattr(Dcgan(), part)(data))


def test_it_refuses_in_its_own_name() -> None:
    with pytest.raises(DataError, match="my-lsgan takes images whose sides are multiples of 4"):
        Lsgan().check_data(DataSpec("odd", (1, 30, 28)))
