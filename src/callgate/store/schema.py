"""Brings a database's tables to the form that this version of Callgate knows."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from callgate.store.base import StoreError, StoreUnfitError

REVISIONS = (
    "callgate_0001", "callgate_0002", "callgate_0003", "callgate_0004", "callgate_0005",
)  # fmt: skip
"""The revisions of `migrations/versions`, oldest first; the last is what this version works on."""


def is_current(connection: Connection) -> bool:
    """Whether the tables are in their newest form.

    Raises StoreError where they are another program's, or a newer Callgate's.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return False
    if "alembic_version" not in tables:
        raise StoreError(
            "the database that store.url names holds the tables of something else; "
            "name an empty or a new one in store.url"
        )
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    unknown = set(found) - set(REVISIONS)
    if unknown:
        raise StoreUnfitError(
            f"the database that store.url names has the schema {', '.join(sorted(unknown))}, which "
            "this version of Callgate does not know: start the newer version that made it, "
            "or name another database in store.url"
        )
    return list(found) == [REVISIONS[-1]]


def upgrade(connection: Connection) -> None:
    """Run the missing migrations on a connection whose transaction shuts out every other writer.

    All or nothing: the caller commits.
    """
    if is_current(connection):
        return
    # Alembic takes longer to import than the rest of the store; few starts need it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
