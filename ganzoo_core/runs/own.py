"""A variant of one's own, in a file or in a program, and data that a program has in memory: used without a package.

A file is executed here alone, and only where the user has named it.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from ganzoo_core.errors import FileError, PluginError, UnknownNameError
from ganzoo_core.guards.faults import frames, is_ctrl_c, said
from ganzoo_core.guards.process_state import process_kept
from ganzoo_core.hookspecs import API_VERSION, hookimpl
from ganzoo_core.registry import registry
from ganzoo_core.storage.names import shell_word
from ganzoo_core.variant import DataSource, Variant

GIVEN = "given"  # what data is called that a program has in memory
UNPUBLISHED = "unpublished"
_FILE = re.compile(r"(?P<path>.+\.py)(:(?P<name>\w+))?", re.DOTALL)


@dataclass(frozen=True)
class _EntryPoint:
    """What the registry needs of an entry point: it is none of a package, but of what the user has at hand."""

    name: str
    module: str
    dist: SimpleNamespace
    typed: str
    offers: dict[str, Callable[[], list[Any]]]

    def load(self) -> ModuleType:
        """A module with the hooks of a plugin."""
        module = ModuleType(self.module)
        vars(module).update({name: hookimpl(offer) for name, offer in self.offers.items()}, GANZOO_API=API_VERSION)
        return module


def named(variant: str) -> str:
    """The name of the variant as the user typed it, or of the class in FILE.py:CLASS, now known by it.

    Raises `FileError` for no such file, `PluginError` for one that can't be executed or has no such variant.
    """
    found = _FILE.fullmatch(variant)
    return variant if found is None else add_file(found["path"], found["name"])


def add_file(path: str, name: str | None = None) -> str:
    """Execute a file and make its variant known: the class of that name, or the only one. Returns its name."""
    file = Path(os.path.expanduser(path))
    try:
        source = file.read_bytes()
    except OSError as error:
        raise FileError(f"{path} can't be read: {error.strerror}") from error
    version = hashlib.sha256(source).hexdigest()[:16]
    module = _executed(file.absolute(), f"own_{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}_{version}")
    classes = {
        key: value for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Variant) and value.__module__ == module.__name__
    }  # fmt: skip
    if name is None and len(classes) != 1:
        has = f"has {', '.join(classes)}; name one: {path}:{next(iter(classes))}" if classes else "has no Variant"
        raise PluginError(f"{path} {has}")
    name = next(iter(classes)) if name is None else name
    if name not in classes:
        raise UnknownNameError(f"variant in {path}", name, classes)
    return _add(classes[name], file.name, version, f"{path}:{name}")


def add_class(variant: type[Variant]) -> str:
    """Make a class of this program known, unless a package offers it. Returns the variant's name."""
    _complete(variant)
    known = registry().variants().get(variant.name)
    if known is not None and known[0] is variant:
        return variant.name
    module = sys.modules.get(variant.__module__)
    file = getattr(module, "__file__", None)
    try:
        version = hashlib.sha256(inspect.getsource(variant).encode()).hexdigest()[:16]
    except (OSError, TypeError):  # typed into an interpreter
        version = "unknown"
    return _add(variant, Path(file).name if file else "notebook", version, "")


def add_data(source: type[DataSource]) -> str:
    """Make a data source of this program known, in place of what was given before. Returns its name."""
    dist = SimpleNamespace(name="python", version="0")
    registry().add(_EntryPoint(source.name, source.__module__, dist, "", {"ganzoo_datasets": lambda: [source]}))
    return source.name


def known(variant: str | type[Variant] | Variant | None) -> tuple[str | None, dict[str, Any]]:
    """The name of what a user trains, from now on known by it, and the settings that an instance brings along."""
    if variant is None or isinstance(variant, str):
        return (named(variant) if variant else variant), {}
    if isinstance(variant, Variant):
        usual = {option.name: option.default for option in variant.config.options()}
        values = {name: getattr(variant.config, name) for name in usual}
        return add_class(type(variant)), {name: value for name, value in values.items() if value != usual[name]}
    if not (inspect.isclass(variant) and issubclass(variant, Variant)):
        raise PluginError(
            f"a variant must be a name, or a class or an instance of ganzoo_core.Variant, not {variant!r}"
        )
    return add_class(variant), {}


def known_data(data: Any) -> tuple[str, dict[str, Any]]:
    """The name of the data that a user gave, from now on known by it, and the options that a source brings along."""
    if isinstance(data, str):
        return data, {}
    if isinstance(data, DataSource):
        own = registry().datasets().get(data.name)
        name = data.name if own is not None and own[0] is type(data) else add_data(type(data))
        return (name if data.path is None else f"{name}:{data.path}"), data.options.to_dict()
    from ganzoo_core.datasets.given import source_of

    return add_data(source_of(data, GIVEN)), {}


def run_command(variant: str) -> str:
    """`ganzoo run`, with the file that the variant is in, where it is in one of the user's."""
    typed = registry().typed(variant)
    return f"ganzoo run {shell_word(typed)}" if typed else "ganzoo run"


def sample_command(variant: str) -> str:
    """`ganzoo sample`, with the file that the variant is in, where it is in one of the user's."""
    typed = registry().typed(variant)
    return f"ganzoo --with {shell_word(typed)} sample" if typed else "ganzoo sample"


def _add(variant: type[Variant], package: str, version: str, typed: str) -> str:
    _complete(variant)
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", package).strip("._-")[-90:]  # it stands in the place of a package's name
    dist = SimpleNamespace(name=safe if safe[:1].isalnum() and safe != "py" else "file.py", version=version)
    registry().add(_EntryPoint(variant.name, variant.__module__, dist, typed, {"ganzoo_variants": lambda: [variant]}))
    return variant.name


def _complete(variant: type[Variant]) -> None:
    """Give a class that will be in no package what it need not state: a name, a title, a paper, a year."""
    own = vars(variant)
    if "name" not in own:
        variant.name = variant.__name__.lower()
    if "title" not in own:
        variant.title = ((own.get("__doc__") or "").strip().partition("\n")[0]) or variant.__name__
    for name, value in {"paper": UNPUBLISHED, "year": datetime.date.today().year}.items():
        if not hasattr(variant, name):
            setattr(variant, name, value)


def _executed(file: Path, name: str) -> ModuleType:
    """The module of a file. Raises `PluginError` for whatever goes wrong in it, with the line."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # of a name that ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # what lies beside it may be imported, and hides nothing that is installed
    try:
        with process_kept(file.name):
            spec.loader.exec_module(module)
    except BaseException as error:  # whatever is in it
        del sys.modules[name]
        if is_ctrl_c(error):
            raise
        lines = [line for frame, line in frames(error) if frame.f_code.co_filename == str(file)]
        lines += [error.lineno] if isinstance(error, SyntaxError) and error.lineno else []
        where = f", line {lines[-1]}" if lines else ""
        raise PluginError(f"{file.name}{where}: {said(error)}") from error
    return module
