"""`--metric fid|kid|accuracy`: the numbers of an evaluation, of few samples, as a run trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ganzoo_core as ganzoo
from ganzoo_core.data import Dataset
from ganzoo_core.datasets.sources import Digits
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, SettingError
from ganzoo_core.registry import registry
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.sampling.generate import generate
from ganzoo_core.sampling.generator_file import load
from ganzoo_tools.evaluation import keeping, while_training
from ganzoo_tools.evaluation.distances import fid, kid
from ganzoo_tools.evaluation.reference import load_reals
from ganzoo_tools.evaluation.while_training import prepared

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick(quick_judge, monkeypatch, tmp_path):
    monkeypatch.setattr(while_training, "SAMPLES", 200)
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def train(variant: str = "toy-conditional", **settings) -> ganzoo.Run:
    return ganzoo.train(variant, **({"data": "digits", "steps": 6, "device": "cpu", "log_every": 2} | settings))


def last(run: ganzoo.Run, metric: str) -> float:
    return [record[metric] for record in run.records() if metric in record][-1]


def test_the_numbers_are_those_of_an_evaluation(tmp_path):
    """Of the same samples, features and real data; the generator on the disk is the one that was judged."""
    runs = {name: train(metric=name, metric_every=3, out=tmp_path / name) for name in ("fid", "kid", "accuracy")}
    generator = load(runs["fid"].folder)
    reals = load_reals(Digits(), tmp_path / "data", 10_000)
    asked = reals.subset.labels[:200]
    values = generate(generator.module, 200, asked, 0, CPU)
    features = reals.extractor(values)
    assert last(runs["fid"], "fid") == pytest.approx(fid(reals.subset.features, features), rel=1e-4)
    assert last(runs["kid"], "kid") == pytest.approx(kid(reals.subset.features[:200], features), rel=1e-3)
    assert last(runs["accuracy"], "accuracy") == pytest.approx(float((reals.read(values) == asked).float().mean()))


def test_real_features_are_kept_for_the_next_run_and_the_next_resume(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "COME_WITH_IT", tmp_path / "none")
    train(metric="fid", metric_every=3, out=tmp_path / "run")
    (kept,) = (tmp_path / "data" / "features").iterdir()
    monkeypatch.setattr(keeping, "_keep", lambda *_: pytest.fail("made again"))
    ganzoo.train(resume=tmp_path / "run", steps=9)
    assert kept.exists() and {path.name for path in (tmp_path / "data").iterdir()} >= {"classifiers", "features"}


@pytest.mark.parametrize(
    "metric", ["fid", *(pytest.param(name, marks=pytest.mark.long) for name in ("kid", "accuracy"))]
)
def test_a_run_makes_the_same_weights_with_it_and_without(tmp_path, metric: str):
    plain, judged = train(out=tmp_path / "plain"), train(metric=metric, metric_every=1, out=tmp_path / "judged")
    for name in ("checkpoint.safetensors", "generator.safetensors"):
        assert (plain.folder / name).read_bytes() == (judged.folder / name).read_bytes()
    assert RunFolder(judged.folder).best.exists() and not RunFolder(plain.folder).best.exists()


def test_a_better_generator_has_better_numbers(tmp_path):
    """The real samples in the place of generated ones, and noise."""
    data = Digits().load(Path())
    for name, higher in (("fid", False), ("kid", False), ("accuracy", True)):
        variant, _ = registry().variant("toy-conditional")
        judge = prepared(name, variant(), data, tmp_path, CPU)
        real = data.batch(judge.rows[:200])
        good = judge._of(real["real"], real["labels"])
        bad = judge._of(torch.rand_like(real["real"]) * 2 - 1, real["labels"])
        assert (good > bad) is higher, name


@pytest.mark.parametrize(("variant", "data"), [("translator", "toy-pairs"), ("domains", "toy-unpaired")])
def test_a_generator_of_pictures_gets_those_of_the_data(takers, tmp_path, variant: str, data: str):
    run = train(variant, data=data, metric="fid", metric_every=3, out=tmp_path / "run")
    assert last(run, "fid") > 0
    plain = train(variant, data=data, out=tmp_path / "plain")
    assert (plain.folder / "checkpoint.safetensors").read_bytes() == (
        run.folder / "checkpoint.safetensors"
    ).read_bytes()


def test_what_can_not_be_judged_is_said(tmp_path):
    def refused(error: type[Exception], **settings) -> str:
        with pytest.raises(error) as found:
            train(**settings, out=tmp_path / "new")
        assert not (tmp_path / "new").exists()
        return str(found.value)

    told = refused(SettingError, variant="toy", data="ring8", metric="fid")
    assert told == "the metric fid looks at images or voxels, but ring8 holds points; leave the metric out"
    told = refused(SettingError, variant="toy", metric="accuracy")
    assert told.startswith("the metric accuracy is the share of samples that look like the class asked for, but toy is")
    few = Dataset(DataSpec("few", (1, 8, 8), (), "images"), torch.zeros(9, 1, 8, 8))
    told = refused(DataError, variant="toy", data=few, metric="fid", batch_size=4)
    assert told.startswith("the metric fid needs at least 20 real samples, but") and told.endswith("holds 9")


def test_a_generator_that_gives_no_numbers_is_not_judged(tmp_path):
    variant, _ = registry().variant("toy-conditional")
    judge = prepared("fid", variant(), Digits().load(Path()), tmp_path, CPU)

    class Broken:
        inputs, device = (), CPU

    class Module(ganzoo.Generator):
        latent_dim = 2

        def forward(self, z, labels=None):
            return torch.full((len(z), 1, 28, 28), torch.nan)

    Broken.module = Module()
    assert judge(Broken()) != judge(Broken())


@pytest.mark.parametrize("distance", [fid, kid])
def test_one_of_several_processes_judges_alone(monkeypatch, distance):
    """torchmetrics would ask the others, who train on."""
    features = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
    expected = distance(features, features * 2)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    assert distance(features, features * 2) == expected
