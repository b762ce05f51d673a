"""The classes that need no torch: DataSpec, DataSource, Config, Phase, Variant.

A plugin's `__init__.py` imports only these, so that listing a zoo of a hundred variants stays instant. The factories
import networks, losses and optimizers when they are called.
"""

from __future__ import annotations

import functools
import inspect
import re
from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from ganzoo_core.datasource import DataSource, NoOptions
from ganzoo_core.dataspec import DataSpec, Input, Kind
from ganzoo_core.errors import DataError, PluginError, shorten
from ganzoo_core.guards.parts import PARTS, is_part, make_part
from ganzoo_core.settings import Settings, option

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from torch.optim import Optimizer

    import ganzoo_core.interfaces as interfaces
    from ganzoo_core.interfaces import Networks, Player

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # names become folders, and a colon ends a data set's
NAME_RULE = "letters, digits and any of . _ -"


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The hyperparameters every variant has. Subclass it, with the same decorator, to add some or change defaults."""

    steps: int = option(10_000, "updates of the generator", minimum=1)
    batch_size: int = option(64, "samples per update", minimum=1)
    latent_dim: int = option(100, "coordinates of the latent vector z; 0: no noise", minimum=0)
    generator_lr: float = option(2e-4, "learning rate of the generator", minimum=0)
    discriminator_lr: float = option(2e-4, "learning rate of the discriminator", minimum=0)
    beta1: float = option(0.5, "Adam's decay of the first moment", minimum=0, maximum=0.9999)
    beta2: float = option(0.999, "Adam's decay of the second moment", minimum=0, maximum=0.99999)
    n_critic: int = option(
        1, "discriminator updates per generator update (k of arXiv:1406.2661)", minimum=1, maximum=1000
    )
    ema_decay: float = option(
        0.0, "average the generator's weights with this decay and sample from the average; 0 is off",
        minimum=0, maximum=0.99999,
    )  # fmt: skip
    augment: str = option(
        "none", "how all that the discriminator sees is changed, against learning by heart",
        choices=("none", "flip", "diffaugment", "ada"),
    )  # fmt: skip
    checkpoint_activations: bool = option(
        False, "compute activations again in the backward pass, in place of keeping them: less memory, more time"
    )


@dataclass(frozen=True)
class Phase:
    """A part of a run, in which all that is decided in Python stays the same.

    `steps`: how many it lasts; None in the last, which ends with the run. `batch_size`: samples per update, where they
    are not the config's. `learning_rates`: by the player's name, where they are not the optimizer's own.
    """

    name: str
    steps: int | None = None
    batch_size: int | None = None
    learning_rates: Mapping[str, float] = field(default_factory=dict)


class Variant(ABC):
    """A member of the zoo: its description, the data it accepts, and factories for its parts.

    `paper`: a reference such as "arXiv:1411.1784". A `conditional` variant needs labels. `kinds`: the kinds of data it
    accepts. `default_data`: the data set used when none is given. `balanced`: mini-batches hold equally many samples of
    each class, in class order. `paired`: of a generator that takes inputs, whether `real` is what it should make of
    those of the same row; pictures show it as the target. `averaged`: the networks whose weights are averaged where
    `ema_decay` is on. `Sampling`: options of sampling, which a trained generator has as its `sampling`.

    `Generator`, `Discriminator`, `Loss`: a class each, or where it is: "package.module:Class", or ".module:Class"
    beside the one that says so, imported when needed, so that a package is listed without torch. Each is called with
    `config`, and a network with `data`, as far as its `__init__` names them. A method below, overridden, takes its
    place; of a class and those it extends, what stands nearer counts.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    year: ClassVar[int]
    conditional: ClassVar[bool] = False
    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
    default_data: ClassVar[str] = "digits"
    balanced: ClassVar[bool] = False
    paired: ClassVar[bool] = True
    averaged: ClassVar[tuple[str, ...]] = ("generator",)
    Config: ClassVar[type[Config]] = Config
    Sampling: ClassVar[type[Settings]] = NoOptions
    Generator: ClassVar[type | str | None] = None
    Discriminator: ClassVar[type | str | None] = None
    Loss: ClassVar[type | str | None] = None

    def __init__(self, config: Settings | None = None) -> None:
        self.config: Any = self.Config() if config is None else config

    def generator(self, data: DataSpec) -> interfaces.Generator:
        """A new generator for samples of this shape, initialised from torch's global random generator."""
        made: interfaces.Generator = self._part("Generator", data=data)
        return made

    def discriminator(self, data: DataSpec) -> interfaces.Discriminator:
        """A new discriminator (or critic) for samples of this shape."""
        made: interfaces.Discriminator = self._part("Discriminator", data=data)
        return made

    def loss(self) -> interfaces.Loss:
        """A new loss."""
        made: interfaces.Loss = self._part("Loss")
        return made

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a part that a class states take the place of a method that it inherits: what stands nearer counts."""
        super().__init_subclass__(**kwargs)
        for part in PARTS:
            nearest = next(one for one in cls.__mro__ if part in vars(one) or part.lower() in vars(one))
            if part.lower() not in vars(nearest):
                setattr(cls, part.lower(), vars(Variant)[part.lower()])

    def _part(self, attribute: str, **given: Any) -> Any:
        """What the class attribute of that name makes. Raises `ContractError` where it says nothing that there is."""
        return make_part(type(self), attribute, {"config": self.config} | given)

    def further_networks(self, data: DataSpec) -> dict[str, nn.Module]:
        """New networks beside these, by name, such as an encoder: a loss finds them in `turn.further`."""
        return {}

    def optimizer(self, player: str, parameters: Iterable[Any]) -> Optimizer:
        """The optimizer of one player: Adam (arXiv:1412.6980) unless overridden.

        Its learning rate is the setting `NAME_lr` of the player NAME, such as `generator_lr`, and `discriminator_lr`
        where there is none. `parameters`: as torch.optim takes them, tensors or groups of them.
        """
        from torch.optim import Adam

        config = self.config
        lr = getattr(config, f"{player}_lr", config.discriminator_lr)
        return Adam(parameters, lr=lr, betas=(config.beta1, config.beta2), fused=True)

    def players(self, networks: Networks) -> list[Player]:
        """The players of a step, in order: by default the discriminator n_critic times, then the generator once."""
        from ganzoo_core.interfaces import two_players

        return two_players(self, networks)

    def average_decay(self, data: DataSpec) -> float:
        """The decay of the averaged weights on this data, 0 for none: the setting `ema_decay`, unless overridden."""
        decay: float = self.config.ema_decay
        return decay

    def phases(self, data: DataSpec) -> Sequence[Phase]:
        """The parts of a run that differ in what Python decides, in order; none by default: the run is of one piece.

        A resume with more `steps` must find those that were begun where they were: let their steps be settings.
        """
        return ()

    def inputs(self, data: DataSpec) -> tuple[Input, ...]:
        """What a generator may take beside latents and labels: by default the columns of the data, as they are.

        Of these it gets what its `forward` names. Override it to say of a column that images of any size will do, or to
        describe what `derive` adds. Raises `DataError` where the data lacks a column, as `DataSpec.column` does.
        """
        return data.columns

    def derive(self, batch: dict[str, Tensor], rng: torch.Generator, phase: str | None) -> dict[str, Tensor]:
        """The mini-batch with columns (N, ...) added or changed, before it is split into microbatches.

        `batch`: all that the data gave, `real` (N, *shape) in [-1, 1] and `labels` (N,) among it, on `rng`'s device.
        Whatever is random is drawn from `rng`, so that it depends on the seed and the step alone. `phase`: the name of
        the run's phase; None without phases.
        """
        return batch

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` with a sentence if this variant can't train on such data; extend, don't replace."""
        if data.kind not in self.kinds:
            raise DataError(
                f"{self.name} takes {' or '.join(self.kinds)}, but {data.name} holds {data.kind}; "
                f"`ganzoo data` lists data sets by kind"
            )
        if self.conditional and not data.classes:
            raise DataError(
                f"{self.name} needs labels, but {data.name} has none; "
                f"choose labelled data (`ganzoo data`) or an unconditional variant (`ganzoo list`)"
            )
        if self.balanced and not data.classes:
            raise DataError(
                f"{self.name} takes equally many samples of each class, but {data.name} has no classes; choose "
                f"labelled data (`ganzoo data`)"
            )
        self.inputs(data)

    def check_sides(self, data: DataSpec, *, multiple: int, least: int) -> None:
        """For `check_data`: raise `DataError` unless both sides of images are multiples, and at least `least`."""
        _, height, width = data.shape
        if height % multiple or width % multiple or min(height, width) < least:
            raise DataError(
                f"{self.name} takes images whose sides are multiples of {multiple}, at least {least}, "
                f"but {data.name} is {height}x{width}; use another image size"
            )


_Rule = tuple[str, Callable[[Any], bool]]
_KINDS = get_args(Kind)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_many(is_one: Callable[[Any], bool], value: Any) -> bool:
    return isinstance(value, tuple | list) and all(map(is_one, value))


def _is_kind(value: Any) -> bool:
    return isinstance(value, str) and value in _KINDS


def _are_settings(base: type[Settings]) -> Callable[[Any], bool]:
    """Whether a value is a class of settings that can be listed. Raises `PluginError` for a field that can't be."""

    def check(value: Any) -> bool:
        cls: Any = value
        return inspect.isclass(value) and issubclass(value, base) and _can_be_listed(cls)

    return check


@functools.cache
def _can_be_listed(cls: Any) -> bool:
    options = cls.options
    return is_dataclass(cls) and options() is not None


# What a class must state, and what it may: the rule in words, and whether a value keeps it.
_TEXT: _Rule = ("text", _is_text)
_METHOD: _Rule = ("a method", callable)
_FLAG: _Rule = ("True or False", lambda value: type(value) is bool)
_VARIANT: dict[str, _Rule] = {
    "name": (NAME_RULE, lambda value: bool(NAME.fullmatch(value))),
    "title": _TEXT,
    "paper": _TEXT,
    "year": ("a whole number", _is_count),
    "conditional": _FLAG,
    "kinds": (f"some of {', '.join(_KINDS)}", lambda value: bool(_is_many(_is_kind, value) and value)),
    "default_data": ("the name of a data set", _is_text),
    "balanced": _FLAG,
    "paired": _FLAG,
    "averaged": ("the names of networks", lambda value: _is_many(_is_text, value)),
    "Config": ("a dataclass that extends ganzoo_core.Config", _are_settings(Config)),
    "Sampling": ("a dataclass that extends ganzoo_core.settings.Settings", _are_settings(Settings)),
    **dict.fromkeys(PARTS, ('a class, or where it is: "module:Class"', is_part)),
    **dict.fromkeys(("generator", "discriminator", "loss", "further_networks", "optimizer", "players"), _METHOD),
    **dict.fromkeys(("phases", "inputs", "derive", "check_data"), _METHOD),
}
_SOURCE: dict[str, _Rule] = {
    "name": (NAME_RULE, lambda value: bool(NAME.fullmatch(value))),
    "title": _TEXT,
    "origin": _TEXT,
    "kind": (f"one of {', '.join(_KINDS)}", _is_kind),
    "shape": (
        "positive whole numbers, or None",
        lambda value: value is None or bool(_is_many(_is_count, value) and value),
    ),
    "classes": ("texts, or None", lambda value: value is None or _is_many(lambda item: isinstance(item, str), value)),
    "size": ("a positive whole number, or None", lambda value: value is None or _is_count(value)),
    "columns": ("inputs, ganzoo_core.Input", lambda value: _is_many(lambda item: isinstance(item, Input), value)),
    "takes_path": _FLAG,
    "Options": ("a dataclass that extends ganzoo_core.settings.Settings", _are_settings(Settings)),
    **dict.fromkeys(("is_local", "load", "picture", "pictures"), _METHOD),
}


def by_name(classes: list[Any], base: type[Variant] | type[DataSource]) -> dict[str, Any]:
    """What a plugin offers, keyed by name. Raises `PluginError` for the first class that breaks a rule."""
    found: dict[str, Any] = {}
    for cls in classes:
        if not (inspect.isclass(cls) and issubclass(cls, base)):
            raise PluginError(f"it must offer subclasses of {base.__name__}, but offers {shorten(repr(cls))}")
        check_attributes(cls)
        if missing := lacking(cls):
            raise PluginError(f"{cls.__name__} lacks {', '.join(missing)}")
        if cls.name in found:
            raise PluginError(f"it offers two called {cls.name!r}")
        found[cls.name] = cls
    return found


def lacking(cls: Any) -> list[str]:
    """The methods that a class must have and has not."""
    found = set(cls.__abstractmethods__)
    for part in PARTS if issubclass(cls, Variant) else ():
        name = part.lower()
        if getattr(cls, name) is getattr(Variant, name) and getattr(cls, part) is None:
            found.add(f"{name} (or state its {part})")
    return sorted(found)


def check_attributes(cls: type[Variant] | type[DataSource]) -> None:
    """Raise `PluginError` for what a variant or a data set does not state, or states wrongly."""
    texts = ("name", "title", "paper") if issubclass(cls, Variant) else ("name", "title", "origin")
    needed = dict.fromkeys(texts, str) | ({"year": int} if issubclass(cls, Variant) else {})
    missing = [f"{key} ({kind.__name__})" for key, kind in needed.items() if not _states(cls, key, kind)]
    if missing:
        raise PluginError(f"{cls.__name__} must state its {', '.join(missing)}")
    for key, (rule, keeps) in (_VARIANT if issubclass(cls, Variant) else _SOURCE).items():
        value = getattr(cls, key)
        if not keeps(value):
            raise PluginError(f"{cls.__name__}.{key} must be {rule}, but is {shorten(repr(value))}")


def _states(cls: type, key: str, kind: type) -> bool:
    value = getattr(cls, key, None)
    return isinstance(value, kind) and bool(value)
