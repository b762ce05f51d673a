"""Judging a run: what is found, where it is kept, what is left out, and what may be compared."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.data import Dataset
from ganzoo_core.datasets.sources import Digits, Mnist, Ring8
from ganzoo_core.dataspec import DataSpec
from ganzoo_core.errors import DataError, FileError, SettingError
from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage import tensor_files
from ganzoo_tools.evaluation import extractors, keeping, neighbours
from ganzoo_tools.evaluation.classifier import train_classifier
from ganzoo_tools.evaluation.discriminator_check import accuracies, load_discriminator
from ganzoo_tools.evaluation.evaluation import _check_fit, evaluate
from ganzoo_tools.evaluation.reference import Reference, load_reals
from ganzoo_tools.evaluation.results import TITLES, Evaluation, MetricValue, check_comparable, differing

CPU = torch.device("cpu")
REAL_DATA = Path(os.environ.get("GANZOO_DATA", "data"))
QUALITY = {"fid", "kid", "precision", "recall", "density", "coverage"}


def trained(out: Path, variant: str, data: str, **settings) -> Path:
    return ganzoo.train(variant, data=data, steps=3, device="cpu", out=out, **settings).folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Callable[[str, str], Path]:
    """The folder of a short run of that variant on that data, trained once."""
    base, made = tmp_path_factory.mktemp("runs"), {}

    def folder(variant: str, data: str) -> Path:
        if (variant, data) not in made:
            made[variant, data] = trained(base / f"{variant}-{data}", variant, data)
        return made[variant, data]

    return folder


@pytest.fixture(autouse=True)
def quick_classifier(monkeypatch, tmp_path):
    monkeypatch.setattr(keeping, "train_classifier", partial(train_classifier, steps=25))
    monkeypatch.setattr(keeping, "COME_WITH_IT", tmp_path / "none")
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Reference:
    """The real side of digits, made once: its classifier takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "train_classifier", partial(train_classifier, steps=60))
        return load_reals(Digits(), tmp_path_factory.mktemp("data"), 300)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_a_conditional_run_is_judged_by_class(folders, digits):
    found = evaluate(folders("toy-conditional", "digits"), n=300, seeds=2, reals=digits)
    assert QUALITY | {"read_as_asked", "worst_class", "classes_present", "class_entropy"} < found.figures.keys()
    assert {"accuracy_train", "accuracy_fake", "nearest_train"} < found.figures.keys()
    assert all(len(f.values) == 2 for f in found.figures.values())
    assert found.classes["names"] == list("0123456789")
    assert sum(map(sum, found.classes["confusion"])) == 600
    shares = [sum(row) / 600 for row in found.classes["confusion"]]
    assert shares == pytest.approx(found.classes["real_share"]), "classes are asked for as often as real ones come"
    assert found.conditions["extractor"] == found.conditions["reader"] == "classifier"
    assert (found.conditions["samples"], found.conditions["real"], found.conditions["seeds"]) == (300, 300, [0, 1])


def test_the_floor_is_what_real_data_scores_and_an_untrained_generator_is_far_from_it(folders, digits):
    found = evaluate(folders("toy-conditional", "digits"), n=300, seeds=1, reals=digits)
    assert "two halves of the 300 real samples" in found.floor
    figures = found.figures
    assert figures["fid"].floor < 25 < figures["fid"].mean
    assert figures["kid"].floor < figures["kid"].mean
    assert all(figures[name].floor > figures[name].mean for name in ("precision", "coverage", "density"))
    assert figures["read_as_asked"].floor > 0.6 > figures["read_as_asked"].mean
    assert figures["accuracy_fake"].floor is None and figures["fid"].spread is None


def test_digits_has_nothing_held_out_and_says_so(folders, digits):
    found = evaluate(folders("toy", "digits"), n=300, seeds=1, reals=digits)
    assert "digits has no held-out part: its only split is 'train'" in found.left_out["held_out"]
    assert "toy is not conditional: no class was asked for" in found.left_out["read_as_asked"]
    assert "accuracy_held_out" not in found.figures and "nearest_is_train" not in found.figures
    assert found.classes["confusion"] is None and found.classes["read_as_asked"] is None
    assert found.conditions["held_out"] is None


def test_a_lone_generator_has_no_discriminator(folders, digits):
    found = evaluate(folders("toy", "digits") / "generator.safetensors", n=300, seeds=1, reals=digits)
    assert "a generator's file holds no discriminator; name its run folder" in found.left_out["accuracy"]
    assert "accuracy_train" not in found.figures


def test_a_run_without_its_checkpoint_says_which_file_is_missing(tmp_path, digits):
    folder = trained(tmp_path / "run", "toy", "digits")
    (folder / "checkpoint.safetensors").unlink()
    found = evaluate(folder, n=300, seeds=1, reals=digits)
    assert "checkpoint.safetensors" in found.left_out["accuracy"] and "there is no file" in found.left_out["accuracy"]


def test_points_are_judged_in_their_own_plane_with_their_modes(folders):
    found = evaluate(folders("toy-conditional", "ring8"), n=400, seeds=1)
    assert found.conditions["extractor"] == "values" and found.conditions["reader"] == "nearest real sample"
    assert found.figures["modes_covered"].floor == 8 and found.figures["good_share"].floor > 0.98
    assert found.figures["read_as_asked"].floor == 1, "the modes of ring8 lie far apart"
    assert found.figures["accuracy_held_out"].values[0] == pytest.approx(found.figures["accuracy_train"].mean, abs=0.1)
    assert "400 held-out real samples" in found.floor and found.neighbours is None


def test_curves_have_no_classes(folders):
    found = evaluate(folders("toy", "sine"), n=200, seeds=1)
    assert found.figures["inside_share"].floor == 1 and found.classes is None
    assert "sine has no labels, so that nobody can read classes" in found.left_out["classes"]


def test_images_without_labels_are_judged_by_a_random_network(tmp_path):
    dataset = Digits().load(Path())
    plain = Dataset(dataclasses.replace(dataset.spec, classes=()), dataset.samples)
    folder = trained(tmp_path / "run", "toy", "digits")
    reals = Reference(
        plain, None, 200, extractors.of_random_network(plain.spec, CPU), no_held_out="nothing is held out"
    )
    found = evaluate(folder, n=200, seeds=1, reals=reals)
    assert found.conditions["extractor"] == "random" and found.conditions["reader"] is None
    assert found.figures.keys() > QUALITY and found.left_out["held_out"] == "nothing is held out"


def copying(values: torch.Tensor) -> dict[str, float]:
    """What is said of copying, of ring8's points in the place of generated ones."""
    train, held_out = (Ring8().load(Path(), split) for split in ("train", "test"))
    small = [dataclasses.replace(d, samples=d.samples[:2000], labels=d.labels[:2000]) for d in (train, held_out)]
    reals = Reference(*small, 2000, extractors.of_values(CPU))
    return reals.copying(reals.extractor(values)) | {"floor": reals.floor["nearest_is_train"]}


def test_copies_of_training_data_are_found_out():
    points = Ring8().load(Path()).samples
    copied, fresh = copying(points[:500]), copying(points[5000:6000])
    assert copied["nearest_is_train"] > 0.95 and copied["nearest_train"] < fresh["nearest_train"] / 2
    assert fresh["nearest_is_train"] == pytest.approx(fresh["floor"], abs=0.06) and fresh["floor"] == 0.5


def test_the_discriminator_is_judged_at_its_boundary():
    train, held_out, fake = torch.tensor([1.0, 2.0, -1.0, 3.0]), torch.tensor([1.0, -1.0]), torch.tensor([-2.0, 0.5])
    assert accuracies(train, held_out, fake, 0.0) == {
        "accuracy_train": 0.75, "accuracy_fake": 0.5, "accuracy_held_out": 0.5,
    }  # fmt: skip
    # A critic's scores have no zero: the middle of the means 11.25 and 9.25 is 10.25.
    assert accuracies(train + 10, None, fake + 10, None) == {"accuracy_train": 0.75, "accuracy_fake": 0.5}


def test_dropout_is_off_in_the_discriminator(folders):
    folder = folders("toy", "digits")
    module = load_discriminator(RunFolder.open(folder), ganzoo.load(folder))
    x = torch.zeros(50, 1, 28, 28)
    assert torch.equal(module(x), module(x)) and len(set(module(x).tolist())) == 1


def test_the_classifier_is_trained_once_and_kept(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "ganzoo")
    dataset = Digits().load(Path())
    first = keeping.cached_classifier(dataset, tmp_path)
    (path,) = (tmp_path / "classifiers").iterdir()
    assert caplog.messages == ["training a classifier of digits to judge with, once"]
    again = keeping.cached_classifier(dataset, tmp_path)
    assert len(caplog.messages) == 1
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    digest = extractors.of_classifier(first, "x", CPU).digest
    assert digest == extractors.of_classifier(again, "x", CPU).digest
    path.write_bytes(path.read_bytes()[:-7])
    keeping.cached_classifier(dataset, tmp_path)
    assert len(caplog.messages) == 3 and "the classifier is trained again" in caplog.text
    assert tensor_files.load(path, "classifier")[0]["data"] == "digits"


def test_of_data_that_comes_with_ganzoo_the_classifier_does_too(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "ganzoo")
    monkeypatch.undo()
    reals = load_reals(Digits(), tmp_path, 1797)
    assert not caplog.messages and not (tmp_path / "classifiers").exists()
    assert reals.extractor.digest == "9dbde01758c3b7ed" and reals.floor["read_as_asked"] > 0.99


def test_a_folder_of_ones_own_keeps_the_classifier(tmp_path):
    reals = load_reals(Digits(), tmp_path / "data", 300, classifiers=tmp_path / "own")
    (path,) = (tmp_path / "own").iterdir()
    assert not (tmp_path / "data").exists()
    again = load_reals(Digits(), tmp_path / "other", 300, classifiers=tmp_path / "own")
    assert again.extractor.digest == reals.extractor.digest and path.is_file()


def test_a_data_folder_that_cannot_be_written_is_no_hindrance(tmp_path, caplog):
    (tmp_path / "data").write_text("no folder")
    dataset = Digits().load(Path())
    keeping.cached_classifier(dataset, tmp_path / "data")
    kept = tmp_path / "cache" / "ganzoo" / "classifiers"
    assert list(kept.iterdir())
    assert caplog.messages[-1] == (
        f"the classifier can't be kept in {tmp_path / 'data' / 'classifiers'}; it is kept in {kept}"
    )
    (tmp_path / "cache" / "ganzoo" / "classifiers").rename(tmp_path / "gone")
    (tmp_path / "cache" / "ganzoo" / "classifiers").write_text("no folder either")
    with caplog.at_level(logging.WARNING, "ganzoo"):
        keeping.cached_classifier(dataset, tmp_path / "data")
    assert "the classifier can't be kept in" in caplog.text and "it will be made again" in caplog.text


def an_evaluation(**changes) -> Evaluation:
    counts = {"samples": 300, "real": 300, "real_neighbours": 1797, "seeds": [0, 1]}
    conditions = {"data": "digits", "extractor": "classifier"} | counts | changes
    return Evaluation("toy", 3, conditions, {"fid": MetricValue((1.0, 3.0), 0.5), "new": MetricValue((1.0,))}, "halves")


def test_results_under_other_conditions_are_not_compared():
    one, other = an_evaluation(), an_evaluation(samples=100, digest="abc")
    check_comparable({"a": one, "b": an_evaluation()})
    assert differing(one, other) == ["samples (300 and 100)", "digest (None and abc)"]
    assert differing(other, one) == ["samples (100 and 300)", "digest (abc and None)"]
    with pytest.raises(DataError) as error:
        check_comparable({"a": one, "b": one, "c": other})
    assert str(error.value) == (
        "a and c can't be compared: they were evaluated with different samples (300 and 100), digest (None and abc); "
        "evaluate both alike with `ganzoo evaluate`"
    )


def test_an_evaluation_is_kept_and_read_again(tmp_path):
    path = an_evaluation().save(tmp_path)
    assert path.name == "evaluation.json" and Evaluation.read(path) == an_evaluation()
    fid = json.loads(path.read_text())["figures"]["fid"]
    spread = pytest.approx(2**0.5)
    assert fid == {"mean": 2, "spread": spread, "error": None, "floor": 0.5, "values": [1, 3], "better": "lower"}
    assert an_evaluation(extractor="inception").save(tmp_path).name == "evaluation-inception.json"
    path.write_text("{}")
    with pytest.raises(FileError, match="is damaged: it holds no variant; make it again: ganzoo evaluate"):
        Evaluation.read(path)


def test_the_command_prints_a_table_and_keeps_the_result(folders):
    folder = folders("toy-conditional", "ring8")
    result = invoke(folder, "-n", 200, "--seeds", 2)
    assert result.exit_code == 0, result.output
    assert "toy-conditional at step 3 against ring8" in result.stdout
    assert "FID" in result.stdout and "read as asked, worst class" in result.stdout and "real data" in result.stdout
    assert "% read as" in result.stdout and "NE" in result.stdout
    assert "measured: 200 samples of each of 2 seeds, 200 real" in result.stdout
    assert "features: values" in result.stdout
    assert (
        "evaluating 200 samples of seed 1" in result.stderr and f"kept in {folder / 'evaluation.json'}" in result.stderr
    )
    assert Evaluation.read(folder / "evaluation.json").conditions["samples"] == 200


def test_json_is_all_there_is_on_stdout(folders):
    result = invoke(folders("toy", "sine"), "-n", 100, "--seeds", 1, "--json")
    assert json.loads(result.stdout)["figures"]["inside_share"]["better"] == "higher"


def test_the_picture_of_the_nearest_neighbours_lies_beside(folders, digits, tmp_path):
    found = evaluate(folders("toy", "digits"), n=300, seeds=1, reals=digits)
    assert found.save(tmp_path).with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_shows_the_nearest_of_each_class_first():
    distances, read = torch.tensor([0.4, 0.1, 0.2, 0.3]), torch.tensor([2, 5, 5, 1])
    assert neighbours._telling(distances, read).tolist() == [1, 3, 0, 2]
    assert neighbours._telling(distances, None).tolist() == [1, 2, 3, 0]


def test_a_folder_of_images_is_judged_with_the_options_of_its_run(tmp_path):
    from PIL import Image

    (tmp_path / "photos").mkdir()
    for k, row in enumerate(torch.randint(0, 256, (120, 20, 20), dtype=torch.uint8).numpy()):
        Image.fromarray(row).save(tmp_path / "photos" / f"{k:03}.png")
    data = f"folder:{tmp_path / 'photos'}"
    folder = trained(tmp_path / "run", "toy", data, image_size=16)
    found = evaluate(folder, n=100, seeds=1)
    assert found.conditions["extractor"] == "random" and "folder has no held-out part" in found.left_out["held_out"]
    assert evaluate(folder, n=5000, seeds=1).conditions["samples"] == 120, "no more than there are real ones"
    alone = evaluate(
        folder / "generator.safetensors", n=100, seeds=1, data=data, options={"image_size": "16", "channels": "1"}
    )
    assert alone.conditions == found.conditions and alone.figures["fid"] == found.figures["fid"]


@pytest.mark.parametrize("reordered", [("b", "a"), ("a", "b")])
def test_classes_in_another_order_are_refused(reordered):
    spec = DataSpec("folder:x", (1, 8, 8), ("a", "b"))
    generator = SimpleNamespace(
        spec=replace(spec, classes=reordered), variant=SimpleNamespace(conditional=True), inputs=()
    )
    if reordered == spec.classes:
        _check_fit(generator, SimpleNamespace(spec=spec))
        return
    with pytest.raises(DataError, match=r"^the generator's classes are in another order than those of folder:x, as an"):
        _check_fit(generator, SimpleNamespace(spec=spec))


def test_what_does_not_fit_is_refused_in_a_sentence(folders, digits):
    run = folders("toy", "ring8")
    with pytest.raises(DataError, match="trained on ring8 and can't be judged by digits: their kind must be the same"):
        evaluate(run, n=300, reals=digits)
    with pytest.raises(SettingError, match="seeds must be at least 1, but is 0"):
        evaluate(run, seeds=0)
    with pytest.raises(SettingError, match="features must be inception, inception:FILE, or left out, but is 'vgg'"):
        evaluate(run, features="vgg")
    with pytest.raises(DataError, match="needs at least 20 samples of each kind, but ring8 holds 50000 and n is 19"):
        evaluate(run, n=19)
    dataset = Digits().load(Path())
    same = torch.zeros(200, 3)
    with pytest.raises(DataError, match="the real samples are all alike to the extractor"):
        Reference(Dataset(DataSpec("same", (3,), kind="curves"), same), None, 100, extractors.of_values(CPU))
    assert len(dataset) == 1797


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder of 24 images of noise."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for k in range(24):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"photos/{k}.png")
    return tmp_path / "photos"


def test_a_run_on_few_images_is_warned_of_and_judged_with_its_error(photos, tmp_path, caplog):
    run = trained(tmp_path / "run", "toy", f"folder:{photos}", image_size="8", batch_size=8)
    assert "folder:photos has 24 samples, which are few: a discriminator soon knows each by heart" in caplog.text
    found = evaluate(run, seeds=2)
    assert all(found.figures[name].error > 0 for name in QUALITY - {"coverage", "precision", "recall"})
    assert all(found.figures[name].floor is not None for name in QUALITY)
    assert all(found.figures[name].error is None for name in found.figures.keys() - QUALITY)
    assert found.conditions["draw"] == 12
    assert found.floor == "20 draws of two halves of the 24 real samples, held against each other"
    assert found.caution.startswith("24 real samples are few")
    loaded = Evaluation.read(found.save(run))
    assert (loaded.figures, loaded.caution) == (found.figures, found.caution)
    shown = invoke(run, "--seeds", 1)
    assert shown.exit_code == 0, shown.output
    assert re.search(r"^figure +mean +spread +error +real data +better$", shown.output, re.MULTILINE)
    assert re.search(r"^trust: +24 real samples are few", shown.output, re.MULTILINE)


def test_many_images_have_no_error(folders):
    found = evaluate(folders("toy", "ring8"), n=200, seeds=1)
    assert found.caution is None and found.conditions["draw"] is None
    assert all(figure.error is None for figure in found.figures.values())
    assert "error" not in invoke(folders("toy", "ring8"), "-n", 200, "--seeds", 1).output


def test_few_held_out_images_are_not_what_real_data_scores(digits):
    values, labels = digits.all.values, digits.all.labels
    some = Dataset(digits.spec, values[:60], labels[:60])
    few = Reference(some, Dataset(digits.spec, values[60:89], labels[60:89]), 60, digits.extractor)
    assert few.floor_is == (
        "20 draws of two halves of the 60 real samples, held against each other, as 29 held-out ones are too few"
    )
    enough = Reference(some, Dataset(digits.spec, values[60:90], labels[60:90]), 60, digits.extractor)
    assert enough.floor_is == "30 at a time of 30 held-out real samples in the place of generated ones"


def test_a_generator_that_gives_no_numbers_is_refused(tmp_path, monkeypatch):
    folder = trained(tmp_path / "run", "toy", "ring8")
    nothing = torch.full((100, 2), torch.nan)  # from finite weights: their sums may overflow
    monkeypatch.setattr("ganzoo_tools.evaluation.evaluation.generate", lambda *_, **__: nothing)
    with pytest.raises(DataError, match="the generator gives numbers that are not finite; its training failed"):
        evaluate(folder, n=100, seeds=1)


@pytest.mark.slow
@pytest.mark.skipif(not (REAL_DATA / Mnist.folder).is_dir(), reason="MNIST is not on this machine (GANZOO_DATA)")
def test_fid_of_real_mnist_against_real_mnist_is_below_3(monkeypatch, tmp_path):
    monkeypatch.setattr(keeping, "train_classifier", train_classifier)
    floor = load_reals(Mnist(), REAL_DATA, 10_000).floor
    assert floor["fid"] < 3 and floor["read_as_asked"] > 0.98 and floor["coverage"] > 0.9


@pytest.mark.slow
def test_training_improves_every_figure_of_quality(tmp_path, monkeypatch):
    """An untrained, a half-trained and a trained generator come in this order."""
    monkeypatch.setattr(keeping, "train_classifier", train_classifier)
    reals = load_reals(Digits(), tmp_path, 1797)
    run = ganzoo.train("cgan", data="digits", steps=1, device="cpu", out=tmp_path / "run")
    found = []
    for steps in (1, 500, 4000):
        ganzoo.train(resume=run.folder, texts={"steps": str(steps)})
        found.append(evaluate(run.folder, n=1797, seeds=2, reals=reals).figures)
    for name in ("fid", "kid"):
        assert found[0][name].mean > found[1][name].mean > found[2][name].mean, name
    for name in (name for name, (_, better) in TITLES.items() if better == "higher" and name in found[0]):
        assert found[0][name].mean <= found[1][name].mean <= found[2][name].mean, name
        assert found[0][name].mean < found[2][name].mean, name


def test_a_folder_of_pictures_is_judged(tmp_path, in_tmp):
    """Pictures of digits are nearer to digits than noise is; nothing is written beside them."""
    images = Digits().load(tmp_path).samples[:100, 0].numpy()
    for name, pictures in (("digits", images), ("noise", np.random.default_rng(0).integers(0, 256, images.shape))):
        Path(name).mkdir()
        for number, picture in enumerate(pictures.astype(np.uint8)):
            Image.fromarray(picture).save(f"{name}/{number}.png")
    found = {}
    for name in ("digits", "noise"):
        result = invoke(name, "--data", "digits", "-n", "90", "--json")
        assert result.exit_code == 0, result.output
        found[name] = json.loads(result.stdout)
        assert sorted(os.listdir(name)) == sorted(f"{number}.png" for number in range(100))
    for name, judged in found.items():
        assert judged["variant"] == name and judged["conditions"]["samples"] == judged["conditions"]["real"] == 90
        assert judged["left_out"]["accuracy"] == "pictures have no discriminator"
        assert sum(judged["classes"]["share"]) == pytest.approx(1)
        assert judged["figures"].keys() >= QUALITY
    near, far = (found[name]["figures"] for name in ("digits", "noise"))
    assert near["fid"]["mean"] < far["fid"]["mean"] / 3
    assert near["nearest_train"]["mean"] < far["nearest_train"]["mean"] / 3
    assert invoke("digits", "--data", "digits", "-n", "90").stdout.startswith("digits against digits\n")


def test_a_folder_of_pictures_needs_data_of_pictures(in_tmp):
    Path("made").mkdir()
    assert invoke("made", "--data", "digits").stderr.startswith("Error: made holds no run")
    Image.new("L", (8, 8)).save("made/a.png")
    assert "Error: made holds pictures: name the data set to hold them against, with --data" in invoke("made").stderr
    assert "can't be held against ring8, which is of points" in invoke("made", "--data", "ring8").stderr
    assert "evaluate needs at least 20 samples of each kind" in invoke("made", "--data", "digits").stderr
