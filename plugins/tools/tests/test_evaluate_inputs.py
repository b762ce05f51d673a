"""Generators that take inputs, evaluated and compared: on the inputs of the real data, and against their targets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.data import Dataset
from ganzoo_core.errors import DataError
from ganzoo_tools.comparison import race
from ganzoo_tools.evaluation import evaluation, extractors, keeping
from ganzoo_tools.evaluation.classifier import train_classifier
from ganzoo_tools.evaluation.evaluation import evaluate
from ganzoo_tools.evaluation.given import given_rows
from ganzoo_tools.evaluation.reference import Reference
from ganzoo_tools.evaluation.target import copy_figures, target_figures

CPU = torch.device("cpu")
PAIRED = {"target_error", "target_psnr", "target_ssim"}


def pairs(n: int, seed: int = 1) -> Dataset:
    """n pairs of the data set of `takers`."""
    found: Dataset = import_module("ganzoo_takers.networks").pairs(n, seed)
    return found


@pytest.fixture(autouse=True)
def quick_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "train_classifier", partial(train_classifier, steps=5))


@pytest.fixture
def trained(takers, in_tmp: Path) -> Path:
    return trained_as("translator")


def trained_as(variant: str, **settings: object) -> Path:
    return ganzoo.train(variant, device="cpu", out=variant, **{"steps": 2, "snapshots": ()} | settings).folder


def reference(train: Dataset, held_out: Dataset | None = None) -> Reference:
    return Reference(train, held_out, 64, extractors.of_random_network(train.spec, CPU))


@pytest.mark.parametrize("variant", ["translator", "upscaler", "domains", "writer", "noisy-translator"])
def test_every_kind_is_evaluated(takers, in_tmp: Path, variant: str) -> None:
    found = evaluate(trained_as(variant), n=64, seeds=1)
    assert {"fid", "coverage", "accuracy_train", "accuracy_fake", "classes_present"} <= found.figures.keys()
    assert found.figures.keys() >= PAIRED if variant != "domains" else not PAIRED & found.figures.keys()
    assert ("read_as_asked" in found.figures) == (variant == "domains")
    assert found.conditions["samples"] == 64


def test_held_out_inputs_are_taken_where_they_are_enough(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples are made of the rows that stand for real data in the floor, one of each."""
    seen = []

    def generate(module, n, labels, seed, device, columns):
        seen.append((n, columns["source"]))
        return -columns["source"]

    monkeypatch.setattr(evaluation, "generate", generate)
    held_out = pairs(40, seed=2)
    found = evaluate(trained, n=64, seeds=2, reals=reference(pairs(64), held_out))
    everyone = {tuple(row.tolist()) for row in held_out.batch(torch.arange(40))["source"].flatten(1)}
    for n, source in seen:
        assert n == len(source) == 40 and {tuple(row.tolist()) for row in source.flatten(1)} == everyone
    assert found.conditions["samples"] == 40 and len(seen) == 2
    floor = found.figures["fid"].floor
    assert found.figures["fid"].values == (pytest.approx(floor),) * 2, "a perfect generator scores what real data does"
    assert found.figures["target_error"].values == pytest.approx((0.0, 0.0), abs=1e-6)

    found = evaluate(trained, n=64, seeds=1, reals=reference(pairs(64), pairs(16, seed=2)))
    assert found.conditions["samples"] == 64, "too few of them: the training data's own"


def test_error_against_the_target_is_worked_out_by_hand() -> None:
    made = torch.zeros(2, 1, 2, 2)
    target = torch.tensor([0.0, 0.5]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    found = target_figures(made, target)
    assert found == {"target_error": 0.25, "target_psnr": pytest.approx(15.0515, abs=1e-4)}  # 10 log10(4 / 0.125)
    large = torch.rand(70, 3, 16, 16) * 2 - 1
    assert target_figures(large, large) == {
        "target_error": 0.0, "target_psnr": pytest.approx(106.0206, abs=1e-4), "target_ssim": pytest.approx(1.0)
    }  # fmt: skip
    assert target_figures(torch.zeros(3, 2), torch.ones(3, 2)) == {"target_error": 1.0}, "points are no pictures"


@pytest.mark.long
def test_a_copy_of_the_input_is_measured_beside(takers, in_tmp: Path) -> None:
    """By hand, and in an evaluation: of the first input that is shaped as the target."""
    target = torch.tensor([0.0, 0.5]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    inputs = [torch.zeros(2, 5), torch.zeros(2, 1, 2, 2), target]
    assert copy_figures(inputs, target) == {"copy_error": 0.25, "copy_psnr": pytest.approx(15.0515, abs=1e-4)}
    assert copy_figures([torch.zeros(2, 1, 4, 4)], target) == {}

    data = pairs(64)
    found = evaluate(trained_as("translator"), n=64, seeds=2, reals=reference(data)).figures
    rows = data.batch(torch.arange(64))
    by_hand = float((rows["source"] - rows["real"]).abs().mean())
    assert found["copy_error"].values == pytest.approx((by_hand,) * 2, abs=1e-6)
    assert list(found)[list(found).index("target_ssim") + 1] == "copy_error", "right below"
    assert {"copy_psnr", "copy_ssim"} <= found.keys() and found["copy_ssim"].mean < 1
    small = evaluate(trained_as("upscaler"), n=64, seeds=1).figures
    assert "target_error" in small and not {name for name in small if name.startswith("copy")}


def test_batches_of_a_balanced_variant_are_balanced(takers, in_tmp: Path) -> None:
    variant = ganzoo.train("domains", device="cpu", out="run", steps=1).generator().variant
    found = given_rows(variant, pairs(70), torch.arange(70), {"labels", "source", "source_labels"})
    assert found["labels"].tolist() == [0] * 32 + [1] * 32 + [0] * 3 + [1] * 3, "the last batch is cut"
    assert torch.equal(found["source_labels"], 1 - found["labels"]), "each comes from the other domain"
    few = given_rows(variant, pairs(9), torch.arange(9), {"labels"})
    assert few["labels"].tolist() == [0] * 4 + [1] * 4 + [0]


def test_a_class_that_held_out_data_lacks_is_no_trouble(takers, in_tmp: Path) -> None:
    variant = ganzoo.train("domains", device="cpu", out="run", steps=1).generator().variant
    data = pairs(21)
    three = replace(data, spec=replace(data.spec, classes=("a", "b", "c")))
    found = given_rows(variant, three, torch.arange(21), {"labels"})
    assert found["labels"].bincount().tolist() == [11, 10]


def test_a_lone_file_is_evaluated_on_its_data(trained: Path) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(trained / "generator.safetensors"), "-n", "64", "--seeds", "1"])
    assert result.exit_code == 0 and "error against the target" in result.output, result.output


def test_data_without_the_inputs_is_refused(trained: Path) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(trained), "--data", "toy-unpaired", "-n", "64"])
    assert result.exit_code == 1
    assert "Error: toy-unpaired has no column 'source'" in result.output, result.output


def test_data_of_other_words_is_refused(takers, in_tmp: Path) -> None:
    data = pairs(64)
    source, text = data.spec.columns
    words = replace(text, names=("a", *text.names[1:]))
    other = replace(data, spec=replace(data.spec, columns=(source, words)))
    with pytest.raises(DataError) as error:
        evaluate(trained_as("writer"), n=64, reals=reference(other))
    assert str(error.value) == (
        "the generator was trained on toy-pairs and can't be judged by toy-pairs: what it takes (text) must be the "
        "same there, in shape and words, but is not; name its own data with --data"
    )


@pytest.mark.long
def test_they_are_compared_with_others(trained: Path) -> None:
    other = trained_as("upscaler")
    result = CliRunner().invoke(main, ["compare", str(trained), str(other)])
    assert result.exit_code == 0, result.output
    page = next(Path().glob("**/comparison.html")).read_text(encoding="utf-8")
    assert page.count("of its run’s examples") + page.count("of its run&#39;s examples") == 2


@pytest.mark.long
def test_they_make_as_many_samples_as_those_they_are_compared_with(
    takers, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """37 held-out pairs are enough to make samples of, so that a generator of noise is evaluated on 37, too."""
    networks = import_module("ganzoo_takers.networks")
    monkeypatch.setattr(networks, "pairs", lambda n, seed=1, made=networks.pairs: made({64: 64, 16: 37}[n], seed))
    runs = [trained_as(name, data="toy-pairs") for name in ("toy", "domains")]
    evaluate(runs[0], n=64, seeds=1).save(runs[0])

    def compare(*arguments: object) -> tuple[str, str]:
        result = CliRunner().invoke(main, ["compare", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr

    assert "measured: 37 samples of each, 64 real" in compare(*runs)[0]
    assert "evaluating" not in compare(*runs)[1], "all is kept"
    assert "measured: 37 samples of each, 40 real" in compare(*runs, "-n", 40)[0]
    assert "measured: 64 samples of each, 64 real" in compare(runs[0], "-n", 64)[0]
    assert "evaluating" not in compare(runs[0], "-n", 64)[1]
    assert race._plans(["toy", "translator"], {"data": "toy-pairs"}, {}, in_tmp)[2], "known before any is trained"
