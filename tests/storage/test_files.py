import os
import stat
import time
from pathlib import Path

import pytest

from quantray.errors import DataError
from quantray.storage.files import mapped_file, read_file, write_atomically


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device; free space"):
        write_atomically(tmp_path / "a" / "file.txt", "text")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_failed_write_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")

    def broken(source, target):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(DataError, match="Input/output error"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(DataError, match="choose another folder"):
        write_atomically(tmp_path / "runs" / "x.txt", "text")


def test_files_are_readable_by_others(tmp_path):
    write_atomically(tmp_path / "x", b"1")
    assert stat.S_IMODE(Path(tmp_path / "x").stat().st_mode) == 0o644


@pytest.mark.parametrize("read", [read_file, mapped_file])
def test_ordinary_files_are_read_and_nothing_else_is_waited_for(tmp_path, read):
    for content in (b"", b"abc" * 5000):
        (tmp_path / "a").write_bytes(content)
        assert bytes(memoryview(read(tmp_path / "a"))) == content
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is a pipe or a device"):
            read(place)
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


def test_a_pipe_that_comes_into_the_place_of_a_file_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    seen = os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda path: seen)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="it is a pipe or a device"):
        read_file(tmp_path / "pipe")
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_killed_writer_left_is_removed_by_the_next_one_a_day_later(tmp_path):
    for name, days in ((".part-abcd_012", 2), (".part-young123", 0.5), (".part-of-mine", 2), ("old.parquet", 2)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - days * 86400,) * 2)
    (tmp_path / ".part-a_folder").mkdir()
    os.utime(tmp_path / ".part-a_folder", (0, 0))
    write_atomically(tmp_path / "new", b"1")
    left = {".part-young123", ".part-of-mine", ".part-a_folder", "old.parquet", "new"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_what_a_killed_writer_leaves_is_what_is_looked_for(tmp_path, monkeypatch):
    def ends(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", ends)
        with pytest.raises(KeyboardInterrupt):
            write_atomically(tmp_path / "a" / "file", "text")
    (left,) = (tmp_path / "a").iterdir()
    os.utime(left, (0, 0))
    (tmp_path / "a").rename(tmp_path / "b")
    write_atomically(tmp_path / "b" / "file", "text")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["file"]
