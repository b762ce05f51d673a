"""Weights travel: a lone file, a package that ships them, and all that may not fit the machine they come to."""

from __future__ import annotations

import json
import logging
import shutil
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError, PluginError
from ganzoo_core.sampling.examples import copy_examples
from ganzoo_core.sampling.generator_file import write_halved
from ganzoo_core.storage import tensor_files

SHIP = """
import ganzoo_core as ganzoo
from ganzoo_core import hookimpl
from ganzoo_toy import Toy

GANZOO_API = 1


class Ship(Toy):
    name = "ship"


@hookimpl
def ganzoo_variants():
    return [Ship]
"""


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The weights of a toy on points, alone in a folder."""
    folder = tmp_path_factory.mktemp("trained")
    ganzoo.train("toy", data="ring8", steps=1, device="cpu", out=folder / "run")
    shutil.move(folder / "run" / "generator.safetensors", folder / "alone.safetensors")
    shutil.rmtree(folder / "run")
    return folder / "alone.safetensors"


def rewritten(source: Path, path: Path, **changes: object) -> Path:
    """The weights with other words in their header, and the digest that belongs to them."""
    header, tensors = tensor_files.load(source, "generator")
    tensor_files.save(path, "generator", {k: v for k, v in header.items() if k != "digest"} | changes, tensors)
    return path


@pytest.fixture
def shipping(plugin_site, trained) -> Path:
    """The plugin ganzoo-ship with weights inside its package; the path of these."""
    plugin_site.install("ganzoo-ship", {"ganzoo_ship/__init__.py": SHIP})
    folder = plugin_site.folder / "ganzoo_ship" / "weights"
    folder.mkdir()
    return rewritten(trained, folder / "ship.safetensors", variant="ship", package="ganzoo-ship")


def test_a_lone_file_is_enough(trained, in_tmp):
    shutil.copy(trained, "generator.safetensors")
    for command in ("sample", "explore"):
        result = invoke(command, "generator.safetensors", "-o", f"{command}.png")
        assert (result.exit_code, result.stdout) == (0, f"{command}.png\n"), result.stderr
        assert Path(f"{command}.png").stat().st_size > 0


def test_without_the_plugin_the_package_to_install_is_named(trained, monkeypatch):
    from ganzoo_core.registry import registry

    monkeypatch.setenv("GANZOO_PLUGINS", "ganzoo-core")
    registry.cache_clear()
    try:
        result = invoke("sample", trained)
    finally:
        registry.cache_clear()
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        f"Error: {trained} holds weights of the variant 'toy', whose package is not installed: pip install ganzoo-toy"
    )


def test_a_file_makes_nothing_be_imported(trained, plugin_site, tmp_path):
    (plugin_site.folder / "ganzoo_evil.py").write_text("raise AssertionError('imported')")
    path = rewritten(trained, tmp_path / "x.safetensors", variant="ganzoo_evil", package="ganzoo_evil")
    with pytest.raises(PluginError, match="whose package is not installed: pip install ganzoo_evil"):
        ganzoo.load(path)
    assert "ganzoo_evil" not in sys.modules


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("package", "--index-url evil x"),
        ("variant", "../x"),
        ("variant", "a\x1b[31m"),
        ("package_version", "1.0\x1b[31m"),
        ("package_version", ""),
    ],
)
def test_a_file_may_not_put_words_into_our_mouth(trained, tmp_path, field, text):
    path = rewritten(trained, tmp_path / "x.safetensors", **{field: text})
    with pytest.raises(FileError, match=f"x.safetensors is damaged: its header lacks or garbles {field}$"):
        ganzoo.load(path)


def test_weights_of_the_same_name_from_another_package(trained, tmp_path):
    path = rewritten(trained, tmp_path / "x.safetensors", package="ganzoo-toys")
    with pytest.raises(FileError, match="holds weights of the toy of ganzoo-toys, but the toy here is of ganzoo-toy"):
        ganzoo.load(path)
    assert ganzoo.load(rewritten(trained, tmp_path / "y.safetensors", package="Ganzoo_Toy")).variant.name == "toy"


@pytest.mark.parametrize(("version", "warns"), [("1.0", False), ("1.0.7", False), ("1.1", True), ("2.0", True)])
def test_weights_of_another_version_load_with_a_word(trained, tmp_path, caplog, version, warns):
    path = rewritten(trained, tmp_path / "x.safetensors", package_version=version)
    with caplog.at_level(logging.WARNING, "ganzoo"):
        ganzoo.load(path)
    words = f"it was written by ganzoo-toy {version}, and 1.0 is installed; its samples may be others than there"
    assert [words in record.getMessage() for record in caplog.records] == [True] * warns


def test_a_package_ships_weights(shipping, trained, in_tmp):
    assert torch.equal(ganzoo.load("ship").sample(70).values, ganzoo.load(trained).sample(70).values)
    for command in ("sample", "explore"):
        result = invoke(command, "ship", "-o", f"{command}.png")
        assert (result.exit_code, result.stdout) == (0, f"{command}.png\n"), result.stderr
    listed = {v["name"]: v["weights"] for v in json.loads(invoke("list", "--json").stdout)["variants"]}
    assert listed["ship"] is True and listed["toy"] is False
    lines = invoke("list").stdout.splitlines()
    assert {line.split()[0]: line.split()[4] for line in lines[1:] if line.startswith(("ship ", "toy "))} == {
        "ship": "yes",
        "toy": "no",
    }
    assert lines[-1] == "weights: trained ones come with it: ganzoo sample VARIANT"
    assert json.loads(invoke("show", "ship", "--json").stdout)["weights"] is True
    assert "comes with trained weights: ganzoo sample ship\n" in invoke("show", "ship").stdout
    assert "trained weights" not in invoke("show", "toy").stdout


def test_what_is_on_the_disk_goes_before_a_variant_of_that_name(shipping, trained, in_tmp):
    rewritten(trained, Path("ship"), step=99)
    assert ganzoo.load("ship").step == 99


def test_shipped_weights_that_were_tampered_with(shipping):
    data = bytearray(shipping.read_bytes())
    data[-1] ^= 1
    shipping.write_bytes(data)
    with pytest.raises(FileError, match="is damaged: its tensors do not match the digest"):
        ganzoo.load("ship")


def test_shipped_weights_of_another_variant(shipping, trained):
    shutil.copy(trained, shipping)
    with pytest.raises(FileError) as caught:
        ganzoo.load("ship")
    assert str(caught.value) == "the weights that ganzoo-ship 1.0 ships for ship are of the variant 'toy'"


def test_a_variant_without_weights_says_to_run_it_first(shipping, plugin_site):
    shipping.unlink()
    result = invoke("sample", "ship")
    assert (result.exit_code, result.stderr) == (
        1, "Error: ship ships no weights; train it first: ganzoo run ship\n"
    )  # fmt: skip
    plugin_site.install("ganzoo-file", {"ganzoo_file.py": SHIP.replace('"ship"', '"file"')})
    with pytest.raises(FileError, match="file ships no weights"):  # a plugin of one file has no folder of its own
        ganzoo.load("file")


def test_loading_leaves_the_random_numbers_of_the_caller_alone(trained):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    ganzoo.load(trained)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("command", "imported"),
    [(["show", "one"], {"ganzoo_one"}), (["sample", "one"], {"ganzoo_one"}), (["list"], {"ganzoo_one", "ganzoo_two"})],
)
def test_a_command_imports_the_plugin_it_needs(plugin_site, in_tmp, command, imported):
    """`show` needs a data set too, and finds the core's. A `sample` of weights that are not there is a failure."""
    for name in ("one", "two"):
        plugin_site.install(f"ganzoo-{name}", {f"ganzoo_{name}.py": SHIP.replace('"ship"', f'"{name}"')})
    result = invoke(*command)
    assert (result.exit_code == 0) == (command[0] != "sample"), result.stderr
    assert plugin_site.imported() == imported


def test_half_as_many_bytes_and_float32_again(trained, tmp_path):
    write_halved(trained, tmp_path / "half.safetensors")
    stored = load_file(tmp_path / "half.safetensors")
    assert {t.dtype for t in load_file(trained).values() if t.is_floating_point()} == {torch.float32}
    assert {t.dtype for t in stored.values() if t.is_floating_point()} == {torch.float16}
    whole, half = ganzoo.load(trained), ganzoo.load(tmp_path / "half.safetensors")
    for name, tensor in half.module.state_dict().items():
        assert tensor.dtype == whole.module.state_dict()[name].dtype
        assert torch.equal(tensor, whole.module.state_dict()[name].half().to(tensor.dtype))
    values = half.sample(70).values
    assert not torch.equal(values, whole.sample(70).values)
    assert torch.allclose(values, whole.sample(70).values, atol=0.01)


def test_a_run_may_begin_with_halved_weights(trained, tmp_path):
    write_halved(trained, tmp_path / "half.safetensors")
    run = ganzoo.train(
        "toy", data="ring8", steps=1, device="cpu", out=tmp_path / "run", start=tmp_path / "half.safetensors"
    )
    began = json.loads((run.folder / "run.json").read_text())["began_with"]
    assert began["taken"] == len(ganzoo.load(trained).module.state_dict())


def test_examples_beside_the_weights_are_taken(in_tmp, takers):
    run = ganzoo.train("translator", data="toy-pairs", steps=1, device="cpu", out="run")
    write_halved("run", Path("lone.safetensors"))
    assert "makes samples of an input, which it does not carry along" in invoke("sample", "lone.safetensors").stderr
    copy_examples(Path("run"), Path("lone.safetensors"))
    result = invoke("sample", "lone.safetensors")
    assert (result.exit_code, result.stdout) == (0, "samples-seed0.png\n"), result.stderr
    whole, lone = run.generator(), ganzoo.load("lone.safetensors")
    assert lone.examples.keys() == whole.examples.keys()
    assert torch.allclose(lone.examples["source"], whole.examples["source"], atol=1e-3)
