"""Settings: each rule, each message."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass
from typing import ClassVar

import pytest

from ganzoo_core.errors import GanzooError, PluginError, SettingError, UnknownNameError
from ganzoo_core.settings import Option, Settings, option


@dataclass(frozen=True, kw_only=True)
class Oven(Settings):
    """One setting of each type and rule."""

    unit: ClassVar[str] = "C"

    trays: int = option(2, "how many trays", minimum=1, maximum=8)
    heat: float = option(180.0, "degrees", minimum=0, maximum=300)
    fan: bool = option(False, "whether the fan turns")
    mode: str = option("bake", "what to do", choices=("bake", "grill"))
    timer_s: float | None = option(None, "seconds; none: for ever", minimum=1)
    shelves: tuple[int, ...] = option((1, 3), "which shelves", minimum=1, maximum=5)
    ramps: tuple[float, ...] | None = option(None, "degrees per second", minimum=0)
    notes: tuple[str, ...] = option((), "anything", choices=("a", "b"))


def refused(**values: object) -> str:
    with pytest.raises(SettingError) as caught:
        Oven.from_dict(values)
    return str(caught.value)


def test_defaults_hold_and_are_frozen() -> None:
    oven = Oven()
    assert (oven.trays, oven.heat, oven.fan, oven.mode) == (2, 180.0, False, "bake")
    assert (oven.timer_s, oven.shelves, oven.ramps, oven.notes) == (None, (1, 3), None, ())
    with pytest.raises(FrozenInstanceError):
        oven.trays = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trays", 2.0, "trays must be a whole number, but is 2.0"),
        ("trays", "2", "trays must be a whole number, but is '2'"),
        ("trays", True, "trays must be a whole number, but is True"),
        ("trays", None, "trays must be a whole number, but is None"),
        ("heat", "hot", "heat must be a number, but is 'hot'"),
        ("heat", False, "heat must be a number, but is False"),
        ("heat", None, "heat must be a number, but is None"),
        ("fan", 1, "fan must be true or false, but is 1"),
        ("fan", "yes", "fan must be true or false, but is 'yes'"),
        ("mode", 3, "mode must be text, but is 3"),
        ("timer_s", "soon", "timer_s must be a number, but is 'soon'"),
        ("shelves", 3, "shelves must be a list, but is 3"),
        ("shelves", "12", "shelves must be a list, but is '12'"),
        ("shelves", None, "shelves must be a list, but is None"),
        ("shelves", [1, 2.5], "shelves must be a whole number, but is 2.5"),
        ("shelves", [1, None], "shelves must be a whole number, but is None"),
        ("ramps", {"a": 1}, "ramps must be a list, but is {'a': 1}"),
    ],
)
def test_a_wrong_type_is_refused(name: str, value: object, message: str) -> None:
    assert refused(**{name: value}) == message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trays", 0, "trays must be at least 1, but is 0"),
        ("trays", 9, "trays must be at most 8, but is 9"),
        ("heat", -0.5, "heat must be at least 0, but is -0.5"),
        ("heat", 301, "heat must be at most 300, but is 301.0"),
        ("timer_s", 0, "timer_s must be at least 1, but is 0.0"),
        ("shelves", [1, 6], "shelves must be at most 5, but is 6"),
        ("shelves", (0,), "shelves must be at least 1, but is 0"),
        ("ramps", [1.5, -1], "ramps must be at least 0, but is -1.0"),
        ("mode", "fry", "mode must be one of bake, grill, but is 'fry'"),
        ("mode", "", "mode must be one of bake, grill, but is ''"),
        ("notes", ["a", "c"], "notes must be one of a, b, but is 'c'"),
    ],
)
def test_a_value_outside_its_rule_is_refused(name: str, value: object, message: str) -> None:
    assert refused(**{name: value}) == message


@pytest.mark.parametrize(
    ("value", "shown"),
    [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf"), (10**400, "inf"), (-(10**400), "-inf")],
    ids=["nan", "inf", "-inf", "huge", "-huge"],
)
def test_a_number_that_is_not_finite_is_refused(value: float, shown: str) -> None:
    assert refused(heat=value) == f"heat must be a finite number, but is {shown}"
    assert refused(ramps=[1.0, value]) == f"ramps must be a finite number, but is {shown}"


def test_a_number_beyond_float32_is_refused() -> None:
    assert refused(ramps=[1e308]) == "ramps must be at most 3.4e+38 in size, as float32 holds no more, but is 1e+308"


def test_bounds_are_inclusive() -> None:
    assert Oven(trays=1, heat=0).trays == 1
    assert Oven(trays=8, heat=300).heat == 300


def test_whole_numbers_become_floats_and_lists_become_tuples() -> None:
    oven = Oven.from_dict({"heat": 200, "timer_s": 5, "shelves": [2, 4], "ramps": [1, 2.5]})
    assert [type(v) for v in (oven.heat, oven.timer_s, oven.shelves, oven.ramps)] == [float, float, tuple, tuple]
    assert oven.ramps == (1.0, 2.5)
    assert all(type(ramp) is float for ramp in oven.ramps)


def test_json_values_come_back_as_the_same_settings() -> None:
    oven = Oven(fan=True, timer_s=3, shelves=(5,), ramps=(0.5,), notes=("b", "a"))
    values = oven.to_dict()
    assert values["shelves"] == [5]
    assert "unit" not in values
    assert Oven.from_dict(values) == oven


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("trays", "3", 3),
        ("trays", "1_0", 10),
        ("heat", "1e2", 100.0),
        ("fan", "TRUE", True),
        ("fan", "yes", True),
        ("fan", "on", True),
        ("fan", "1", True),
        ("fan", "False", False),
        ("fan", "no", False),
        ("fan", "off", False),
        ("fan", "0", False),
        ("mode", "grill", "grill"),
        ("mode", "none", "none"),
        ("timer_s", "None", None),
        ("timer_s", "2", 2.0),
        ("shelves", "1, 2,3", (1, 2, 3)),
        ("shelves", "4", (4,)),
        ("shelves", "4,", (4,)),
        ("shelves", "", ()),
        ("ramps", "none", None),
        ("ramps", "1,.5", (1.0, 0.5)),
    ],
)
def test_parse_reads_what_is_typed(name: str, text: str, value: object) -> None:
    parsed = Oven.parse(name, text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trays", "two", "trays must be a whole number, but is 'two'"),
        ("trays", "2.0", "trays must be a whole number, but is '2.0'"),
        ("trays", "none", "trays must be a whole number, but is 'none'"),
        ("heat", "hot", "heat must be a number, but is 'hot'"),
        ("fan", "maybe", "fan must be true or false, but is 'maybe'"),
        ("shelves", "1,x", "shelves must be a whole number, but is 'x'"),
        ("shelves", "none", "shelves must be a whole number, but is 'none'"),
    ],
)
def test_parse_refuses_what_it_cannot_read(name: str, text: str, message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Oven.parse(name, text)
    assert str(caught.value) == message


def test_what_parses_still_has_to_keep_the_rules() -> None:
    assert refused(heat=Oven.parse("heat", "nan")) == "heat must be a finite number, but is nan"
    assert refused(heat=Oven.parse("heat", "1e999")) == "heat must be a finite number, but is inf"


@pytest.mark.parametrize("ask", [lambda name: Oven.from_dict({name: 1}), lambda name: Oven.parse(name, "1")])
def test_an_unknown_setting_lists_the_near_ones(ask) -> None:
    with pytest.raises(UnknownNameError) as caught:
        ask("tray")
    assert str(caught.value) == "there is no setting called 'tray'; did you mean trays?"
    with pytest.raises(UnknownNameError) as caught:
        ask("mods")
    assert str(caught.value).startswith("there is no setting called 'mods'; did you mean mode")
    with pytest.raises(UnknownNameError) as caught:
        ask("unit")
    assert "there is no setting called 'unit'" in str(caught.value)
    with pytest.raises(UnknownNameError) as caught:
        ask("xyzzyq")
    assert str(caught.value) == (
        "there is no setting called 'xyzzyq'; known: fan, heat, mode, notes, ramps, shelves, timer_s, trays"
    )


def test_an_unknown_name_among_none_says_so() -> None:
    assert str(UnknownNameError("variant", "gan", [])) == "there is no variant called 'gan'; known: none"
    assert str(UnknownNameError("variant", "cat", ["bat", "car"])).endswith("did you mean car or bat?")


def test_mistakes_are_ganzoo_errors() -> None:
    assert issubclass(SettingError, GanzooError)
    assert issubclass(UnknownNameError, GanzooError)


def test_options_document_each_setting_in_order() -> None:
    options = Oven.options()
    assert [o.name for o in options] == ["trays", "heat", "fan", "mode", "timer_s", "shelves", "ramps", "notes"]
    assert [o.type for o in options] == [
        "int", "float", "bool", "str", "float or none", "int,...", "float,... or none", "str,...",
    ]  # fmt: skip
    assert options[0] == Option("trays", "int", 2, "how many trays", None)
    assert options[3].choices == ("bake", "grill")


def test_a_subclass_adds_settings_and_changes_defaults() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Big(Oven):
        trays: int = option(6, "more trays", minimum=4)
        colour: str = option("white", "of the door")

    assert Big().trays == 6
    assert Big.names() == Oven.names() | {"colour"}
    with pytest.raises(SettingError, match="trays must be at least 4, but is 2"):
        Big(trays=2)


@dataclass(frozen=True, kw_only=True)
class Camping(Oven):
    """An oven without electricity."""

    unused: ClassVar[dict[str, str]] = {"fan": "nothing turns it", "ramps": "a fire has none"}

    trays: int = option(1, "how many trays", minimum=1)


@dataclass(frozen=True, kw_only=True)
class Solar(Camping):
    """A camping oven with a panel: the fan turns again, but there is no night."""

    unused: ClassVar[dict[str, str]] = {"timer_s": "the sun goes down unasked"}

    fan: bool = option(True, "whether the fan turns, at noon")


def test_what_is_unused_keeps_its_default_and_is_not_listed() -> None:
    camping = Camping(trays=2)
    assert (camping.fan, camping.ramps) == (False, None)
    for names in (Camping.names(), camping.to_dict().keys(), {o.name for o in Camping.options()}):
        assert names == Oven.names() - {"fan", "ramps"}
    assert Oven.names() >= {"fan", "ramps"} and Camping.from_dict(camping.to_dict()) == camping


def test_a_subclass_adds_what_is_unused_and_has_back_what_it_declares_again() -> None:
    assert Solar.names() == Oven.names() - {"ramps", "timer_s"}
    assert Solar(fan=False).fan is False and Solar.parse("fan", "off") is False
    assert [o.doc for o in Solar.options() if o.name == "fan"] == ["whether the fan turns, at noon"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Camping(fan=True),
        lambda: Camping.from_dict({"fan": True}),
        lambda: Camping.from_dict({"fan": False}),
        lambda: Camping.parse("fan", "on"),
        lambda: Camping.check_effect("fan", "Camping"),
    ],
)
def test_what_is_unused_cannot_be_set(ask) -> None:
    with pytest.raises(SettingError) as caught:
        ask()
    assert str(caught.value) == "fan has no effect on Camping: nothing turns it; leave it out"


def test_an_unknown_setting_is_not_near_an_unused_one() -> None:
    with pytest.raises(UnknownNameError, match="there is no setting called 'fann'; known: heat, mode"):
        Camping.from_dict({"fann": True})


def test_stored_values_are_taken_without_those_that_are_unused() -> None:
    stored = Oven(fan=True, trays=3, ramps=(1.0,)).to_dict()
    assert Camping.effective(stored).keys() == stored.keys() - {"fan", "ramps"}
    assert Camping.from_dict(Camping.effective(stored | {"fan": "garbled"})) == Camping(trays=3)
    assert Oven.effective(stored | {"unknown": 1}) == stored | {"unknown": 1}


def test_a_setting_of_that_name_is_a_setting() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Shed(Settings):
        unused: bool = option(False, "whether nobody bakes there")

    assert Shed.names() == {"unused"} and Shed(unused=True).to_dict() == {"unused": True}


@pytest.mark.parametrize(
    ("unused", "message"),
    [
        ({"fans": "x"}, "Wrong.unused names 'fans', which is no setting of it"),
        ({"unit": "x"}, "Wrong.unused names 'unit', which is no setting of it"),
        (("fan",), "Wrong.unused must give a reason for each setting by name, but is ('fan',)"),
    ],
)
def test_a_wrong_declaration_is_the_plugins_fault(unused: object, message: str) -> None:
    Wrong = dataclass(frozen=True, kw_only=True)(type("Wrong", (Oven,), {"unused": unused}))
    for ask in (Wrong, Wrong.options, Wrong.names, lambda: Wrong.parse("trays", "1")):
        with pytest.raises(PluginError) as caught:
            ask()
        assert str(caught.value) == f"{__name__}.{message}"


@pytest.mark.parametrize("annotation", [tuple, tuple[()], tuple[int, str], list[int], dict, int | str, None])
def test_a_type_that_no_setting_has_is_the_plugins_fault(annotation: object) -> None:
    Strange = dataclass(frozen=True, kw_only=True)(
        type("Strange", (Settings,), {"__annotations__": {"size": annotation}, "size": option((), "how large")})
    )
    for ask in (Strange, Strange.options, lambda: Strange.parse("size", "1")):
        with pytest.raises(PluginError) as caught:
            ask()
        assert str(caught.value).startswith(
            f"{__name__}.Strange.size must be declared as int, float, bool, str, a tuple of one of these such as "
            "tuple[int, ...], or one of all these | None, but is "
        )


def test_a_default_that_breaks_its_own_rule_is_found() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Wrong(Settings):
        size: int = option(0, "too small", minimum=1)

    with pytest.raises(SettingError, match="size must be at least 1, but is 0"):
        Wrong()
