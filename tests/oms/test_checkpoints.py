"""The log of SQLite is brought into its file beside whoever writes."""

import sqlite3
from contextlib import closing

from quantray.oms.checkpoints import Checkpointer


def in_the_file(path):
    """Rows that are in the file itself, whatever its log holds."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM row").fetchone()[0]


def test_rows_reach_the_file_once_there_are_enough_of_them(tmp_path):
    path = tmp_path / "orders.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = WAL", "wal_autocheckpoint = 0"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE row (n INTEGER)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        checkpointer = Checkpointer(str(path), every=10)
        for _ in range(3):
            connection.executemany("INSERT INTO row VALUES (?)", [(i,) for i in range(4)])
            assert in_the_file(path) == 0
            checkpointer.note(4 if _ < 2 else 1)
        checkpointer.close()
        assert in_the_file(path) == 0
        checkpointer = Checkpointer(str(path), every=10)
        checkpointer.note(10)
        checkpointer.close()
        assert in_the_file(path) == 12


def test_a_pass_that_fails_ends_nothing(tmp_path):
    checkpointer = Checkpointer(str(tmp_path), every=1)
    checkpointer.note(1)
    checkpointer.note(1)
    checkpointer.close()
