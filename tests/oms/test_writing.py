"""Groups of rows: in an order that they need, whole or not at all, on SQLite and on PostgreSQL."""

import pytest
from stored_rows import ACCOUNT, POSITION, SYMBOL, content, rows

from quantray.oms import schema
from quantray.oms.database import Database, StoreError


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


def test_rows_are_written_in_an_order_that_they_need(database):
    database.write(rows((schema.positions, POSITION), (schema.accounts, ACCOUNT), (schema.instruments, SYMBOL)))
    assert content(database, schema.positions) == [POSITION]
    assert content(database, schema.accounts) == [ACCOUNT]
    database.write(rows(put=[(schema.positions, POSITION | {"shares": -8})]))
    assert content(database, schema.positions) == [POSITION | {"shares": -8}]
    database.write(rows(drop=[(schema.positions, "A1", "AAA"), (schema.accounts, "A1")]))
    assert content(database, schema.positions) == content(database, schema.accounts) == []


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 191])
def test_as_many_rows_as_there_are(database, count):
    accounts = [ACCOUNT | {"id": f"A{i:03d}", "cash": i} for i in range(count)]
    database.write(rows(*((schema.accounts, each) for each in accounts)))
    assert sorted(content(database, schema.accounts), key=lambda row: row["id"]) == accounts
    changed = [each | {"pm": "bob", "cash": -1} for each in accounts[1:]]
    database.write(rows(put=[(schema.accounts, each) for each in changed]))
    assert sorted(content(database, schema.accounts), key=lambda row: row["id"]) == [*accounts[:1], *changed]


def test_the_last_word_on_a_row_counts():
    made = rows(put=[(schema.positions, POSITION)], drop=[(schema.positions, "A1", "AAA")])
    assert not made.written[schema.positions]
    made.put(schema.positions, POSITION)
    assert not made.dropped[schema.positions]
    assert list(made.written[schema.positions].values()) == [("A1", "AAA", 7)]
    assert made.count() == 1


def test_names_are_taken_as_they_are(database):
    odd = {"scope": "account", "key": "é'\";--:x :rows %s ? \\", "name": "locate", "value": 2**62}
    database.write(rows(put=[(schema.limits, odd)]))
    assert content(database, schema.limits) == [odd]


def test_a_group_is_written_whole_or_not_at_all(database):
    with pytest.raises(StoreError, match="^nothing was written to"):
        database.write(rows((schema.accounts, ACCOUNT), (schema.instruments, SYMBOL | {"tick": None})))
    assert content(database, schema.accounts) == []
    with pytest.raises(StoreError):
        database.write(rows((schema.positions, POSITION)))
    database.write(rows((schema.accounts, ACCOUNT)))


def test_a_number_that_no_column_holds_is_refused(database):
    with pytest.raises(StoreError):
        database.write(rows((schema.accounts, ACCOUNT | {"cash": 2**63})))
    assert content(database, schema.accounts) == []


def test_the_first_columns_of_a_table_are_its_key():
    for table in schema.metadata.sorted_tables:
        key = list(table.primary_key)
        assert list(table.columns)[: len(key)] == key
