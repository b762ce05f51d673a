"""The nouns that need no torch: DataSpec, DataSource, Config, Variant.

A plugin's `__init__.py` imports these alone, so that listing a zoo of a hundred variants stays instant.
Networks, losses and optimizers are imported by the factories, when they are called.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from ganzoo_core.errors import DataError
from ganzoo_core.settings import Settings, option

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from ganzoo_core.data import Dataset
    from ganzoo_core.interfaces import Discriminator, Generator, Loss, Networks, Player

Kind = Literal["images", "points", "curves", "voxels"]


@dataclass(frozen=True)
class DataSpec:
    """What a data set says of itself.

    `shape` is one sample's, such as (1, 28, 28), (2,) or (15,). Samples lie in [-1, 1]; `sample * scale + offset`
    gives natural units (pixels are not scaled). `classes` names the labels 0, 1, ...; empty means unlabelled.
    Raises `DataError` where a field breaks its rule, since specs also come out of files.
    """

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    kind: Kind = "images"
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        rules = {
            "name": (isinstance(self.name, str), "text"),
            "shape": (_is_tuple_of(int, self.shape) and min(self.shape, default=0) > 0, "positive whole numbers"),
            "classes": (_is_tuple_of(str, self.classes), "texts"),
            "kind": (self.kind in get_args(Kind), f"one of {', '.join(get_args(Kind))}"),
            "scale": (_is_finite(self.scale), "a finite number"),
            "offset": (_is_finite(self.offset), "a finite number"),
        }
        for name, (kept, rule) in rules.items():
            if not kept:
                raise DataError(f"the {name} of the data {self.name} must be {rule}, but is {getattr(self, name)!r}")

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 where there are no labels."""
        return len(self.classes)

    @property
    def has_pixels(self) -> bool:
        """Whether samples are images or voxels, (C, H, W) or (1, D, H, W), which are drawn pixel by pixel; points and
        curves, (D,), are plotted.
        """
        return self.kind in ("images", "voxels")

    def to_dict(self) -> dict[str, Any]:
        """The spec as JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The spec that `to_dict` gave. Raises `TypeError` where fields are missing or unknown."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(values).items()}
        return cls(**fields)


def _is_tuple_of(kind: type, value: Any) -> bool:
    return isinstance(value, tuple) and all(type(item) is kind for item in value)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max  # an int may be larger than any float


@dataclass(frozen=True, kw_only=True)
class NoOptions(Settings):
    """Options of a data set that has none."""


class DataSource(ABC):
    """A data set that can be asked for by name. Torch-free until `load` is called.

    `shape`, `classes` and `size` are None where only loading tells. `origin` says where it comes from.
    A source with `takes_path` is named as `NAME:PATH`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    origin: ClassVar[str]
    kind: ClassVar[Kind] = "images"
    shape: ClassVar[tuple[int, ...] | None] = None
    classes: ClassVar[tuple[str, ...] | None] = None
    size: ClassVar[int | None] = None
    takes_path: ClassVar[bool] = False
    Options: ClassVar[type[Settings]] = NoOptions

    def __init__(self, options: Settings | None = None, path: Path | None = None) -> None:
        self.options: Any = self.Options() if options is None else options
        self.path = path

    def is_local(self, data_dir: Path) -> bool:
        """Whether loading needs no network."""
        return True

    @abstractmethod
    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
        """The data set in memory. Raises `DataError` where it can't be had, or has no such split."""


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The hyperparameters every variant has. Subclass it, decorated alike, to add or to change defaults."""

    steps: int = option(10_000, "updates of the generator", minimum=1)
    batch_size: int = option(64, "samples per update", minimum=1)
    latent_dim: int = option(100, "coordinates of the latent vector z", minimum=1)
    generator_lr: float = option(2e-4, "learning rate of the generator", minimum=0)
    discriminator_lr: float = option(2e-4, "learning rate of the discriminator", minimum=0)
    beta1: float = option(0.5, "Adam's decay of the first moment", minimum=0, maximum=0.9999)
    beta2: float = option(0.999, "Adam's decay of the second moment", minimum=0, maximum=0.99999)
    n_critic: int = option(1, "discriminator updates per generator update (k of arXiv:1406.2661)", minimum=1)
    ema_decay: float = option(
        0.0, "average the generator's weights with this decay and sample from the average; 0 is off",
        minimum=0, maximum=0.99999,
    )  # fmt: skip


class Variant(ABC):
    """A member of the zoo: what it is, what data it takes, and factories for its parts.

    `paper` is a reference such as "arXiv:1411.1784". A `conditional` variant needs labels. `kinds` are the kinds of
    data it takes, `default_data` the set it is trained on where nobody names one. The factories import their networks
    when called, so that this class stays torch-free.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    year: ClassVar[int]
    conditional: ClassVar[bool] = False
    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
    default_data: ClassVar[str] = "digits"
    Config: ClassVar[type[Config]] = Config

    def __init__(self, config: Settings | None = None) -> None:
        self.config: Any = self.Config() if config is None else config

    @abstractmethod
    def generator(self, data: DataSpec) -> Generator:
        """A new generator for samples of this shape, its weights drawn from torch's global generator."""

    @abstractmethod
    def discriminator(self, data: DataSpec) -> Discriminator:
        """A new discriminator (or critic) for samples of this shape."""

    @abstractmethod
    def loss(self) -> Loss:
        """A new loss."""

    def optimizer(self, player: str, parameters: Iterable[Tensor]) -> Optimizer:
        """The optimizer of one player, "generator" or "discriminator": Adam (arXiv:1412.6980) unless overridden."""
        from torch.optim import Adam

        lr = self.config.generator_lr if player == "generator" else self.config.discriminator_lr
        return Adam(parameters, lr=lr, betas=(self.config.beta1, self.config.beta2), fused=True)

    def players(self, networks: Networks) -> list[Player]:
        """Who moves in a step, in order: the discriminator n_critic times, then the generator once."""
        from ganzoo_core.interfaces import two_players

        return two_players(self, networks)

    def check_data(self, data: DataSpec) -> None:
        """Raise `DataError` with a sentence if this variant can't be trained on such data; extend, don't replace."""
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
