"""The lock of a folder: one at a time, given back by whoever ends, and never left behind."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from quantray.storage.locks import alone

HELD = "import os, sys, signal, pathlib\nfrom quantray.storage.locks import alone\n"


def test_the_lock_is_held_in_the_block_and_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "run"
    with alone(folder) as locked:
        assert locked
        (file,) = tmp_path.iterdir()
        handle = os.open(file, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise AssertionError("two hold it")
        except BlockingIOError:
            pass
        finally:
            os.close(handle)
    assert list(tmp_path.iterdir()) == []


def test_who_has_to_wait_is_told_so(tmp_path):
    """One by one, and the second hears of it before the first is done."""
    waits, order = threading.Event(), []

    def second():
        with alone(tmp_path / "run", waits.set):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with alone(tmp_path / "run"):
            later = pool.submit(second)
            assert waits.wait(60)
            order.append("first")
        later.result()
    assert order == ["first", "second"]


def test_a_process_that_is_killed_gives_it_back(tmp_path):
    program = f"{HELD}with alone(pathlib.Path(sys.argv[1])):\n    os.kill(os.getpid(), signal.SIGKILL)"
    killed = subprocess.run([sys.executable, "-c", program, tmp_path / "run"], check=False, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    with alone(tmp_path / "run") as locked:
        assert locked


def test_a_lock_whose_file_is_gone_by_the_time_it_is_had_is_none(tmp_path, monkeypatch):
    """As it is for whoever waited while the last one removed the file."""
    flock, gone = fcntl.flock, []

    def late(handle, kind):
        flock(handle, kind)
        if not gone:
            gone.append((tmp_path / ".run.lock").unlink())

    monkeypatch.setattr(fcntl, "flock", late)
    with alone(tmp_path / "run") as locked:
        assert locked
        assert gone
        assert (tmp_path / ".run.lock").exists()


def test_where_nothing_can_be_written_the_block_runs_without(tmp_path):
    with alone(tmp_path / "nowhere" / "run") as locked:
        assert not locked


def test_a_place_that_can_have_no_lock_is_used_without(tmp_path):
    """The root of all folders, and links that lead to one another."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    for place in (tmp_path / "a", Path("/")):
        with alone(place) as locked:
            assert not locked


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / ".run.lock").symlink_to(tmp_path / "elsewhere")
    with alone(tmp_path / "run") as locked:
        assert not locked
    assert not (tmp_path / "elsewhere").exists()


def test_whoever_waits_says_so(tmp_path, capsys, monkeypatch):
    with alone(tmp_path / "run"):
        monkeypatch.setattr(fcntl, "flock", lambda handle, kind: held(kind))
        with alone(tmp_path / "run"):
            pass
    assert (
        capsys.readouterr().err == f"{tmp_path / 'run'} is held by another process of quantray; waiting for its end\n"
    )


def held(kind):
    if kind & fcntl.LOCK_NB:
        raise BlockingIOError
