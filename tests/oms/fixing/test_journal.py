"""The journal after what power cuts, full disks and killed writers leave of it."""

import os

import pytest

from quantray.errors import DataError
from quantray.oms.fixing.journal import Journal, JournalReader, Line

SAID = [(35, "8"), (58, "a\nb")]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def written(path, count, **more):
    journal = Journal(path, **more)
    numbers = [journal.add("in", SAID) for _ in range(count)]
    journal.close()
    return numbers


def test_it_goes_on_where_it_was(path):
    assert JournalReader(path).read() == []
    assert written(path, 2) == [1, 2]
    assert written(path, 1) == [3]
    assert JournalReader(path).read() == [Line(number, "in", SAID) for number in (1, 2, 3)]
    assert written(path, 1, after=9) == [10]


def test_half_a_line_is_cut_off(path):
    written(path, 2)
    with path.open("ab") as file:
        file.write(b'[3, "in", [[35')
    reader = JournalReader(path)
    assert [line.number for line in reader.read()] == [1, 2]
    assert written(path, 1) == [3]
    assert [line.number for line in reader.read()] == [3]


@pytest.mark.parametrize("damage", [b"\0" * 40 + b"\n", b'[3, "in"]\n', b"wine\n"])
def test_what_a_power_cut_left_is_set_aside(path, damage):
    written(path, 2)
    with path.open("ab") as file:
        file.write(damage + b'[4, "in", [[35, "8"]]]\n')
    whole, reader = path.read_bytes(), JournalReader(path)
    assert [line.number for line in reader.read()] == [1, 2]
    with pytest.raises(DataError, match="is no journal after byte"):
        reader.read()
    # What was booked before is given no number again.
    assert written(path, 1, after=4) == [5]
    assert [line.number for line in reader.read()] == [5]
    assert path.with_suffix(".damaged").read_bytes() == whole


def test_a_full_disk_leaves_no_half_line(path, monkeypatch):
    journal, write = Journal(path), os.write
    journal.add("in", SAID)
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:5]))
    with pytest.raises(OSError, match="No space left"):
        journal.add("in", SAID)
    monkeypatch.undo()
    assert journal.add("in", SAID) == 2
    journal.close()
    assert [line.number for line in JournalReader(path).read()] == [1, 2]


def test_a_journal_that_is_long_goes_on_in_another_file_and_two_are_kept(path):
    journal, reader = Journal(path), JournalReader(path)
    journal.add("in", SAID)
    assert [line.number for line in reader.read()] == [1]
    journal.turn(10**6, 1)
    assert path.exists()
    assert reader.turns == 1
    journal.add("in", SAID)
    journal.turn(10, 1)
    journal.add("in", SAID)
    # The file before has a line that is not booked yet.
    journal.turn(10, 1)
    # What was added before it was turned comes first, and of one file at a time.
    assert [line.number for line in reader.read()] == [2]
    assert reader.turns == 1
    assert [line.number for line in reader.read()] == [3]
    assert (reader.read(), reader.turns) == ([], 2)
    journal.turn(10, 2)
    journal.add("in", SAID)
    journal.close()
    assert [line.number for line in reader.read()] == [4]
    assert sorted(each.name for each in path.parent.iterdir()) == ["journal.before.jsonl", "journal.jsonl"]
    again = JournalReader(path)
    assert [[line.number for line in again.read()] for _ in range(3)] == [[3], [4], []]


@pytest.mark.parametrize("left", [b"", b'[2, "in", [[35', b"wine\n"])
def test_a_writer_that_was_killed_as_it_turned_goes_on(path, left):
    written(path, 1)
    path.rename(path.with_name("journal.before.jsonl"))
    with path.with_name("journal.before.jsonl").open("ab") as file:
        file.write(left)
    assert written(path, 1) == [2]
    assert path.stat().st_size < 100
    reader = JournalReader(path)
    assert [[line.number for line in reader.read()] for _ in range(3)] == [[1], [2], []]


def test_a_reader_says_whether_there_was_more(path):
    written(path, 3)
    reader, size = JournalReader(path), path.stat().st_size // 3
    assert reader.is_behind
    assert [line.number for line in reader.read(most=2 * size)] == [1, 2]
    assert reader.is_behind
    assert [line.number for line in reader.read()] == [3]
    assert not reader.is_behind
