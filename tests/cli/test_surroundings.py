"""What surrounds a command: closed and full streams, signals, a home that nobody has, files where the user stands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from forks import Forks

from ganzoo_core.cli import main
from ganzoo_core.cli.surroundings import Ended, ended_by_signals
from ganzoo_core.datasets import data_folder
from ganzoo_core.errors import DataError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell")
RUN = "run toy --data ring8 --steps 2 --batch-size 8 --device cpu --out r"


def shell(command: str, env: dict[str, str], **options: object) -> subprocess.CompletedProcess[str]:
    """What a shell makes of `ganzoo COMMAND`, redirections and all."""
    line = f'"{sys.executable}" -P -m ganzoo_core {command}'
    return subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.mark.long
@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_a_run_is_whole_though_nobody_hears_of_it(streams: str, in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    done = shell(f"{RUN} {streams}", subprocess_env)
    assert done.returncode == 0
    assert done.stdout == ("" if ">&- 2" in streams else "r\n")
    assert (in_tmp / "r" / "report.html").is_file() and (in_tmp / "r" / "generator.safetensors").is_file()


def test_a_result_that_finds_no_room_is_an_error(in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    done = shell("list > /dev/full", subprocess_env)
    assert (done.returncode, done.stderr) == (1, "Error: [Errno 28] No space left on device\n")


def test_a_pipe_that_is_closed_ends_it_quietly(in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    done = shell("list | true; exit ${PIPESTATUS[0]}", subprocess_env)
    assert done.returncode in (0, 1) and done.stderr == ""


def test_a_command_ends_without_a_search_for_garbage(run_python) -> None:  # type: ignore[no-untyped-def]
    """What is frozen, the interpreter doesn't look through as it ends."""
    program = """
import atexit, gc
atexit.register(lambda: print("frozen:", gc.get_freeze_count() > 0))  # the first is called last
from ganzoo_core.cli import main
main(["--version"])
"""
    assert run_python(program, Path(__file__).parents[2]).endswith("\nfrozen: True\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_first_signal_unwinds_and_a_second_one_ends_the_process(name: str) -> None:
    number = signal.Signals[name]
    with pytest.raises(Ended, match=name), ended_by_signals():
        try:
            os.kill(os.getpid(), number)
        finally:
            assert signal.getsignal(number) is signal.SIG_DFL
    assert signal.getsignal(number) is signal.SIG_DFL


def test_an_ignored_signal_stays_ignored() -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, previous)


MARKS = ("random", "torch", "json", "ganzoo_toy", "sitecustomize", "numpy")


@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_nothing_is_imported_from_where_the_user_stands(
    processes: int, in_tmp: Path, subprocess_env: dict[str, str]
) -> None:
    for name in MARKS:
        (in_tmp / f"{name}.py").write_text(f"open('imported-{name}', 'w'); raise SystemExit(3)")
    line = [sys.executable, "-m", "ganzoo_core", *RUN.split(), "--processes", str(processes)]
    done = subprocess.run(line, env=subprocess_env, capture_output=True, text=True, check=False)
    assert list(in_tmp.glob("imported-*")) == []
    assert (done.returncode, done.stdout) == (0, "r\n"), done.stderr


def test_a_user_without_a_home_trains_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANZOO_DATA", raising=False)

    def homeless(name: str) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("platformdirs.user_cache_dir", homeless)
    assert data_folder(None) == Path(tempfile.gettempdir()) / f"ganzoo-{os.getuid()}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a" + b".a" * 100_000 + b" = 1", "a key must be at most 1,000 characters, but one has 200,002"),
        (b"#" * (1 << 20) + b"#", "must be at most 1,048,576 bytes of settings, but is larger"),
        ("steps = 1".encode("utf-16"), "must be UTF-8, but invalid start byte at byte 0; save it as UTF-8"),
        (b"a = " + b"[" * 100_000, "is not valid TOML: maximum recursion depth exceeded"),
    ],
)
def test_a_settings_file_that_no_parser_should_see(data: bytes, message: str, in_tmp: Path) -> None:
    (in_tmp / "a.toml").write_bytes(data)
    result = CliRunner().invoke(main, ["run", "vanilla", "--config", "a.toml"])
    assert result.exit_code == 1 and result.stderr.startswith("Error: a.toml") and message in result.stderr


def test_a_device_without_an_end_is_no_settings_file(in_tmp: Path) -> None:
    result = CliRunner().invoke(main, ["run", "vanilla", "--config", "/dev/zero"])
    assert (result.exit_code, result.stderr) == (
        1, "Error: /dev/zero must be at most 1,048,576 bytes of settings, but is larger\n"
    )  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_settings(in_tmp: Path) -> None:
    (in_tmp / "a.toml").write_bytes(b"\xef\xbb\xbfsteps = 0\r\n")
    result = CliRunner().invoke(main, ["run", "vanilla", "--config", "a.toml"])
    assert result.stderr == "Error: steps must be at least 1, but is 0\n"


def test_a_working_folder_that_was_deleted_is_named(in_tmp: Path, subprocess_env: dict[str, str]) -> None:
    line = f'mkdir gone; cd gone; rmdir ../gone; "{sys.executable}" -P -m ganzoo_core list'
    done = subprocess.run(["bash", "-c", line], env=subprocess_env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Error: the folder that you stand in was deleted; go to another one first: cd\n"


@pytest.fixture(scope="module")
def digits_run(mother: Forks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "run"
    asked = ["toy", "--data", "digits", "--steps", "1", "--batch-size", "8", "--device", "cpu", "--quiet"]
    code, errors = mother.run("run", *asked, "--out", folder)
    assert code == 0, errors
    return folder


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.long
def test_sample_killed_while_it_fills_a_folder(
    number: int, is_new: bool, in_tmp: Path, forks: Forks, digits_run: Path
) -> None:
    if not is_new:
        Path("out").mkdir()
    process = forks.start("sample", digits_run, "-n", "100000", "-o", "out/")
    while not any(in_tmp.rglob("*.png")):
        assert process.is_running(), process.errors
    process.send(number)
    code = process.wait()
    if number == signal.SIGTERM:
        assert (code, process.errors) == (1, "Error: stopped by SIGTERM\n")
        assert list(in_tmp.rglob("*")) == ([] if is_new else [in_tmp / "out"])
    code, errors = forks.run("sample", digits_run, "-n", "2", "-o", "out/")
    assert code == 0, errors
    assert sorted(path.name for path in in_tmp.rglob("*")) == ["000000.png", "000001.png", "out"]


@pytest.mark.parametrize("masked", [ValueError("an open handle"), OSError(28, "No space left"), DataError("torn")])
def test_a_signal_is_told_though_clearing_away_fails(monkeypatch, masked):
    def killed(*_, **__):
        try:
            raise Ended("SIGTERM")
        finally:
            raise masked

    monkeypatch.setattr("ganzoo_core.report.run_page.write_report", killed)
    result = CliRunner().invoke(main, ["report", "run"])
    assert (result.exit_code, result.stderr) == (1, "Error: stopped by SIGTERM\n")
