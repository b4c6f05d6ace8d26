"""Behind its wall a portfolio manager's connection finds its own rows, on both databases, whatever it asks for."""

import pytest
from desks import ANN, Clock, buy, set_up
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from quantray.errors import DataError
from quantray.execution.orders import Side
from quantray.oms import schema
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block
from quantray.oms.changes import Actor
from quantray.oms.controls import restrict, set_limits
from quantray.oms.database import connect
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.messages import MONEY, Report, ReportKind
from quantray.oms.migrating import downgrade
from quantray.oms.reading import moment
from quantray.oms.walls import DERIVED, EVERYBODYS, VISIBLE, behind_wall

OPS, BOB = Actor("ops"), Actor("bob", "bob")
SEEN = sorted(VISIBLE.keys() | DERIVED)


@pytest.fixture
def filled(url):
    """Both managers have an order that filled, one that is open, a block, a limit of an account and a restriction."""
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
        for actor, account in ((ANN, "A1"), (BOB, "B1")):
            orders = [buy(f"{account}/{i}", account=account) for i in (1, 2)]
            gate.submit(orders, actor)
            gate.do(lambda books, a=account, w=actor: trade(books, a, w))
    return url


def trade(books, account, actor):
    waiting = [out.seq for out in books.outgoing.values() if out.order.account == account]
    handed(books, waiting[:1], "rest")
    name = f"{account}/1"
    fill = {"quantity": 100, "price": 50 * MONEY, "filled": 100, "time": "2026-03-02T17:00:00Z"}
    hear(books, [Report(kind=ReportKind.FILL, order=name, venue="NYSE", exec_id=name, **fill)])
    block = f"{actor.pm}.block/1"
    place_block(books, actor, Block(id=block, symbol="AAA", side=Side.BUY, demands={account: 10}))
    allocate_block(books, actor, block)
    set_limits(books, OPS, {("account", f"{account}:CCC", "locate"): 7})
    restrict(books, OPS, "CCC", on=True, account=account)


def rows(connection, table):
    return sorted(map(tuple, connection.execute(select(getattr(schema, table)))), key=repr)


def test_each_sees_all_of_its_own_and_nothing_of_another_s(filled):
    with moment(filled) as connection:
        firm = {table: rows(connection, table) for table in SEEN}
    seen = {}
    for pm in ("ann", "bob"):
        with behind_wall(filled, pm) as connection:
            seen[pm] = {table: rows(connection, table) for table in SEEN}
    for table, all_ in firm.items():
        ann, bob = set(seen["ann"][table]), set(seen["bob"][table])
        assert ann, table
        assert bob, table
        assert not ann & bob, table
        others = {row for row in all_ if table == "limits" and row[0] == "firm"}
        assert ann | bob | others == set(all_), table


def test_of_what_is_the_firm_s_only_restrictions_are_seen(filled):
    with Gate(filled, clock=Clock()) as gate:
        gate.do(lambda books: restrict(books, OPS, "BBB", on=True))
    with behind_wall(filled, "ann") as connection:
        assert rows(connection, "restrictions") == [("", "BBB"), ("A1", "CCC")]
        assert {row[0] for row in rows(connection, "limits")} == {"pm", "account"}


@pytest.mark.parametrize("pm", ["eve", "", "ann' OR '1'='1", "ANN", "%"])
def test_whoever_is_nobody_sees_nothing(filled, pm):
    with behind_wall(filled, pm) as connection:
        assert {table: rows(connection, table) for table in SEEN if table != "restrictions"} == {
            table: [] for table in SEEN if table != "restrictions"
        }


def test_no_other_table_can_be_read_and_none_written(filled):
    hidden = sorted(schema.metadata.tables.keys() - VISIBLE.keys() - EVERYBODYS)
    assert "audit" in hidden
    assert "approvals" in hidden
    statements = [f"SELECT count(*) FROM {table}" for table in hidden]
    statements += ["UPDATE accounts SET cash = 0", "DELETE FROM positions", "INSERT INTO switches VALUES ('firm', '')"]
    for statement in statements:
        with (
            pytest.raises(
                DataError, match=r"cannot be read behind its walls: .*(denied|prohibited|authorized|read-only|a view)"
            ),
            behind_wall(filled, "ann") as connection,
        ):
            connection.execute(text(statement))


@pytest.mark.parametrize("table", SEEN)
def test_a_file_has_no_way_around_its_views(tmp_path, table):
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
    with behind_wall(url, "ann") as connection:
        for statement in (
            f"SELECT * FROM main.{table}",
            f"SELECT count(*) FROM main.{table}",
            f"SELECT 1 WHERE EXISTS (SELECT 1 FROM main.{table})",
            f"WITH a AS (SELECT * FROM main.{table}) SELECT * FROM a",
            f"WITH {table} AS (SELECT * FROM main.{table}) SELECT * FROM {table}",
            f"WITH {table} AS (SELECT count(*) FROM main.{table}) SELECT * FROM {table}",
            f"SELECT * FROM (SELECT * FROM main.{table}) AS {table}",
            f"DROP VIEW {table}",
            f"CREATE TEMP VIEW other AS SELECT * FROM main.{table}",
            f"PRAGMA table_info({table})",
            "SELECT sql FROM sqlite_master",
            "SELECT sql FROM sqlite_temp_master",
            "ATTACH DATABASE 'orders.db' AS other",
        ):
            with pytest.raises(SQLAlchemyError, match="prohibited|authorized"):
                connection.execute(text(statement))


def test_a_server_shows_all_to_whoever_is_not_behind_the_wall(postgres):
    """Auditors and officers with a login of their own."""
    url = postgres.empty()
    with Gate(url, clock=Clock()) as gate:
        gate.do(set_up)
    engine = connect(url)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS auditor"))
        connection.execute(text("CREATE ROLE auditor"))
        connection.execute(text("GRANT USAGE ON SCHEMA public TO auditor"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor"))
        connection.execute(text("SET LOCAL ROLE auditor"))
        assert {row[1] for row in rows(connection, "accounts")} == {"ann", "bob"}
    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY auditor"))
        downgrade(connection, "0004")
        assert "approvals" not in inspect(connection).get_table_names()
        assert connection.execute(text("SELECT count(*) FROM pg_policies")).scalar() == 0
    engine.dispose()
    with pytest.raises(DataError, match="tables of version 0004, not 0007; open a gate"), behind_wall(url, "ann"):
        pass
