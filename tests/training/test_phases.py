"""Phases, lazy players, further and frozen networks: what moves when, and that a run resumed anywhere is the same."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from engines import PythonGraph, assert_equal, dataset, recorded, weights
from staged import Staged, StagedConfig, StagedDiscriminator, StagedLoss
from torch import nn

import ganzoo_core as ganzoo
from ganzoo_core import Frozen, Phase, Player
from ganzoo_core.errors import FileError, PluginError, SettingError
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.storage import tensor_files
from ganzoo_core.training import cuda_graph
from ganzoo_core.training.engine import Engine

GAME = {"discriminator", "generator", "encoder"}


def engine(variant=Staged, run: RunSettings | None = None, **config) -> Engine:
    return Engine(variant(StagedConfig(**config)), dataset(), run or RunSettings(device="cpu"))


def trained(e: Engine, steps: int) -> list[dict]:
    return [e.measure(e.train_step()) for _ in range(steps)]


def through_a_file(e: Engine, folder, restored: Engine) -> Engine:
    path = folder / "checkpoint.safetensors"
    tensor_files.save(path, "checkpoint", {"step": e.step}, e.state())
    header, tensors = tensor_files.load(path, "checkpoint")
    restored.restore(header["step"], tensors, path)
    return restored


def test_who_moves_in_which_phase_and_step():
    e = engine()
    moved = [set(e.train_step()) for _ in range(14)]
    assert moved[:5] == [{"pretrainer", "encoder"}] * 5
    assert moved[5:11] == [GAME, GAME | {"r1"}, GAME, GAME, GAME | {"r1"}, GAME]  # at the steps 6 and 9
    assert moved[11:] == [GAME, GAME | {"r1", "path"}, GAME]
    assert [stage.span.start for stage in e.stages] == [0, 5, 11]


def test_a_run_resumed_at_any_step_ends_where_the_uninterrupted_one_ends(tmp_path):
    whole = engine(n_critic=2)
    records, states = trained(whole, 0), [weights(whole)]
    for _ in range(20):
        records += trained(whole, 1)
        states.append(weights(whole))
    for step in range(20):
        path = tmp_path / "checkpoint.safetensors"
        tensor_files.save(path, "checkpoint", {"step": step}, states[step])
        resumed = engine(n_critic=2)
        resumed.restore(step, tensor_files.load(path, "checkpoint")[1], path)
        assert trained(resumed, 20 - step) == records[step:]
        assert_equal(weights(resumed), states[20])


def test_what_is_not_begun_is_not_computed_and_stays_as_it_was():
    e = engine()
    before = weights(e)
    trained(e, 11)
    at_the_border = weights(e)
    assert torch.equal(before["generator.high.weight"], at_the_border["generator.high.weight"])
    assert not torch.equal(before["generator.low.weight"], at_the_border["generator.low.weight"])
    assert e.networks.generator.high.weight.grad is None
    assert "optimizer.generator.4.step" not in at_the_border  # Adam has seen no gradient of it
    trained(e, 2)  # in the first, its fade is 0
    assert not torch.equal(before["generator.high.weight"], weights(e)["generator.high.weight"])
    assert e.average.is_high


def test_samples_follow_on_one_another_whatever_the_batch_size(monkeypatch):
    e = engine(n_critic=2)
    seen = []
    batch = e.dataset.batch
    monkeypatch.setattr(type(e.dataset), "batch", lambda self, chosen: seen.append(chosen) or batch(chosen))
    trained(e, 8)
    assert [len(chosen) for chosen in seen] == [8] * 5 + [16] * 6
    epochs = torch.cat(seen)[:128].view(2, 64)
    assert all(epoch.sort().values.tolist() == list(range(64)) for epoch in epochs)


def test_learning_rates_are_the_players_the_phases_and_the_groups():
    e = engine()
    rates = {p.name: [group["lr"] for group in p.optimizer.param_groups] for p in e.players}
    assert rates["pretrainer"] == [0.01]
    assert rates["encoder"] == [3e-3]
    assert rates["generator"] == pytest.approx([2e-4 * 0.01, 2e-4])
    trained(e, 6)
    assert e.players[0].optimizer.param_groups[0]["lr"] == 2e-4  # discriminator_lr, as there is no pretrainer_lr
    trained(e, 6)
    assert [group["lr"] for group in e.players[3].optimizer.param_groups] == pytest.approx([1e-3 * 0.01, 1e-3])
    assert not any(".group." in name for name in e.state())  # the phase's rates are no schedule
    e.players[3].optimizer.param_groups[1]["lr"] = 5e-4
    assert [name for name in e.state() if ".group." in name] == ["optimizer.generator.group.1.lr"]


def test_lr_of_a_new_player_and_a_name_that_nothing_begins_with():
    variant = Staged()
    networks = engine().networks
    from ganzoo_core.interfaces import new_player

    player = new_player(variant, "generator", [networks.generator], lambda turn: {}, lr=0.5, lr_factors={"low.": 2.0})
    assert [group["lr"] for group in player.optimizer.param_groups] == [0.5, 1.0]
    assert len(player.parameters) == 6
    with pytest.raises(PluginError, match="names 'styles', but its parameters begin with high, low"):
        new_player(variant, "x", [networks.generator], lambda turn: {}, lr_factors={"styles": 0.1})


def test_the_last_terms_of_a_lazy_player_are_on_every_line():
    e = engine()
    records = trained(e, 20)
    assert "r1/r1" not in records[5]  # it has not moved yet
    lines = [record.get("r1/r1") for record in records[6:]]
    assert lines[0] == lines[1] == lines[2] != lines[3] == lines[4]
    assert all("path/path" in record for record in records[12:])
    assert not any("pretrainer/content" in record for record in records[5:])
    assert all("r1/r1" not in record for record in records[:5])


def test_a_turn_knows_phase_step_and_progress():
    seen = []

    class Watching(StagedLoss):
        def encoding(self, turn):
            seen.append((turn.phase, turn.step.item(), turn.step.dtype, round(turn.progress.item(), 3)))
            return super().encoding(turn)

    class Watched(Staged):
        def loss(self):
            return Watching((2,))

        def derive(self, batch, rng, phase):
            assert phase in ("warm", "low", "high")
            return batch

    trained(engine(Watched), 13)
    assert seen[0] == ("warm", 0, torch.int64, 0.0)
    assert seen[4] == ("warm", 4, torch.int64, 0.8)
    assert seen[5] == ("low", 5, torch.int64, 0.0)
    assert seen[12] == ("high", 12, torch.int64, round(1 / 9, 3))


def test_further_networks_are_saved_and_averaged():
    e = engine()
    before = weights(e)
    trained(e, 8)
    after = weights(e)
    for name in ("encoder.weight", "average_encoder.weight", "average.low.weight"):
        assert not torch.equal(before[name], after[name]), name
    assert e.parameter_counts()["encoder"] == 12


def test_a_frozen_network_is_kept_by_digest(tmp_path):
    e = engine()
    trained(e, 2)
    state = e.state()
    assert not any("features" in name and not name.startswith("frozen.") for name in state)
    assert state["frozen.loss.features"].shape == (16,)
    frozen = e.networks.loss.features
    assert not frozen.train().network.training and not any(p.requires_grad for p in frozen.parameters())

    class Other(Staged):
        def loss(self):
            loss = StagedLoss((2,))
            nn.init.zeros_(loss.features.network[1].bias)
            return loss

    with pytest.raises(FileError, match="the frozen network loss.features is another than it was begun"):
        through_a_file(e, tmp_path, engine(Other))


def test_a_frozen_part_of_a_network_is_neither_owned_nor_in_a_checkpoint_but_in_the_generators_state():
    network = nn.Sequential(nn.Linear(2, 2), Frozen(nn.Linear(2, 2)))
    from ganzoo_core.interfaces import new_player
    from ganzoo_core.networks import own_state

    assert list(own_state(network)) == ["0.weight", "0.bias"]
    assert len(network.state_dict()) == 4
    assert len(new_player(Staged(), "x", [network], lambda turn: {}).parameters) == 2


@pytest.mark.parametrize("n_critic", [1, 2])
def test_replayed_steps_equal_played_ones(n_critic):
    """A graph for each combination of phase and movers: warm, low with and without r1, high with r1 and path or not."""
    steps = 60
    played, replayed = engine(steps=steps, n_critic=n_critic), engine(steps=steps, n_critic=n_critic)
    recorded(replayed)
    assert trained(played, steps) == trained(replayed, steps)
    assert_equal(weights(played), weights(replayed))
    assert len(replayed._plays) == 1 + 2 + 4
    replays = {key: play.graph.replays for key, play in replayed._plays.items()}
    assert replays[("warm", "pretrainer", "encoder")] == 5 - cuda_graph.WARM_UP_STEPS
    assert sum(replays.values()) > 30 and all(isinstance(p.graph, PythonGraph) for p in replayed._plays.values())


def test_accumulation_gives_the_numbers_of_one():
    whole, parts = engine(), engine(run=RunSettings(device="cpu", accumulate=4))
    for a, b in zip(trained(whole, 14), trained(parts, 14), strict=True):
        assert a == pytest.approx(b, rel=1e-3, abs=1e-4)
    a, b = weights(whole), weights(parts)
    assert a["loss.turns"] == b["loss.turns"] == 9  # the same in each microbatch
    assert a["loss.seen"] == b["loss.seen"] == 9 * 16  # their sum
    torch.testing.assert_close(a["loss.mean_logit"], b["loss.mean_logit"], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(a["generator.low.weight"], b["generator.low.weight"], rtol=1e-3, atol=1e-3)


def test_what_mixes_samples_is_told_where_a_batch_is_split(caplog):
    class Mixing(StagedDiscriminator):
        mixes_samples = True

    class Pulling(StagedLoss):
        mixes_samples = True

    class Mixed(Staged):
        def discriminator(self, data):
            return Mixing(data.shape, 4)

        def loss(self):
            return Pulling((2,))

    with caplog.at_level(logging.WARNING, "ganzoo"):
        engine(Mixed, low_steps=1)
        assert not caplog.messages
        engine(Mixed, RunSettings(device="cpu", accumulate=2))
    assert caplog.messages[-1] == (
        "what Mixing and Pulling takes over a mini-batch, it takes over each of its 2 parts of 16 samples: this is "
        "another game than in one part"
    ).replace("16", "8")


def test_samples_and_logits_are_float32_in_bf16():
    seen = {}

    class Watching(StagedLoss):
        def for_generator(self, turn):
            seen.update(fake=turn.fake, made=turn.generate(), judged=turn.on_fake, critic=turn.critic(turn.real))
            return super().for_generator(turn)

    class Watched(Staged):
        def loss(self):
            return Watching((2,))

    e = engine(Watched, RunSettings(device="cpu", precision="bf16"))
    records = trained(e, 7)
    assert {name: tensor.dtype for name, tensor in seen.items()} == dict.fromkeys(seen, torch.float32)
    assert any(value * 256 != round(value * 256) for value in records[-1].values())


def phased(*found, players=None):
    class Phased(Staged):
        def phases(self, data):
            return found

        def players(self, networks):
            made = super().players(networks)
            return made if players is None else players(made)

    return Phased


THREE = (Phase("warm", 5), Phase("low", 6), Phase("high"))
WRONG = [
    ((1, 2), None, r"staged.phases must give Phases, but gives \(1, 2\)"),
    ((Phase("warm", 0), Phase("low")), None, "the steps of the phase 'warm' of staged must be a positive whole num"),
    ((Phase("warm", 3),), None, "the steps of the phase 'warm' of staged must be None, as the last one ends"),
    ((Phase("", 3), Phase("low")), None, "the name of the phase '' of staged must be text, but is ''"),
    ((Phase("a", 3, batch_size=0), Phase("low")), None, "the batch_size of the phase 'a' of staged must be"),
    ((Phase("a", 3, learning_rates={"g": -1}), Phase("b")), None, "the learning_rates of the phase 'a' of staged must"),
    ((Phase("a", 3), Phase("a")), None, r"each phase of staged must have a name of its own, but they are \['a', 'a'\]"),
    ((Phase("warm", 3), Phase("low")), None, "moves in the phase 'high', but the phases are warm, low"),
    ((*THREE[:2], Phase("high", learning_rates={"x": 1.0})), None, "the phase high gives a learning rate to x, but"),
    (THREE, lambda made: [made[0], made[3]], None),
    (THREE, lambda made: [made[0]], "a player must move in each phase, but none moves in low"),
    (THREE, lambda made: [*made, replace(made[0], name="y", every=0)], "every of the player y must be a positive"),
    (THREE, lambda made: [*made, replace(made[0], name="y", phases=["warm"])], "phases of the player y must be"),
]  # fmt: skip


@pytest.mark.parametrize(("phases", "players", "message"), WRONG)
def test_what_can_be_no_phase_is_told(phases, players, message):
    if message is None:
        assert len(trained(engine(phased(*phases, players=players)), 7)) == 7
        return
    with pytest.raises(PluginError, match=message):
        engine(phased(*phases, players=players))


def test_a_player_without_a_parameter_in_play_is_told():
    class Idle(Staged):
        def generator(self, data):
            made = super().generator(data)
            made.begin_phase = lambda phase: made.requires_grad_(phase == "low")
            return made

    with pytest.raises(PluginError, match="must have parameters in play in the phase warm, but none"):
        engine(Idle)


@pytest.mark.parametrize(
    ("networks", "averaged", "message"),
    [
        ([nn.Linear(2, 2)], (), "further_networks must give modules by name, but gives list"),
        ({"encoder": 3}, (), "further_networks must give modules by name, but gives dict"),
        ({"a b": nn.Linear(2, 2)}, (), "must be named by an identifier that begins with none of generator"),
        ({"average_x": nn.Linear(2, 2)}, (), "but one is called 'average_x'"),
        ({}, ("encoder",), "averaged must name networks, generator, discriminator, but names 'encoder'"),
        ({}, ("loss",), "averaged must name networks, generator, discriminator, but names 'loss'"),
    ],
)  # fmt: skip
def test_what_can_be_no_further_network_is_told(networks, averaged, message):
    class Further(Staged):
        def further_networks(self, data):
            return networks

    Further.averaged = averaged
    with pytest.raises(PluginError, match=message):
        engine(Further)


def test_who_owns_a_frozen_parameter_is_told():
    def players(made):
        loss = made[0].terms.__self__
        frozen = list(loss.features.parameters())
        for p in frozen:
            p.requires_grad_()
        return [*made, Player("x", frozen, torch.optim.SGD(frozen, lr=0.1), loss.r1)]

    with pytest.raises(PluginError, match="must own parameters of the networks that are not Frozen, but owns"):
        engine(phased(*THREE, players=players))


def test_a_checkpoint_with_terms_that_no_lazy_player_has_is_refused(tmp_path):
    e = engine()
    state = weights(e) | {"carried.generator/adversarial": torch.zeros(())}
    with pytest.raises(FileError, match="it has an unknown tensor generator/adversarial"):
        engine().restore(0, state, tmp_path / "x")


@pytest.fixture
def staged(plugin_site, in_tmp):
    plugin_site.install("ganzoo-staged", {}, {"staged": "staged"})


def run(**settings):
    return ganzoo.train("staged", data="ring8", device="cpu", progress=False, log_every=1, **settings)


def test_runs_and_their_generators(staged, caplog):
    begun = run(steps=8, out="begun")
    assert begun.generator().module.is_high is False
    assert begun.info["settings"]["warm_steps"] == 5
    assert "the phase high begins after step 11, and the run ends at step 8: give more --steps" in caplog.text
    whole = run(steps=14, out="whole")
    resumed = ganzoo.train(resume="begun", steps=14, progress=False)
    assert resumed.generator().module.is_high
    (_, a), (_, b) = (tensor_files.load(r.folder / "checkpoint.safetensors", "checkpoint") for r in (whole, resumed))
    assert a.keys() == b.keys()  # what progress says of a run's last phase differs with its end
    assert torch.equal(whole.sample(4).values, ganzoo.load("whole").sample(4).values)
    header, tensors = tensor_files.load(whole.folder / "generator.safetensors", "generator")
    assert header["phase"] == "high"
    tensor_files.save(whole.folder / "generator.safetensors", "generator", header | {"phase": "higher"}, tensors)
    with pytest.raises(FileError, match="its phase must be one of warm, low, high, but is 'higher'"):
        ganzoo.load("whole")


def test_the_borders_behind_a_run_stay(staged):
    run(steps=8, out="begun")
    with pytest.raises(
        SettingError,
        match="stands at step 8, and its phases can't be others before it: .*warm_steps was 5 and would be 3, which",
    ):
        ganzoo.train(resume="begun", steps=14, texts={"warm_steps": "3"}, progress=False)
    ganzoo.train(resume="begun", steps=9, texts={"low_steps": "7"}, progress=False)
