"""FreezeD (arXiv:2002.10964, section 3): the lowest layers of a discriminator stay as they are."""

from __future__ import annotations

from typing import Any

from torch import nn

from ganzoo_core.errors import SettingError
from ganzoo_core.storage.names import few


def frozen_layers(discriminator: nn.Module, count: int) -> dict[str, nn.Parameter]:
    """The parameters of the first so many layers, by name; a layer is a module that has some, in the order of modules.

    Raises `SettingError` where no layer would be left to train.
    """
    layers: dict[str, dict[str, nn.Parameter]] = {}
    for name, parameter in discriminator.named_parameters():
        owner = name.partition(".parametrizations.")[0] if ".parametrizations." in name else name.rpartition(".")[0]
        layers.setdefault(owner, {})[name] = parameter
    if count >= max(1, len(layers)):
        raise SettingError(
            f"freeze_layers must be below {len(layers)}, the number of layers of {type(discriminator).__name__} that "
            f"learn, but is {count}"
        )
    return {name: parameter for owner in list(layers)[:count] for name, parameter in layers[owner].items()}


def check_learned(frozen: dict[str, nn.Parameter], began_with: dict[str, Any] | None) -> None:
    """Raise `SettingError` where layers that won't be trained have no weights that another run has trained."""
    if not frozen:
        return
    if began_with is None:
        raise SettingError("freeze_layers keeps what another run has learned; give --from SOURCE, or leave it out")
    if new := [name for name in (f"discriminator.{name}" for name in frozen) if name in began_with["left"]]:
        raise SettingError(
            f"freeze_layers keeps what another run has learned, but {began_with['source']} has none of {few(new)} to "
            f"begin with; name a run folder with a discriminator like this one, or freeze fewer"
        )
