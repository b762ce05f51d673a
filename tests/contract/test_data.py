"""Seeds, batches, and which samples batch number b holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ganzoo_core.data import BatchOrder, Dataset
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError
from ganzoo_core.seeds import derive_seed

CPU = torch.device("cpu")


def test_derived_seeds_are_pinned() -> None:
    """A change here changes every run there ever was: published figures could no longer be had again."""
    assert derive_seed(0, "weights") == 2934036865011653446
    assert derive_seed(0, "step", 0) == 4666984622602656556
    assert derive_seed(7, "order", 3) == 1569714343349645784


def test_derived_seeds_differ_and_fit_63_bits() -> None:
    keys = [(seed, what, k) for seed in range(10) for what in ("step", "order") for k in range(100)]
    keys += [(0,), (1,), (0, "step"), (0, "1", 1), (0, 1, 1), (0, 11), (0, "step0"), (2**70, "step", 1)]
    seeds = [derive_seed(*key) for key in keys]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62, "all 63 bits are used"
    torch.Generator().manual_seed(max(seeds))


def images(n: int = 4) -> Dataset:
    samples = torch.arange(n * 4, dtype=torch.uint8).reshape(n, 1, 2, 2)
    samples[0, 0, 0] = torch.tensor([0, 255], dtype=torch.uint8)
    return Dataset(DataSpec("squares", (1, 2, 2), ("a", "b")), samples, torch.arange(n) % 2)


def test_bytes_become_floats_from_minus_one_to_one() -> None:
    dataset = images()
    before = dataset.samples.clone()
    batch = dataset.batch(torch.tensor([0, 3, 3]))
    real = batch["real"]
    assert (real.dtype, real.shape) == (torch.float32, (3, 1, 2, 2))
    assert real[0, 0, 0].tolist() == [-1, 1]
    torch.testing.assert_close(real[1], dataset.samples[3].float() / 127.5 - 1)
    assert batch["labels"].tolist() == [0, 1, 1]
    assert torch.equal(dataset.samples, before), "the data set itself is left as it is"


def test_floats_are_passed_on_as_they_are() -> None:
    samples = torch.tensor([[-1.0, 0.25], [0.5, 1.0]])
    dataset = Dataset(DataSpec("dots", (2,), kind="points"), samples)
    batch = dataset.batch(torch.tensor([1]))
    assert set(batch) == {"real"}, "no labels where there are none"
    assert batch["real"].tolist() == [[0.5, 1.0]]
    batch["real"].zero_()
    assert samples[1].tolist() == [0.5, 1.0], "a batch is a copy"


def test_extras_come_along_untouched() -> None:
    masks = torch.arange(4, dtype=torch.uint8).reshape(4, 1)
    plain = images()
    dataset = Dataset(plain.spec, plain.samples, plain.labels, {"mask": masks})
    batch = dataset.batch(torch.tensor([2, 1]))
    assert set(batch) == {"real", "labels", "mask"}
    assert batch["mask"].tolist() == [[2], [1]]
    assert batch["mask"].dtype == torch.uint8
    moved = dataset.to(torch.device("meta"))
    assert {moved.samples.device.type, moved.labels.device.type, moved.extra["mask"].device.type} == {"meta"}
    assert moved.spec is dataset.spec
    assert Dataset(plain.spec, plain.samples).to(CPU).labels is None
    assert len(dataset) == 4


def order(size: int, batch_size: int, seed: int = 0) -> BatchOrder:
    spec = DataSpec("dots", (2,), kind="points")
    return BatchOrder(Dataset(spec, torch.zeros(size, 2)), batch_size, seed, CPU)


@pytest.mark.parametrize(("size", "batch_size"), [(10, 4), (10, 5), (7, 7), (9, 1), (5, 4)])
def test_each_sample_comes_once_an_epoch(size: int, batch_size: int) -> None:
    """Five epochs laid end to end, whatever the batches cut them into."""
    batches = order(size, batch_size)
    row = torch.cat([batches.indices(b) for b in range(-(-5 * size // batch_size))])
    epochs = [row[e * size : (e + 1) * size].tolist() for e in range(5)]
    assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
    if size > 5:
        assert len({tuple(epoch) for epoch in epochs}) == 5, "each epoch is shuffled anew"


def test_a_batch_may_span_two_epochs() -> None:
    batches = order(10, 4)
    spanning, following = batches.indices(2), batches.indices(3)
    assert (spanning.shape, spanning.dtype) == ((4,), torch.int64)
    first = torch.cat([batches.indices(0), batches.indices(1), spanning[:2]])
    assert sorted(first.tolist()) == list(range(10))
    assert len({*spanning[2:].tolist(), *following.tolist()}) == 6, "the rest begins the next epoch"


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    in_order = [order(10, 4).indices(b).tolist() for b in range(12)]
    one = order(10, 4)
    for b in [5, 0, 11, 3, 3, 2, 7, 1, 10, 0, 9, 4, 8, 6, 2]:
        assert one.indices(b).tolist() == in_order[b]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert order(10, 4).indices(11).tolist() == in_order[11]
    assert torch.equal(torch.get_rng_state(), state), "the global generator is not drawn from"
    assert order(10, 4, seed=1).indices(0).tolist() != in_order[0]


def test_few_epochs_are_kept_in_memory() -> None:
    batches = order(10, 4)
    for b in range(100):
        batches.indices(b)
        assert len(batches._epochs) <= 2


def test_a_batch_larger_than_the_data_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        order(10, 11)
    assert str(caught.value) == "batch_size must be at most 10, the size of dots, but is 11"
    assert sorted(order(10, 10).indices(0).tolist()) == list(range(10))


@pytest.mark.parametrize(("free", "stays"), [(47, True), (48, False)])
def test_samples_too_many_for_half_a_gpus_free_memory_stay_where_they_are(free, stays, monkeypatch):
    plain = Dataset(DataSpec("plain", (1, 2, 2)), torch.arange(24, dtype=torch.uint8).view(6, 1, 2, 2))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1000))
    moved = []
    monkeypatch.setattr(Tensor, "to", lambda tensor, device: moved.append(device) or tensor)
    plain.to(torch.device("cuda"))
    assert moved == ([] if stays else [torch.device("cuda")])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_of_samples_that_stay_go_to_the_gpu(monkeypatch):
    plain = Dataset(DataSpec("plain", (1, 2, 2)), torch.arange(24, dtype=torch.uint8).view(6, 1, 2, 2))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 1000))
    cuda = torch.device("cuda")
    real = plain.to(cuda).batch(torch.tensor([5, 0], device=cuda))["real"]
    assert real.device.type == "cuda" and torch.equal(real.cpu(), plain.batch(torch.tensor([5, 0]))["real"])


def unequal(counts: tuple[int, ...]) -> Dataset:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    spec = DataSpec("unequal", (1,), tuple("abcdef"[: len(counts)]), kind="points")
    return Dataset(spec, torch.arange(len(labels))[:, None].float(), labels)


def test_balanced_batches_hold_each_class_equally_often() -> None:
    data = unequal((17, 5, 1))
    batches = BatchOrder(data, 6, 0, CPU, balance=True)
    assert batches.size == 24
    seen: list[int] = []
    for b in range(8):  # two epochs
        chosen = batches.indices(b)
        assert data.labels[chosen].bincount().tolist() == [2, 2, 2]
        seen += chosen.tolist()
    assert {row for row in seen if row >= 17} == set(range(17, 23)), "of a small class all come"
    assert len({row for row in seen[:24] if row < 17}) == 8, "of a large one none twice in an epoch"
    assert [data.labels[batches.indices(b)].tolist() for b in range(4)] != [[0, 1, 2, 0, 1, 2]] * 4, "in no fixed order"


def test_a_balanced_batch_depends_on_seed_and_number_alone() -> None:
    data = unequal((7, 2))
    in_order = [BatchOrder(data, 4, 3, CPU, balance=True).indices(b).tolist() for b in range(9)]
    one = BatchOrder(data, 4, 3, CPU, balance=True)
    for b in [8, 0, 5, 5, 2]:
        assert one.indices(b).tolist() == in_order[b]
    assert BatchOrder(data, 4, 4, CPU, balance=True).indices(0).tolist() != in_order[0]


def test_balancing_needs_labels() -> None:
    with pytest.raises(DataError) as caught:
        BatchOrder(Dataset(DataSpec("dots", (2,), kind="points"), torch.zeros(9, 2)), 2, 0, CPU, balance=True)
    assert str(caught.value) == "balance=true needs labels, but dots has none; leave it out"


def test_the_guard_is_asked_before_samples_are_read() -> None:
    def refuse() -> None:
        raise DataError("cut short")

    guarded = replace(images(), guard=refuse)
    for read in (lambda: guarded.batch(torch.tensor([0])), lambda: guarded.digest, lambda: guarded.to(CPU)):
        with pytest.raises(DataError, match=r"^cut short$"):
            read()
    assert replace(guarded, guard=list).to(CPU).guard is list
    assert replace(guarded, guard=list).to(torch.device("meta")).guard is None, "a copy needs none"


def test_contents_stand_for_the_samples_in_the_digest() -> None:
    one, other = replace(images(), contents="a"), replace(images(), contents="b")
    assert len({one.digest, other.digest, images().digest, replace(one, labels=None).digest}) == 4
    named = [replace(one, spec=replace(one.spec, name=name)).digest for name in ("folder:x", "folder:y", "pairs:x")]
    assert named[0] == named[1] != named[2]
