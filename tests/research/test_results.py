import os
import resource

import numpy as np
import pyarrow as pa
import pytest

from quantray.errors import DataError
from quantray.research.results import Layout, ResultState, ResultStore, places
from quantray.storage.seals import to_parquet

TABLE = pa.table({"x": np.array([1.0, 0.1 + 0.2]), "s": ["a", "b"]})


def test_round_trip_is_exact(tmp_path):
    store = ResultStore(tmp_path / "results")
    assert not store.has("ab12")
    store.put("ab12", TABLE, {"note": "hello"})
    assert store.has("ab12")
    back = store.get("ab12")
    assert back.to_pydict() == TABLE.to_pydict()
    store.put("ab12", TABLE)
    assert back.equals(store.get("ab12"))


def test_a_missing_or_damaged_result_says_what_to_do(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(DataError, match="is not there; .* that all machines mount at the same path"):
        store.get("ffff")
    store.put("ab12", TABLE)
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:40])
    assert store.state("ab12") is ResultState.DAMAGED
    with pytest.raises(DataError, match="ab12.parquet carries no seal: .*; run the same command again"):
        store.get("ab12")
    assert store.state("ffff") is ResultState.ABSENT


def test_any_bit_of_a_result_counts(tmp_path):
    """In the data, in the footer, in the notes: what differs from what was written is no result."""
    store = ResultStore(tmp_path)
    store.put("ab12", TABLE, {"note": "hello"})
    file = store.path("ab12")
    content = file.read_bytes()
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        assert not store.has("ab12"), place
    with pytest.raises(DataError, match="result .*ab12.parquet .*; run the same command again, which computes it anew"):
        store.get("ab12")


def test_a_result_is_bound_to_its_key(tmp_path):
    store = ResultStore(tmp_path)
    store.put("ab12", TABLE)
    store.put("ab34", TABLE.slice(1))
    store.path("ab34").write_bytes(store.path("ab12").read_bytes())
    assert store.state("ab34") is ResultState.DAMAGED
    with pytest.raises(DataError, match="ab34.parquet is damaged: it is not what was written"):
        store.get("ab34")


def test_a_pipe_in_the_place_of_a_result_is_not_waited_for(tmp_path):
    store = ResultStore(tmp_path)
    store.path("ab12").parent.mkdir()
    os.mkfifo(store.path("ab12"))
    assert store.state("ab12") is ResultState.DAMAGED
    with pytest.raises(DataError, match="ab12.parquet cannot be read: it is a pipe or a device"):
        store.get("ab12")
    store.put("ab12", TABLE)
    assert store.has("ab12")


@pytest.mark.parametrize("metadata", [None, {"quantray": "{"}, {"quantray": "[1]"}, {"quantray": '{"a": 1}'}])
def test_notes_that_no_study_wrote_are_refused_in_a_line(tmp_path, metadata):
    store = ResultStore(tmp_path)
    store.path("ab12").parent.mkdir()
    store.path("ab12").write_bytes(to_parquet(TABLE.replace_schema_metadata(metadata), "ab12"))
    with pytest.raises(DataError, match="has notes that no study wrote; delete it") as caught:
        store.notes("ab12")
    assert "\n" not in str(caught.value)


class GoneError(Exception):
    """Stands for a machine that goes away."""


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), GoneError()], ids=["fails", "ends"])
def test_a_result_is_there_once_its_file_is_in_its_place_and_not_before(tmp_path, monkeypatch, step, error):
    """Whichever step on the way fails, or is the last of its process, nobody takes what was written for a result."""
    store = ResultStore(tmp_path)

    def broken(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, step, broken)
        with pytest.raises((DataError, GoneError)):
            store.put("ab12", TABLE)
    assert not store.has("ab12")
    assert list(tmp_path.rglob("*.parquet")) == []
    with pytest.raises(DataError, match="is not there"):
        store.get("ab12")
    store.put("ab12", TABLE, {"note": "at last"})
    assert store.has("ab12")
    assert store.get("ab12").to_pydict() == TABLE.to_pydict()


def test_a_disk_that_fills_up_in_the_middle_leaves_no_half_result(tmp_path):
    store, limits = ResultStore(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(DataError, match="cannot write .*ab12.parquet: File too large"):
            store.put("ab12", TABLE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not store.has("ab12")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_result_that_cannot_be_written_again_stays_as_it_was(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)
    store.put("ab12", TABLE, {"note": "first"})

    def broken(*_, **__):
        raise GoneError

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(GoneError):
        store.put("ab12", TABLE.slice(1), {"note": "second"})
    assert store.get("ab12").to_pydict() == TABLE.to_pydict()
    assert store.notes("ab12") == {"note": "first"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({"a": [1]}), "holds a int64, and the study's results x double, s string"),
        (
            pa.table({"x": [1, 2], "s": ["a", "b"]}),
            "holds x int64, s string, and the study's results x double, s string",
        ),
        (TABLE.slice(1), "has 1 rows and not 2"),
    ],
)
def test_a_result_of_another_layout_is_none(tmp_path, table, words):
    store, layout = ResultStore(tmp_path), Layout(TABLE.schema, 2)
    store.put("ab12", TABLE)
    assert store.get("ab12", layout).equals(TABLE)
    store.put("ab12", table)
    assert store.has("ab12")
    assert not store.has("ab12", layout)
    assert store.state("ab12", layout) is ResultState.DAMAGED
    with pytest.raises(DataError, match=f"{words}; run the same command again, which computes it anew"):
        store.get("ab12", layout)


def test_what_a_result_speaks_of_is_in_the_panel():
    dates, assets = np.array(["2024-01-02", "2024-01-04"], dtype="datetime64[D]"), np.array(["A", "B"])
    found = places(pa.table({"date": dates[[1, 0]], "symbol": ["B", "A"]}), dates, assets)
    assert [part.tolist() for part in found] == [[1, 0], [1, 0]]
    strange = [("2024-01-03", "A"), ("2024-01-05", "A"), ("2024-01-02", "C"), (None, "A"), ("2024-01-02", None)]
    for day, symbol in strange:
        table = pa.table({"date": np.array([day], dtype="datetime64[D]"), "symbol": pa.array([symbol], pa.string())})
        with pytest.raises(DataError, match="a result speaks of .*, which the study does not; delete the folder"):
            places(table, dates, assets)
