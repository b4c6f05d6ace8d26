"""What SQLite's log holds is brought into its file beside the gate, and not while somebody waits for a commit."""

import queue
import sqlite3
import threading
from contextlib import closing, suppress

__all__ = ["Checkpointer"]

_EVERY = 4_000
"""Rows between two passes: about a megabyte."""


class Checkpointer:
    """Brings the log of a database into its file, in a thread of its own, until ``close``.

    A pass keeps no writer waiting, and needs none to wait for it. It never gets all of a log that grows meanwhile: the
    little that is left SQLite brings in at a commit, once the log has ``wal_autocheckpoint`` pages, and begins it anew.
    A pass that fails loses nothing, since the log has it all; that commit says what is wrong.
    """

    def __init__(self, path: str, *, every: int = _EVERY) -> None:
        self._path, self._every, self._since = path, every, 0
        self._due: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def note(self, rows: int) -> None:
        """So many rows were committed."""
        self._since += rows
        if self._since >= self._every:
            self._since = 0
            self._due.put(True)

    def close(self) -> None:
        """End after the passes that are due."""
        self._due.put(False)
        self._thread.join()

    def _run(self) -> None:
        while self._due.get():
            with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
