"""sgan: its layers, whose labels it uses, its loss by hand, its presets, its refusals, and that it learns classes."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from ganzoo_sgan import Sgan, SganConfig
from ganzoo_sgan.loss import SemiSupervised, is_known
from ganzoo_sgan.networks import Verdict
from sklearn.datasets import load_digits

from ganzoo_core import Dataset, DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.testing import train_steps

GREY = DataSpec("grey", (1, 28, 28), tuple("0123456789"))
SMALL = {"generator_width": 64, "generator_channels": 8, "batch_size": 32}


def sizes(network: torch.nn.Module) -> list[tuple[int, ...]]:
    return [tuple(p.shape) for p in network.parameters() if p.ndim > 1]


def test_the_layers_of_28x28() -> None:
    generator, discriminator = Sgan().generator(GREY), Sgan().discriminator(GREY)
    assert sizes(generator) == [(512, 100), (3136, 512), (64, 32, 4, 4), (32, 1, 4, 4)]
    assert sizes(discriminator) == [(16, 1, 5, 5), (32, 16, 5, 5), (256, 512), (11, 256)]
    assert not discriminator.mixes_samples
    samples = generator(torch.randn(3, 100))
    assert samples.shape == (3, 1, 28, 28) and samples.abs().max() <= 1
    assert [tuple(part.shape) for part in discriminator(samples)] == [(3,), (3, 10)]


def test_logits_are_the_log_odds_of_a_softmax_over_all_outputs() -> None:
    torch.manual_seed(0)
    discriminator, x = Sgan().discriminator(GREY), torch.rand(3, 1, 28, 28) * 2 - 1
    made = discriminator.layers(x).softmax(1)[:, -1]
    torch.testing.assert_close(discriminator(x).logits.sigmoid(), 1 - made)


def digits(side: int = 16) -> Dataset:
    """The 1,797 digits of 8x8, each pixel repeated."""
    found = load_digits()
    images = torch.tensor(found.images * 255 / 16).round().to(torch.uint8)[:, None]
    images = images.repeat_interleave(side // 8, 2).repeat_interleave(side // 8, 3)
    return Dataset(DataSpec("digits", (1, side, side), GREY.classes), images, torch.tensor(found.target))


def test_a_pictures_own_pixels_decide_whether_its_label_is_used() -> None:
    real = digits().batch(torch.arange(1797))["real"]
    known = is_known(real, 0.1)
    assert known.sum() == pytest.approx(180, abs=40)  # three standard deviations
    torch.testing.assert_close(is_known(real[5:9], 0.1), known[5:9])  # whatever the batch
    assert is_known(real, 1.0).all()
    assert (is_known(real, 0.3) | ~known).all()  # with a larger share, these and more
    both = (known & is_known(real, 0.1, choice=1)).sum()
    assert both < 45  # another choice is another tenth
    by_hand = (torch.tensor([[3, 250]]) * torch.tensor([1, 4])).sum() % 65521 * 30011 % 65521 / 65521
    pair = torch.tensor([[[[3 / 127.5 - 1, 250 / 127.5 - 1]]]])
    assert not is_known(pair, by_hand.item() - 1e-4).item() and is_known(pair, by_hand.item() + 1e-4).item()


class Case:
    """Two real pictures: p of two classes and of made 1/4, 1/4 and 1/2, then 3/5, 1/5 and 1/5.

    Of the fakes D says 1/2 and 3/4 for made.
    """

    def __init__(self) -> None:
        self.outputs = torch.tensor([[0.0, 0.0, math.log(2)], [math.log(3), 0.0, 0.0]], requires_grad=True)
        self.fake_logits = torch.tensor([0.0, -math.log(3)], requires_grad=True)
        classes = self.outputs[:, :2]
        verdict = Verdict(torch.logsumexp(classes, 1) - self.outputs[:, 2], classes)
        real = torch.stack([torch.full((1, 1, 2), -1.0), torch.full((1, 1, 2), 1.0)])
        self.turn = SimpleNamespace(
            real=real, on_real=verdict, real_logits=verdict.logits, fake_logits=self.fake_logits,
            labels=torch.tensor([1, 1]),
        )  # fmt: skip


def test_which_of_the_case_are_known() -> None:
    assert is_known(Case().turn.real, 0.5).tolist() == [True, False]  # a black picture's checksum is 0


def test_the_discriminators_terms_by_hand() -> None:
    case = Case()
    terms = SemiSupervised(SganConfig(labelled=0.5, class_weight=1.0)).for_discriminator(case.turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "real": (math.log(2) + math.log(5 / 4)) / 2,
            "fake": (math.log(2) + math.log(4 / 3)) / 2,
            "class": math.log(2) / 2 / 0.5,  # the first alone is known
        }
    )
    sum(terms.values()).backward()
    # "real": p(made) - 1 spread over the classes; "class": softmax of the classes minus one-hot, over N and the share.
    first = torch.tensor([-1 / 4, -1 / 4, 1 / 2]) / 2 + torch.tensor([1 / 2, -1 / 2, 0.0]) / 2 / 0.5
    second = torch.tensor([3 / 5 - 3 / 4, 1 / 5 - 1 / 4, 1 / 5]) / 2
    torch.testing.assert_close(case.outputs.grad, torch.stack([first, second]))
    torch.testing.assert_close(case.fake_logits.grad, torch.tensor([1 / 2, 1 / 4]) / 2)


def test_of_known_pictures_the_terms_add_up_to_the_papers() -> None:
    """-log p(y | x) of a softmax over all outputs, where every label is known."""
    case = Case()
    terms = SemiSupervised(SganConfig(labelled=1.0)).for_discriminator(case.turn)
    torch.testing.assert_close(terms["real"] + terms["class"], F.cross_entropy(case.outputs, case.turn.labels))


def test_the_generators_term_by_hand() -> None:
    case = Case()
    terms = SemiSupervised(SganConfig()).for_generator(case.turn)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {"adversarial": (math.log(2) + math.log(4)) / 2}
    )
    terms["adversarial"].backward()
    torch.testing.assert_close(case.fake_logits.grad, torch.tensor([-1 / 4, -3 / 8]))


def test_the_figure_counts_pictures_whose_label_is_not_used() -> None:
    case = Case()
    loss = SemiSupervised(SganConfig(labelled=0.5))
    assert loss.figures(case.turn)["accuracy_unlabelled"] == 0  # the second is of class 1, and D says 0
    case.turn.labels = torch.tensor([1, 0])
    assert loss.figures(case.turn)["accuracy_unlabelled"] == 1
    everything = SemiSupervised(SganConfig(labelled=1.0))
    assert everything.figures(case.turn)["accuracy_unlabelled"] == 0  # none is left


def test_a_label_that_is_not_used_changes_nothing() -> None:
    """Trained on labels that are right where they are used and 0 elsewhere, it ends the same, bit for bit."""
    data = digits()
    known = is_known(data.batch(torch.arange(len(data)))["real"], 0.2)
    hidden = Dataset(data.spec, data.samples, data.labels * known)
    wrong = Dataset(data.spec, data.samples, data.labels * ~known)
    first, second, third = (train_steps("sgan", d, 3, labelled=0.2, **SMALL).state() for d in (data, hidden, wrong))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert any(not torch.equal(tensor, third[name]) for name, tensor in first.items())


def test_what_it_cannot_take_is_refused_in_a_sentence() -> None:
    with pytest.raises(DataError) as error:
        Sgan().check_data(DataSpec("plain", (1, 28, 28)))
    assert str(error.value) == (
        "sgan classifies, but plain has no labels; choose labelled data (`ganzoo data`), of which labelled says how "
        "much is used"
    )
    for height, width in [(30, 28), (28, 30), (12, 12)]:
        with pytest.raises(DataError) as error:
            Sgan().check_data(DataSpec("odd", (1, height, width), ("a", "b")))
        assert str(error.value) == (
            f"sgan takes images whose sides are multiples of 4, at least 16, but odd is {height}x{width}; "
            "use another image size"
        )
    with pytest.raises(SettingError, match=r"labelled must be at least 0\.0001, but is 0"):
        SganConfig(labelled=0.0)


@pytest.mark.long
def test_it_learns_the_classes_of_unlabelled_digits() -> None:
    """From the labels of a tenth; without the class term it can only guess."""
    data = digits()
    x = data.batch(torch.arange(len(data)))["real"]

    def right(weight: float) -> float:
        training = train_steps("sgan", data, 150, labelled=0.1, class_weight=weight, discriminator_lr=1e-3, **SMALL)
        with torch.no_grad():
            told = training.networks.discriminator(x).class_logits.argmax(1)
        return (told == data.labels)[~is_known(x, 0.1)].float().mean().item()

    assert right(1.0) > 0.7
    assert right(0.0) < 0.4
