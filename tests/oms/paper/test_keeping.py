import sqlite3

import pytest

from quantray.errors import DataError
from quantray.oms.paper.keeping import Changes, Keeping


@pytest.fixture
def kept(tmp_path):
    keeping = Keeping(tmp_path / "book")
    yield keeping
    keeping.close()


def report(number, sequence, exec_id="", *, again=False):
    texts = dict.fromkeys(("order", "venue", "refers", "time", "text"), "x")
    numbers = dict.fromkeys(("quantity", "price", "fee", "filled", "bar"), 1)
    own = {"number": number, "sequence": sequence, "exec_id": exec_id, "again": again}
    return {**texts, **numbers, **own, "kind": "fill", "taken": False}


def test_what_is_committed_is_there_and_on_the_disk(kept, tmp_path):
    kept.commit(Changes(facts={"bar": "0"}, voids=["v"], openings=[{"account": "a", "symbol": "", "amount": 5}]))
    kept.commit(Changes(facts={"bar": "1"}, reports=[report(1, 1), report(2, None)]))
    kept.commit(Changes(numbered=[{"of": 2, "as_": 2}]))
    with sqlite3.connect(tmp_path / "book") as other:
        found = other.execute("SELECT number, sequence FROM reports ORDER BY number").fetchall()
    other.close()
    assert found == [(1, 1), (2, 2)]
    loaded = kept.load()
    assert (loaded.facts, loaded.voids, loaded.openings[0]["amount"]) == ({"bar": "1"}, {"v"}, 5)
    with kept._engine.connect() as connection:
        asked = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("journal_mode", "synchronous")]
    assert asked == ["wal", 2]


def test_all_or_nothing(kept):
    kept.commit(Changes(reports=[report(1, 1, "o.1")]))
    # The id of an execution stands once; only a report that comes again may repeat it.
    with pytest.raises(DataError, match="nothing was taken"):
        kept.commit(Changes(facts={"bar": "9"}, reports=[report(2, 2, "o.1")]))
    assert kept.load().facts == {}
    kept.commit(Changes(reports=[report(2, 2, "o.1", again=True)]))
    assert len(kept.load().reports) == 2
    assert not Changes()


def test_a_newer_file_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "book") as other:
        other.execute("PRAGMA user_version = 7")
    other.close()
    with pytest.raises(DataError, match="of version 7; use the quantray that made it"):
        Keeping(tmp_path / "book")
