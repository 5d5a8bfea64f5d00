"""Run by Alembic: applies the revisions to the connection that `store.schema` hands over."""

from __future__ import annotations

from alembic import context


def run() -> None:
    """Apply what is missing, within the transaction that the connection is in."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


run()
