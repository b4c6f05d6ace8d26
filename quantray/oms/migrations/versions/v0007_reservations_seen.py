"""What is set aside is seen in the orders themselves: a view in place of a table, which every order wrote once more.

The index of parts holds those orders only that are parts.
"""

import sqlalchemy as sa
from alembic import op

from quantray.errors import DataError

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0007"
down_revision = "0006"

_ROLE = "quantray_pm"
_HELD = """
    SELECT id AS "order", account, symbol, (quantity - filled) * price AS cash,
        CASE WHEN side = 'buy' THEN quantity - filled ELSE filled - quantity END AS shares
    FROM child_orders
    WHERE state IN ('RESERVED', 'SENT', 'ACKED', 'PARTIAL', 'CANCEL_PENDING', 'UNKNOWN') AND filled < quantity"""


def upgrade() -> None:
    """Make the view in the table's place."""
    readers = _readers()
    op.drop_table("reservations")
    if _has_walls():
        if (version := op.get_bind().dialect.server_version_info or ()) < (15,):
            told = ".".join(map(str, version))
            raise DataError(f"PostgreSQL {told} has no views with the rights of whoever asks; take 15 or newer.")
        # As whoever asks: the walls of the orders are those of what they set aside.
        op.execute(f"CREATE VIEW reservations WITH (security_invoker = true) AS {_HELD}")
        _let_read(readers)
    else:
        op.execute(f"CREATE VIEW reservations AS {_HELD}")
    _index_parts(sa.text("parent IS NOT NULL"))


def downgrade() -> None:
    """Back to a table, with the rows that the view has."""
    _index_parts(None)
    readers = _readers()
    op.execute("DROP VIEW reservations")
    op.create_table(
        "reservations",
        sa.Column("order", sa.String(64), sa.ForeignKey("child_orders.id"), primary_key=True),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(32), nullable=False),
        sa.Column("cash", sa.BigInteger(), nullable=False),
        sa.Column("shares", sa.BigInteger(), nullable=False),
    )
    op.execute(f"INSERT INTO reservations {_HELD}")
    if _has_walls():
        visible = "EXISTS (SELECT 1 FROM accounts a WHERE a.id = reservations.account)"
        op.execute("ALTER TABLE reservations ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY wall ON reservations FOR SELECT TO {_ROLE} USING ({visible})")
        op.execute(f"CREATE POLICY firm ON reservations FOR SELECT TO PUBLIC USING (current_user <> '{_ROLE}')")
        _let_read(readers)


def _readers() -> list[str]:
    """Who may read what goes, as names that a statement takes; its owner reads what takes its place anyway."""
    if not _has_walls():
        return []
    asked = sa.text(
        "SELECT DISTINCT CASE WHEN grantee = 'PUBLIC' THEN 'PUBLIC' ELSE quote_ident(grantee) END "
        "FROM information_schema.role_table_grants WHERE table_schema = current_schema() "
        "AND table_name = 'reservations' AND privilege_type = 'SELECT' AND grantee <> current_user"
    )
    return [*op.get_bind().execute(asked).scalars()]


def _let_read(readers: list[str]) -> None:
    for reader in readers:
        op.execute(f"GRANT SELECT ON reservations TO {reader}")


def _has_walls() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _index_parts(where: "sa.TextClause | None") -> None:
    op.drop_index("child_orders_parent", "child_orders")
    op.create_index("child_orders_parent", "child_orders", ["parent"], sqlite_where=where, postgresql_where=where)
