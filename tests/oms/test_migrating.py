"""The tables from one form to the next and back, with what is in them, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from desks import ANN, Clock, buy, set_up
from sqlalchemy import func, select, text

from quantray.errors import DataError
from quantray.oms import schema
from quantray.oms.database import Database, connect
from quantray.oms.gate import Gate
from quantray.oms.migrating import downgrade, newest, require_newest, upgrade, version_of
from quantray.oms.replay import replay_database


@pytest.fixture
def filled(url):
    """A database in which there is something in every table that a day fills."""
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.submit([buy("O1"), buy("O2", 10**9)], ANN)
    return url


def counted(connection):
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar()
        for table in schema.metadata.sorted_tables
    }


def test_the_tables_are_those_that_the_program_knows(url):
    engine = connect(url)
    with engine.begin() as connection:
        assert version_of(connection) is None
        upgrade(connection)
        assert version_of(connection) == newest()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_down_and_up_again_keeps_what_is_in_them(filled):
    engine = connect(filled)
    with engine.begin() as connection:
        before = counted(connection)
        assert before["child_orders"] == 2
        assert before["audit"] > 10
        downgrade(connection, "0001")
        assert version_of(connection) == "0001"
        assert counted(connection) == before
        with pytest.raises(DataError, match=f"tables of version 0001, not of version {newest()}"):
            require_newest(connection)
        upgrade(connection)
        assert counted(connection) == before
    engine.dispose()
    assert replay_database(filled).findings == ()


def test_down_to_nothing_and_up(filled):
    engine = connect(filled)
    with engine.begin() as connection:
        downgrade(connection, "base")
        assert version_of(connection) is None
        upgrade(connection)
        assert set(counted(connection).values()) == {0}
    engine.dispose()


def test_tables_of_a_newer_program_are_left_alone(filled):
    engine = connect(filled)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
        before = counted(connection)
    for open_it in (Database, replay_database):
        with pytest.raises(DataError, match=r"^the database of orders has tables of version 9000, and this program"):
            open_it(filled)
    with engine.begin() as connection:
        assert counted(connection) == before
    engine.dispose()
