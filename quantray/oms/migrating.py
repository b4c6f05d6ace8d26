"""From one form of the tables to the next, up and down, with what is in them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from quantray.errors import DataError

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
    command.upgrade(_config(connection), to)


def downgrade(connection: Connection, to: str) -> None:
    """Bring a database back to an earlier version; raises as ``upgrade``."""
    _known(connection)
    command.downgrade(_config(connection), to)


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


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
