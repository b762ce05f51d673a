"""Tensors and a JSON header in one safetensors file: written, read, checked. Nothing here reads or writes pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ganzoo_core.errors import FileError, shorten
from ganzoo_core.storage import json_files
from ganzoo_core.storage.files import write_atomically

FORMAT_VERSION = 1
_HEADER_KEY = "ganzoo"  # one metadata key, as the order of several is not fixed and equal files should be equal bytes
_MOST_HEADER_BYTES = 8 * 2**20
_DEEPEST = 5
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def save(path: Path, kind: str, header: dict[str, Any], tensors: dict[str, Tensor], *, halved: bool = False) -> None:
    """Write tensors and header to `path` atomically.

    `kind` is "generator", "checkpoint" or "inputs". The header gets a digest over itself and every tensor. `halved`:
    numbers of float32 are stored as float16, and are float32 again where they are read. Raises `FileError` if the file
    can't be written, or a number is too large for float16.
    """
    tensors = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    header = {"kind": kind, "format_version": FORMAT_VERSION, **header}
    if halved:
        header["halved"] = sorted(name for name, tensor in tensors.items() if tensor.dtype == torch.float32)
        tensors |= {name: tensors[name].half() for name in header["halved"]}
        for name in header["halved"]:
            check_finite(path, name, tensors[name])
    header["digest"] = digest(header, tensors)
    write_atomically(path, safetensors.torch.save(tensors, {_HEADER_KEY: json.dumps(header, sort_keys=True)}))


@dataclass(frozen=True)
class TensorFile:
    """An open file of tensors whose header has been checked. No tensor is read before `tensors` is called."""

    path: Path
    header: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, torch.dtype | None]
    _file: Any

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, the digest verified, in memory of their own. Raises `FileError`."""
        try:
            # As they come they are the mapped file itself, which Windows would not let anybody replace or delete.
            tensors = {name: self._file.get_tensor(name).clone() for name in self.shapes}
        except (SafetensorError, OSError) as error:
            raise FileError(f"{self.path} can't be read: {shorten(error)}") from error
        if self.header.get("digest") != digest(self.header, tensors):
            raise FileError(
                f"{self.path} is damaged: its tensors do not match the digest in its header; fetch it again"
            )
        return tensors | {name: tensors[name].float() for name in self.header.get("halved", ())}


@contextlib.contextmanager
def opened(path: Path, kind: str) -> Iterator[TensorFile]:
    """A file of that kind, for as long as the block lasts; it may be replaced meanwhile, what is read stays whole.

    Nothing of a size that the file names is allocated here. Raises `FileError` with a sentence where the file is
    missing, truncated, or not ours.
    """
    if not path.is_file():
        raise FileError(f"there is no file {path}")
    with contextlib.ExitStack() as stack:
        try:
            _check_header_size(path)
            file = stack.enter_context(safe_open(path, framework="pt"))
            metadata = file.metadata() or {}
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            dtypes = {name: _DTYPES.get(part.get_dtype()) for name, part in slices.items()}
        except (SafetensorError, OSError) as error:
            raise FileError(
                f"{path} is no whole safetensors file ({shorten(error)}); was it truncated in a copy?"
            ) from error
        header = _checked_header(path, kind, metadata)
        dtypes |= dict.fromkeys(_halved(path, header, dtypes), torch.float32)
        yield TensorFile(path, header, shapes, dtypes, file)


def read_header(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """The header of a file of that kind and the shape of each tensor, without reading any. Raises as `opened`."""
    with opened(path, kind) as file:
        return file.header, file.shapes


def load(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a file of that kind, its digest verified. Raises as `opened`."""
    with opened(path, kind) as file:
        return file.header, file.tensors()


def check_fields(path: Path, header: dict[str, Any], kinds: dict[str, type]) -> None:
    """Raise `FileError` where the header lacks a field or holds one of another type; numbers count from 0."""
    for name, kind in kinds.items():
        value: Any = header.get(name)
        right = type(value) is kind
        if not right or (kind is int and not 0 <= value < 2**53):
            raise FileError(f"{path} is damaged: its header lacks or garbles {name}")


def load_into(
    module: nn.Module, tensors: dict[str, Tensor], prefix: str, path: Path, own: dict[str, Tensor] | None = None
) -> None:
    """Copy the tensors named `prefix.*` into the module: all of its state, or that part of it which is its `own`.

    Raises `FileError` where names, shapes or dtypes differ, or a number is not finite.
    """
    found = part(tensors, prefix)
    shapes, dtypes = forms(found)
    check_fit(path, prefix, module.state_dict() if own is None else own, shapes, dtypes)
    for name, tensor in found.items():
        check_finite(path, f"{prefix}.{name}", tensor)
    module.load_state_dict(found, strict=own is None)


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors named `prefix.*`, by the rest of their names."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def forms(tensors: dict[str, Tensor]) -> tuple[dict[str, tuple[int, ...]], dict[str, torch.dtype]]:
    """The shapes and the dtypes of tensors, by name."""
    return {k: tuple(t.shape) for k, t in tensors.items()}, {k: t.dtype for k, t in tensors.items()}


def check_finite(path: Path, name: str, tensor: Tensor) -> None:
    """Raise `FileError` where a tensor of the file holds NaN or an infinity."""
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise FileError(f"{path} is of no use: {name} holds numbers that are not finite (NaN or infinity)")


def check_fit(
    path: Path,
    what: str,
    expected: dict[str, Tensor],
    shapes: dict[str, tuple[int, ...]],
    dtypes: Mapping[str, torch.dtype | None],
) -> None:
    """Raise `FileError` where the file's tensors are not those expected, which may be on the meta device."""
    differing = sorted(expected.keys() ^ shapes.keys())
    if differing:
        where = "lacks" if differing[0] in expected else "has an unknown"
        raise FileError(f"{path} does not fit this {what}: it {where} tensor {shorten(differing[0])}")
    for name, tensor in expected.items():
        rules = {"shape": (tuple(tensor.shape), shapes[name]), "dtype": (tensor.dtype, dtypes[name])}
        for rule, (wanted, found) in rules.items():
            if wanted != found:
                raise FileError(f"{path} does not fit this {what}: {name} must have {rule} {wanted}, but has {found}")


def _check_header_size(path: Path) -> None:
    """Raise `FileError` for a header that would cost much memory: a real one has some kilobytes."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
    if size > _MOST_HEADER_BYTES:
        raise FileError(
            f"{path} is no whole safetensors file: its header must be at most {_MOST_HEADER_BYTES:,} bytes, "
            f"but claims {size:,}"
        )


def _checked_header(path: Path, kind: str, metadata: dict[str, str]) -> dict[str, Any]:
    if _HEADER_KEY not in metadata:
        raise FileError(f"{path} is a safetensors file, but not one that ganzoo wrote")
    try:
        header = json_files.parse(metadata[_HEADER_KEY])
        json.dumps(header, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except ValueError as error:
        raise FileError(f"{path} has a header that is not JSON: it is damaged") from error
    if not json_files.is_at_most(_DEEPEST, header):
        raise FileError(f"{path} is damaged: its header is nested more than {_DEEPEST} levels deep")
    if not isinstance(header, dict) or header.get("kind") != kind:
        found = header.get("kind") if isinstance(header, dict) else None
        raise FileError(f"{path} must be a {kind} file, but is {shorten(repr(found))}")
    version = header.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise FileError(
            f"{path} has format version {shorten(repr(version))}, but this ganzoo reads {FORMAT_VERSION}; "
            f"install the ganzoo that wrote it"
        )
    return header


def _halved(path: Path, header: dict[str, Any], dtypes: Mapping[str, torch.dtype | None]) -> list[str]:
    """The tensors that were of float32 before they were stored as float16. Raises `FileError` for others."""
    names = header.get("halved", [])
    if not isinstance(names, list) or any(not isinstance(n, str) or dtypes.get(n) != torch.float16 for n in names):
        raise FileError(f"{path} is damaged: halved must name tensors of float16 in it")
    return names


def digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the header (less the digest) and every tensor's name, dtype, shape and bytes."""
    found = hashlib.sha256(json.dumps({k: v for k, v in header.items() if k != "digest"}, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
