"""What every variant guarantees about its training, one rule each."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ganzoo_core.interfaces import Turn, columns_of, logits_of
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.generator_file import export, load
from ganzoo_core.storage import tensor_files
from ganzoo_core.testing.cases import BATCH, Case
from ganzoo_core.testing.rules import batch_of
from ganzoo_core.training.engine import Engine
from ganzoo_core.training.microbatches import total


def _turns(engine: Engine) -> Iterator[tuple[Any, Turn]]:
    """Each player of an engine with a turn of its own."""
    for player in engine.stage.players:
        (batch,) = engine._make_batch(engine.order.indices(engine.stage.batches_per_step - 1), is_shared=True)
        yield player, engine._turn(batch, player.name in engine.stage.owners)


def terms(case: Case) -> None:
    """Loss terms are scalars by name, finite, and lead back to the mover's parameters."""
    for player, turn in _turns(case.engine()):
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
    """Every parameter a player owns gets a finite gradient in its turn, and no other parameter gets any."""
    engine = case.engine()
    names = {id(p): f"{part}.{n}" for part, m in engine.networks.by_name().items() for n, p in m.named_parameters()}
    for player, turn in _turns(engine):
        found = player.terms(turn)
        if not found:
            continue
        for parameter in _all_parameters(engine):
            parameter.grad = None
        total(found).backward(inputs=player.parameters)
        owned = {id(p) for p in player.parameters}
        for parameter in _all_parameters(engine):
            where = names.get(id(parameter), "a parameter")
            if id(parameter) in owned:
                assert parameter.grad is not None, (
                    f"expected {where} to get a gradient from {player.name}, but it gets none"
                )
                assert bool(parameter.grad.isfinite().all()), (
                    f"expected a finite gradient of {where} in {player.name}'s turn"
                )
            else:
                assert parameter.grad is None, f"expected {player.name}'s turn to leave {where} alone"


def moves(case: Case) -> None:
    """In a player's turn only its own parameters change, and they do change."""
    for name in [player.name for player in case.engine().players]:
        engine = case.engine()
        before = {key: value.clone() for key, value in engine.state().items()}
        mover = next(player for player in engine.players if player.name == name)
        for player in engine.players:
            if player is not mover:
                player.terms = lambda turn: {}
        if not engine.train_step()[name].terms:
            continue  # it passed
        owned = {id(p) for p in mover.parameters}
        for part, module in engine.networks.by_name().items():
            for key, parameter in module.named_parameters():
                changed = not torch.equal(before[f"{part}.{key}"], parameter)
                assert changed <= (id(parameter) in owned), (
                    f"expected {name}'s turn to leave {part}.{key}, but it changed"
                )
        assert any(
            not torch.equal(before[f"{part}.{key}"], parameter)
            for part, module in engine.networks.by_name().items()
            for key, parameter in module.named_parameters()
            if id(parameter) in owned
        ), f"expected {name} to move in its turn, but none of its parameters changed"


def schedule(case: Case) -> None:
    """The discriminator is updated n_critic times a step, and the config may change that."""
    for n_critic in (1, 3):
        config = case.variant_class.Config(batch_size=BATCH, n_critic=n_critic)
        players = Engine(case.variant_class(config), case.dataset, RunSettings(device="cpu")).players
        steps = {player.name: player.steps for player in players}
        assert steps.get("discriminator") == n_critic, (
            f"expected n_critic={n_critic} to give the discriminator {n_critic} updates a step, but found {steps}"
        )


class _NoHostSync(TorchDispatchMode):
    """Notes each time a tensor's value is read on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.reads += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def no_host_sync(case: Case) -> None:
    """Loss and networks read no tensor's value on the host, by `.item()` or an `if`: it would stall a GPU."""
    engine = case.engine()
    allowed = int(engine.networks.loss.may_pass)
    for player, turn in _turns(engine):
        with _NoHostSync() as mode:
            player.terms(turn)
        assert mode.reads <= allowed, (
            f"expected the {player.name}'s turn to read {allowed or 'no'} tensor, but it reads {mode.reads}; "
            f".item() or F.one_hot? A loss that must read one to pass its turn states may_pass = True"
        )


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
    """A run that was saved and resumed ends bit for bit where the uninterrupted one ends."""
    whole, resumed = case.engine(), case.engine()
    for _ in range(2):
        whole.train_step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        tensor_files.save(path, "checkpoint", {"step": 2}, whole.state())
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


def precisions(case: Case) -> None:
    """float32 and bf16 give the same first losses, to a tenth."""
    records = []
    for precision in ("fp32", "bf16"):
        engine = case.engine(precision=precision)
        records.append(engine.measure(engine.train_step()))
    for name in records[0]:
        exact, rough = records[0][name], records[1].get(name, float("nan"))
        if "/" in name:
            assert abs(exact - rough) <= 0.1 * (1 + abs(exact)), (
                f"expected {name} near {exact:.4f} in bf16, but {rough:.4f}"
            )


def joint_passes(case: Case) -> None:
    """If D says that it does not mix samples, one pass of real and fake equals two."""
    engine = case.engine()
    discriminator, batch = copy.deepcopy(engine.networks.discriminator), batch_of(engine)
    if discriminator.mixes_samples:
        return
    discriminator.eval()  # dropout aside
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
