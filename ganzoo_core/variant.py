"""The classes that need no torch: DataSpec, DataSource, Config, Variant.

A plugin's `__init__.py` imports only these, so that listing a zoo of a hundred variants stays instant. The factories
import networks, losses and optimizers when they are called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ganzoo_core.dataspec import DataSpec, Kind
from ganzoo_core.errors import DataError
from ganzoo_core.settings import Settings, option

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from ganzoo_core.data import Dataset
    from ganzoo_core.interfaces import Discriminator, Generator, Loss, Networks, Player


@dataclass(frozen=True, kw_only=True)
class NoOptions(Settings):
    """The options of a data set that has none."""


class DataSource(ABC):
    """A data set that can be requested by name. Torch-free until `load` is called.

    `shape`, `classes` and `size`: None if known only after loading. `origin`: where the data comes from. A source with
    `takes_path` is named as `NAME:PATH`.
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
        """Whether loading works without a network."""
        return True

    @abstractmethod
    def load(self, data_dir: Path, split: Literal["train", "test"] = "train") -> Dataset:
        """The data set in memory. Raises `DataError` if it is unavailable or has no such split."""


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """The hyperparameters every variant has. Subclass it, with the same decorator, to add some or change defaults."""

    steps: int = option(10_000, "updates of the generator", minimum=1)
    batch_size: int = option(64, "samples per update", minimum=1)
    latent_dim: int = option(100, "coordinates of the latent vector z", minimum=1)
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


class Variant(ABC):
    """A member of the zoo: its description, the data it accepts, and factories for its parts.

    `paper`: a reference such as "arXiv:1411.1784". A `conditional` variant needs labels. `kinds`: the kinds of data it
    accepts. `default_data`: the data set used when none is given. The factories import their networks when called, so
    that this class stays torch-free.
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
        """A new generator for samples of this shape, initialised from torch's global random generator."""

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
        """The players of a step, in order: by default the discriminator n_critic times, then the generator once."""
        from ganzoo_core.interfaces import two_players

        return two_players(self, networks)

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
