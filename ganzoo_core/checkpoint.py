"""Tensors and a JSON header in one safetensors file: in, out, checked. Nothing here reads or writes pickle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ganzoo_core.errors import FileError
from ganzoo_core.files import write_atomically

FORMAT_VERSION = 1
_HEADER_KEY = "ganzoo"  # one metadata key, as the order of several is not fixed and equal files should be equal bytes


def save(path: Path, kind: str, header: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write tensors and header to `path` in one piece: whole or not at all.

    `kind` is "generator" or "checkpoint". The header gets a digest over itself and every tensor.
    Raises `FileError` where the disk refuses.
    """
    tensors = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    header = {"kind": kind, "format_version": FORMAT_VERSION, **header}
    header["digest"] = digest(header, tensors)
    write_atomically(path, safetensors.torch.save(tensors, {_HEADER_KEY: json.dumps(header, sort_keys=True)}))


def read_header(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """The header of a file of that kind and the shape of each tensor, without reading the tensors.

    Raises `FileError` with a sentence where the file is missing, truncated, or not ours.
    """
    if not path.is_file():
        raise FileError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileError(f"{path} is no whole safetensors file ({error}); was it truncated in a copy?") from error
    return _checked_header(path, kind, metadata), shapes


def load(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the tensors of a file of that kind, its digest verified. Raises `FileError`."""
    header, _ = read_header(path, kind)
    try:
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise FileError(f"{path} can't be read: {error}") from error
    if header.get("digest") != digest(header, tensors):
        raise FileError(f"{path} is damaged: its tensors do not match the digest in its header; fetch it again")
    return header, tensors


def load_into(module: nn.Module, tensors: dict[str, Tensor], prefix: str, path: Path) -> None:
    """Copy the tensors named `prefix.*` into the module. Raises `FileError` where names, shapes or dtypes differ."""
    found = {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
    expected = module.state_dict()
    check_shapes(path, prefix, expected, {name: tuple(t.shape) for name, t in found.items()})
    for name, tensor in found.items():
        if tensor.dtype != expected[name].dtype:
            raise FileError(f"{path}: {prefix}.{name} must be {expected[name].dtype}, but is {tensor.dtype}")
    module.load_state_dict(found)


def check_shapes(path: Path, what: str, expected: dict[str, Tensor], found: dict[str, tuple[int, ...]]) -> None:
    """Raise `FileError` where the file's tensors are not those the network has."""
    differing = sorted(expected.keys() ^ found.keys())
    if differing:
        where = "lacks" if differing[0] in expected else "has an unknown"
        raise FileError(f"{path} does not fit this {what}: it {where} tensor {differing[0]}")
    for name, tensor in expected.items():
        if tuple(tensor.shape) != found[name]:
            raise FileError(
                f"{path} does not fit this {what}: {name} must have shape {tuple(tensor.shape)}, but has {found[name]}"
            )


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """What an optimizer remembers, as tensors named `prefix.<parameter index>.<what>`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{prefix}.{index}.{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str) -> None:
    """Give an optimizer back what `optimizer_tensors` took. Its settings stay those it was made with."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(f"{prefix}."):
            index, key = name.removeprefix(f"{prefix}.").split(".", 1)
            parameter = parameters[int(index)]
            if tensor.shape == parameter.shape:  # in the parameter's memory format, which fused kernels count on
                tensor = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor)
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _checked_header(path: Path, kind: str, metadata: dict[str, str]) -> dict[str, Any]:
    if _HEADER_KEY not in metadata:
        raise FileError(f"{path} is a safetensors file, but not one that ganzoo wrote")
    try:
        header = json.loads(metadata[_HEADER_KEY])
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} has a header that is not JSON: it is damaged") from error
    if not isinstance(header, dict) or header.get("kind") != kind:
        found = header.get("kind") if isinstance(header, dict) else None
        raise FileError(f"{path} must be a {kind} file, but is {found!r}")
    if header.get("format_version") != FORMAT_VERSION:
        raise FileError(
            f"{path} has format version {header.get('format_version')!r}, but this ganzoo reads {FORMAT_VERSION}; "
            f"install the ganzoo that wrote it"
        )
    return header


def digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 over the header (less the digest) and every tensor's name, dtype, shape and bytes."""
    found = hashlib.sha256(json.dumps({k: v for k, v in header.items() if k != "digest"}, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
