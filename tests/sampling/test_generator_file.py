"""Loading and sampling a trained generator."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch

import ganzoo_core as ganzoo
from ganzoo_core.errors import FileError, PluginError, SettingError, UnknownNameError
from ganzoo_core.storage import tensor_files


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    return ganzoo.train("toy-conditional", data="digits", steps=3, device="cpu", out=out)


def tampered(run, path, **changes):
    header, tensors = tensor_files.load(run.folder / "generator.safetensors", "generator")
    header = {k: v for k, v in header.items() if k not in ("digest", "kind", "format_version")} | changes
    tensor_files.save(path, "generator", header, tensors)
    return path


def test_a_loaded_generator_makes_what_the_run_made(run):
    generator = ganzoo.load(run.folder / "generator.safetensors")
    assert (generator.variant.name, generator.spec.shape, generator.step) == ("toy-conditional", (1, 28, 28), 3)
    samples = generator.sample(80, seed=0)
    assert torch.equal(samples.values, run.sample(80, seed=0).values)
    picture = samples.picture()
    snapshot = run.folder / "samples" / "step-000003.png"
    from PIL import Image

    assert np.array_equal(np.asarray(picture), np.asarray(Image.open(snapshot))), "the last snapshot has the run's seed"


def test_the_same_seed_gives_the_same_samples_however_many(run):
    generator = run.generator()
    few, many = generator.sample(8, seed=5), generator.sample(150, seed=5)
    assert torch.equal(few.values, many.values[:8])
    assert not torch.equal(few.values, generator.sample(8, seed=6).values)
    assert many.values.shape == (150, 1, 28, 28) and many.values.abs().max() <= 1
    assert len({tuple(v.flatten().tolist()) for v in many.values}) == 150, "pieces must not repeat"


def test_sampling_leaves_the_generator_as_it_was(run):
    module = run.generator().module.train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    from ganzoo_core.sampling.generate import generate

    generate(module, 3, torch.zeros(3, dtype=torch.long), 0, torch.device("cpu"))
    assert module.training
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())


def test_labels_by_name_and_index_are_repeated_in_turn(run):
    generator = run.generator()
    assert generator.sample(5, labels=["3", 7]).labels.tolist() == [3, 7, 3, 7, 3]
    assert generator.sample(12).labels.tolist() == [*range(10), 0, 1]
    assert len(generator.sample(labels=["3"])) == 8
    with pytest.raises(UnknownNameError, match="no label called 'eleven'; known: 0, 1, 2"):
        generator.sample(labels=["eleven"])
    with pytest.raises(SettingError, match="n must be at least 1, but is 0"):
        generator.sample(0)


def test_an_unconditional_variant_takes_no_labels(tmp_path):
    run = ganzoo.train("toy", data="ring8", steps=1, device="cpu", out=tmp_path / "run")
    assert run.sample().labels is None and len(run.sample()) == 1000
    with pytest.raises(SettingError, match="toy is not conditional and can't be asked for a label"):
        run.sample(labels=["E"])


def test_what_is_not_there(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="there is no run folder, weights file or variant 'nothing'"):
        ganzoo.load("nothing")
    with pytest.raises(FileError, match="toy ships no weights; train it first: ganzoo run toy"):
        ganzoo.load("toy")
    with pytest.raises(FileError, match="holds no run"):
        ganzoo.load(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(FileError, match="has no generator.safetensors yet; train it: ganzoo run --resume"):
        ganzoo.load(tmp_path)


def test_weights_of_a_plugin_that_is_not_installed(run, tmp_path):
    path = tampered(run, tmp_path / "x.safetensors", variant="stylegan9", package="ganzoo-stylegan9")
    with pytest.raises(PluginError, match="holds weights of the variant 'stylegan9', .* pip install ganzoo-stylegan9"):
        ganzoo.load(path)


def test_weights_that_do_not_fit(run, tmp_path):
    config = run.info["settings"]
    config = {k: config[k] for k in ("width", "latent_dim")}
    path = tampered(run, tmp_path / "x.safetensors", config=config | {"width": 9})
    with pytest.raises(FileError, match=r"hidden.weight must have shape \(9, 4\), but has \(8, 4\); .* ganzoo-toy 1.0"):
        ganzoo.load(path)
    path = tampered(run, tmp_path / "x.safetensors", config=config | {"width": 10**9})
    with pytest.raises(FileError, match="hidden.weight must have shape"):  # and nothing of that size was allocated
        ganzoo.load(path)
    path = tampered(run, tmp_path / "x.safetensors", config=config | {"depth": 9})
    with pytest.raises(
        FileError, match="does not fit the installed toy-conditional: there is no setting called 'depth'"
    ):
        ganzoo.load(path)


@pytest.mark.parametrize("changes", [{"data": {"bogus": 1}}, {"data": 5}, {"step": "many"}, {"config": 3}])
def test_garbled_headers(run, tmp_path, changes):
    path = tampered(run, tmp_path / "x.safetensors", **changes)
    with pytest.raises(FileError, match="is damaged: its header lacks or garbles"):
        ganzoo.load(path)


def test_a_checkpoint_is_no_generator(run):
    with pytest.raises(FileError, match="must be a generator file, but is 'checkpoint'"):
        ganzoo.load(run.folder / "checkpoint.safetensors")


def test_foreign_weights(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(FileError, match="not one that ganzoo wrote"):
        ganzoo.load(tmp_path / "x.safetensors")
