"""How long PostgreSQL works for the store before it gives up: by the store's word."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy.engine import make_url

from callgate.store import postgres as postgres_store
from callgate.store.base import StoreAwayError
from callgate.store.opening import open_store
from pgserver import PostgresServer


def bounded(postgres: PostgresServer, name: str) -> str:
    """A database in which the server ends what takes longer than half a second."""
    url = postgres.fresh()
    postgres.execute(f"ALTER DATABASE {make_url(url).database} SET {name} = '500ms'")
    return url


@pytest.mark.parametrize("name", ["transaction_timeout", "statement_timeout"])
def test_the_bounds_are_the_stores_and_not_those_that_the_database_sets_for_all(
    postgres: PostgresServer, name: str
) -> None:
    with closing(open_store(bounded(postgres, name))) as store:
        engine = store.requests._engine  # type: ignore[attr-defined]
        with engine.connect() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(0.7)")


def test_a_server_that_ends_the_connection_while_it_is_opened_is_away(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_store, "_BOUNDS_17", "SELECT pg_sleep(60)")
    with pytest.raises(StoreAwayError, match="terminating connection"):
        open_store(bounded(postgres, "transaction_timeout"))
