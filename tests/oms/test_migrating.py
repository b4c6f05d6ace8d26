"""The tables from one form to the next and back, with what is in them, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from desks import ANN, OPS, Clock, buy, set_up
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from quantray.errors import DataError
from quantray.execution.orders import Side
from quantray.institution.facts import NameFacts
from quantray.oms import schema
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block
from quantray.oms.database import Database, connect
from quantray.oms.gate import Gate
from quantray.oms.migrating import downgrade, newest, require_newest, upgrade, version_of
from quantray.oms.reference import set_facts
from quantray.oms.replay import replay_database

BLOCKS = ("blocks", "demands", "allocations")
YOUNGER = (*BLOCKS, "approvals", "documents")


@pytest.fixture
def filled(url):
    """A database in which there is something in every table that a day fills."""
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        gate.submit([buy("A1/O1"), buy("A1/O2", 10**9)], ANN)
    return url


def counted(connection):
    """Rows of the tables that are there."""
    there = inspect(connection).get_table_names()
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar()
        for table in schema.metadata.sorted_tables
        if table.name in there
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
        # Of blocks, documents and changes of limits there were none, and there are no tables for them.
        assert counted(connection) == {name: n for name, n in before.items() if name not in YOUNGER}
        with pytest.raises(DataError, match=f"tables of version 0001, not of version {newest()}"):
            require_newest(connection)
        upgrade(connection)
        assert counted(connection) == before
    engine.dispose()
    assert replay_database(filled).findings == ()


def test_whoever_may_read_what_is_set_aside_still_may(postgres):
    engine = connect(postgres.empty())
    may = text("SELECT has_table_privilege('a reader', 'reservations', 'SELECT')")
    with engine.begin() as connection:
        upgrade(connection, "0006")
        grants = ("GRANT USAGE ON SCHEMA public TO", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO")
        for statement in ("DROP ROLE IF EXISTS", "CREATE ROLE", *grants):
            connection.execute(text(f'{statement} "a reader"'))
        for move, version in ((upgrade, "0007"), (downgrade, "0006"), (upgrade, "0007")):
            move(connection, version)
            assert connection.execute(may).scalar()
            connection.execute(text('SET LOCAL ROLE "a reader"'))
            assert connection.execute(select(func.count()).select_from(schema.reservations)).scalar() == 0
            connection.execute(text("RESET ROLE"))
    engine.dispose()


def test_what_blocks_are_is_never_changed_and_not_given_up(filled):
    with Gate(filled, clock=Clock()) as gate:
        block = Block(id="ann.block/K1", symbol="AAA", side=Side.BUY, demands={"A1": 10})
        gate.do(lambda books: (place_block(books, ANN, block), allocate_block(books, ANN, "ann.block/K1")))
    engine = connect(filled)
    for table in BLOCKS:
        for statement in (f"UPDATE {table} SET account = 'B1'", f"DELETE FROM {table}"):
            with (
                pytest.raises(SQLAlchemyError, match=f"rows of {table} are never changed"),
                engine.begin() as connection,
            ):
                connection.execute(text(statement))
    with (
        pytest.raises(DataError, match="holds 1 blocks, which version 0002 does not know"),
        engine.begin() as connection,
    ):
        downgrade(connection, "0002")
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


def test_documents_are_not_thrown_away(filled):
    with Gate(filled, clock=Clock()) as gate:
        gate.do(lambda books: set_facts(books, OPS, {"AAA": NameFacts(sector="Energy")}))
    engine = connect(filled)
    with engine.begin() as connection, pytest.raises(DataError, match="holds 1 documents, which version 0003"):
        downgrade(connection, "0001")
    engine.dispose()


def test_log_and_outbox_keep_their_rows_and_triggers_as_their_keys_change(filled):
    def content(connection):
        return [
            connection.execute(select(table).order_by(table.c.seq)).all() for table in (schema.audit, schema.outbox)
        ]

    engine = connect(filled)
    with engine.begin() as connection:
        before = content(connection)
        downgrade(connection, "0005")
        assert [index["name"] for index in inspect(connection).get_indexes("outbox")] == ["outbox_done"]
        assert content(connection) == before
    for to in ("0005", "head"):
        with engine.begin() as connection:
            upgrade(connection, to)
        for statement in ("UPDATE audit SET line = ''", "DELETE FROM audit"):
            with pytest.raises(SQLAlchemyError, match="rows of audit are never changed"), engine.begin() as connection:
                connection.execute(text(statement))
    with engine.begin() as connection:
        assert inspect(connection).get_indexes("outbox") == []
        assert content(connection) == before
    engine.dispose()
