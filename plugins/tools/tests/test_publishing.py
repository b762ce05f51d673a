"""A run's weights as a repository on Hugging Face, asked of a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ganzoo_core as ganzoo
from ganzoo_core.cli import main

COMMIT = "0123456789" * 4
hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")


class Hub(ThreadingHTTPServer):
    """What the hub is asked for, by its own interface: a repository, which files go to LFS, the files, the commit."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}  # of the commit
        self.stored: dict[str, bytes] = {}  # LFS, by digest
        self.tokens: set[str | None] = set()
        self.asked: list[str] = []
        self.refusal: int | None = None
        self.address = f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        at = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        at.tokens.add(self.headers.get("Authorization"))
        at.asked.append(f"{self.command} {self.path}")
        if at.refusal is not None:
            self._say({"error": "no"}, at.refusal)
        elif self.path == "/api/repos/create":
            self._say({"url": f"{at.address}/me/digits", "name": "me/digits", "id": "me/digits"})
        elif "/preupload/" in self.path:
            modes = {True: "lfs", False: "regular"}
            files = [one["path"] for one in json.loads(body)["files"]]
            said = [{"path": f, "uploadMode": modes[f.endswith(".safetensors")], "shouldIgnore": False} for f in files]
            self._say({"files": said})
        elif self.path.endswith("/objects/batch"):
            objects = json.loads(body)["objects"]
            upload = [one | {"actions": {"upload": {"href": f"{at.address}/lfs/{one['oid']}"}}} for one in objects]
            self._say({"transfer": "basic", "objects": upload})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        elif self.path == "/api/validate-yaml":
            self._say({"errors": [], "warnings": []})
        else:
            self._say({"error": "not known"}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.stored[hashlib.sha256(body).hexdigest()] = body
        self._say({})

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        self._say({"id": "me/digits", "sha": COMMIT, "siblings": []})

    def _commit(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[value["path"]] = b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.stored[value["oid"]]
        self._say({"commitUrl": f"{self.server.address}/me/digits/commit/{COMMIT}", "commitOid": COMMIT})

    def _say(self, value: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site(monkeypatch):
    with Hub() as found:
        threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", found.address)
        monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: "mine")
        monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)  # a protocol of its own
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("publishing") / "run"
    ganzoo.train("toy-conditional", data="digits", device="cpu", out=out, steps=3, snapshots=(3,))
    return out


def invoke(*arguments: object):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_weights_card_and_picture_are_one_commit(run: Path, site: Hub, in_tmp: Path, quick_judge: None):
    run = Path(shutil.copytree(run, "judged"))
    assert invoke("evaluate", run, "-n", "50", "--seeds", "1").exit_code == 0
    result = invoke("export", run, "-o", "hf:me/digits", "--limits", "All of it.")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"hf:me/digits@{COMMIT}\n"
    assert site.files.keys() == {"generator.safetensors", "README.md", "generator.png"}
    assert site.tokens == {"Bearer mine"}
    Path("got.safetensors").write_bytes(site.files["generator.safetensors"])
    assert len(ganzoo.load("got.safetensors").sample(4).values) == 4
    _, _, card = site.files["README.md"].decode().removeprefix("---\n").partition("\n---\n\n")
    told = hub.ModelCard(site.files["README.md"].decode()).data
    assert (told.library_name, told.license, told.pipeline_tag, told.tags) == (
        "ganzoo", "cc-by-4.0", "unconditional-image-generation", ["ganzoo", "gan", "toy-conditional"],
    )  # fmt: skip
    fid = json.loads((run / "evaluation.json").read_text())["figures"]["fid"]["mean"]
    assert told.eval_results[0].metric_value == pytest.approx(fid, rel=1e-3)
    assert told.eval_results[0].metric_name == "FID, in features of a classifier of the same data"
    assert card.startswith("# toy-conditional on digits\n\n    ganzoo sample hf:me/digits@COMMIT\n\n")
    assert "![Samples](generator.png)" in card and "All of it." in card


def test_a_dry_run_shows_all_and_asks_nobody(run: Path, site: Hub, in_tmp: Path):
    result = invoke("export", run, "-o", "hf:me/digits", "--dry-run")
    assert result.exit_code == 0, result.stderr
    names = [line.partition(":")[0] for line in result.stdout.splitlines()[:3]]
    assert names == ["README.md", "generator.png", "generator.safetensors"]
    assert "\n---\nlibrary_name: ganzoo\n" in result.stdout and "model-index" not in result.stdout
    assert "# toy-conditional on digits" in result.stdout
    assert site.asked == [] and list(in_tmp.iterdir()) == [], "nothing is written"


def test_what_takes_pictures_is_marked_so(takers, site: Hub, in_tmp: Path):
    ganzoo.train("translator", data="toy-pairs", device="cpu", out="run", steps=1)
    result = invoke("export", "run", "-o", "hf:me/digits", "--dry-run", "--examples")
    assert result.exit_code == 0, result.stderr
    assert "pipeline_tag: image-to-image\n" in result.stdout and "license:" not in result.stdout
    assert "generator.inputs.safetensors: " in result.stdout


def test_figures_say_whose_features_they_are_of(run: Path, site: Hub, in_tmp: Path, quick_judge: None):
    run = Path(shutil.copytree(run, "judged"))
    assert invoke("evaluate", run, "-n", "50", "--seeds", "1").exit_code == 0
    found = run / "evaluation.json"
    found.write_text(found.read_text().replace('"extractor": "classifier"', '"extractor": "random"'))
    result = invoke("export", run, "-o", "hf:me/digits", "--dry-run")
    assert "name: FID, in features of a network with random weights\n" in result.stdout, result.stderr


def test_what_makes_no_pictures_is_not_marked_as_if_it_did(site: Hub, in_tmp: Path):
    ganzoo.train("toy", data="ring8", device="cpu", out="run", steps=1)
    assert invoke("evaluate", "run", "-n", "50", "--seeds", "1").exit_code == 0
    result = invoke("export", "run", "-o", "hf:me/ring", "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert "library_name: ganzoo\n" in result.stdout
    assert "pipeline_tag" not in result.stdout and "model-index" not in result.stdout


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "you may not write there; `hf auth login` with a token that may write says who you are"),
        (403, "you may not write there; `hf auth login` with a token that may write says who you are"),
        (500, "the hub says 500"),
    ],
)
def test_a_hub_that_refuses(status: int, said: str, run: Path, site: Hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    site.refusal = status
    result = invoke("export", run, "-o", "hf:me/digits")
    assert (result.exit_code, result.stderr) == (1, f"Error: me/digits was not published: {said}\n")


def test_no_network(run: Path, site: Hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    result = invoke("export", run, "-o", "hf:me/digits")
    assert result.exit_code == 1 and result.stderr.endswith("; see to a network\n")
    assert result.stderr.startswith("Error: me/digits was not published: ") and result.stderr.count("\n") == 1


@pytest.mark.parametrize("target", ["hf:", "hf:me", "hf:me/", "hf:../x", "hf:me/a/b", "hf:me/digits@main", "hf:ü/x"])
def test_what_is_no_repository(target: str, run: Path):
    result = invoke("export", run, "-o", target)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {target} must be hf:OWNER/REPO, a name and a repository on Hugging Face\n"


def test_without_the_library(run: Path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    result = invoke("export", run, "-o", "hf:me/digits")
    assert result.exit_code == 1
    assert 'needs the package huggingface_hub: pip install "ganzoo-core[hub]"' in result.stderr


def test_a_dry_run_is_of_the_hub_alone(run: Path):
    result = invoke("export", run, "-o", "small.safetensors", "--dry-run")
    assert result.exit_code == 2 and "--dry-run is for -o hf:OWNER/REPO" in result.stderr
