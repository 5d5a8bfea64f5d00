"""Opens the store that `store.url` names."""

from __future__ import annotations

from callgate.store.base import Store, StoreError


def open_store(url: str) -> Store:
    """Open a store, made or upgraded as need be.

    Raises StoreError where the URL is of no supported kind, or the store cannot be opened.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        # Imported when asked for: a process without a store does not pay for the driver.
        from callgate.store.sqlite import open_sqlite

        return open_sqlite(url)
    if scheme in ("postgresql", "postgres"):
        raise StoreError(
            "store.url: PostgreSQL is not supported by this version yet; "
            "use sqlite:///callgate-data/callgate.db"
        )
    raise StoreError(
        f"store.url: unknown kind of store {scheme!r}; use sqlite:///callgate-data/callgate.db"
    )
