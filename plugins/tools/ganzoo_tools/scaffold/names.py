"""What one name makes: a variant, its class, its package, its distribution."""

from __future__ import annotations

import importlib.util
import keyword
import re
from dataclasses import dataclass
from typing import Self

from ganzoo_core.errors import PluginError, SettingError, UnknownNameError
from ganzoo_core.registry import registry

_MAX_LENGTH = 32  # so that no line of the package is longer than 120


@dataclass(frozen=True)
class Names:
    """The names of a new package. "My GAN" gives my-gan, MyGan, ganzoo_my_gan and ganzoo-my-gan.

    Where no class can have such a name, "Gan" comes before it: "3dgan" gives 3dgan and Gan3dgan.
    """

    title: str
    variant: str
    class_name: str
    package: str
    distribution: str

    @classmethod
    def of(cls, text: str) -> Self:
        """All names that follow from one; "ganzoo-" before it is understood. Raises `SettingError` for no name."""
        title = re.sub(r"^ganzoo[ ._-]+", "", " ".join(text.split()), flags=re.IGNORECASE)
        words = re.split(r"[ ._-]+", title.strip(" ._-"))
        class_name = "".join(word[:1].upper() + word[1:].lower() for word in words)
        variant = "-".join(words).lower()
        _check(text, title, variant)
        if not class_name.isidentifier() or keyword.iskeyword(class_name):
            class_name = f"Gan{class_name}"
        package = f"ganzoo_{variant.replace('-', '_')}"
        return cls(title, variant, class_name, package, f"ganzoo-{variant}")


def _check(text: str, title: str, variant: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9 ._-]*", title):
        raise SettingError(
            f"the name must be made of the letters a to z, digits, spaces and any of . _ -, but is {text!r}"
        )
    if not variant:
        raise SettingError(f"the name must hold a letter or a digit, but is {text!r}")
    if len(variant) > _MAX_LENGTH:
        raise SettingError(f"the name must have at most {_MAX_LENGTH} characters, but {text!r} has {len(variant)}")


def refuse_taken(names: Names) -> None:
    """Raise `PluginError` where an installed variant or package has one of these names already."""
    try:
        owner = registry().variant(names.variant)[1].source
    except UnknownNameError:
        pass
    except PluginError as error:
        raise PluginError(f"the name {names.variant!r} is taken ({error}); choose another") from error
    else:
        raise PluginError(f"the name {names.variant!r} is taken by the variant of {owner}; choose another")
    if importlib.util.find_spec(names.package) is not None:
        raise PluginError(f"a package {names.package} is installed already; choose another name than {names.variant!r}")
