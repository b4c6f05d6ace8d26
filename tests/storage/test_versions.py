"""Tables in versions: whole commits, and no byte that is not as it was written."""

import json
import os
import random
import shutil
import threading
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.fs import DeltaStorageHandler

from quantray.errors import DataError
from quantray.storage.places import Place
from quantray.storage.versions import OvertakenError, VersionedTable

SCHEMA = pa.schema([("key", pa.string()), ("value", pa.float64())])
REMEDIES = "make one with make()", "choose an empty folder"


def rows(key, *values):
    return pa.table({"key": [key] * len(values), "value": list(values)}, schema=SCHEMA)


def table_at(uri, kind="test table"):
    return VersionedTable(str(uri), kind=kind, schema=SCHEMA, remedies=REMEDIES)


def content(table, version=None, **kwargs):
    return [row for part in table.read(table.snapshot(version), **kwargs) for row in part.to_pylist()]


def values(table, version=None):
    return [row["value"] for row in content(table, version)]


@pytest.fixture
def table(tmp_path):
    """Three versions of two parts: b replaced once, a never."""
    made = table_at(tmp_path / "table")
    made.write([("a", rows("a", 1.0, 2.0)), ("b", rows("b", 3.0))], {"did": "first"}, base=None)
    made.write([("b", rows("b", 4.0, 5.0))], {"did": "second"}, base=made.snapshot())
    made.write([("c", rows("c", 6.0))], {"did": "third"}, base=made.snapshot())
    return made


def folder(table):
    return Path(table.uri)


def entry(table, number):
    return folder(table) / "_delta_log" / f"{number:020d}.json"


def test_each_version_stays_as_it_was(table):
    assert [values(table, number) for number in (0, 1, 2)] == [[1, 2, 3], [1, 2, 4, 5], [1, 2, 4, 5, 6]]
    assert values(table) == values(table, 2)
    assert [found.notes["did"] for found in table.snapshots()] == ["first", "second", "third"]
    assert [found.n_rows for found in table.snapshots()] == [3, 4, 5]


def test_parts_columns_and_rows_are_chosen(table):
    assert content(table, parts=lambda name: name == "b", columns=["value"]) == [{"value": 4.0}, {"value": 5.0}]
    assert content(table, keep=ds.field("value") > 4.5, columns=["value"]) == [{"value": 5.0}, {"value": 6.0}]


def test_a_whole_write_and_an_empty_part_leave_nothing_behind(table):
    table.write([("b", rows("b"))], {}, base=table.snapshot())
    assert values(table) == [1, 2, 6]
    table.write([("z", rows("z", 9.0))], {}, base=table.snapshot(), whole=True)
    assert values(table) == [9]
    assert values(table, 2) == [1, 2, 4, 5, 6]


def test_other_readers_of_delta_lake_see_the_same(table):
    for number in (0, 1, 2):
        found = DeltaTable(table.uri, version=number).to_pyarrow_table()
        assert sorted(found["value"].to_pylist()) == values(table, number)


def test_a_writer_that_was_overtaken_changes_nothing(table):
    seen = table.snapshot()
    table.write([("d", rows("d", 7.0))], {}, base=seen)
    before = sorted(path.name for path in folder(table).glob("*.parquet"))
    with pytest.raises(OvertakenError, match="another writer changed .*table meanwhile; run the same command again"):
        table.write([("a", rows("a", 0.0))], {}, base=seen)
    with pytest.raises(OvertakenError):
        table.write([("a", rows("a", 0.0))], {}, base=None)
    assert sorted(path.name for path in folder(table).glob("*.parquet")) == before
    assert values(table) == [1, 2, 4, 5, 6, 7]


def test_of_writers_at_once_one_wins_each_time(table):
    base, start, outcomes = table.snapshot(), threading.Barrier(4), []

    def write(name):
        mine = table_at(table.uri)
        start.wait()
        try:
            outcomes.append(mine.write([(name, rows(name, 8.0))], {}, base=base).number)
        except OvertakenError:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(name,)) for name in "wxyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [3, None, None, None]
    assert values(table) == [1, 2, 4, 5, 6, 8]


def test_a_write_that_fails_leaves_no_file(table):
    def parts():
        yield "a", rows("a", 0.0)
        raise OSError("disk full")

    before = sorted(folder(table).rglob("*"))
    with pytest.raises(DataError, match="cannot write .*: disk full"):
        table.write(parts(), {}, base=table.snapshot())
    assert sorted(folder(table).rglob("*")) == before


def test_a_commit_that_landed_stands_whatever_fails_after_it(table, monkeypatch):
    write = Place.write

    def full(self, name, content):
        if name == "_latest_version":
            raise DataError("cannot write _latest_version: No space left on device")
        write(self, name, content)

    monkeypatch.setattr(Place, "write", full)
    assert table.write([("d", rows("d", 7.0))], {}, base=table.snapshot()).number == 3
    # Delta writes a checkpoint after every hundredth commit; a folder in its place makes that fail.
    (folder(table) / "_delta_log" / "_last_checkpoint" / "x").mkdir(parents=True)
    for number in range(4, 103):
        assert table.write([("d", rows("d", float(number)))], {}, base=table.snapshot()).number == number
    assert values(table) == [1, 2, 4, 5, 6, 102]
    assert table.verify().problems == ()


def test_the_note_of_the_last_version_never_goes_back(table):
    (folder(table) / "_latest_version").write_text("7")
    table._remember(3)
    assert (folder(table) / "_latest_version").read_text() == "7"


def test_object_stores_are_written_and_read_by_deltas_own_handler(tmp_path):
    address = f"file://{tmp_path}"
    place = Place(address, None, pafs.PyFileSystem(DeltaStorageHandler(address, {})))
    table = table_at(tmp_path)
    table.__dict__["_place"] = place
    table.write([("a", rows("a", 1.0))], {}, base=None)
    table.write([("b", rows("b", 2.0))], {}, base=table.snapshot())
    with pytest.raises(OvertakenError):
        table.write([("b", rows("b", 3.0))], {}, base=table.snapshot(0))
    assert values(table) == values(table_at(tmp_path)) == [1, 2]
    assert table.verify().problems == ()


def forged(table, change):
    """The table with other notes under a seal that fits, as anybody can make one."""
    lines = [json.loads(line) for line in entry(table, 2).read_text().splitlines()]
    info = next(line["commitInfo"] for line in lines if "commitInfo" in line)
    notes = json.loads(info["quantray"])
    change(notes)
    text = json.dumps(notes)
    info |= {"quantray": text, "quantray_sha256": sha256(f"2\n{text}".encode()).hexdigest()}
    entry(table, 2).write_text("\n".join(map(json.dumps, lines)))


def part_at(notes, position, value):
    notes["parts"][0][position] = value


@pytest.mark.parametrize(
    "change",
    [
        lambda notes: notes.pop("parts"),
        lambda notes: notes.update(parts=[[1]]),
        lambda notes: notes.update(time="never"),
        lambda notes: part_at(notes, 1, "../../../etc/passwd"),
        lambda notes: part_at(notes, 2, -1),
        lambda notes: notes.update(notes=[]),
    ],
)
def test_forged_notes_are_refused_in_a_line(table, change):
    forged(table, change)
    with pytest.raises(DataError, match=r"_delta_log/0+2.json is damaged \(it describes no version\); put it back, or"):
        values(table)
    assert len(table.verify().problems) == 1


@pytest.mark.parametrize("text", ["[" * 200_000, "[]", "7", "{}\n[]"])
def test_a_log_that_is_no_log_is_refused_in_a_line(table, text):
    entry(table, 2).write_text(text)
    with pytest.raises(DataError, match="cannot be read: .* is damaged|is a Delta table but no") as refused:
        values(table)
    assert "\n" not in str(refused.value)


def test_a_part_of_other_columns_is_refused(table):
    other = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), other)
    for content, told in ((other.getvalue().to_pybytes(), "holds other columns"), (b"no parquet", "cannot be read")):
        file = folder(table) / table.snapshot().parts[0].file
        file.write_bytes(content)
        forged(table, lambda notes, content=content: part_at(notes, 3, sha256(content).hexdigest()))
        with pytest.raises(DataError, match=f"{file.name} {told}.*; write it anew"):
            values(table)


def test_a_pipe_in_the_place_of_a_part_is_never_opened(table):
    file = folder(table) / table.snapshot().parts[0].file
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DataError, match="cannot be read .*it is a pipe or a device"):
        values(table)


def test_any_flipped_bit_is_seen_or_changes_nothing(table, tmp_path):
    draw = random.Random(0)
    whole = {number: content(table, number) for number in (0, 1, 2)}
    files = [path for path in sorted(folder(table).rglob("*")) if path.is_file()]
    told = []
    for trial, path in enumerate(files * 12):
        copy = tmp_path / f"copy{trial}"
        shutil.copytree(folder(table), copy)
        victim = copy / path.relative_to(folder(table))
        damaged = bytearray(victim.read_bytes())
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        victim.write_bytes(damaged)
        for number in (0, 1, 2):
            try:
                assert content(table_at(copy), number) == whole[number], f"a flip in {path.name} went unseen"
            except DataError as error:
                told.append(str(error))
    assert len(told) > len(files) * 8
    assert not [line for line in told if "\n" in line]


def test_damage_is_named_with_the_version_that_does_without(table):
    part = next(part for part in table.snapshot().parts if part.name == "b")
    path = folder(table) / part.file
    path.write_bytes(path.read_bytes()[::-1])
    told = rf"{part.file} \(b, of versions 1 to 2\) is damaged: .*; version 0 does without it: data.version=0; or put"
    with pytest.raises(DataError, match=told):
        values(table)
    assert values(table, 0) == [1, 2, 3]
    found = table.verify()
    assert (found.n_versions, found.n_files, len(found.problems)) == (3, 4, 1)
    path.unlink()
    with pytest.raises(DataError, match="is gone; version 0 does without it"):
        values(table)


def test_what_a_killed_writer_left_is_named(table):
    assert table.verify().strays == ()
    left = folder(table) / f"{'0' * 32}.parquet"
    left.write_bytes(b"half")
    assert table.verify().strays == (left.name,)
    entry(table, 1).unlink()
    assert table.verify().strays == ()


def test_a_part_in_the_place_of_another_is_seen(table):
    first, second = table.snapshot().parts[:2]
    shutil.copy(folder(table) / first.file, folder(table) / second.file)
    with pytest.raises(DataError, match="is damaged"):
        values(table)


def test_a_log_entry_in_the_place_of_another_is_seen(table):
    shutil.copy(entry(table, 1), entry(table, 2))
    with pytest.raises(DataError, match=r"cannot be read: _delta_log/0+2.json is damaged"):
        table.snapshot()
    assert any("2.json is damaged" in line for line in table.verify().problems)


def test_a_log_that_lost_its_end_is_seen(table):
    entry(table, 2).unlink()
    told = "has lost version 2: its log ends with 1; put _delta_log back from a copy, or go on .* by deleting (.*)"
    with pytest.raises(DataError, match=told):
        values(table)
    (folder(table) / "_latest_version").unlink()
    assert values(table) == [1, 2, 4, 5]
    shutil.rmtree(folder(table) / "_delta_log")
    with pytest.raises(DataError, match="there is no test table at .*; make one with make"):
        values(table)


def test_a_log_with_a_hole_serves_what_does_not_need_it(table):
    entry(table, 1).unlink()
    assert values(table) == [1, 2, 4, 5, 6]
    for refused in (lambda: values(table, 1), table.snapshots):
        with pytest.raises(DataError, match=r"has lost the entry of version 1, _delta_log/0+1.json; put it back"):
            refused()
    assert len(table.verify().problems) == 1


def test_what_other_programs_did_is_told_apart(table):
    DeltaTable(table.uri).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert values(table) == [1, 2, 4, 5, 6]
    with pytest.raises(DataError, match=r"\(b, of version 0\) is gone"):
        values(table, 0)
    table.write([("d", rows("d", 7.0))], {}, base=table.snapshot())
    assert values(table) == [1, 2, 4, 5, 6, 7]
    write_deltalake(table.uri, rows("e", 1.0), mode="append")
    with pytest.raises(DataError, match="is a Delta table but no test table at version .*; choose an empty folder"):
        values(table)


def test_a_table_of_another_kind_is_refused(table):
    with pytest.raises(DataError, match="is a Delta table but no other table at version 2; choose an empty folder"):
        table_at(table.uri, kind="other table").snapshot()


@pytest.mark.parametrize(
    "name", ["with blank", "a[1]", "[x]", "a#b", "?b", "a|b", "a^b", "日本", "it's", "a&b;c", "{x}", "100%"]
)
def test_any_name_of_a_folder_will_do(tmp_path, name):
    table = table_at(tmp_path / name)
    table.write([("a", rows("a", 1.0))], {}, base=None)
    table.write([("b", rows("b", 2.0))], {}, base=table.snapshot())
    assert values(table_at(tmp_path / name)) == [1, 2]
    assert [path.name for path in tmp_path.iterdir()] == [name]
