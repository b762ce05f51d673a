"""What networks take beside samples and labels: columns by keyword, as the data or the variant gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from ganzoo_takers import PAIRS, SOURCE, TEXT, Domains, TakerConfig, Translator, Upscaler, Writer
from ganzoo_takers.networks import ThereAndBack, pairs, unpaired

from ganzoo_core import Dataset, DataSpec, Input
from ganzoo_core.data import BatchOrder
from ganzoo_core.errors import DataError, GanzooError, PluginError, SettingError
from ganzoo_core.losses import gradient_penalty, r1_penalty
from ganzoo_core.testing import train_steps

CPU = torch.device("cpu")


def test_a_spec_with_columns_travels_as_json() -> None:
    assert DataSpec.from_dict(PAIRS.to_dict()) == PAIRS
    assert "columns" not in DataSpec("plain", (2,)).to_dict(), "so that files of data without any are as they were"
    assert PAIRS.column("text") == TEXT
    with pytest.raises(
        DataError, match="toy-pairs has no column 'caption', it has only source, text; --data pairs:PATH"
    ):
        PAIRS.column("caption")
    with pytest.raises(DataError, match="digits has no column 'source', it has no columns"):
        DataSpec("digits", (1, 8, 8)).column("source")


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("name", "real", "an identifier, and none of real, labels, z, x"),
        ("name", "two words", "an identifier"),
        ("name", 3, "an identifier"),
        ("kind", "video", "one of image, text, numbers"),
        ("shape", (3, 8), r"\(C, H, W\) of an image"),
        ("shape", (3, 0, 8), "positive whole numbers"),
        ("shape", [3, 8, 8], "positive whole numbers"),
        ("names", ["a"], "one for each word or number"),
        ("multiple", 0, "a positive whole number"),
        ("any_size", 1, "True or False"),
        ("doc", "two\nlines", "one line"),
    ],
)
def test_an_input_that_is_none(field: str, value: Any, rule: str) -> None:
    with pytest.raises(DataError, match=f"the {field} of the input .* must be .*{rule}"):
        replace(SOURCE, **{field: value})


def test_names_of_numbers_are_as_many() -> None:
    Input(name="age", kind="numbers", shape=(2,), names=("a", "b"))
    with pytest.raises(DataError, match="the names of the input age must be texts, one for each word or number"):
        Input(name="age", kind="numbers", shape=(3,), names=("a", "b"))
    with pytest.raises(DataError, match="any_size of the input text"):
        replace(TEXT, any_size=True)


def test_image_columns_come_as_real_does_and_others_unchanged() -> None:
    data = pairs(4)
    batch = data.batch(torch.tensor([2, 0]))
    torch.testing.assert_close(batch["source"], -batch["real"])
    assert batch["source"].dtype == torch.float32 and float(batch["source"].abs().max()) <= 1
    assert torch.equal(batch["text"], data.extra["text"][[2, 0]]) and batch["text"].dtype == torch.int64
    plain = Dataset(DataSpec("plain", (3, 16, 16)), data.samples, extra={"mask": data.extra["source"]})
    assert plain.batch(torch.tensor([1]))["mask"].dtype == torch.uint8, "as in API 1, where nothing describes it"


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ({}, "is not there"),
        ({"source": torch.zeros(3, 3, 16, 16)}, r"is \(3, 3, 16, 16\) of float32"),
        ({"source": torch.zeros(4, 3, 16, 16, dtype=torch.int64)}, "of int64"),
        ({"source": torch.zeros(4, 3, 16, 8)}, r"is \(4, 3, 16, 8\)"),
    ],
)
def test_a_column_that_is_not_as_described(extra: dict[str, torch.Tensor], found: str) -> None:
    spec = DataSpec("odd", (3, 16, 16), columns=(SOURCE,))
    with pytest.raises(
        DataError, match=rf"the column source of odd must be \(4, 3, 16, 16\) of uint8 or float32, .*{found}"
    ):
        Dataset(spec, pairs(4).samples, extra=extra)


@pytest.mark.parametrize("variant", [Translator, Upscaler, Writer])
def test_networks_get_what_they_name(variant: type) -> None:
    run = train_steps(variant, pairs(32), 2)
    assert {"d_real", "accuracy_fake", "generator_gradient"} <= run.records[-1].keys()


def test_data_without_the_column_is_refused_with_a_way_out() -> None:
    with pytest.raises(DataError, match="toy-unpaired has no column 'source', it has no columns; --data pairs:PATH"):
        train_steps(Translator, unpaired(16), 1)


def test_a_column_that_inputs_leaves_out() -> None:
    class Silent(Translator):
        def inputs(self, data):
            return ()

    with pytest.raises(DataError, match="translator takes the column source, but toy-unpaired has no column 'source'"):
        train_steps(Silent, unpaired(16), 1)

    class Vague(Upscaler):
        def inputs(self, data):
            return ()

    with pytest.raises(PluginError, match=r"Enlarge.forward takes small, which inputs\(data\) must describe"):
        train_steps(Vague, pairs(16), 1)

    class Wrong(Translator):
        def inputs(self, data):
            return ["source"]

    with pytest.raises(PluginError, match="inputs must give a tuple of ganzoo_core.Input, but gives list"):
        train_steps(Wrong, pairs(16), 1)


@pytest.mark.parametrize(
    ("derived", "message"),
    [
        (lambda batch: None, "Upscaler.*derive must give the batch and what it adds, but gives None"),
        (lambda batch: {"small": batch["real"]}, "must give the batch and what it adds"),
        (lambda batch: batch | {"small": batch["real"][:1]}, "columns of 8 rows on cpu, but small is"),
        (lambda batch: batch | {"small": 3}, "columns of 8 rows on cpu, but small is int 3"),
    ],
)
def test_a_batch_that_derive_spoils(derived: Any, message: str) -> None:
    spoilt = type("UpscalerToo", (Upscaler,), {"derive": lambda self, batch, rng, phase: derived(batch)})
    with pytest.raises(PluginError, match=message):
        train_steps(spoilt, pairs(16), 1)


def test_a_column_that_is_not_derived() -> None:
    class Forgot(Upscaler):
        def derive(self, batch, rng, phase):
            return batch

    with pytest.raises(
        PluginError, match="Enlarge.forward takes small, but the batch has only labels, real, source, text"
    ):
        train_steps(Forgot, pairs(16), 1)


def test_a_turn_is_given_a_column_that_there_is_none_of() -> None:
    class Odd(Translator):
        def loss(self):
            made = super().loss()
            made.for_generator = lambda turn: {"odd": turn.critic(turn.real, sources=turn.real).mean()}
            return made

    with pytest.raises(
        PluginError, match="a turn was given sources, but its batch has only labels, real, source, text"
    ):
        train_steps(Odd, pairs(16), 1)


def test_a_balanced_batch_holds_each_class_as_often_in_order() -> None:
    data = pairs(30)
    labels = torch.tensor([0] * 20 + [1] * 10)
    order = BatchOrder(replace(data, labels=labels), 6, 0, CPU, by_class=True)
    seen: list[int] = []
    for number in range(10):
        chosen = order.indices(number)
        assert labels[chosen].tolist() == [0, 0, 0, 1, 1, 1]
        seen += chosen.tolist()
    assert set(seen[:30]) >= set(range(20, 30)), "the small class comes whole, and again"
    assert BatchOrder(replace(data, labels=labels), 6, 0, CPU, by_class=True).indices(7).tolist() == seen[42:48]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 7}, "batch_size must be a multiple of 2, the classes of toy-pairs, as a batch holds equally"),
        ({"batch_size": 8, "accumulate": 8}, r"batch_size must be a multiple of 16, the number of classes \(2\) times"),
    ],
)
def test_a_batch_that_cannot_be_balanced(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        train_steps(Domains, pairs(32), 1, **settings)


def test_a_balanced_variant_needs_classes() -> None:
    plain = Domains()
    plain.__class__ = type("Unconditional", (Domains,), {"conditional": False})
    with pytest.raises(DataError, match="domains takes equally many samples of each class, but bare has no classes"):
        plain.check_data(DataSpec("bare", (3, 16, 16)))


@pytest.mark.parametrize("variant", [Translator, Upscaler, Domains, Writer])
def test_a_batch_in_parts_gives_the_numbers_of_the_whole(variant: type) -> None:
    whole, parts = (train_steps(variant, pairs(32), 3, accumulate=count) for count in (1, 4))
    one, other = ({k: v for k, v in run.records[-1].items() if k != "diversity"} for run in (whole, parts))
    assert one == pytest.approx(other, rel=2e-3, abs=2e-3)  # pairs of a part are not all pairs
    for name, tensor in whole.state().items():
        torch.testing.assert_close(parts.state()[name], tensor, rtol=2e-3, atol=2e-3, msg=name)


def test_what_is_derived_depends_on_the_seed_and_the_step_alone() -> None:
    runs = [train_steps(Domains, pairs(32), 3, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (run.state()["generator.inside.weight"] for run in runs)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_generate_has_a_gradient_in_the_generators_turn_alone() -> None:
    found: dict[str, bool] = {}

    class Watched(ThereAndBack):
        def for_discriminator(self, turn):
            found["discriminator"] = turn.generate().requires_grad
            return super().for_discriminator(turn)

        def for_generator(self, turn):
            found["generator"] = turn.generate().requires_grad
            return super().for_generator(turn)

    class Watching(Domains):
        def loss(self):
            return Watched()

    train_steps(Watching, pairs(32), 1)
    assert found == {"discriminator": False, "generator": True}


def test_penalties_of_patches_are_those_of_their_mean() -> None:
    torch.manual_seed(0)
    net = torch.nn.Conv2d(3, 1, 4, 2, 1)
    x = torch.rand(5, 3, 8, 8)
    mean = lambda y: net(y).flatten(1).mean(1)  # noqa: E731
    torch.testing.assert_close(r1_penalty(net, x), r1_penalty(mean, x))
    torch.testing.assert_close(gradient_penalty(net, x, x), gradient_penalty(mean, x, x))


def test_the_latent_may_have_no_coordinates() -> None:
    assert TakerConfig(latent_dim=0).latent_dim == 0
    with pytest.raises(GanzooError, match="latent_dim must be at least 0"):
        TakerConfig(latent_dim=-1)
