"""Weights from elsewhere: an https address with its SHA-256, or a commit on Hugging Face; no other is read."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from loopback import Site, serving

import ganzoo_core as ganzoo
from ganzoo_core.cli import main
from ganzoo_core.errors import FileError
from ganzoo_core.sampling import remote
from ganzoo_core.storage import fetching

COMMIT = "0123456789" * 4
HUB = f"hf:me/gan@{COMMIT}"
PLACE = f"/me/gan/resolve/{COMMIT}/generator.safetensors"


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> bytes:
    """Those of a toy on points."""
    run = ganzoo.train("toy", data="ring8", steps=1, device="cpu", out=tmp_path_factory.mktemp("weights") / "run")
    return (run.folder / "generator.safetensors").read_bytes()


@pytest.fixture
def sha256(weights: bytes) -> str:
    return hashlib.sha256(weights).hexdigest()


@pytest.fixture
def site(weights: bytes, user_cache: Path, monkeypatch: pytest.MonkeyPatch):
    """A server with the weights, and a cache in which nothing is yet."""
    monkeypatch.setattr(fetching, "_WAIT_S", 0.0)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as served:
        served.files["/generator.safetensors"] = weights
        yield served


@pytest.fixture
def source(site: Site, sha256: str) -> str:
    return f"{site.at('/generator.safetensors')}#sha256={sha256}"


@pytest.fixture
def cached(user_cache: Path, sha256: str) -> Path:
    return user_cache / "weights" / f"{sha256}.safetensors"


COMMANDS = {
    "sample": ("sample", "{}", "-o", "a.png"),
    "sample-by-default": ("sample", "{}"),
    "explore": ("explore", "{}", "-o", "a.png"),
    "evaluate": ("evaluate", "{}", "-n", "40", "--seeds", "1", "--device", "cpu"),
    "run": ("run", "toy", "--data", "ring8", "--steps", "1", "--device", "cpu", "--from", "{}", "--out", "run"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_takes_an_address(command: tuple[str, ...], source: str, cached: Path, in_tmp: Path):
    source = source.replace("#", "?" + "long=" + "x" * 300 + "#")  # longer than a file's name may be
    result = invoke(*(word.format(source) for word in command))
    assert result.exit_code == 0, result.stderr
    shown = source.partition("?")[0]
    assert f"fetching {shown}" in result.stderr and f"the weights of {shown} are {cached}" in result.stderr
    assert list(cached.parent.iterdir()) == [cached]


def test_an_onnx_model_is_made_of_what_was_fetched(source: str, in_tmp: Path):
    pytest.importorskip("onnxruntime")
    result = invoke("export", source, "-o", "a.onnx")
    assert (result.exit_code, result.stdout) == (0, "a.onnx\n"), result.stderr


def test_a_card_is_made_of_a_run_alone(source: str, in_tmp: Path):
    result = invoke("export", source, "-o", "a.safetensors")
    assert result.exit_code == 1
    assert f"a card is made of a run, so SOURCE must be a run folder, but is {source}" in result.stderr


def test_no_motion_is_made_of_an_address(source: str, in_tmp: Path):
    result = invoke("sample", source + "x" * 300, "-o", "a.gif")
    assert result.exit_code == 1 and "SOURCE must be a run folder" in result.stderr


def test_what_is_in_the_cache_is_not_fetched_again(source: str, site: Site, cached: Path, caplog):
    for _ in range(2):
        assert ganzoo.load(source).variant.name == "toy"
    assert len(site.requests) == 1
    cached.write_bytes(cached.read_bytes()[:-1])
    assert ganzoo.load(source).variant.name == "toy" and len(site.requests) == 2
    assert f"{cached} is damaged, and is fetched again" in caplog.messages


def test_run_json_says_which_weights_they_were(source: str, sha256: str, in_tmp: Path):
    ganzoo.train("toy", data="ring8", steps=1, device="cpu", start=source, out=in_tmp / "run")
    began = json.loads((in_tmp / "run" / "run.json").read_text())["began_with"]
    assert (began["source"], began["sha256"]) == (source, sha256)


def test_quiet_is_quiet(source: str, cached: Path, in_tmp: Path):
    command = ("run", "toy", "--data", "ring8", "--steps", "1", "--device", "cpu", "--from", source, "--out", "run")
    result = invoke(*command, "--quiet")
    assert result.exit_code == 0 and "fetching" not in result.stderr and str(cached) not in result.stderr


def test_other_weights_are_not_read(source: str, site: Site, sha256: str, user_cache: Path, in_tmp: Path):
    site.files["/generator.safetensors"] += b"!"
    result = invoke("sample", source)
    assert result.exit_code == 1 and f"its SHA-256 must be {sha256}, but is " in result.stderr
    assert list((user_cache / "weights").iterdir()) == [] and list(in_tmp.iterdir()) == [user_cache.parent]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.partition("#")[0], "must be followed by #sha256= and the 64 digits of the file's SHA-256"),
        (lambda s: s[:-1], "by `sha256sum FILE` (on Windows `certutil -hashfile FILE SHA256`)"),
        (lambda s: s.replace("sha256", "md5"), "must be followed by #sha256="),
        (lambda s: s.replace("127.0.0.1", "example.org"), "it must begin with https://, since what comes by http can"),
        (lambda s: s.replace("http:", "HTTP:").replace("127.0.0.1", "example.org"), "it must begin with https://"),
        (lambda s: s.replace("/generator", "/no"), "could not be fetched: the server says 404 Not Found"),
        (lambda s: "https:x", "https:x is no address: it must be https://HOST/PATH"),
    ],
)
def test_an_address_that_is_refused(change, said: str, source: str, user_cache: Path):
    result = invoke("sample", change(source))
    assert result.exit_code == 1 and result.stderr.startswith("Error: ") and said in result.stderr
    assert result.stderr.count("\n") == 1 and not list(user_cache.rglob("*.safetensors"))


def test_the_digits_may_be_large(source: str, cached: Path):
    address, _, digest = source.rpartition("=")
    assert remote.fetched(f"{address}={digest.upper()}") == cached


def test_a_file_larger_than_it_may_be(source: str, user_cache: Path, monkeypatch):
    monkeypatch.setattr(remote, "_MOST_BYTES", 1000)
    with pytest.raises(FileError, match=r"is not fetched: it may have 1,000 bytes, but has [\d,]+ or more"):
        ganzoo.load(source)


def test_a_cache_that_can_not_be_written(source: str, user_cache: Path):
    user_cache.parent.touch()
    with pytest.raises(FileError, match=f"could not write {user_cache}"):
        ganzoo.load(source)


@pytest.mark.skipif(os.name != "posix", reason="needs a signal that can be sent")
def test_ctrl_c_leaves_no_half_file(site: Site, source: str, subprocess_env: dict[str, str], in_tmp: Path):
    site.cuts, site.stalls = [1000], True
    environment = subprocess_env | {"XDG_CACHE_HOME": str(in_tmp / "cache"), "HOME": str(in_tmp / "home")}
    command = [sys.executable, "-m", "ganzoo_core", "sample", source]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert site.stalled.wait(60)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and errors.splitlines()[-1] == "Error: stopped by Ctrl-C"
    assert [path.name for path in in_tmp.rglob("*") if path.is_file()] == []


@pytest.fixture
def hub(site: Site, weights: bytes, sha256: str, monkeypatch):
    """A hub of our own, as Hugging Face's answers: a commit's file is at another host, which says its digest."""
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    template = site.at("/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "mine")
    site.redirects[PLACE] = site.at("/generator.safetensors", "localhost")
    site.headers[PLACE] = {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(weights))}
    return site


def test_a_commit_on_hugging_face(hub: Site, cached: Path, in_tmp: Path, monkeypatch):
    result = invoke("sample", HUB)
    assert result.exit_code == 0, result.stderr
    assert f"the weights of {HUB} are {cached}\n" in result.stderr
    assert [(method, path) for method, path, _ in hub.requests] == [
        ("HEAD", PLACE), ("GET", PLACE), ("GET", "/generator.safetensors"),
    ]  # fmt: skip
    tokens = [{k.lower(): v for k, v in headers.items()}.get("authorization") for _, _, headers in hub.requests]
    assert tokens == ["Bearer mine", "Bearer mine", None], "a token is for the hub alone"
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert invoke("sample", f"{HUB}:generator.safetensors").exit_code == 0 and len(hub.requests) == 3, "asked once"


def test_run_json_names_the_commit(hub: Site, sha256: str, in_tmp: Path):
    ganzoo.train("toy", data="ring8", steps=1, device="cpu", start=HUB, out=in_tmp / "run")
    began = json.loads((in_tmp / "run" / "run.json").read_text())["began_with"]
    assert (began["source"], began["sha256"]) == (HUB, sha256)


def test_a_file_in_a_folder_of_the_repository(hub: Site, cached: Path):
    place = f"/me/gan/resolve/{COMMIT}/a/b.safetensors"
    hub.redirects[place], hub.headers[place] = hub.redirects[PLACE], hub.headers[PLACE]
    assert remote.fetched(f"{HUB}:a/b.safetensors") == cached


@pytest.mark.parametrize("source", ["hf:me/gan", "hf:me/gan@main", "hf:me/gan@0123456", f"HF:me/gan@{COMMIT}0"])
def test_a_commit_must_be_named(source: str):
    with pytest.raises(FileError, match="hf:me/gan must be followed by @ and the 40 digits of a commit, but names"):
        ganzoo.load(source)


@pytest.mark.parametrize("source", ["hf:gan", f"hf:me/gan/x@{COMMIT}", f"{HUB}:../main/a", f"{HUB}:/a", f"{HUB}:a\nb"])
def test_what_is_no_name_on_the_hub(source: str):
    with pytest.raises(FileError, match="must be hf:OWNER/REPO@COMMIT or hf:OWNER/REPO@COMMIT:FILE"):
        ganzoo.load(source)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "RepoNotFound", "there is no such repository, or it is not open to all; `hf auth login` says who you"),
        (403, "GatedRepo", "there is no such repository, or it is not open to all"),
        (404, "RevisionNotFound", "me/gan has no such commit"),
        (404, "EntryNotFound", "there is no generator.safetensors in that commit"),
        (500, "", "; see to a network"),
    ],
)
def test_what_the_hub_has_not(status: int, code: str, said: str, hub: Site):
    hub.errors[PLACE], hub.headers[PLACE] = status, {"X-Error-Code": code}
    result = invoke("sample", HUB)
    start = f"Error: {HUB}:generator.safetensors could not be looked up: "
    assert result.exit_code == 1 and result.stderr.startswith(start) and said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_hub_without_a_network(hub: Site, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}")
    with pytest.raises(FileError, match="could not be looked up: .*; see to a network") as told:
        ganzoo.load(HUB)
    assert "\n" not in str(told.value)


def test_a_hub_that_is_asked_in_the_open(hub: Site, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", "http://example.org/{repo_id}")
    with pytest.raises(FileError, match="http://example.org/me/gan is not fetched: it must begin with https://"):
        ganzoo.load(HUB)


def test_a_file_that_the_hub_has_no_digest_of(hub: Site):
    hub.headers[PLACE] = {"X-Linked-Etag": '"abc"', "X-Linked-Size": "5"}
    with pytest.raises(FileError, match="can't be checked: generator.safetensors is not kept by Git LFS there"):
        ganzoo.load(HUB)


def test_a_file_on_the_hub_larger_than_it_may_be(hub: Site, monkeypatch):
    monkeypatch.setattr(remote, "_MOST_BYTES", 1000)
    with pytest.raises(FileError, match=r"is not fetched: it may have 1,000 bytes, but has [\d,]+"):
        ganzoo.load(HUB)


def test_more_than_the_hub_said_is_not_taken(hub: Site, user_cache: Path):
    hub.files["/generator.safetensors"] += b"!"
    with pytest.raises(FileError, match=r"it may have [\d,]+ bytes, but has [\d,]+ or more"):
        ganzoo.load(HUB)
    assert list((user_cache / "weights").iterdir()) == []


def test_without_the_package_the_extra_is_named(site: Site, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileError, match=r'needs the package huggingface_hub: pip install "ganzoo-core\[hub\]"'):
        ganzoo.load(HUB)
