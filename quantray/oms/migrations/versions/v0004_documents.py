"""What operations say of symbols, factors and rules, as documents."""

import sqlalchemy as sa
from alembic import op

from quantray.errors import DataError

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "documents",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Back to none, where there are none: the log that speaks of them could not be replayed."""
    count = op.get_bind().execute(sa.text("SELECT count(*) FROM documents")).scalar()
    if count:
        raise DataError(
            f"the database holds {count:,} documents, which version {down_revision} does not know; keep {revision}."
        )
    op.drop_table("documents")
