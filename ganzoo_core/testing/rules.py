"""What every variant promises of its package and its networks, a rule each.

A rule raises `AssertionError`: what was expected, found, where to look.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ganzoo_core.dataspec import Input
from ganzoo_core.errors import SettingError
from ganzoo_core.interfaces import Discriminator, Generator, Loss, columns_of, logits_of
from ganzoo_core.registry import registry
from ganzoo_core.runs.own import UNPUBLISHED
from ganzoo_core.runs.plan import clash
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.generator_file import load
from ganzoo_core.settings import Settings
from ganzoo_core.testing.cases import Case, Cases
from ganzoo_core.testing.steps import NotShown
from ganzoo_core.training.engine import Engine
from ganzoo_core.variant import Config


def data(found: Cases) -> None:
    """The variant's check_data takes data or refuses it by a DataError, and its package's own data sets load."""
    for error in found.faults.values():
        raise error


def light_import(case: Case) -> None:
    """The plugin's package imports neither torch nor numpy, so that listing stays instant."""
    module = case.variant_class.__module__
    if case.plugin.is_own:
        raise NotShown("it is in no package, which `ganzoo list` would import")
    code = f"import sys, {module}; print(*sorted({{'torch', 'numpy'}} & set(sys.modules)))"
    path = f"import sys; sys.path[:] = {sys.path!r}; "
    command = [sys.executable, "-P", "-c", path + code]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert done.returncode == 0, f"expected {module} to import, but: {done.stderr.strip().splitlines()[-1]}"
    heavy = done.stdout.split()
    assert not heavy, (
        f"expected {module} to import no torch, but it imports {' and '.join(heavy)}; import networks in the factories"
    )


def metadata(case: Case) -> None:
    """Name, title, paper and year are stated, the default data exists, hyperparameters have docs and unique names."""
    variant = case.variant_class
    is_told = not (case.plugin.is_own and variant.paper == UNPUBLISHED)
    assert not is_told or re.search(r"arXiv:\d{4}\.\d{4,5}|doi:|https?://", variant.paper), (
        f"expected {variant.__name__}.paper to be arXiv:..., doi:... or an address, but it is {variant.paper!r}"
    )
    assert 1950 < variant.year < 2100, f"expected {variant.__name__}.year to be a year, but it is {variant.year}"
    assert variant.__doc__ or case.plugin.is_own, f"expected {variant.__name__} to have a docstring"
    assert variant.default_data in registry().datasets(), (
        f"expected {variant.__name__}.default_data to be a data set that `ganzoo data` lists, "
        f"but it is {variant.default_data!r}"
    )
    for option in variant.Config.options():
        assert option.doc, f"expected {variant.Config.__name__}.{option.name} to have a doc; declare it with option()"
    taken = Config.names() | variant.Config.names() | RunSettings.names() | set(inspect.signature(load).parameters)
    for option in variant.Sampling.options():
        where = f"{variant.Sampling.__name__}.{option.name}"
        assert option.doc, f"expected {where} to have a doc; declare it with option()"
        assert option.name not in taken, f"expected {where} to have a name of its own, but {option.name} is taken"
    for source, plugin in registry().datasets().values():
        if plugin.is_core or plugin.package == case.plugin.package:
            shared = clash(variant, case.plugin, source, plugin)
            assert shared is None, f"expected every setting to have one owner, but {shared}"


def parts(case: Case) -> None:
    """The factories give a Generator, a Discriminator and a Loss."""
    variant = case.new_variant()
    made = (variant.generator(case.spec), variant.discriminator(case.spec), variant.loss())
    for part, kind in zip(made, (Generator, Discriminator, Loss), strict=True):
        assert isinstance(part, kind), f"expected a {kind.__name__}, but found {type(part).__name__}"


def samples(case: Case) -> None:
    """G gives finite float32 samples of the data's shape in [-1, 1], the same for the same latents, at any options."""
    engine = case.engine()
    generator, batch = engine.networks.generator, batch_of(engine)
    n = len(batch["real"])
    z = generator.latent(n, torch.Generator().manual_seed(0))
    again = generator.latent(n, torch.Generator().manual_seed(0))
    where = f"{type(generator).__name__}.forward on {case.spec.name}"
    kind = type(z).__name__
    assert isinstance(z, Tensor), f"expected {type(generator).__name__}.latent to give a tensor, but it gives {kind}"
    if generator.latent_range is not None and z.is_floating_point():
        low, high = generator.latent_range
        inside = ((low <= z) & (z <= high)).float().mean()
        assert not inside < 0.9, (
            f"expected latents within {type(generator).__name__}.latent_range, {low:g} to {high:g}, but "
            f"{1 - inside:.0%} of their numbers are not"
        )
    assert len(z) == n, f"expected latent({n}, rng) to give {n} latents, but it gives {len(z)}"
    assert torch.equal(z, again), (
        f"expected {type(generator).__name__}.latent to draw from rng alone; look for torch.rand"
    )
    given, wanted = columns_of(generator, batch), (n, *case.spec.shape)
    _check_samples(generator(z, batch.get("labels"), **given), wanted, where)
    generator.eval()
    for options in other_values(case.variant_class.Sampling):
        generator.sampling = options
        told = ", ".join(f"{name}={value}" for name, value in options.to_dict().items())
        _check_samples(_made(generator, z, batch, given), wanted, f"{where} with {told}")


def other_values(options: type[Settings]) -> Iterator[Settings]:
    """Options of sampling, of which one has another value than by default: another choice, or the end of its range."""
    for name, made in options.__dataclass_fields__.items():
        rule, default = made.metadata, made.default
        values = [*(rule.get("choices") or ()), rule.get("minimum"), rule.get("maximum")]
        values += [not default] if isinstance(default, bool) else []
        for value in values:
            if value is not None and value != default:
                with contextlib.suppress(SettingError, ValueError):  # of a rule across fields
                    yield options.from_dict({name: value})


def _check_samples(x: object, wanted: tuple[int, ...], where: str) -> None:
    assert isinstance(x, Tensor), f"expected {where} to give a tensor, but found {type(x).__name__}"
    assert x.shape == wanted, f"expected {where} to give {wanted}, but {x.shape}"
    assert x.dtype == torch.float32, f"expected {where} to give float32, but {x.dtype}"
    assert bool(x.isfinite().all()), f"expected {where} to give finite numbers"
    assert float(x.detach().abs().max()) <= 1, (
        f"expected {where} to stay in [-1, 1], but found {float(x.detach().abs().max()):.3f}; tanh?"
    )


def logits(case: Case) -> None:
    """D gives finite logits (N,), or (N, ...) of patches, alone or first in a named tuple."""
    engine = case.engine()
    discriminator, batch = engine.networks.discriminator, batch_of(engine)
    n = len(batch["real"])
    output = discriminator(batch["real"], batch.get("labels"), **columns_of(discriminator, batch))
    where = f"{type(discriminator).__name__}.forward on {case.spec.name}"
    assert isinstance(output, Tensor) or hasattr(output, "_fields"), (
        f"expected {where} to give a tensor or a named tuple, but found {type(output).__name__}"
    )
    found = logits_of(output)
    is_right = found.ndim > 0 and len(found) == n and tuple(found.shape[1:]) != (1,)
    assert is_right, f"expected {where} to give logits ({n},) or of patches, but {tuple(found.shape)}; squeeze(1)?"
    assert found.dtype == torch.float32, f"expected {where} to give float32, but {found.dtype}"
    assert bool(found.isfinite().all()), f"expected {where} to give finite logits"


def condition(case: Case) -> None:
    """A conditional generator's output depends on its label; an unconditional one works without."""
    engine = case.engine()
    generator, batch = engine.networks.generator.eval(), batch_of(engine)
    n, given = len(batch["real"]), columns_of(generator, batch)
    z = generator.latent(n, torch.Generator().manual_seed(0))
    if not case.variant_class.conditional:
        generator(z, **given)
        return
    first, second = (generator(z, torch.full((n,), label), **given) for label in (0, 1))
    assert not torch.equal(first, second), (
        "expected two labels to give two samples, but forward(z, labels) ignores them"
    )


def inputs(case: Case) -> None:
    """What G takes besides is as described, counts for its samples, and may be of other sizes if it says so."""
    engine = case.engine()
    generator, batch = engine.networks.generator.eval(), batch_of(engine)
    z = generator.latent(len(batch["real"]), torch.Generator().manual_seed(0))
    given = columns_of(generator, batch)
    for one in engine.inputs:
        column, kind = batch[one.name], torch.int64 if one.kind == "text" else torch.float32
        assert (tuple(column.shape[1:]), column.dtype) == (one.shape, kind), (
            f"expected inputs(data) to describe {one.name} as it comes, {tuple(column.shape[1:])} of {column.dtype}, "
            f"but it says {one.shape} of {kind}"
        )
        other = (column + 1) % (len(one.names) + 1) if one.kind == "text" else -column
        made = [_made(generator, z, batch, given | {one.name: values}) for values in (column, other)]
        assert not torch.equal(*made), f"expected another {one.name} to give other samples, but forward ignores it"
        if one.any_size:
            _check_sizes(generator, z, batch, given, one)


def _made(generator: nn.Module, z: Tensor, batch: dict[str, Tensor], given: dict[str, Tensor]) -> Tensor:
    """Samples without any noise but z: what else is drawn is drawn alike."""
    torch.manual_seed(0)
    with torch.no_grad():
        made: Tensor = generator(z, batch.get("labels"), **given)
    return made


def _check_sizes(
    generator: nn.Module, z: Tensor, batch: dict[str, Tensor], given: dict[str, Tensor], one: Input
) -> None:
    """Whether a larger image of any size makes a sample that is larger as much."""
    height, width = one.shape[1:]
    larger = height + one.multiple, width + 2 * one.multiple
    image = nn.functional.interpolate(given[one.name], size=larger)
    found = _made(generator, z, batch, given | {one.name: image}).shape[-2:]
    usual = batch["real"].shape[-2:]
    wanted = tuple(side * new // old for side, new, old in zip(usual, larger, (height, width), strict=True))
    assert tuple(found) == wanted, (
        f"expected a {one.name} of {larger[0]}x{larger[1]} to give samples of {wanted[0]}x{wanted[1]}, as any size "
        f"that is a multiple of {one.multiple} will do, but found {found[0]}x{found[1]}"
    )


def batch_of(engine: Engine) -> dict[str, Tensor]:
    """The columns of an engine's first mini-batch."""
    (columns,) = engine._columns(engine.order.indices(0))
    return columns
