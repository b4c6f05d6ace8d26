"""The tables as they were first."""

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("pm", sa.String(64), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.Column("may_short", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "child_orders",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("pm", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("limit", sa.BigInteger()),
        sa.Column("tif", sa.String(3), nullable=False),
        sa.Column("venue", sa.String(32), nullable=False),
        sa.Column("parent", sa.String(64)),
        sa.Column("replaces", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("route", sa.String(8)),
        sa.Column("filled", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("heard", sa.Boolean(), nullable=False),
        sa.Column("canceling", sa.Boolean(), nullable=False),
    )
    op.create_index("child_orders_parent", "child_orders", ["parent"])
    op.create_index("child_orders_state", "child_orders", ["state"])
    op.create_table(
        "cursors",
        sa.Column("route", sa.String(8), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "gate",
        sa.Column("one", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
    )
    op.create_table(
        "instruments",
        sa.Column("symbol", sa.String(32), primary_key=True),
        sa.Column("tick", sa.BigInteger(), nullable=False),
        sa.Column("lot", sa.BigInteger(), nullable=False),
        sa.Column("mark", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "limits",
        sa.Column("scope", sa.String(16), primary_key=True),
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "restrictions",
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(32), primary_key=True),
    )
    op.create_table(
        "sessions",
        sa.Column("one", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("opens", sa.String(40), nullable=False),
        sa.Column("closes", sa.String(40), nullable=False),
    )
    op.create_table(
        "switches",
        sa.Column("scope", sa.String(16), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
    )
    op.create_table(
        "executions",
        sa.Column("venue", sa.String(32), primary_key=True),
        sa.Column("exec_id", sa.String(64), primary_key=True),
        sa.Column("order", sa.String(64), sa.ForeignKey("child_orders.id"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("refers", sa.String(64), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.String(40), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
    )
    op.create_index("executions_order", "executions", ["order"])
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("order", sa.String(64), sa.ForeignKey("child_orders.id"), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
    )
    op.create_index("outbox_done", "outbox", ["done"])
    op.create_table(
        "parents",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("symbol", sa.String(32), sa.ForeignKey("instruments.symbol"), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
    )
    op.create_table(
        "positions",
        sa.Column("account", sa.String(64), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("symbol", sa.String(32), sa.ForeignKey("instruments.symbol"), primary_key=True),
        sa.Column("shares", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "reservations",
        sa.Column("order", sa.String(64), sa.ForeignKey("child_orders.id"), primary_key=True),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Back to nothing."""
    for name in (
        "reservations",
        "positions",
        "parents",
        "outbox",
        "executions",
        "switches",
        "sessions",
        "restrictions",
        "limits",
        "instruments",
        "gate",
        "cursors",
        "child_orders",
        "audit",
        "accounts",
    ):
        op.drop_table(name)
