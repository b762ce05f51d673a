"""Files are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import shutil
import stat
import subprocess
import sys
import threading
from io import FileIO
from pathlib import Path

import pytest

from ganzoo_core.errors import FileError
from ganzoo_core.storage import files
from ganzoo_core.storage.files import (
    UNFINISHED,
    behind_link,
    duplicate_atomically,
    own_folder,
    read_bounded,
    remove_leftovers,
    try_lock,
    unfinished_folder,
    write_atomically,
)


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_is_replaced_unless_its_target_is_asked_for(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(behind_link(link), b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    write_atomically(link, b"newest")
    assert not link.is_symlink() and (link.read_bytes(), target.read_bytes()) == (b"newest", b"new")
    assert behind_link(target) == target


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_older_copy_of_a_link_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"whole")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "older").mkdir()
    duplicate_atomically(tmp_path / "link", tmp_path / "older" / "copy")
    assert not (tmp_path / "older" / "copy").is_symlink() and (tmp_path / "older" / "copy").read_bytes() == b"whole"


def test_only_regular_files_of_a_known_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    (tmp_path / "link").symlink_to(path)
    assert read_bounded(tmp_path / "link", 5) == b"12345"
    with pytest.raises(FileError, match=r"a can't be read: it may have 4 bytes, but has 5$"):
        read_bounded(path, 4)
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    for name in ("endless", "pipe"):
        with pytest.raises(FileError, match=rf"{name} can't be read: it must be a file, but is a pipe or a device; de"):
            read_bounded(tmp_path / name, 5)
    with pytest.raises(FileError, match=r"can't be read: Is a directory$"):
        read_bounded(tmp_path, 5)
    assert len(read_bounded(Path("/proc/self/status"), 5)) == 5, "a file that says it is empty is bounded too"


def test_nothing_is_made_locked_or_appended_to_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "folder").symlink_to(outside)
    with pytest.raises(FileError) as caught:
        own_folder(tmp_path / "folder")
    rule = "is a link, and nothing is written through the links inside a run"
    assert str(caught.value) == f"{tmp_path / 'folder'} {rule}; make it a folder"
    (tmp_path / ".lock").symlink_to(outside / "made")
    with pytest.raises(
        FileError, match=r"\.lock: .*; it is a link, and nothing is written through the links inside a run"
    ):
        try_lock(tmp_path / ".lock")
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(FileError, match=r"\.lock: .*; it is no file, but a pipe or the like, so delete it$"):
        try_lock(tmp_path / ".lock")
    (outside / f"{UNFINISHED}1").mkdir()
    (tmp_path / f"{UNFINISHED}2").symlink_to(outside / f"{UNFINISHED}1")
    (tmp_path / f"{UNFINISHED}3").write_bytes(b"")
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{UNFINISHED}2", f"{UNFINISHED}3", ".lock", "folder", "outside",
    ]  # fmt: skip
    assert (outside / f"{UNFINISHED}1").is_dir()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def disk_is_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, disk_is_full)
    with pytest.raises(FileError) as caught:
        write_atomically(path, b"new")
    assert str(caught.value) == f"could not write {path}: No space left on device; free some space or write elsewhere"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_an_interrupt_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def control_c(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", control_c)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(
    ("number", "way_out"),
    [
        (errno.EACCES, "check the permissions of {folder} or write elsewhere"),
        (errno.EPERM, "check the permissions of {folder} or write elsewhere"),
        (errno.EROFS, "{folder} can't be written to, so write elsewhere"),
        (errno.EIO, "write elsewhere"),
        (errno.EEXIST, "something of that name is in the way, so move it or write elsewhere"),
        (errno.EDQUOT, "free some space, ask for a larger quota, or write elsewhere"),
        (errno.EFBIG, "raise the limit on the size of a file or write elsewhere"),
    ],
)
def test_every_failure_names_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, way_out: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "reason")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(FileError) as caught:
        write_atomically(tmp_path / "a", b"")
    assert str(caught.value) == f"could not write {tmp_path / 'a'}: reason; " + way_out.format(folder=tmp_path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"No such file or directory; make the folder .*/missing first"):
        write_atomically(tmp_path / "missing" / "a", b"")


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"Not a directory; .*/file is no folder, so write elsewhere"):
        write_atomically(tmp_path / "file" / "a", b"")


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="Is a directory; name a file in that folder"):
        write_atomically(tmp_path, b"")


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def fail(path: Path, *arguments: object) -> int:
        if os.path.isdir(path):
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", fail)
    write_atomically(tmp_path / "a", b"whole")
    assert (tmp_path / "a").read_bytes() == b"whole"


LOCKED = """
import sys
import threading
from io import FileIO
from pathlib import Path
from ganzoo_core.storage.files import try_lock
lock = try_lock(Path(sys.argv[1]))
print(lock is not None, flush=True)
input()
"""


def test_a_lock_ends_with_its_file_or_its_process(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    command = [sys.executable, "-c", LOCKED, str(path)]
    with try_lock(path) as held:
        assert held is not None and try_lock(path) is None
        done = subprocess.run(command, input="\n", capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "True\n"
        assert try_lock(path) is None
        process.kill()
    with try_lock(path) as held:
        assert held is not None and os.listdir(tmp_path) == [".lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has locks everywhere")
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_without_locks_there_is_a_warning_and_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    path = tmp_path / ".lock"
    with caplog.at_level(logging.WARNING, "ganzoo"), try_lock(path) as first, try_lock(path) as second:
        assert first is not None and second is not None
        assert os.listdir(tmp_path) == [".lock"] and path.read_bytes() == b"", "no marker that outlives a killed run"
    warning = f"{path} can't be locked here ({os.strerror(number)}): see to it that no second process trains"
    assert [record.getMessage().startswith(warning) for record in caplog.records] == [True, True]


def test_a_lock_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"could not write .*/missing/.lock: No such file or directory; make the"):
        try_lock(tmp_path / "missing" / ".lock")


def test_an_unfinished_folder_vanishes_though_a_thread_still_writes(tmp_path: Path) -> None:
    begun = threading.Event()

    def write(folder: Path) -> None:
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (folder / str(number)).touch()
                begun.set()

    with unfinished_folder(tmp_path) as folder:
        thread = threading.Thread(target=write, args=(folder,))
        thread.start()
        assert begun.wait(10)
    thread.join()
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_folder_leaves_those_alone_that_others_fill(tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED}killed" / "new").mkdir(parents=True)
    (tmp_path / f"{UNFINISHED}link").symlink_to(tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    with unfinished_folder(tmp_path) as one, unfinished_folder(tmp_path) as other:
        assert one.is_dir() and other.is_dir() and one != other
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{UNFINISHED}link", "mine"]
    assert list((tmp_path / "mine").iterdir()) == []


def test_an_unfinished_folder_that_was_cleared_away_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, made = files._lock, []

    def late(file: FileIO) -> bool:
        made.append(Path(str(file.name)).parent)
        if len(made) == 1:
            shutil.rmtree(made[0])
        return lock(file)

    monkeypatch.setattr(files, "_lock", late)
    with unfinished_folder(tmp_path) as folder:
        assert folder.parent == made[1] and sorted(os.listdir(folder.parent)) == [".lock", "new"]
    assert os.listdir(tmp_path) == []


def test_the_next_file_written_clears_away_what_a_killed_process_left(tmp_path: Path) -> None:
    (tmp_path / f"{UNFINISHED}killed" / "new").mkdir(parents=True)
    (tmp_path / f"{UNFINISHED}killed" / "new" / "file").write_bytes(b"half")
    write_atomically(tmp_path / "a", b"whole")
    assert os.listdir(tmp_path) == ["a"]


def test_without_locks_nothing_of_others_is_cleared_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refuse)
    with unfinished_folder(tmp_path) as folder:
        write_atomically(tmp_path / "a", b"whole")
        assert folder.is_dir()
    assert os.listdir(tmp_path) == ["a"]
