"""A trained generator's file: written and loaded."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ganzoo_core.dataspec import DataSpec, Input, inputs_from
from ganzoo_core.errors import (
    DataError,
    FileError,
    GanzooError,
    PluginError,
    SettingError,
    UnknownNameError,
    shorten,
)
from ganzoo_core.interfaces import Generator
from ganzoo_core.registry import Plugin, registry
from ganzoo_core.runs import own
from ganzoo_core.runs.plan import make_variant
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.devices import pick_device, to_device
from ganzoo_core.sampling.examples import EXAMPLES, examples_beside, read_examples
from ganzoo_core.sampling.inputs import taken_inputs
from ganzoo_core.sampling.remote import fetched, is_remote
from ganzoo_core.sampling.surroundings import undisturbed
from ganzoo_core.sampling.trained_generator import TrainedGenerator
from ganzoo_core.settings import Settings
from ganzoo_core.storage import tensor_files, untrusted
from ganzoo_core.storage.names import one_line, shell_word
from ganzoo_core.storage.tensor_files import TensorFile
from ganzoo_core.variant import Variant

_FIELDS = {"variant": str, "package": str, "package_version": str, "config": dict, "data": dict, "step": int}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")  # also a package's, by PEP 508
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,98}")
_MOST_NUMBERS = 2**26  # of one sample
_log = logging.getLogger("ganzoo")


def describe(
    plugin: Plugin,
    variant: Variant,
    spec: DataSpec,
    step: int,
    inputs: Sequence[Input] = (),
    phase: str | None = None,
) -> dict[str, Any]:
    """Everything needed to use a generator's weights, as JSON values; contains no time and no path.

    `phase`: the one in which it was trained last, where the run has phases.
    """
    taken: dict[str, Any] = {"inputs": [one.to_dict() for one in inputs]} if inputs else {}
    taken |= {} if phase is None else {"phase": phase}
    return taken | {
        "variant": variant.name,
        "package": plugin.package,
        "package_version": plugin.version,
        "config": variant.config.to_dict(),
        "data": spec.to_dict(),
        "step": step,
    }


def export(
    path: Path,
    module: Generator,
    plugin: Plugin,
    variant: Variant,
    spec: DataSpec,
    step: int,
    phase: str | None = None,
    judged: Mapping[str, float] | None = None,
) -> None:
    """Write a generator's weights with everything needed to use them. `judged`: what a metric said of them."""
    header = describe(plugin, variant, spec, step, taken_inputs(variant, module, spec), phase)
    header |= {} if judged is None else {"judged": dict(judged)}
    tensor_files.save(path, "generator", header, module.state_dict())


def write_halved(source: str | Path, path: Path) -> None:
    """Write the weights of a source again as float16, half as many bytes; loaded they are float32.

    Raises `FileError` as `load` does, and where a number is too large for float16.
    """
    with resources.as_file(find_weights(source)) as weights:
        header, tensors = tensor_files.load(weights, "generator")
        kept = {name: value for name, value in header.items() if name not in ("kind", "format_version", "digest")}
        tensor_files.save(path, "generator", kept, tensors, halved=True)


@undisturbed()
def load(
    source: str | Path,
    device: str = "cpu",
    *,
    variant: str | type[Variant] | Variant | None = None,
    texts: Mapping[str, str] | None = None,
    best: bool = False,
    **sampling: Any,
) -> TrainedGenerator:
    """Load a generator from a run folder, a generator.safetensors, or a variant that ships trained weights.

    It may also be fetched: `https://HOST/PATH#sha256=HEX`, or `hf:OWNER/REPO@COMMIT[:FILE]` on Hugging Face.
    `variant`: a class of one's own, where the run is of one that is in no package. `best`: of a run the generator that
    its metric found best, in place of the last. `sampling`: options of the variant's `Sampling`, such as
    `truncation=0.7`; `texts`: such as typed in `--set`. Only installed plugins are imported. Raises `FileError` if the
    file is missing, damaged, does not fit or can't be fetched, `PluginError` if the variant's package is not installed,
    `UnknownNameError` or `SettingError` for options that it has not.
    """
    own.known(variant)
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(resources.as_file(find_best(source) if best else find_weights(source)))
        file = stack.enter_context(tensor_files.opened(path, "generator"))
        made, plugin, spec = _described(file)
        options = sampling_options(made, texts or {}, sampling)
        module = _filled(file, made, plugin, spec)
        module.sampling = options
        _begin_phase(file, made, module, spec)
        inputs = _inputs(file, made, plugin, module, spec)
        named = Path(os.path.expanduser(source))
        kept = named / EXAMPLES if os.path.isdir(named) else examples_beside(path)
        examples = read_examples(kept, inputs, spec) if inputs and kept.exists() else {}
        where = pick_device(device)
        to_device(module, where)
        return TrainedGenerator(module.eval(), made, spec, file.header["step"], where, inputs, examples)


def find_weights(source: str | Path) -> Path | Traversable:
    """The file of weights that a source names: a path on disk takes precedence over a variant of that name.

    What is at an address is fetched into the cache, unless it is there.
    """
    if is_remote(source):
        return fetched(str(source))
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        folder = RunFolder.open(path)
        if not folder.generator.exists():
            raise FileError(
                f"{path} has no generator.safetensors yet; train it: ganzoo run --resume {shell_word(path)}"
            )
        return folder.generator
    if path.exists():
        return path
    try:
        _, plugin = registry().variant(str(source))
    except UnknownNameError as error:
        near = Path("runs", path)
        hint = f"did you mean {near}?" if near.is_dir() else "`ganzoo run` trains one, and leaves it in runs/"
        raise FileError(f"there is no run folder, weights file or variant {str(source)!r}; {hint}") from error
    weights = plugin.weights(str(source))
    if weights is None:
        raise FileError(f"{source} ships no weights; train it first: ganzoo run {shell_word(source)}")
    with resources.as_file(weights) as file:
        name = tensor_files.read_header(file, "generator")[0].get("variant")
    if name != source:
        raise FileError(f"the weights that {plugin.source} ships for {source} are of the variant {shorten(name)!r}")
    return weights


def find_best(source: str | Path) -> Path:
    """The file of the generator that a run's metric found best. Raises `FileError` where there is none."""
    path = Path(os.path.expanduser(source))
    if not path.is_dir():
        raise FileError(f"the best is one of a run's, so it must be a run folder, but is {one_line(source)}")
    folder = RunFolder.open(path)
    if not folder.best.exists():
        raise FileError(
            f"{path} has no best.safetensors, as no metric has judged it: train one with --metric fid, or leave out "
            f"--best and take the last"
        )
    return folder.best


def _described(file: TensorFile) -> tuple[Variant, Plugin, DataSpec]:
    """The variant and the data in a file's header. Names in it are looked up, never imported."""
    path, header = file.path, file.header
    tensor_files.check_fields(path, header, _FIELDS)
    name = header["variant"]
    patterns = {"variant": _NAME, "package": _NAME, "package_version": _VERSION}  # which become part of messages
    for field, pattern in patterns.items():
        if not pattern.fullmatch(header[field]):
            raise FileError(f"{path} is damaged: its header lacks or garbles {field}")
    variant_class, plugin = installed(header, path, "holds weights")
    try:
        spec = DataSpec.from_dict(header["data"])
        _check_size(spec)
        variant = make_variant(variant_class, plugin, variant_class.Config.effective(header["config"]))
        variant.check_data(spec)
    except GanzooError as error:
        raise FileError(
            f"{path} does not fit the installed {name}: {shorten(error)}; {origin(header, plugin)}"
        ) from error
    except TypeError as error:
        raise FileError(f"{path} is damaged: its header lacks or garbles data ({shorten(error)})") from error
    return variant, plugin, spec


def installed(header: dict[str, Any], path: Path, what: str) -> tuple[type[Variant], Plugin]:
    """The variant that a file names, and its plugin; `what` says what `path` is.

    Raises `PluginError` if its package is not installed, `FileError` if another package has the variant here.
    """
    name, package = header["variant"], header["package"]
    try:
        found, plugin = registry().variant(name)
    except UnknownNameError as error:
        if _is_own(package):
            file = package if package.endswith(".py") else "FILE.py"
            raise PluginError(
                f"{path} {what} of {name}, a variant in {package}, which is in no package; name the file before the "
                f"command, `ganzoo --with {file} ...`, or in Python give the class: variant=..."
            ) from error
        raise PluginError(
            f"{path} {what} of the variant {name!r}, whose package is not installed: pip install {package}"
        ) from error
    if _canonical(package) != _canonical(plugin.package) and not (_is_own(package) and plugin.is_own):
        raise FileError(f"{path} {what} of the {name} of {package}, but the {name} here is of {plugin.package}")
    return found, plugin


def warn_of_other_version(path: Path, header: dict[str, Any], plugin: Plugin, what: str) -> None:
    """Say where another version of the variant's package is installed than `path` was made with, and what may come."""
    if _series(header["package_version"]) != _series(plugin.version):
        _log.warning("%s: %s; %s", path, origin(header, plugin), what)


def _check_size(spec: DataSpec) -> None:
    """Raise `DataError` for samples so large that making one would use up the memory."""
    if len(spec.shape) > 8 or math.prod(spec.shape) > _MOST_NUMBERS:
        raise DataError(f"a sample may hold {_MOST_NUMBERS:,} numbers in 8 dimensions, but has shape {spec.shape}")


def _filled(file: TensorFile, variant: Variant, plugin: Plugin, spec: DataSpec) -> Generator:
    """The generator with the file's weights; nothing of their size is allocated before they are known to fit."""
    try:
        module = untrusted.build(lambda: variant.generator(spec), file)
    except FileError as error:
        raise FileError(f"{error}; {origin(file.header, plugin)}") from error
    tensors = {f"generator.{name}": tensor for name, tensor in file.tensors().items()}
    tensor_files.load_into(module, tensors, "generator", file.path)
    warn_of_other_version(file.path, file.header, plugin, "its samples may be others than there")
    return module


def sampling_options(variant: Variant, texts: Mapping[str, str], values: Mapping[str, Any] | None = None) -> Settings:
    """The options of sampling. Raises `UnknownNameError` or `SettingError`."""
    options, names, values = variant.Sampling, variant.Sampling.names(), values or {}
    for name in [*texts, *values]:
        if name not in names:
            if name in variant.Config.names():
                raise SettingError(f"{name} is a setting of {variant.name}'s training, which is over; leave it out")
            raise UnknownNameError(f"option of sampling of {variant.name}", name, names)
    try:
        return options.from_dict({name: options.parse(name, text) for name, text in texts.items()} | dict(values))
    except ValueError as error:  # of a plugin's __post_init__; our own are no ValueErrors
        raise SettingError(f"{variant.name} refuses these options of sampling: {one_line(error)}") from error


def _begin_phase(file: TensorFile, variant: Variant, module: Generator, spec: DataSpec) -> None:
    """Have a generator be as it was in the phase that the file names. Raises `FileError` for one that is not there."""
    phase = file.header.get("phase")
    names = [one.name for one in variant.phases(spec)]
    if phase not in names and (names or phase is not None):
        known = ", ".join(names) or "none"
        raise FileError(f"{file.path} is damaged: its phase must be one of {known}, but is {shorten(repr(phase))}")
    if phase is not None:
        module.begin_phase(phase)


def _inputs(file: TensorFile, variant: Variant, plugin: Plugin, module: Generator, spec: DataSpec) -> tuple[Input, ...]:
    """What the generator takes. Raises `FileError` where that is not what the file says."""
    try:
        stated = inputs_from(file.header.get("inputs", ()))
        taken = taken_inputs(variant, module, spec)
    except (GanzooError, TypeError) as error:
        raise FileError(f"{file.path} is damaged: its header lacks or garbles inputs ({shorten(error)})") from error
    if [replace(one, doc="") for one in stated] != [replace(one, doc="") for one in taken]:
        raise FileError(
            f"{file.path} does not fit the installed {variant.name}: its generator takes other inputs; "
            f"{origin(file.header, plugin)}"
        )
    return taken


def origin(header: dict[str, Any], plugin: Plugin) -> str:
    """Which versions of a variant's package wrote and read the file."""
    if plugin.is_own:
        before, now = (
            f"{header['package']} (digest {header['package_version']})",
            f"{plugin.package} ({plugin.version})",
        )
        return f"it was made with {before}, and is used with {now}"
    return f"it was written by {header['package']} {header['package_version']}, and {plugin.version} is installed"


def _series(version: str) -> list[str]:
    """The part of a version that changes when behaviour may change: 1.2 of 1.2.3."""
    return version.split(".")[:2]


def _is_own(package: str) -> bool:
    """Whether a variant was in no package: in a file, which may have another name now, or in a notebook."""
    return package.endswith(".py") or package == "notebook"


def _canonical(package: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()
