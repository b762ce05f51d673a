"""What every variant guarantees about a run as a whole: repeated, resumed, split, exported; a rule each."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import inspect
import io
import tempfile
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from ganzoo_core.errors import shorten
from ganzoo_core.guards.faults import frames, module_of, place
from ganzoo_core.interfaces import columns_of, logits_of
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.generator_file import export, load
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing.cases import Case
from ganzoo_core.testing.rules import batch_of
from ganzoo_core.testing.steps import NotShown, borders, turns
from ganzoo_core.training.engine import Engine


def repeatable(case: Case) -> None:
    """The same seed gives the same weights, whatever the process did before."""
    states = []
    for junk in (1, 2):
        engine = case.engine()
        torch.manual_seed(junk)
        engine.train_step()
        engine.train_step()
        states.append(engine.state())
    _assert_equal(states[0], states[1], "two runs of one seed")


def resumable(case: Case) -> None:
    """A run that was saved and resumed ends bit for bit where the uninterrupted one ends, at each border too."""
    _check_resumed(case, 0, 2)
    for border in borders(case.engine()):
        for saved in (border - 1, border, border + 1):
            _check_resumed(case, max(0, border - 1), saved)


def _check_resumed(case: Case, first: int, saved: int) -> None:
    """Train from step `first` on, save at `saved`, and go on for two steps with and without a resume."""
    whole, resumed = case.engine(), case.engine()
    whole.go_to(first)
    while whole.step < saved:
        whole.train_step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        tensor_files.save(path, "checkpoint", {"step": saved}, whole.state())
        header, tensors = tensor_files.load(path, "checkpoint")
    resumed.restore(header["step"], tensors, path)
    for _ in range(2):
        whole.train_step()
        resumed.train_step()
    _assert_equal(
        whole.state(),
        resumed.state(),
        "resumed and uninterrupted; keep state in the loss's buffers or as numbers in optimizer.param_groups",
    )


def exportable(case: Case) -> None:
    """A generator written and loaded makes the same samples, bit for bit, in each phase."""
    for stage in case.engine().stages:
        _check_exported(case, stage.span.start)


def _check_exported(case: Case, step: int) -> None:
    """Export the generator that a step leaves, and load it."""
    engine = case.engine()
    engine.go_to(step)
    engine.train_step()
    batch = batch_of(engine)
    n, columns = len(batch["real"]), {one.name: batch[one.name] for one in engine.inputs}
    labels = batch["labels"] if case.variant_class.conditional else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.safetensors"
        export(path, engine.sampler, case.plugin, case.new_variant(), case.spec, engine.step, engine.stage.name)
        loaded = load(path)
    ours = generate(engine.sampler, n, labels, 0, engine.device, columns=columns)
    theirs = generate(loaded.module, n, labels, 0, engine.device, columns=columns)
    assert torch.equal(ours, theirs), (
        "expected a loaded generator to make the same samples; is all its state registered?"
    )


def portable(case: Case) -> None:
    """The generator can be exported to ONNX, for programs without PyTorch."""
    if lacking := [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]:
        raise NotShown(f"{' and '.join(lacking)} is not installed")
    engine = case.engine()
    engine.go_to(engine.stages[-1].span.start)
    batch, generator = batch_of(engine), copy.deepcopy(engine.sampler).eval()
    z = generator.latent(2, torch.Generator().manual_seed(0))
    labels = batch["labels"][:2] if case.variant_class.conditional else None
    given = {name: column[:2] for name, column in columns_of(generator, batch).items()}
    several = {0: torch.export.Dim.DYNAMIC}
    first, second, *_ = inspect.signature(generator.forward).parameters
    shapes = {first: several, second: None if labels is None else several} | dict.fromkeys(given, several)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(generator, (z, labels), kwargs=given, dynamic_shapes=shapes, dynamo=True, verbose=False)
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        said = shorten(" ".join(str(cause).split()), 240)
        own = [frame for frame in frames(cause) if module_of(frame).partition(".")[0] not in ("torch", "ganzoo_core")]
        at = f" at {place(own[-1])}" if own else ""
        raise AssertionError(
            f"expected {type(generator).__name__} to be exported to ONNX, but {type(cause).__name__}{at}: {said}; look "
            f"for len(z), a loop over samples, an `if` on a tensor"
        ) from error


def splits(case: Case) -> None:
    """Two halves of a mini-batch give the gradients of the whole, unless D or the loss states that it mixes samples."""
    whole = case.engine()
    discriminator, loss = whole.networks.discriminator, whole.networks.loss
    mixing = [type(part).__name__ for part in (discriminator, loss) if part.mixes_samples]
    mixing += [type(loss).__name__] if loss.may_pass or dict(loss.named_buffers()).keys() - loss.joins.keys() else []
    mixing += [name for name, m in whole.networks.by_name().items() if any(map(_is_norm_of_batch, m.modules()))]
    if mixing:
        return
    parts = Engine(case.new_variant(), case.dataset, RunSettings(device="cpu", precision="fp32", accumulate=2))
    other = case.engine()
    other.microbatches.begin_step = lambda seed: torch.manual_seed(1)  # type: ignore[method-assign,assignment]
    records = []
    for engine in (whole, parts, other):
        for module in engine.networks.by_name().values():
            for layer in module.modules():
                if isinstance(layer, nn.modules.dropout._DropoutNd):
                    layer.p = 0.0
        records.append(engine.measure(engine.train_step()))
    a, b, c = records
    for name, value in a.items():
        is_random = value != c[name]  # drawn in a turn, as a network's own noise is: of each part anew
        if ("/" in name or name == "generator_gradient") and not is_random:
            assert abs(value - b[name]) <= 1e-3 * (1 + abs(value)), (
                f"expected {name} to be the same over two halves of a mini-batch, but it is {value:.4f} and "
                f"{b[name]:.4f}; let {type(loss).__name__}.mixes_samples be True"
            )


def _is_norm_of_batch(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


def precisions(case: Case) -> None:
    """float32 and bf16 give the same losses before anyone has moved, to a tenth."""
    records: list[dict[str, float]] = []
    for precision in ("fp32", "bf16"):
        engine = case.engine(precision=precision)
        records.append({})
        for player, turn in turns(engine):
            with engine._autocast():
                found = player.terms(turn)
            during = "" if engine.stage.name is None else f" in the phase {engine.stage.name}"
            records[-1] |= {f"{player.name}/{name}{during}": float(term.detach()) for name, term in found.items()}
    for name, exact in records[0].items():
        rough = records[1].get(name, float("nan"))
        assert abs(exact - rough) <= 0.1 * (1 + abs(exact)), (
            f"expected {name} near {exact:.4f} in bf16, but {rough:.4f}"
        )


def joint_passes(case: Case) -> None:
    """If D says that it does not mix samples, one pass of real and fake equals two."""
    engine = case.engine()
    discriminator, batch = engine.networks.discriminator, batch_of(engine)
    if discriminator.mixes_samples:
        return
    whole, half = slice(None), len(batch["real"]) // 2
    joint = _judged(discriminator, batch, whole)
    if not torch.equal(joint, _judged(discriminator, batch, whole, seed=1)):  # noise of its own, where it trains
        discriminator.eval()
        joint = _judged(discriminator, batch, whole)
    apart = torch.cat([_judged(discriminator, batch, rows) for rows in (slice(half), slice(half, None))])
    difference = float((joint - apart).abs().max())
    assert difference <= 1e-4, (
        f"expected one pass to equal two, but logits differ by {difference:.2g}; "
        f"let {type(discriminator).__name__}.mixes_samples return True"
    )


def _judged(discriminator: nn.Module, batch: dict[str, Tensor], rows: slice, seed: int = 0) -> Tensor:
    """Logits of some rows by a copy of D, which begins with the same state each time; dropout aside."""
    judge, x = copy.deepcopy(discriminator), {name: column[rows] for name, column in batch.items()}
    for layer in judge.modules():
        if isinstance(layer, nn.modules.dropout._DropoutNd):
            layer.eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        return logits_of(judge(x["real"], x.get("labels"), **columns_of(judge, x)))


def _assert_equal(a: dict[str, Tensor], b: dict[str, Tensor], what: str) -> None:
    differing = [name for name in a if name not in b or not torch.equal(a[name], b[name])]
    assert not differing, f"expected equal weights of {what}, but {differing[0]} differs (of {len(differing)})"
