"""A variant of one's own, in a file or in a program, and data that a program has in memory: used without a package.

A file is executed here alone, and only where the user has named it.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.abc
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
from ganzoo_core.variant import DataSource, Variant, lacking

GIVEN = "given"  # what data is called that a program has in memory
UNPUBLISHED = "unpublished"
_FILE = re.compile(r"(?P<path>.+\.py)(:(?P<name>.*))?", re.DOTALL)


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


class _Loader(importlib.abc.SourceLoader):
    """Executes the source whose digest was taken, past the cache: to that, the same size and second are the same."""

    def __init__(self, file: Path, source: bytes) -> None:
        self._file, self._source = str(file), source

    def get_filename(self, fullname: str) -> str:
        """The file, for tracebacks and `__file__`."""
        return self._file

    def get_data(self, path: Any) -> bytes:
        """What is executed."""
        return self._source


def is_file(variant: str) -> bool:
    """Whether the user typed FILE.py:CLASS, and no name."""
    return _FILE.fullmatch(variant) is not None


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
    version = _digest(source)
    module = _executed(file.absolute(), source, f"own_{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}_{version}")
    found = {key: value for key, value in vars(module).items() if inspect.isclass(value) and issubclass(value, Variant)}
    made = [key for key, value in found.items() if value.__module__ == module.__name__]  # and not imported there
    whole = [key for key in made if not lacking(found[key])] or made  # the others are bases of these
    if name is None and len(whole) != 1:
        has = f"has {', '.join(whole)}; name one: {path}:{whole[0]}" if whole else "has no Variant"
        raise PluginError(f"{path} {has}")
    name = whole[0] if name is None else name
    if name not in found:
        raise UnknownNameError(f"variant in {path}", name, made)
    return _add(found[name], file.name, version, f"{path}:{name}")


def add_class(variant: type[Variant]) -> str:
    """Make a class of this program known, unless a package offers it. Returns the variant's name."""
    _complete(variant)
    known = registry().variants().get(variant.name)
    if known is not None and known[0] is variant:
        return variant.name
    file = getattr(sys.modules.get(variant.__module__), "__file__", None)
    try:  # of a file all of it, as on the command line: the networks may stand beside the class
        version = _digest(Path(file).read_bytes() if file else inspect.getsource(variant).encode())
    except (OSError, TypeError):  # typed into an interpreter
        version = "unknown"
    return _add(variant, Path(file).name if file else "notebook", version, "")


def add_data(source: type[DataSource]) -> str:
    """Make a data source of this program known, in place of what was given before. Returns its name."""
    dist = SimpleNamespace(name="python", version="0")
    name = getattr(source, "name", "")
    registry().add(_EntryPoint(name, source.__module__, dist, "", {"ganzoo_datasets": lambda: [source]}))
    return name


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
    if inspect.isclass(data) and issubclass(data, DataSource):
        data = data()
    if isinstance(data, DataSource):
        installed = registry().datasets().get(name := getattr(data, "name", ""))
        if installed is None or installed[0] is not type(data):
            add_data(_source_like(data))
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


def class_of(variant: str | type[Variant] | Variant | None) -> type[Variant] | None:
    """The class that a user gave, itself or by an instance; None of one that goes by its name."""
    return type(variant) if isinstance(variant, Variant) else variant if inspect.isclass(variant) else None


def _source_like(source: DataSource) -> type[DataSource]:
    """A class of which each instance is as this one is, but for other options or another path."""

    def init(self: DataSource, options: Any = None, path: Path | None = None) -> None:
        vars(self).update(vars(source))
        self.options = source.options if options is None else options
        self.path = source.path if path is None else path

    cls = type(source)
    return type(cls.__name__, (cls,), {"__init__": init, "__module__": cls.__module__})


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:16]


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


def _executed(file: Path, source: bytes, name: str) -> ModuleType:
    """The module of a file that holds `source`. Raises `PluginError` for whatever goes wrong in it, with the line."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, loader := _Loader(file, source))
    assert spec is not None  # of a loader that knows its file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # what lies beside it may be imported, and hides nothing that is installed
    try:
        with process_kept(file.name):
            loader.exec_module(module)
    except BaseException as error:  # whatever is in it
        del sys.modules[name]
        if is_ctrl_c(error):
            raise
        lines = [line for frame, line in frames(error) if frame.f_code.co_filename == str(file)]
        lines += [error.lineno] if isinstance(error, SyntaxError) and error.lineno else []
        where = f", line {lines[-1]}" if lines else ""
        raise PluginError(f"{file.name}{where}: {said(error)}") from error
    return module
