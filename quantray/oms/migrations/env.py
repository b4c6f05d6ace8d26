"""How alembic reaches the database: by the connection that it is given."""

from alembic import context

from quantray.oms.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
