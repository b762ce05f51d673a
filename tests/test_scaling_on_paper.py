"""The formulas behind the tables of docs/scaling.md, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.scaling_on_paper import CLUSTERS, Cluster, Ring, computed, counted, pays_from

KB, MB, MS = 1e3, 1e6, 1e-3


def test_a_ring_of_two_sends_all_once_in_two_messages():
    assert Ring(2, 100 * MB, 1 * MS).average_s(10 * MB) == pytest.approx(0.1 + 2 * MS)


def test_a_ring_of_four_sends_one_and_a_half_times_in_six_messages():
    assert Ring(4, 100 * MB, 1 * MS).average_s(10 * MB) == pytest.approx(0.15 + 6 * MS)


@pytest.mark.parametrize(
    ("members", "size", "seconds"),
    [
        (2, 0, 4 * MS),  # two rounds of asking and sending
        (4, 0, 12 * MS),  # six
        (2, 1 * MB, 4 * MS + 10 * MS),  # of two segments, one is sent while the other is asked for
        (2, 8 * 2**20, 4 * MS + 8 * 2**20 / (100 * MB)),  # segments of 1 MB take longer than the next question
    ],
)
def test_gloo_asks_before_it_sends(members, size, seconds):
    assert Ring(members, 100 * MB, 1 * MS).gloo_s(size) == pytest.approx(seconds)


def test_gloo_waits_for_answers_where_the_way_is_long():
    """8 MB between two: per turn four segments of 1 MB, so two questions of 20 ms, and three times 10.5 ms."""
    segment_s = 2**20 / (100 * MB)
    assert Ring(2, 100 * MB, 10 * MS).gloo_s(8 * 2**20) == pytest.approx(2 * (2 * 20 * MS + 3 * segment_s))


def test_an_average_of_eight_machines_of_eight_goes_through_both_rings():
    both = Cluster("both", (Ring(8, 100 * MB, 1 * MS), Ring(8, 10 * MB, 2 * MS)))
    assert both.processes == 64
    assert both.average_s(8 * MB) == pytest.approx(0.14 + 14 * MS + 1.4 + 28 * MS)


def test_shared_batch_norm_adds_messages_of_two_numbers_a_channel_each_way():
    """dcgan's generator has BatchNorm of 1024, 6272 and 64 channels, and its discriminator none."""
    own, shared = counted("dcgan", "mnist"), counted("dcgan", "mnist", sync_batchnorm=True)
    assert own["batchnorm_bytes"] == []
    channels = [1024, 1024, 6272, 6272, 64, 64]
    assert shared["batchnorm_bytes"] == [4 * n for n in [*channels, *reversed(channels)]]
    assert shared["bytes"] == own["bytes"] and all(own["bytes"])


def test_a_step_pays_from_the_first_power_of_two_that_is_half_as_good_as_its_gpus():
    step = {"flops": 1e8, "calls": 100, "bytes": [int(10 * MB)], "batchnorm_bytes": []}
    for cluster in CLUSTERS:
        batch = pays_from(step, cluster)
        before, after = (computed(step, b)[cluster.name]["speedup"] for b in (batch // 2, batch))
        assert before < cluster.processes / 2 <= after
