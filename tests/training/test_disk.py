"""A disk that refuses: full, read-only, gone. On a real small file system where the tests may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from forks import assert_same_run, run_contents

from ganzoo_core.runs.run_folder import RunFolder
from ganzoo_core.storage import tensor_files


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


OPTIONS = ["toy", "--data", "digits", "--set", "checkpoint_every_s=0", "--set", "log_every=1", "--set", "width=2",
           "--snapshots", "5", "--quiet"]  # fmt: skip


def assert_one_sentence(result: tuple[int, str], *parts: str) -> None:
    code, errors = result
    assert code == 1, errors
    assert "Traceback" not in errors and len(errors.strip().splitlines()) == 1, errors
    for part in parts:
        assert part in errors


def fill(disk: Path, free: int) -> Path:
    """Leave that many bytes free."""
    ballast = disk / "ballast"
    space = os.statvfs(disk)
    ballast.write_bytes(b"x" * max(0, space.f_bavail * space.f_frsize - free))
    return ballast


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(small_disk, forks, monkeypatch):
    monkeypatch.chdir(small_disk)
    assert forks.run("run", *OPTIONS, "--steps", "3", "--out", "run") == (0, "")
    ballast = fill(small_disk, 0)
    result = forks.run("run", "--resume", "run", "--steps", "5000", "--quiet")
    assert_one_sentence(result, "could not write", "No space left on device", "free some space")
    ballast.unlink()
    header, _ = tensor_files.load(RunFolder.open(small_disk / "run").checkpoint, "checkpoint")
    assert header["step"] >= 3
    assert not list((small_disk / "run").rglob(".ganzoo-*")), "half-written files must not stay"
    resumed = forks.run("run", "--resume", "run", "--steps", header["step"] + 2, "--quiet")
    assert resumed == (0, "")


def fails_and_goes_on(forks, disk: Path, free: int) -> bool:
    """Train with that little room, then with enough: the end is that of a run that had enough. Did it lack any?"""
    ballast = fill(disk, free)
    begin = ["run", *OPTIONS, "--steps", "12", "--keep", "5", "--out", "run"]
    result = forks.run(*begin)
    ballast.unlink()
    if result[0]:
        assert_one_sentence(result, "could not write", "No space left on device", "free some space or write elsewhere")
        begun = (disk / "run" / "run.json").exists()
        assert forks.run(*(["run", "--resume", "run", "--quiet"] if begun else begin)) == (0, "")
    if not (disk.parent / "whole").exists():
        assert forks.run(*begin[:-1], disk.parent / "whole") == (0, "")
    assert_same_run(disk / "run", disk.parent / "whole")
    shutil.rmtree(disk / "run")
    return bool(result[0])


@pytest.mark.parametrize("free", [100_000])
def test_a_disk_with_little_room(small_disk, forks, monkeypatch, free):
    monkeypatch.chdir(small_disk)
    assert fails_and_goes_on(forks, small_disk, free)


@pytest.mark.slow
def test_a_disk_with_any_room(small_disk, forks, monkeypatch, capsys):
    monkeypatch.chdir(small_disk)
    failed = [fails_and_goes_on(forks, small_disk, free) for free in range(0, 400_000, 10_000)]
    with capsys.disabled():
        print(f"\n{sum(failed)} of {len(failed)} runs found the disk full, each with another amount of room")
    assert sum(failed) >= 20


def test_a_read_only_disk(small_disk, forks, monkeypatch):
    monkeypatch.chdir(small_disk)
    assert forks.run("run", *OPTIONS, "--steps", "1", "--out", "old") == (0, "")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert_one_sentence(forks.run("run", *OPTIONS, "--out", "run"), "could not write run", "Read-only file system")
    result = forks.run("run", "--resume", "old", "--steps", "2")
    assert_one_sentence(result, "could not write old/.lock", "Read-only file system; old can't be written to")


def test_a_limit_on_files(in_tmp, forks):
    result = forks.run("run", *OPTIONS, "--steps", "3", "--out", "run", largest_file=[10_000])
    assert_one_sentence(result, "could not write run/", "File too large; raise the limit on the size of a file")
    assert forks.run("run", "--resume", "run", "--quiet") == (0, "")
    assert forks.run("run", *OPTIONS, "--steps", "3", "--out", "whole") == (0, "")
    assert_same_run(Path("run"), Path("whole"))


def test_a_disk_without_links_or_locks(in_tmp, forks):
    code, errors = forks.run(
        "run", *OPTIONS, "--steps", "3", "--keep", "2", "--out", "run", no_links=[], no_locks=[], slow_disk=[0]
    )
    assert code == 0 and "run/.lock can't be locked here (Function not implemented): see to it that no second" in errors
    assert sorted(os.listdir("run/checkpoints")) == ["step-000001.safetensors", "step-000002.safetensors"]
    assert forks.run("run", *OPTIONS, "--steps", "3", "--keep", "2", "--out", "whole") == (0, "")
    assert_same_run(Path("run"), Path("whole"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission(in_tmp, forks):
    in_tmp.chmod(0o500)
    result = forks.run("run", *OPTIONS, "--out", "run")
    in_tmp.chmod(0o700)
    assert_one_sentence(result, "could not write run", "Permission denied")


def test_a_file_where_the_folder_should_be(in_tmp, forks):
    Path("run").write_text("mine")
    assert_one_sentence(forks.run("run", *OPTIONS, "--out", "run"), "could not write run")
    assert Path("run").read_text() == "mine"


def endless(forks, *options: str):
    process = forks.start("run", *OPTIONS, "--steps", "1000000", "--out", "run", *options)
    while not Path("run/metrics.jsonl").exists():
        assert process.is_running(), process.errors
    return process


def test_a_folder_removed_under_the_run(in_tmp, forks):
    process = endless(forks)
    while Path("run").exists():
        shutil.rmtree("run", ignore_errors=True)
    assert_one_sentence((process.wait(), process.errors))
    assert "could not write run" in process.errors or "run was removed while its run went on" in process.errors


def test_another_run_in_the_place_of_a_removed_one_is_left_alone(in_tmp, forks):
    assert forks.run("run", *OPTIONS, "--steps", "2", "--out", "other") == (0, "")
    before = run_contents(Path("other"))
    process = endless(forks, "--set", "checkpoint_every_s=0.5")
    first = Path("run/checkpoint.safetensors").stat().st_mtime_ns
    while Path("run/checkpoint.safetensors").stat().st_mtime_ns == first:  # so that the next one is half a second off
        assert process.is_running(), process.errors
    Path("run").rename("gone")
    Path("other").rename("run")
    assert_one_sentence((process.wait(), process.errors), "run was removed while its run went on; the run ends")
    assert run_contents(Path("run")) == before


@pytest.mark.parametrize("target", ["fakes.npz", "fakes/"])
def test_samples_on_a_disk_that_fills_up(small_disk, forks, tmp_path, target):
    assert forks.run("run", *OPTIONS, "--steps", "1", "--out", tmp_path / "run") == (0, "")
    result = forks.run("sample", tmp_path / "run", "-n", "100000", "-o", f"{small_disk}/{target}")
    assert_one_sentence(result, f"could not write {small_disk / target}", "No space left on device", "free some space")
    assert list(small_disk.iterdir()) == []
