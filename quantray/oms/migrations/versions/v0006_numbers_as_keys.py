"""In SQLite the numbers of the log and of the outbox are the keys of the rows themselves; no index on what is done.

A table whose key was an index beside it was written twice. What the key of a table is cannot be changed in SQLite, so
both are copied, which takes seconds for a million rows, once.
"""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables anew, without the index."""
    op.drop_index("outbox_done", "outbox")
    _copy(sa.Integer())


def downgrade() -> None:
    """Back to keys beside the rows."""
    _copy(sa.BigInteger())
    op.create_index("outbox_done", "outbox", ["done"])


def _copy(number: "sa.types.TypeEngine[int]") -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    _anew(
        "audit",
        sa.Column("seq", number, primary_key=True, autoincrement=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    _anew(
        "outbox",
        sa.Column("seq", number, primary_key=True, autoincrement=False),
        sa.Column("order", sa.String(64), sa.ForeignKey("child_orders.id"), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
    )


def _anew(name: str, *columns: "sa.Column[object]") -> None:
    """A table of other columns with the rows and the triggers of one that there is."""
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name ORDER BY name")
    triggers = op.get_bind().execute(query, {"name": name}).scalars().all()
    op.create_table(f"{name}_anew", *columns)
    op.execute(f"INSERT INTO {name}_anew SELECT * FROM {name} ORDER BY seq")
    op.drop_table(name)
    op.rename_table(f"{name}_anew", name)
    for trigger in triggers:
        op.execute(trigger)
