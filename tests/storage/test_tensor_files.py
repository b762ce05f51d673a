"""Files of tensors: whole, checked, and refused in a sentence where they are not what they should be."""

from __future__ import annotations

import json

import pytest
import safetensors.torch
import torch
from torch import nn

from ganzoo_core.errors import FileError
from ganzoo_core.storage import tensor_files

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1, 2]), "c": torch.zeros(0), "d": torch.tensor(3.0)}


def save(path, header=None, tensors=TENSORS, kind="generator"):
    tensor_files.save(path, kind, header or {"step": 7}, tensors)
    return path


def test_what_goes_in_comes_out_bit_for_bit(tmp_path):
    header, tensors = tensor_files.load(save(tmp_path / "x.safetensors"), "generator")
    assert header["step"] == 7
    assert tensors.keys() == TENSORS.keys()
    for name in tensors:
        assert torch.equal(tensors[name], TENSORS[name]) and tensors[name].dtype == TENSORS[name].dtype


def test_halved_numbers_are_float32_again(tmp_path):
    numbers = {"a": torch.tensor([1.0, 1 / 3]), "b": torch.tensor([1, 2]), "h": torch.tensor([0.5], dtype=torch.half)}
    tensor_files.save(tmp_path / "x", "generator", {"step": 7}, numbers, halved=True)
    with tensor_files.opened(tmp_path / "x", "generator") as file:
        assert file.header["halved"] == ["a"] and file.dtypes["a"] == torch.float32
        tensors = file.tensors()
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {n: t.dtype for n, t in numbers.items()}
    assert tensors["a"].tolist() == torch.tensor([1.0, 1 / 3]).half().tolist()


def test_what_float16_cannot_hold_is_not_written(tmp_path):
    with pytest.raises(FileError, match="x is of no use: a holds numbers that are not finite"):
        tensor_files.save(tmp_path / "x", "generator", {}, {"a": torch.tensor([1e5])}, halved=True)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("halved", ["a", [1], ["b"], ["nowhere"]])
def test_only_numbers_of_float16_were_halved(tmp_path, halved):
    save(tmp_path / "x", {"halved": halved})
    with pytest.raises(FileError, match="x is damaged: halved must name tensors of float16 in it"):
        tensor_files.load(tmp_path / "x", "generator")


def test_equal_content_gives_equal_bytes(tmp_path):
    header = {f"key{i}": i for i in range(20)}
    a, b = save(tmp_path / "a", header), save(tmp_path / "b", dict(reversed(header.items())))
    assert a.read_bytes() == b.read_bytes()


def test_channels_last_and_shared_tensors_can_be_saved(tmp_path):
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    _, tensors = tensor_files.load(save(tmp_path / "x", tensors={"x": x, "same": x}), "generator")
    assert torch.equal(tensors["x"], x) and torch.equal(tensors["same"], x)


def test_missing(tmp_path):
    with pytest.raises(FileError, match="there is no file .*nowhere"):
        tensor_files.load(tmp_path / "nowhere", "generator")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated(tmp_path, share):
    path = save(tmp_path / "x")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(FileError, match="is no whole safetensors file"):
        tensor_files.load(path, "generator")


def test_not_safetensors_at_all(tmp_path):
    (tmp_path / "x").write_bytes(b"\x80\x04 not weights" * 100)
    with pytest.raises(FileError, match="is no whole safetensors file"):
        tensor_files.load(tmp_path / "x", "generator")


def test_foreign(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "x")
    with pytest.raises(FileError, match="is a safetensors file, but not one that ganzoo wrote"):
        tensor_files.load(tmp_path / "x", "generator")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "header that is not JSON"),
        ("[" * 100_000, "header that is not JSON"),
        ("[]", "must be a generator file, but is None"),
        (json.dumps({"kind": "checkpoint"}), "must be a generator file, but is 'checkpoint'"),
        (json.dumps({"kind": "generator", "format_version": 99}), "has format version 99, but this ganzoo reads 1"),
        (json.dumps({"kind": "generator", "format_version": 1}), "is damaged: its tensors do not match the digest"),
    ],
)
def test_bad_headers(tmp_path, text, message):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "x", {"ganzoo": text})
    with pytest.raises(FileError, match=message):
        tensor_files.load(tmp_path / "x", "generator")


def test_a_flipped_bit_is_noticed(tmp_path):
    path = save(tmp_path / "x")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileError, match="is damaged"):
        tensor_files.load(path, "generator")


def test_load_into_refuses_what_does_not_fit(tmp_path):
    module = nn.Linear(2, 3)
    good = {f"net.{k}": v + 1 for k, v in module.state_dict().items()}
    tensor_files.load_into(module, good, "net", tmp_path)
    assert torch.equal(module.weight, good["net.weight"])
    with pytest.raises(FileError, match="it lacks tensor bias"):
        tensor_files.load_into(module, {"net.weight": good["net.weight"]}, "net", tmp_path)
    with pytest.raises(FileError, match="it has an unknown tensor other"):
        tensor_files.load_into(module, good | {"net.other": torch.zeros(1)}, "net", tmp_path)
    with pytest.raises(FileError, match=r"weight must have shape \(3, 2\), but has \(2, 3\)"):
        tensor_files.load_into(module, good | {"net.weight": torch.zeros(2, 3)}, "net", tmp_path)
    with pytest.raises(FileError, match=r"bias must have dtype torch.float32, but has torch.float64"):
        tensor_files.load_into(module, good | {"net.bias": torch.zeros(3, dtype=torch.float64)}, "net", tmp_path)
