"""Building a network from settings in an untrusted file, in bounded memory and time."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from torch.overrides import TorchFunctionMode

from ganzoo_core.errors import FileError, GanzooError, shorten
from ganzoo_core.interfaces import Generator
from ganzoo_core.seeds import alone
from ganzoo_core.storage.tensor_files import TensorFile, check_fit

# A network holds more while it is built than its file does: layers without weights, weights that are parametrised.
_SPARE_PARTS = 1000
_SPARE_NUMBERS = 2**24
_DRAWING = {Tensor.normal_, Tensor.uniform_}
_FILLED = {torch.randn, torch.rand, torch.eye}
_ARITHMETIC = ("add", "sub", "mul", "div", "__add__", "__sub__", "__mul__", "__truediv__", "__radd__", "__rmul__")


def build(new: Callable[[], Generator], file: TensorFile) -> Generator:
    """The network that `new` makes, for the tensors of a file.

    It is made on the meta device first, where nothing is allocated, and compared with the file there. Raises
    `FileError` where it does not fit, grows far beyond what the file holds, or can't be made.
    """
    with alone, torch.random.fork_rng(devices=[]):
        check(new, "generator", file.path, file.shapes, file.dtypes)
        try:
            with bounded(file.path, file.shapes):
                return new()
        except FileError:
            raise
        except Exception as error:
            reason = shorten(error if isinstance(error, GanzooError) else f"{type(error).__name__}: {error}")
            raise FileError(f"{file.path} does not fit this generator: making it fails ({reason})") from error


def check(
    new: Callable[[], nn.Module],
    what: str,
    path: Path,
    shapes: dict[str, tuple[int, ...]],
    dtypes: Mapping[str, torch.dtype | None],
    state: Callable[[nn.Module], dict[str, Tensor]] = nn.Module.state_dict,
) -> bool:
    """Raise `FileError` where the network that `new` makes does not fit these tensors. Nothing is allocated for it.

    `state`: what of it the file should hold. Returns whether it could be made so; one that reads its own numbers can't,
    and is to be made `bounded`.
    """
    with alone, torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"), Undrawn(), bounded(path, shapes, math.inf):
                network = new()
        except FileError:
            raise
        except Exception:  # noqa: BLE001 - whatever a stranger's settings do to a network
            return False
        check_fit(path, what, state(network), shapes, dtypes)
        return True


class Undrawn(TorchFunctionMode):
    """Draws no weights, and where the meta device holds no numbers, computes none in what constructors are made of.

    Of these the meta device would only work out the shape, with what PyTorch needs two seconds to import.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), named: dict[str, Any] | None = None) -> Any:
        named = named or {}
        if getattr(function, "__module__", None) == "torch.nn.init" or function in _DRAWING:
            return args[0] if args else named["tensor"]
        if function in _SHAPES and _are_meta(args):
            return args[0].new_empty(_SHAPES[function](*args[:2]))
        if function in _FILLED and args and "device" not in named and torch.empty(0).is_meta:
            size = args if function is not torch.eye or len(args) > 1 else 2 * args
            return torch.empty(*size, **{name: value for name, value in named.items() if name != "generator"})
        return function(*args, **named)


def _are_meta(operands: Sequence[Any]) -> bool:
    """Whether the first is a meta tensor of a floating type, and all other tensors are of the same."""
    first = operands[0] if operands else None
    if not isinstance(first, Tensor) or not first.is_floating_point():
        return False
    return all(one.is_meta and one.dtype == first.dtype for one in operands if isinstance(one, Tensor))


def _broadcast(first: Tensor, second: Tensor | float) -> tuple[int, ...]:
    """As `torch.broadcast_shapes`, which imports the same."""
    return np.broadcast_shapes(first.shape, second.shape if isinstance(second, Tensor) else ())


_SHAPES: dict[Any, Callable[..., Sequence[int]]] = {
    **{getattr(Tensor, name): _broadcast for name in _ARITHMETIC},
    F.normalize: lambda vector, *_: vector.shape,  # this and the next: of spectral norms
    torch.mv: lambda matrix, _: matrix.shape[:1],
    torch.vdot: lambda *_: (),
}


@contextlib.contextmanager
def bounded(path: Path, shapes: dict[str, tuple[int, ...]], most_numbers: float | None = None) -> Iterator[None]:
    """Raise `FileError` once this thread makes networks that hold far more than the file's tensors of these shapes.

    It counts modules and tensors, and the numbers in them, which may be `most_numbers` if that is given.
    """
    thread = threading.get_ident()
    parts, most_parts = 0, 10 * len(shapes) + _SPARE_PARTS
    numbers = 0
    most = 4 * sum(map(math.prod, shapes.values())) + _SPARE_NUMBERS if most_numbers is None else most_numbers

    def count(module: nn.Module, name: str, part: Any) -> None:
        nonlocal parts, numbers
        if threading.get_ident() != thread:
            return
        parts += 1
        numbers += part.numel() if isinstance(part, Tensor) else 0
        if parts > most_parts or numbers > most:
            raise FileError(
                f"{path} does not fit: the settings that it came with make networks far larger than the file"
            )

    with contextlib.ExitStack() as stack:
        for register in (
            register_module_parameter_registration_hook,
            register_module_buffer_registration_hook,
            register_module_module_registration_hook,
        ):
            stack.callback(register(count).remove)
        yield
