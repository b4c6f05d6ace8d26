"""Blocks, what accounts want of them and what they got: rows that are never changed."""

import sqlalchemy as sa
from alembic import op

from quantray.errors import DataError

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0003"
down_revision = "0002"

_TABLES = {"blocks": ("id",), "demands": ("block", "account"), "allocations": ("block", "revision", "account")}
_SAID = "rows of {table} are never changed"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "blocks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("pm", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("symbol", sa.String(32), sa.ForeignKey("instruments.symbol"), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("limit", sa.BigInteger()),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("lot", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
    )
    op.create_table(
        "demands",
        sa.Column("block", sa.String(64), sa.ForeignKey("blocks.id"), primary_key=True),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.Column("kept", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
    )
    op.create_table(
        "allocations",
        sa.Column("block", sa.String(64), sa.ForeignKey("blocks.id"), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("shares", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
    )
    for table, keys in _TABLES.items():
        for statement in _sqlite(table, keys) if op.get_bind().dialect.name == "sqlite" else _postgresql(table):
            op.execute(statement)


def downgrade() -> None:
    """Back to none, where there are none: the log that speaks of them could not be replayed."""
    count = op.get_bind().execute(sa.text("SELECT count(*) FROM blocks")).scalar()
    if count:
        raise DataError(
            f"the database holds {count:,} blocks, which version {down_revision} does not know; keep {revision}."
        )
    for table in reversed(_TABLES):
        # Its triggers go with it.
        op.drop_table(table)
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"DROP FUNCTION {table}_refuse()")


def _sqlite(table: str, keys: tuple[str, ...]) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{_SAID.format(table=table)}'); END"
    same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
    return [
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}",
        # A row that takes the place of another would be no update, and no deletion that triggers see.
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) {refuse}",
    ]


def _postgresql(table: str) -> list[str]:
    return [
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_SAID.format(table=table)}'; END $$",
        f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_refuse()",
        f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()",
    ]
