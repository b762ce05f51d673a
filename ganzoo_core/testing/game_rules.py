"""What every variant guarantees about its training, one rule each."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import inspect
import io
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn

from ganzoo_core.errors import shorten
from ganzoo_core.interfaces import columns_of, logits_of
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.generator_file import export, load
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing.cases import BATCH, Case
from ganzoo_core.testing.long_look import HostReads, findings
from ganzoo_core.testing.rules import batch_of
from ganzoo_core.testing.steps import NotShown, borders, telling_steps, turns
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.microbatches import total


def terms(case: Case) -> None:
    """Loss terms are scalars by name, finite, and lead back to the mover's parameters."""
    for player, turn in turns(case.engine()):
        found = player.terms(turn)
        assert isinstance(found, dict), f"expected the {player.name}'s terms as a dict, but {type(found).__name__}"
        for name, term in found.items():
            where = f"the {player.name}'s term {name!r}"
            assert isinstance(name, str), f"expected {where} to be named by a string"
            assert isinstance(term, Tensor) and term.ndim == 0 and not term.is_complex(), (
                f"expected {where} to be a scalar tensor; mean over the batch"
            )
            assert bool(term.isfinite()), f"expected {where} to be finite, but it is {float(term.detach())}"
        if found:
            assert total(found).requires_grad, f"expected the {player.name}'s loss to have a gradient; was it detached?"


def gradients(case: Case) -> None:
    """In each phase every parameter in play gets a finite gradient from a player who owns it, and from no other."""
    engine = case.engine()
    names = {id(p): f"{part}.{n}" for part, m in engine.networks.by_name().items() for n, p in m.named_parameters()}
    wanted: dict[tuple[str | None, int], str] = {}
    given: set[tuple[str | None, int]] = set()
    passing: set[tuple[str | None, str]] = set()
    for player, turn in turns(engine):
        found, phase = player.terms(turn), engine.stage.name
        if not found:
            passing.add((phase, player.name))
            continue
        for parameter in _all_parameters(engine):
            parameter.grad = None
        in_play = [p for p in player.parameters if p.requires_grad]
        total(found).backward(inputs=in_play)
        wanted |= {(phase, id(p)): player.name for p in in_play}
        for parameter in _all_parameters(engine):
            where = names.get(id(parameter), "a parameter")
            if parameter.grad is None:
                continue
            assert any(parameter is p for p in in_play), f"expected {player.name}'s turn to leave {where} alone"
            assert bool(parameter.grad.isfinite().all()), (
                f"expected a finite gradient of {where} in {player.name}'s turn"
            )
            given.add((phase, id(parameter)))
    for key, player_name in wanted.items():
        during = "" if key[0] is None else f" in the phase {key[0]}; switch it off there in begin_phase"
        assert key in given, f"expected {names[key[1]]} to get a gradient from {player_name}, but it gets none{during}"
    for player in engine.players:
        for parameter in player.parameters:
            shown = any(key == id(parameter) for _, key in wanted) or any(name == player.name for _, name in passing)
            assert shown, f"expected {names[id(parameter)]} to be in play in some phase, but it never is"
    _check_shown(engine, {player for _, player in passing}, wanted.values())


def moves(case: Case) -> None:
    """In a player's turn only its own parameters change, and they do change."""
    idle = set()
    for name in [player.name for player in case.engine().players]:
        engine = case.engine()
        step = next((s for s in telling_steps(engine) if _moves(engine, s, name)), None)
        if step is None:
            continue
        engine.go_to(step)
        before = {key: value.clone() for key, value in engine.state().items()}
        mover = next(player for player in engine.players if player.name == name)
        for player in engine.players:
            if player is not mover:
                player.terms = lambda turn: {}
        if not engine.train_step()[name].terms:
            idle.add(name)
            continue  # it passed
        owned = {id(p) for p in mover.parameters}
        for part, module in engine.networks.by_name().items():
            for key, parameter in module.named_parameters():
                changed = not torch.equal(before.get(f"{part}.{key}", parameter), parameter)
                assert changed <= (id(parameter) in owned), (
                    f"expected {name}'s turn to leave {part}.{key}, but it changed"
                )
        assert any(
            not torch.equal(before.get(f"{part}.{key}", parameter), parameter)
            for part, module in engine.networks.by_name().items()
            for key, parameter in module.named_parameters()
            if id(parameter) in owned
        ), f"expected {name} to move in its turn, but none of its parameters changed"
    if idle:
        raise NotShown(f"{', '.join(sorted(idle))} passed in every step that was looked at")


def _moves(engine: Engine, step: int, name: str) -> bool:
    engine.go_to(step)
    return any(player.name == name for player in engine.stage.movers(step))


def _check_shown(engine: Engine, passing: set[str], shown: Iterable[str]) -> None:
    """Raise `NotShown` for players who passed whenever they were looked at."""
    if silent := passing - set(shown):
        raise NotShown(f"{', '.join(sorted(silent))} passed in every step that was looked at")


def schedule(case: Case) -> None:
    """The discriminator is updated n_critic times a step, as the config says; begin_phase changes no tensor."""
    for n_critic in (1, 3):
        config = case.variant_class.Config(batch_size=BATCH, n_critic=n_critic)
        engine = Engine(case.variant_class(config), case.dataset, RunSettings(device="cpu"))
        steps = {player.name: player.steps for player in engine.players}
        assert steps.get("discriminator") == n_critic, (
            f"expected n_critic={n_critic} to give the discriminator {n_critic} updates a step, but found {steps}"
        )
    for border in borders(engine):
        before = {name: tensor.clone() for name, tensor in engine.state().items()}
        engine.go_to(border)
        for name, tensor in engine.state().items():
            assert torch.equal(before[name], tensor), (
                f"expected begin_phase({engine.stage.name!r}) to change no tensor, as a resume calls it too, but it "
                f"changes {name}"
            )


def no_host_sync(case: Case) -> None:
    """Loss and networks read no tensor's value on the host, by `.item()` or an `if`: it would stall a GPU."""
    engine = case.engine()
    allowed = int(engine.networks.loss.may_pass)
    for player, turn in turns(engine):
        with HostReads() as mode:
            player.terms(turn)
        assert mode.reads <= allowed, (
            f"expected the {player.name}'s turn to read {allowed or 'no'} tensor, but it reads {mode.reads}; "
            f".item() or F.one_hot? A loss that must read one to pass its turn states may_pass = True"
        )


def steady(case: Case) -> None:
    """Later steps keep the rules too: no value read, no other's weights changed, every term finite."""
    _found(case, "steady")


def stateless(case: Case) -> None:
    """A step changes registered tensors alone, so that a checkpoint holds all that a resume needs."""
    _found(case, "stateless")


def in_place(case: Case) -> None:
    """Tensors stay where they are, as a step recorded on a GPU works on the same memory each time."""
    _found(case, "in_place")


def _found(case: Case, rule: str) -> None:
    failure = findings(case).get(rule)
    assert failure is None, failure


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
    """A generator written and loaded makes the same samples, bit for bit."""
    engine = case.engine()
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
        cause = error
        while cause.__cause__ is not None and isinstance(cause.__cause__, Exception):
            cause = cause.__cause__
        said = next(iter(str(cause).strip().splitlines()), "")
        raise AssertionError(
            f"expected {type(generator).__name__} to be exported to ONNX, but {type(cause).__name__}: {shorten(said)}"
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
            where = (
                f"{player.name}/" if engine.stage.name is None else f"in the phase {engine.stage.name} {player.name}/"
            )
            records[-1] |= {f"{where}/{name}": float(term.detach()) for name, term in found.items()}
    for name, exact in records[0].items():
        rough = records[1].get(name, float("nan"))
        assert abs(exact - rough) <= 0.1 * (1 + abs(exact)), (
            f"expected {name} near {exact:.4f} in bf16, but {rough:.4f}"
        )


def joint_passes(case: Case) -> None:
    """If D says that it does not mix samples, one pass of real and fake equals two."""
    engine = case.engine()
    discriminator, batch = copy.deepcopy(engine.networks.discriminator), batch_of(engine)
    if discriminator.mixes_samples:
        return
    for layer in discriminator.modules():
        layer.train(not isinstance(layer, nn.modules.dropout._DropoutNd))  # which draws for each pass
    half = len(batch["real"]) // 2
    joint, *parts = (
        logits_of(discriminator(x["real"], x.get("labels"), **columns_of(discriminator, x)))
        for x in (batch, *({k: v[rows] for k, v in batch.items()} for rows in (slice(half), slice(half, None))))
    )
    apart = torch.cat(parts)
    difference = float((joint - apart).detach().abs().max())
    assert difference <= 1e-4, (
        f"expected one pass to equal two, but logits differ by {difference:.2g}; "
        f"let {type(discriminator).__name__}.mixes_samples return True"
    )


def _all_parameters(engine: Engine) -> list[torch.nn.Parameter]:
    return [p for module in engine.networks.by_name().values() for p in module.parameters()]


def _assert_equal(a: dict[str, Tensor], b: dict[str, Tensor], what: str) -> None:
    differing = [name for name in a if name not in b or not torch.equal(a[name], b[name])]
    assert not differing, f"expected equal weights of {what}, but {differing[0]} differs (of {len(differing)})"
