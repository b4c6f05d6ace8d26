"""One moment of a database, read beside a gate."""

import pytest
from desks import ANN, Clock, buy, set_up
from sqlalchemy import func, insert, select
from sqlalchemy.exc import DBAPIError

from quantray.errors import DataError, InputError
from quantray.oms import schema
from quantray.oms.gate import Gate
from quantray.oms.reading import log_rows, moment


def count(connection):
    return connection.execute(select(func.count()).select_from(schema.child_orders)).scalar()


def test_a_moment_stays_and_keeps_no_gate_waiting(url):
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        with moment(url) as connection:
            assert count(connection) == 0
            assert gate.submit([buy("A1/O1")], ANN)[0].accepted
            assert count(connection) == 0
        with moment(url) as connection:
            assert count(connection) == 1
            assert [seq for seq, *_ in log_rows(connection)] == list(
                range(1, gate.do(lambda b: b.changes.chain.seq) + 1)
            )


def test_a_reader_writes_nothing(url):
    with Gate(url, clock=Clock()):
        pass
    with pytest.raises((DBAPIError, DataError), match="read-?only"), moment(url) as connection:
        connection.execute(insert(schema.switches), {"scope": "firm", "key": ""})


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("wine", InputError, "'wine' is no address of a database"),
        ("sqlite:///nowhere.db", DataError, "there is no database nowhere.db; name the one that the gate writes"),
        ("postgresql+pg8000://nobody@/x?unix_sock=/nowhere/.s.PGSQL.5432", DataError, "cannot be read"),
    ],
)
def test_what_is_not_there_is_a_line(address, error, said):
    with pytest.raises(error, match=said), moment(address):
        pass


def test_a_file_that_is_something_else_is_a_line(tmp_path):
    path = tmp_path / "orders.db"
    path.write_bytes(b"x" * 5000)
    with pytest.raises(DataError, match="cannot be read: file is not a database"), moment(f"sqlite:///{path}"):
        pass
    (tmp_path / "empty.db").touch()
    with (
        pytest.raises(DataError, match="has no tables of orders, not of version"),
        moment(f"sqlite:///{tmp_path}/empty.db"),
    ):
        pass
