"""From one form of the tables to the next, up and down, with what is in them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from quantray.errors import DataError
from quantray.oms.schema import metadata

__all__ = ["downgrade", "newest", "require_newest", "upgrade", "version_of"]


def newest() -> str:
    """The version that this program writes."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def version_of(connection: Connection) -> str | None:
    """The version of a database; None where it has no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection, to: str = "head") -> None:
    """Bring a database up to a version, by default the newest.

    Raises
    ------
    DataError
        It is of a newer program.
    """
    _known(connection)
    _run(connection, lambda script, now: script._upgrade_revs(to, now), to)


def downgrade(connection: Connection, to: str) -> None:
    """Bring a database back to an earlier version; raises as ``upgrade``."""
    _known(connection)
    _run(connection, lambda script, now: script._downgrade_revs(to, now), to)


def require_newest(connection: Connection) -> None:
    """Raise ``DataError`` where the tables are not those that this program writes."""
    _known(connection)
    if (now := version_of(connection)) != newest():
        raise DataError(
            f"the database has {f'tables of version {now}' if now else 'no tables of orders'}, not of version "
            f"{newest()}; a gate that opens it brings them up to date."
        )


def _known(connection: Connection) -> None:
    if (now := version_of(connection)) is None:
        return
    try:
        ScriptDirectory.from_config(_config()).get_revision(now)
    except CommandError as error:
        raise DataError(
            f"the database of orders has tables of version {now}, and this program knows {newest()} at most; use the "
            "quantray that wrote it, or a newer one."
        ) from error


def _run(connection: Connection, steps: Callable[[ScriptDirectory, Any], Any], to: str) -> None:
    """What alembic's commands do, without the program that they would load and run."""
    script = ScriptDirectory.from_config(_config())
    with EnvironmentContext(
        _config(), script, fn=lambda now, _context: steps(script, now), destination_rev=to
    ) as environment:
        environment.configure(connection=connection, target_metadata=metadata)
        with environment.begin_transaction():
            environment.run_migrations()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
