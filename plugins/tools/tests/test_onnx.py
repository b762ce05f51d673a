"""A generator as an ONNX model, compared with PyTorch's by onnxruntime."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError, GanzooError
from ganzoo_core.sampling.generate import latents

NEEDED = ("onnx", "onnxruntime", "onnxscript")
needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED), reason="needs pip install 'ganzoo-tools[onnx]'"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> ganzoo.Run:
    out = tmp_path_factory.mktemp("onnx") / "run"
    return ganzoo.train("toy-conditional", data="digits", steps=3, device="cpu", out=out)


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@needs_onnx
def test_a_conditional_generator_makes_what_pytorch_makes(run, in_tmp):
    import onnx
    import onnxruntime

    result = invoke("export", run.folder, "-o", "model.onnx")
    assert (result.exit_code, result.stdout) == (0, "model.onnx\n"), result.stderr
    assert "its samples are within" in result.stderr
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    assert {i.name: i.type for i in session.get_inputs()} == {"z": "tensor(float)", "labels": "tensor(int64)"}
    generator = run.generator()
    for n in (1, 2, 7):
        z, labels = latents(generator.module, n, seed=3), torch.arange(n) + 2
        (samples,) = session.run(["samples"], {"z": z.numpy(), "labels": labels.numpy()})
        with torch.inference_mode():
            expected = generator.module(z, labels).numpy()
        assert samples.shape == (n, 1, 28, 28) and samples.dtype == np.float32
        np.testing.assert_allclose(samples, expected, atol=1e-5)
    assert not np.allclose(samples[0], session.run(["samples"], {"z": z.numpy(), "labels": labels.numpy() * 0})[0][0])
    model = onnx.load("model.onnx")
    onnx.checker.check_model(model)
    metadata = json.loads({p.key: p.value for p in model.metadata_props}["ganzoo"])
    assert (metadata["variant"], metadata["package"], metadata["step"]) == ("toy-conditional", "ganzoo-toy", 3)
    assert metadata["data"]["classes"] == list("0123456789")
    data = Path("model.onnx").read_bytes()
    assert str(Path(ganzoo.__file__).parent).encode() not in data and b"site-packages" not in data, "no path in it"


@needs_onnx
@pytest.mark.long
def test_an_unconditional_generator_takes_latents_alone(in_tmp):
    import onnxruntime

    run = ganzoo.train("toy", data="sine", steps=1, device="cpu", out="run")
    assert invoke("export", run.folder / "generator.safetensors", "-o", "curves.onnx").exit_code == 0
    session = onnxruntime.InferenceSession("curves.onnx", providers=["CPUExecutionProvider"])
    (z,) = session.get_inputs()
    assert (z.name, z.shape[1]) == ("z", 4) and isinstance(z.shape[0], str), "any number of latents"
    assert session.run(None, {"z": np.zeros((5, 4), np.float32)})[0].shape == (5, 15)


@needs_onnx
def test_a_generator_with_noise_of_its_own_is_refused(run, in_tmp, monkeypatch):
    generator = run.generator()
    whole = type(generator.module).forward
    monkeypatch.setattr(
        type(generator.module), "forward", lambda self, z, labels=None: whole(self, z, labels) + torch.rand(())
    )
    from ganzoo_tools.onnx import export_onnx

    with pytest.raises(GanzooError, match=r"must be within 0.001 of PyTorch's, but differ by .*random numbers beside"):
        export_onnx(generator, "model.onnx")
    assert not Path("model.onnx").exists()


@needs_onnx
def test_a_generator_that_the_exporter_can_not_follow(run, in_tmp, monkeypatch):
    def forward(self, z, labels=None):
        raise RuntimeError("too clever\nby half")

    generator = run.generator()
    monkeypatch.setattr(type(generator.module), "forward", forward)
    from ganzoo_tools.onnx import export_onnx

    with pytest.raises(GanzooError, match="toy-conditional can't be exported to ONNX: RuntimeError: too clever$"):
        export_onnx(generator, "model.onnx")


def test_another_suffix(run, in_tmp):
    from ganzoo_tools.onnx import export_onnx

    with pytest.raises(FileError) as caught:
        export_onnx(run.generator(), "model.pt")
    assert str(caught.value) == "a model is exported as .onnx, but the file is 'model.pt'"
    result = invoke("export", run.folder)
    assert result.exit_code == 2 and "Missing option '-o'" in result.stderr


def test_without_the_packages_a_sentence_names_the_extra(run, in_tmp, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = invoke("export", run.folder, "-o", "model.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: ganzoo export needs onnx and onnxruntime and onnxscript; "
        'install with: pip install "ganzoo-tools[onnx]"\n'
    )


def exported(variant: str) -> tuple[ganzoo.TrainedGenerator, Any]:
    """A generator that takes inputs, and its model."""
    import onnxruntime

    from ganzoo_tools.onnx import export_onnx

    generator = ganzoo.train(variant, device="cpu", out="run", steps=2, snapshots=()).generator()
    export_onnx(generator, "model.onnx")
    return generator, onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])


@needs_onnx
@pytest.mark.parametrize("variant", ["translator", "upscaler"])
@pytest.mark.long
def test_images_are_taken_by_name_and_in_any_size(takers, in_tmp, variant):
    generator, session = exported(variant)
    (one,), (taken,) = generator.inputs, session.get_inputs()
    assert taken.name == one.name and [type(side) for side in taken.shape] == [str, int, str, str], "no z"
    for n, height, width in ((1, 4, 6), (2, 16, 16), (5, 34, 20)):
        given = (torch.rand(n, 3, height, width) * 2 - 1).numpy()
        (made,) = session.run(["samples"], {one.name: given})
        np.testing.assert_allclose(made, generator.sample(inputs={one.name: given}).values, atol=1e-5)
    with pytest.raises(Exception, match="Got: 1 Expected: 3"):
        session.run(["samples"], {one.name: given[:, :1]})


@needs_onnx
@pytest.mark.long
def test_labels_and_texts_stand_beside_noise(takers, in_tmp):
    generator, session = exported("domains")
    assert {i.name: i.type for i in session.get_inputs()} == {"labels": "tensor(int64)", "source": "tensor(float)"}
    source = (torch.rand(1, 3, 8, 8) * 2 - 1).numpy()
    (made,) = session.run(["samples"], {"source": source, "labels": np.array([1])})
    np.testing.assert_allclose(made, generator.sample(inputs={"source": source}, labels=["b"]).values, atol=1e-5)

    shutil.rmtree("run")
    generator, session = exported("writer")
    assert [i.name for i in session.get_inputs()] == ["z", "text"]
    z, text = latents(generator.module, 2, 0), torch.tensor([[1, 4, 0, 0], [3, 0, 0, 0]])
    (made,) = session.run(["samples"], {"z": z.numpy(), "text": text.numpy()})
    np.testing.assert_allclose(made, generator.sample(text=["red square", "blue"]).values, atol=1e-5)
    import onnx

    header = json.loads({p.key: p.value for p in onnx.load("model.onnx").metadata_props}["ganzoo"])
    assert header["inputs"][0]["names"] == ["red", "green", "blue", "square", "dot"]


@needs_onnx
@pytest.mark.long
def test_dropout_that_stays_on_is_refused(takers, in_tmp):
    with pytest.raises(GanzooError, match="such as dropout that stays on. An ONNX model can't draw the same ones"):
        exported("noisy-translator")
    assert not Path("model.onnx").exists()
