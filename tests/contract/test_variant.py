"""The torch-free nouns: specs that come back from JSON, data that fits or does not, the public names."""

from __future__ import annotations

import json
import math
from typing import Any, get_args

import pytest

import ganzoo_core
from ganzoo_core.dataspec import DataSpec, Kind
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.variant import Config, DataSource, NoOptions, Variant


def test_a_spec_comes_back_from_json() -> None:
    spec = DataSpec("tides", (15,), ("ebb", "flow"), "curves", 2.5, 1.0)
    values = json.loads(json.dumps(spec.to_dict()))
    assert DataSpec.from_dict(values) == spec
    assert (spec.num_classes, DataSpec("x", (2,)).num_classes) == (2, 0)


def test_images_and_voxels_have_pixels_and_points_and_curves_have_none() -> None:
    having = {kind: DataSpec("any", (2,), kind=kind).has_pixels for kind in get_args(Kind)}
    assert having == {"images": True, "points": False, "curves": False, "voxels": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": []}, "the shape of the data tides must be positive whole numbers, but is ()"),
        ({"shape": [2, 0]}, "the shape of the data tides must be positive whole numbers, but is (2, 0)"),
        ({"shape": [2.5]}, "the shape of the data tides must be positive whole numbers, but is (2.5,)"),
        ({"shape": "15"}, "the shape of the data tides must be positive whole numbers, but is '15'"),
        ({"shape": 15}, "the shape of the data tides must be positive whole numbers, but is 15"),
        ({"shape": [True]}, "the shape of the data tides must be positive whole numbers, but is (True,)"),
        ({"name": 5}, "the name of the data 5 must be text, but is 5"),
        ({"scale": 10**400}, f"the scale of the data tides must be a finite number, but is {10**400}"),
        ({"classes": [1]}, "the classes of the data tides must be texts, but is (1,)"),
        ({"classes": "ab"}, "the classes of the data tides must be texts, but is 'ab'"),
        (
            {"kind": "songs"},
            "the kind of the data tides must be one of images, points, curves, voxels, but is 'songs'",
        ),
        ({"kind": {}}, "the kind of the data tides must be one of images, points, curves, voxels, but is {}"),
        ({"scale": "1"}, "the scale of the data tides must be a finite number, but is '1'"),
        ({"scale": math.inf}, "the scale of the data tides must be a finite number, but is inf"),
        ({"offset": math.nan}, "the offset of the data tides must be a finite number, but is nan"),
        ({"offset": None}, "the offset of the data tides must be a finite number, but is None"),
    ],
)
def test_a_spec_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    values = DataSpec("tides", (15,), ("ebb", "flow"), "curves").to_dict()
    with pytest.raises(DataError) as caught:
        DataSpec.from_dict(values | changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("values", [5, {"name": "x"}, {"name": "x", "shape": [2], "colour": 1}])
def test_a_spec_of_other_fields_is_a_type_error(values: Any) -> None:
    with pytest.raises(TypeError):
        DataSpec.from_dict(values)


class Plain(Variant):
    name, title, paper, year = "plain", "Plain", "arXiv:1406.2661", 2014

    def generator(self, data: DataSpec) -> Any: ...

    def discriminator(self, data: DataSpec) -> Any: ...

    def loss(self) -> Any: ...


class Labelled(Plain):
    name, conditional, kinds = "labelled", True, ("images", "points")


def test_data_of_another_kind_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        Plain().check_data(DataSpec("tides", (15,), kind="curves"))
    assert str(caught.value) == ("plain takes images, but tides holds curves; `ganzoo data` lists data sets by kind")
    with pytest.raises(DataError, match="labelled takes images or points, but tides holds curves"):
        Labelled().check_data(DataSpec("tides", (15,), ("a",), kind="curves"))


def test_a_conditional_variant_needs_labels() -> None:
    with pytest.raises(DataError) as caught:
        Labelled().check_data(DataSpec("dots", (2,), kind="points"))
    assert str(caught.value) == (
        "labelled needs labels, but dots has none; "
        "choose labelled data (`ganzoo data`) or an unconditional variant (`ganzoo list`)"
    )
    Labelled().check_data(DataSpec("dots", (2,), ("a",), kind="points"))
    Plain().check_data(DataSpec("photos", (3, 8, 8)))


def test_a_variant_takes_its_own_defaults_or_the_config_it_is_given() -> None:
    assert Plain().config == Config()
    assert Plain(Config(n_critic=5)).config.n_critic == 5
    with pytest.raises(SettingError, match=r"beta1 must be at most 0\.9999, but is 1\.0"):
        Config(beta1=1)


def test_each_player_has_an_adam_of_its_own_rate() -> None:
    import torch

    config = Config(generator_lr=0.1, discriminator_lr=0.2, beta1=0.3, beta2=0.4)
    for player, lr in (("generator", 0.1), ("discriminator", 0.2)):
        optimizer = Plain(config).optimizer(player, [torch.zeros(1, requires_grad=True)])
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.Adam)
        assert (group["lr"], group["betas"]) == (lr, (0.3, 0.4))


def test_a_variants_players_are_two_by_default() -> None:
    from ganzoo_core.interfaces import Networks

    cls, _ = registry().variant("toy")
    variant, spec = cls(), DataSpec("dots", (2,), kind="points")
    networks = Networks(variant.generator(spec), variant.discriminator(spec), variant.loss())
    assert [player.name for player in variant.players(networks)] == ["discriminator", "generator"]


def test_a_data_source_has_no_options_and_is_local_unless_it_says_otherwise(tmp_path) -> None:
    class Source(DataSource):
        name, title, origin = "source", "Source", "made up"

        def load(self, data_dir: Any, split: Any = "train") -> Any: ...

    source = Source()
    assert source.options == NoOptions()
    assert source.path is None
    assert source.is_local(tmp_path)
    with pytest.raises(TypeError, match="abstract"):
        DataSource()  # type: ignore[abstract]


def test_every_public_name_is_there() -> None:
    for name in ganzoo_core.__all__:
        assert getattr(ganzoo_core, name) is not None
    assert set(ganzoo_core._LAZY) <= set(ganzoo_core.__all__)
    with pytest.raises(AttributeError, match="module 'ganzoo_core' has no attribute 'Generatr'"):
        ganzoo_core.Generatr  # noqa: B018
