"""What a generator takes beside latents and labels: as a variant describes it, and as a user gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ganzoo_core.dataspec import DataSpec, Input
from ganzoo_core.errors import ContractError, DataError, SettingError, shorten
from ganzoo_core.guards.contract import checked_columns, described
from ganzoo_core.interfaces import column_names
from ganzoo_core.variant import Variant


def taken_inputs(variant: Variant, generator: nn.Module, data: DataSpec) -> tuple[Input, ...]:
    """The inputs that a generator's `forward` names, as its variant describes them, in the order of `forward`.

    Raises `DataError` where the data has no such column, `ContractError` for a column that `derive` makes and `inputs`
    leaves undescribed.
    """
    found = variant.inputs(data)
    if not isinstance(found, tuple | list) or not all(isinstance(one, Input) for one in found):
        raise ContractError("inputs", f"inputs must give a tuple of ganzoo_core.Input, but gives {described(found)}")
    known = {one.name: one for one in found}
    names = column_names(generator)
    for name in [name for name, is_needed in names.items() if is_needed and name not in known]:
        if type(variant).derive is not Variant.derive:
            raise ContractError(
                "inputs", f"{type(generator).__name__}.forward takes {name}, which inputs(data) must describe"
            )
        try:
            data.column(name)
        except DataError as error:
            raise DataError(f"{variant.name} takes the column {name}, but {error}") from error
    return tuple(known[name] for name in names if name in known)


def derived(
    variant: Variant, batch: dict[str, Tensor], rng: torch.Generator, phase: str | None = None
) -> dict[str, Tensor]:
    """A whole mini-batch with what the variant adds to it. Raises `ContractError` for what is no batch."""
    return checked_columns(type(variant).__name__, variant.derive(dict(batch), rng, phase), batch)


def blank_batch(variant: Variant, spec: DataSpec) -> dict[str, Tensor]:
    """A mini-batch of a few samples of nothing, with what the variant derives of them: all that its networks take."""
    few = 2 * max(2, spec.num_classes if variant.balanced else 2)
    columns = {"real": torch.zeros(few, *spec.shape)}
    columns |= {"labels": torch.arange(few) % spec.num_classes} if spec.classes else {}
    for one in spec.columns:
        columns[one.name] = torch.zeros(few, *one.shape, dtype=torch.int64 if one.kind == "text" else torch.float32)
    phases = variant.phases(spec)
    return derived(variant, columns, torch.Generator().manual_seed(0), phases[-1].name if phases else None)


def given_columns(inputs: Sequence[Input], given: Mapping[str, Any], owner: str) -> dict[str, Tensor]:
    """What a user gave for each input, as columns (M, ...) that the generator takes, all of the same length.

    An image: (M, C, H, W) or a list of (C, H, W), uint8 0..255 or float in [-1, 1]. A text: strings. Numbers: (M, D).
    Raises `SettingError` for an input that is missing or that `owner` has not, `DataError` for one that does not fit.
    """
    known = {one.name: one for one in inputs}
    for name in given:
        if name not in known:
            has = f"takes {', '.join(known)}" if known else "takes no inputs"
            raise SettingError(f"{owner} {has}, but was given {shorten(name)}")
    if missing := [one for one in inputs if one.name not in given]:
        raise SettingError(needs(owner, missing))
    columns = {name: _column(known[name], values) for name, values in given.items()}
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1 and 1 in lengths and len(lengths) == 2:  # one text for many pictures
        most = max(lengths)
        columns = {name: c if len(c) == most else c.expand(most, *c.shape[1:]) for name, c in columns.items()}
    elif len(lengths) > 1:
        told = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise SettingError(f"the inputs of {owner} must be equally many, but are {told}")
    return columns


def needs(owner: str, inputs: Sequence[Input]) -> str:
    """What a generator needs that was not given, and how to give it."""
    ways = {"image": "--input FILE", "text": '--text "..."', "numbers": "from Python: sample(inputs=...)"}
    told = "; ".join(f"{one.name}{f' ({one.doc})' if one.doc else ''}: {ways[one.kind]}" for one in inputs)
    return f"{owner} makes samples of an input, which it does not carry along; give {told}"


def _column(one: Input, values: Any) -> Tensor:
    """A user's values as a column."""
    if one.kind == "text":
        from ganzoo_core.datasets.words import encode_known

        texts = [values] if isinstance(values, str) else list(values)
        return encode_known(texts, one)
    try:
        parts = values if isinstance(values, Tensor | np.ndarray) else [torch.as_tensor(np.asarray(v)) for v in values]
        column = torch.as_tensor(parts) if isinstance(parts, Tensor | np.ndarray) else torch.stack(parts)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{one.name} must be numbers, equally many in each row, but: {shorten(error)}") from error
    if column.dtype == torch.uint8 and one.kind == "image":
        column = column.float().div(127.5).sub(1)
    column = column.to("cpu", torch.float32)
    shape = tuple(column.shape[1:])
    if not len(column) or not column.isfinite().all() or not _fits(one, shape):
        size = f"(N, {one.shape[0]}, H, W) with sides that are multiples of {one.multiple}"
        wanted = size if one.any_size else f"(N, {', '.join(map(str, one.shape))})"
        raise DataError(f"{one.name} must be finite numbers {wanted}, but is {tuple(column.shape)}")
    if one.kind == "image" and float(column.abs().max()) > 1:
        raise DataError(f"{one.name} must be in [-1, 1], or uint8 from 0 to 255, but reaches {column.abs().max():g}")
    return column


def _fits(one: Input, shape: tuple[int, ...]) -> bool:
    if not one.any_size:
        return shape == one.shape
    sides = shape[1:]
    return len(shape) == 3 and shape[0] == one.shape[0] and all(s > 0 and s % one.multiple == 0 for s in sides)
