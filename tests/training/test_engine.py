"""The training step: who is updated, how often, on what, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from engines import CONFIG, assert_equal, dataset, engine, weights
from ganzoo_toy import Toy, ToyConditional

from ganzoo_core.data import Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, PluginError, TrainingError
from ganzoo_core.runs.run_settings import RunSettings
from ganzoo_core.sampling import devices
from ganzoo_core.sampling.devices import pick_precision
from ganzoo_core.training.engine import Engine


def test_a_step_moves_every_player_and_counts():
    e = engine()
    before = weights(e)
    updates = e.train_step()
    after = weights(e)
    assert e.step == 1
    assert set(updates) == {"discriminator", "generator"}
    for name in ("generator.hidden.weight", "discriminator.hidden.weight", "discriminator.output.bias"):
        assert not torch.equal(before[name], after[name])


@pytest.mark.parametrize("mover", ["discriminator", "generator"])
def test_only_the_mover_collects_gradients_and_changes(mover):
    e = engine()
    e.stage.players = [player for player in e.players if player.name == mover]
    before = weights(e)
    e.train_step()
    other = "generator" if mover == "discriminator" else "discriminator"
    assert all(p.grad is None for p in getattr(e.networks, other).parameters())
    assert all(p.grad is not None for p in getattr(e.networks, mover).parameters())
    after = weights(e)
    changed = {name.split(".")[0] for name in before if "running" not in name and "tracked" not in name
               and not torch.equal(before[name], after[name])}  # fmt: skip
    assert changed - {"loss", "optimizer"} == {mover}


def test_n_critic_discriminator_updates_on_as_many_batches(monkeypatch):
    e = engine(n_critic=3)
    asked = []
    indices = e.order.indices
    monkeypatch.setattr(e.order, "indices", lambda number: asked.append(number) or indices(number))
    moved = []
    for player in e.players:
        step = player.optimizer.step
        monkeypatch.setattr(player.optimizer, "step", lambda s=step, n=player.name: (moved.append(n), s()))
    e.train_step()
    e.train_step()
    assert asked == [0, 1, 2, 3, 4, 5]
    assert moved == (["discriminator"] * 3 + ["generator"]) * 2
    assert e.networks.loss.turns == 6


@pytest.mark.parametrize("n_critic", [1, 3])
def test_the_generator_runs_once_per_batch(monkeypatch, n_critic):
    e = engine(n_critic=n_critic)
    calls = []
    e.networks.generator.register_forward_hook(lambda *_: calls.append(1))
    e.train_step()
    assert len(calls) == n_critic, "the generator's turn must reuse the last batch's fakes"


def test_sharing_fakes_equals_computing_them_again(monkeypatch):
    """The generator's gradient through the shared pass is that of a fresh one, as it has not moved in between."""
    from ganzoo_core.interfaces import Batch

    shared, fresh = engine(), engine()
    for e in (shared, fresh):  # BatchNorm's statistics and dropout would tell two passes from one
        e.networks.discriminator.dropout.p = 0.0
    shared.train_step()
    original = Batch.fake
    monkeypatch.setattr(Batch, "fake", lambda self, with_graph: (self.forget(), original(self, with_graph))[1])
    fresh.train_step()
    for a, b in zip(shared.networks.generator.parameters(), fresh.networks.generator.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_an_empty_dict_passes_the_turn():
    e = engine()
    e.players[0].terms = lambda turn: {}
    before = weights(e)
    updates = e.train_step()
    assert [name for name, move in updates.items() if not move.terms] == ["discriminator"]
    assert torch.equal(before["discriminator.hidden.weight"], weights(e)["discriminator.hidden.weight"])
    assert set(e.measure(updates)) == {"step", "generator/adversarial", "generator_gradient"}


def test_a_discriminator_that_looked_and_passed_is_still_logged(monkeypatch):
    e = engine()
    monkeypatch.setattr(e.networks.loss, "figures", lambda turn: {"spread": turn.on_real.std()})
    e.players[0].terms = lambda turn: {} if turn.on_real.mean() < turn.on_fake.mean() + 99 else {"x": turn.on_real}
    assert {"spread", "d_real", "d_fake", "accuracy_real", "accuracy_fake"} <= set(e.measure(e.train_step()))


def test_after_update_follows_each_update():
    e = engine(n_critic=2)
    seen = []
    e.players[0].after_update = lambda: seen.append(e.networks.discriminator.output.bias.item())
    e.train_step()
    assert len(seen) == len(set(seen)) == 2


def test_learning_rates_are_per_player():
    e = engine(generator_lr=0.0, discriminator_lr=0.1)
    before = weights(e)
    e.train_step()
    after = weights(e)
    assert torch.equal(before["generator.hidden.weight"], after["generator.hidden.weight"])
    assert (before["discriminator.hidden.weight"] - after["discriminator.hidden.weight"]).abs().max() > 0.05


def test_the_average_follows_the_generator_and_soon_forgets_the_start():
    e = engine(ema_decay=0.8)
    expected = e.average.hidden.weight.clone()
    for step in range(1, 25):
        e.train_step()
        if step in (4, 8, 12, 16, 20, 24):
            decay = {4: 4 / 7, 8: 8 / 11}.get(step, 0.8) ** 4
            expected = decay * expected + (1 - decay) * e.networks.generator.hidden.weight
        torch.testing.assert_close(e.average.hidden.weight, expected)
    assert torch.equal(e.average.norm.running_mean, e.networks.generator.norm.running_mean)
    assert e.sampler is e.average
    assert engine().sampler is not None and engine().average is None


def test_a_variant_may_average_by_the_data_and_says_so_by_a_number():
    class ByData(Toy):
        def average_decay(self, data):
            return 0.5 if data == dataset().spec else self.config.ema_decay

    assert engine(ByData, ema_decay=0.25).averages.decay == 0.5
    other = replace(dataset(), spec=replace(dataset().spec, name="other"))
    for own in (0.25, 0.0):
        found = Engine(ByData(replace(CONFIG, ema_decay=own)), other, RunSettings(device="cpu"))
        assert found.averages.decay == own and (found.average is None) == (own == 0)
    for wrong, told in ((1.0, "float 1.0"), (-0.1, "float -0.1"), (None, "None"), (True, "bool True")):
        ByData.average_decay = lambda self, data, wrong=wrong: wrong
        with pytest.raises(
            PluginError, match=f"ByData.average_decay must give a number from 0 to below 1, but gives {told}"
        ):
            engine(ByData)


@pytest.mark.parametrize("variant", [Toy, ToyConditional])
def test_same_seed_same_result_and_another_seed_another(variant):
    runs = []
    for seed in (5, 5, 6):
        e = engine(variant, RunSettings(device="cpu", seed=seed))
        torch.manual_seed(len(runs))  # what the process did before must not matter
        for _ in range(5):
            e.train_step()
            torch.rand(7)
        runs.append(weights(e))
    assert_equal(runs[0], runs[1])
    assert not torch.equal(runs[0]["generator.hidden.weight"], runs[2]["generator.hidden.weight"])


@pytest.mark.parametrize("config", [{}, {"ema_decay": 0.9, "n_critic": 2}])
@pytest.mark.parametrize("variant", [Toy, ToyConditional])
def test_restored_equals_uninterrupted(variant, config):
    whole, first, second = (engine(variant, **config) for _ in range(3))
    for _ in range(9):
        whole.train_step()
    for _ in range(4):
        first.train_step()
    second.train_step()  # whatever a fresh engine holds is overwritten
    second.restore(4, weights(first), "a file")
    for _ in range(5):
        second.train_step()
    assert_equal(weights(whole), weights(second))


def test_a_schedule_in_the_optimizers_groups_is_restored():
    def decaying(**config):
        e = engine(**config)
        for player in e.players:
            group = player.optimizer.param_groups[0]
            player.after_update = lambda group=group: group.update(lr=group["lr"] * 0.5)
        return e

    whole, first, second = decaying(), decaying(), decaying()
    for _ in range(4):
        whole.train_step()
    for _ in range(2):
        first.train_step()
    second.restore(2, weights(first), "a file")
    for _ in range(2):
        second.train_step()
    assert_equal(weights(whole), weights(second))
    assert second.players[0].optimizer.param_groups[0]["lr"] == CONFIG.discriminator_lr / 16


def test_a_record_names_each_term_and_the_balance():
    e = engine()
    record = e.measure(e.train_step())
    assert set(record) == {"step", "discriminator/real", "discriminator/fake", "generator/adversarial", "d_real",
                           "d_fake", "accuracy_real", "accuracy_fake", "diversity", "generator_gradient"}  # fmt: skip
    assert record["step"] == 1
    assert 0 < record["d_real"] < 1 and 0 <= record["accuracy_fake"] <= 1


def test_a_record_holds_the_figures_of_the_discriminators_last_turn(monkeypatch):
    e = engine(n_critic=2)
    seen = []
    monkeypatch.setattr(e.networks.loss, "figures", lambda turn: seen.append(turn) or {"spread": turn.on_real.std()})
    updates = e.train_step()
    record = e.measure(updates)
    assert seen == updates["discriminator"].turns
    assert record["spread"] == pytest.approx(seen[0].on_real.std().item())
    assert "spread" not in updates["discriminator"].terms


def test_the_balance_by_hand():
    from types import SimpleNamespace

    from ganzoo_core.training.diagnostics import discriminator_stats

    turn = SimpleNamespace(
        has_logits=True, real_logits=torch.tensor([2.0, -1.0]), fake_logits=torch.tensor([-1.0, 1.0])
    )
    by_zero = {k: v.item() for k, v in discriminator_stats(turn, 0.0).items()}
    assert by_zero["accuracy_real"] == 0.5 and by_zero["accuracy_fake"] == 0.5
    assert by_zero["d_real"] == pytest.approx((0.880797 + 0.268941) / 2, abs=1e-5)
    assert by_zero["d_fake"] == pytest.approx(0.5, abs=1e-5)
    critic = discriminator_stats(turn, None)  # midpoint of 0.5 and 0 is 0.25
    assert critic["d_real"].item() == pytest.approx((0.851953 + 0.222700) / 2, abs=1e-5)
    assert discriminator_stats(SimpleNamespace(has_logits=False), 0.0) == {}


def test_diversity_by_hand():
    from types import SimpleNamespace

    from ganzoo_core.training.diagnostics import diversity

    real, fake = torch.tensor([[0.0, 0], [3, 4], [0, 8]]), torch.tensor([[0.0, 0], [0.6, 0.8], [0, 1.6]])

    def of(real, fake, parts=1):
        turns = zip(real.chunk(parts), fake.chunk(parts), strict=True)
        return diversity([SimpleNamespace(has_fake=True, real=real, fake=fake) for real, fake in turns], torch.clone)

    assert of(real, fake)["diversity"].item() == pytest.approx(0.2)
    assert of(real, fake, parts=3)["diversity"].item() == pytest.approx(0.2), "the parts of a mini-batch are one"
    assert of(real, fake[:1].expand(3, 2))["diversity"].item() == 0
    assert of(real[:1].expand(3, 2), fake)["diversity"].item() == 1, "real ones that are all the same"
    assert of(real[:1], fake[:1]) == {}, "one sample has no other"
    assert diversity([SimpleNamespace(has_fake=False)], torch.clone) == {}, "no sample is made for it"


def test_a_nan_term_stops_the_run_with_step_term_and_advice():
    e = engine(poison_step=1)
    with pytest.raises(TrainingError, match=r"the loss term discriminator/real is nan at step 1; .*generator_lr"):
        e.measure(e.train_step())


def test_a_step_reads_no_number_on_the_host():
    from ganzoo_core.testing.long_look import HostReads

    e = engine(ema_decay=0.9, n_critic=2)
    e.train_step()
    with HostReads() as mode:
        updates = e.train_step()
    assert mode.reads == 0
    with HostReads() as mode:
        e.measure(updates)
        assert bool(e.networks.generator.hidden.weight.sum() != 7)  # the mode does see a read
    assert mode.reads == 1


def test_a_log_line_checks_every_weight():
    e = engine(ema_decay=0.9)
    updates = e.train_step()
    with torch.no_grad():
        e.average.hidden.weight[0, 0] = 1e30  # large, and its square is infinite, but a number
    e.measure(updates)
    e.state()
    with torch.no_grad():
        e.average.hidden.weight[0, 0] = torch.nan
    with pytest.raises(
        TrainingError, match=r"the weight average\.hidden\.weight holds a number .* not finite at step 1"
    ):
        e.measure(updates)


def test_what_an_optimizer_remembers_is_checked_before_it_is_saved():
    e = engine()
    e.train_step()
    next(iter(e.players[0].optimizer.state.values()))["exp_avg_sq"].fill_(torch.inf)
    with pytest.raises(TrainingError, match=r"the weight optimizer\.discriminator\.0\.exp_avg_sq holds a number"):
        e.state()


def test_a_weight_that_is_not_finite_is_never_saved():
    e = engine()
    with torch.no_grad():
        e.networks.generator.hidden.weight[0, 0] = torch.inf
    with pytest.raises(TrainingError, match=r"the weight generator\.hidden\.weight .* not finite at step 0"):
        e.state()


class Flat(Toy):
    """Takes no solids."""

    kinds = ("images", "points")


def test_unfit_data_is_refused():
    bare = Dataset(DataSpec("bare", (2,), (), "points"), torch.zeros(64, 2))
    with pytest.raises(DataError, match="toy-conditional needs labels, but bare has none"):
        Engine(ToyConditional(CONFIG), bare, RunSettings(device="cpu"))
    voxels = Dataset(DataSpec("cubes", (1, 2, 2, 2), (), "voxels"), torch.zeros(64, 1, 2, 2, 2))
    with pytest.raises(DataError, match="toy takes images or points, but cubes holds voxels"):
        Engine(Flat(CONFIG), voxels, RunSettings(device="cpu"))
    with pytest.raises(DataError, match="batch_size must be at most 64, the size of plane, but is 65"):
        engine(batch_size=65)


def test_bf16_runs_and_weights_stay_float32():
    e = engine(run=RunSettings(device="cpu", precision="bf16"))
    e.train_step()
    assert all(t.dtype == torch.float32 for n, t in e.state().items() if t.is_floating_point())


def test_training_leaves_convolutions_channels_last():
    from ganzoo_core.sampling.devices import to_device

    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    conv.register_buffer("pairs", torch.zeros(2, 4, 3, 5, 5))  # five dimensions have no such format
    to_device(conv, torch.device("cpu"))
    assert conv[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert conv.pairs.is_contiguous()


@pytest.mark.parametrize(
    ("asked", "kind", "native", "picked"),
    [
        ("auto", "images", True, "bf16"),
        ("auto", "voxels", True, "bf16"),
        ("auto", "images", False, "fp32"),
        ("auto", "points", True, "fp32"),
        ("bf16", "points", False, "bf16"),
        ("fp32", "images", True, "fp32"),
    ],
)
def test_auto_precision_is_bf16_where_it_is_quick_and_fine_enough(asked, kind, native, picked, monkeypatch):
    monkeypatch.setattr(devices, "has_quick_bf16", lambda: native)
    has_pixels = DataSpec("any", (2,), kind=kind).has_pixels
    assert pick_precision(asked, torch.device("cpu"), has_pixels) == picked
    if native:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
        assert pick_precision(asked, torch.device("cuda", 0), has_pixels) == picked
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
        assert pick_precision("auto", torch.device("cuda", 0), has_pixels) == "fp32"


@pytest.mark.parametrize(
    ("amx", "avx512", "vendor", "is_quick"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
        (True, False, "", True),
    ],
)
def test_bf16_is_quick_by_amx_or_where_amd_made_it(amx, avx512, vendor, is_quick, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(devices, "_processor", lambda: f"vendor_id\t: {vendor}\nflags\t: fpu")
    assert devices.has_quick_bf16() == is_quick


def test_the_processor_is_told() -> None:
    assert devices._processor()


def test_glibc_alone_is_asked_to_keep_freed_memory(monkeypatch):
    asked = []
    libc = type("Libc", (), {"mallopt": staticmethod(lambda *option: asked.append(option))})
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda name: libc)
    monkeypatch.setattr(devices.platform, "libc_ver", lambda: ("glibc", "2.36"))
    devices.keep_freed_memory()
    assert asked == [(-3, 2**25), (-1, 2**28)]
    monkeypatch.setattr(devices.platform, "libc_ver", lambda: ("", ""))
    devices.keep_freed_memory()
    assert len(asked) == 2
