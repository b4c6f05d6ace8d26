"""Changes of limits by two people; on PostgreSQL walls, behind which a manager sees nobody else's rows."""

import sqlalchemy as sa
from alembic import op

from quantray.errors import DataError

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0005"
down_revision = "0004"

_ROLE = "quantray_pm"
_ME = "current_setting('quantray.pm', true)"
# Rows of accounts and orders that a policy asks for are filtered by their own policies.
_ACCOUNT = "EXISTS (SELECT 1 FROM accounts a WHERE a.id = {table}.account)"
_VISIBLE = {
    "accounts": f"pm = {_ME}",
    "allocations": _ACCOUNT.format(table="allocations"),
    "blocks": f"pm = {_ME}",
    "child_orders": f"pm = {_ME}",
    "demands": _ACCOUNT.format(table="demands"),
    "executions": 'EXISTS (SELECT 1 FROM child_orders o WHERE o.id = executions."order")',
    "instruments": "true",
    "limits": f"(scope = 'pm' AND key = {_ME}) OR (scope = 'account' "
    "AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = split_part(limits.key, ':', 1)))",
    "positions": _ACCOUNT.format(table="positions"),
    "reservations": _ACCOUNT.format(table="reservations"),
    "restrictions": f"account = '' OR {_ACCOUNT.format(table='restrictions')}",
    "sessions": "true",
}


def upgrade() -> None:
    """Make the table, and the walls where the database has any of its own."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.BigInteger()),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("proposer", sa.String(80), nullable=False),
        sa.Column("expires", sa.String(40), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("decider", sa.String(80), nullable=False),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    _make_role()
    for table, visible in _VISIBLE.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY wall ON {table} FOR SELECT TO {_ROLE} USING ({visible})")
        # Whoever else was let read all tables still reads all of them.
        op.execute(f"CREATE POLICY firm ON {table} FOR SELECT TO PUBLIC USING (current_user <> '{_ROLE}')")
        op.execute(f"GRANT SELECT ON {table} TO {_ROLE}")


def downgrade() -> None:
    """Back to none, where there are none: the log that speaks of them could not be replayed."""
    count = op.get_bind().execute(sa.text("SELECT count(*) FROM approvals")).scalar()
    if count:
        raise DataError(
            f"the database holds {count:,} changes of limits, which version {down_revision} does not know; keep "
            f"{revision}."
        )
    op.drop_table("approvals")
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in _VISIBLE:
        op.execute(f"REVOKE SELECT ON {table} FROM {_ROLE}")
        op.execute(f"DROP POLICY firm ON {table}")
        op.execute(f"DROP POLICY wall ON {table}")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def _make_role() -> None:
    """The role of a whole server, which another database on it may have made already."""
    bind = op.get_bind()
    if bind.execute(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": _ROLE}).scalar() is None:
        may = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
        if not bind.execute(sa.text(may)).scalar():
            raise DataError(
                f"the walls between portfolio managers need a role; have whoever may, say CREATE ROLE {_ROLE} NOLOGIN; "
                f"GRANT {_ROLE} TO the user of the gate WITH ADMIN OPTION."
            )
        op.execute(f"CREATE ROLE {_ROLE} NOLOGIN")
        op.execute(f"GRANT {_ROLE} TO CURRENT_USER")
    schema = bind.execute(sa.text("SELECT quote_ident(current_schema())")).scalar()
    # Where everybody may use it, whoever does not own it has nothing to give.
    usable = sa.text("SELECT has_schema_privilege(:role, current_schema(), 'USAGE')")
    if not bind.execute(usable, {"role": _ROLE}).scalar():
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {_ROLE}")
