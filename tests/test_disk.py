"""A disk that refuses: full, read-only, gone. On a real small file system where the tests may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganzoo_core import checkpoint
from ganzoo_core.run_folder import RunFolder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def run(env, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ganzoo_core", "run", *arguments]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, check=False)


OPTIONS = ["toy", "--data", "digits", "--set", "checkpoint_every_s=0", "--set", "log_every=1", "--quiet"]


def assert_one_sentence(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in parts:
        assert part in result.stderr


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(small_disk, subprocess_env):
    result = run(subprocess_env, small_disk, *OPTIONS, "--steps", "3", "--out", "run", "--set", "width=2")
    assert result.returncode == 0, result.stderr
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
        while True:
            ballast.write(b"x" * 4096)
    result = run(subprocess_env, small_disk, "--resume", "run", "--steps", "5000", "--quiet")
    assert_one_sentence(result, "could not write", "No space left on device", "free some space")
    (small_disk / "ballast").unlink()
    header, _ = checkpoint.load(RunFolder.open(small_disk / "run").checkpoint, "checkpoint")
    assert header["step"] >= 3
    assert not [p for p in (small_disk / "run").iterdir() if p.suffix == ".tmp"], "half-written files must not stay"
    resumed = run(subprocess_env, small_disk, "--resume", "run", "--steps", str(header["step"] + 2), "--quiet")
    assert resumed.returncode == 0, resumed.stderr


def test_a_read_only_disk(small_disk, subprocess_env):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    result = run(subprocess_env, small_disk, *OPTIONS, "--out", "run")
    assert_one_sentence(result, "could not write run", "Read-only file system")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission(tmp_path, subprocess_env):
    tmp_path.chmod(0o500)
    result = run(subprocess_env, tmp_path, *OPTIONS, "--out", "run")
    tmp_path.chmod(0o700)
    assert_one_sentence(result, "could not write run", "Permission denied")


def test_a_file_where_the_folder_should_be(tmp_path, subprocess_env):
    (tmp_path / "run").write_text("mine")
    result = run(subprocess_env, tmp_path, *OPTIONS, "--out", "run")
    assert_one_sentence(result, "could not write run")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_removed_under_the_run(tmp_path, subprocess_env):
    process = subprocess.Popen(
        [sys.executable, "-m", "ganzoo_core", "run", *OPTIONS, "--steps", "1000000", "--out", "run"],
        env=subprocess_env, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        assert process.poll() is None
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "could not write run" in errors and "Traceback" not in errors
