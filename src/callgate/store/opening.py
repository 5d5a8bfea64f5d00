"""Opens the store that `store.url` names."""

from __future__ import annotations

from pathlib import Path

from callgate.store.base import Store, StoreAwayError, StoreError, StoreUnfitError

_POSTGRES = ("postgresql", "postgres")


def open_store(url: str) -> Store:
    """Open a store, made or upgraded as need be.

    Raises StoreError where the URL is of no supported kind, or the store cannot be opened.
    """
    return _open(url, later=False)


def open_store_or_wait(url: str) -> Store:
    """As `open_store`, but one that is away, has become a standby or been upgraded is given too.

    Its operations raise StoreError until it is back. It is taken to have its tables: for processes
    that are started after another has opened the store.
    """
    try:
        return _open(url, later=False)
    except (StoreAwayError, StoreUnfitError):
        return _open(url, later=True)


def is_made(url: str) -> bool:
    """Whether the store is there already; makes nothing. Raises StoreError as `open_store` does."""
    if _scheme(url) in _POSTGRES:
        from callgate.store import postgres

        return postgres.is_made(url)
    return Path(url.removeprefix("sqlite:///")).exists()


def _open(url: str, *, later: bool) -> Store:
    # Imported when asked for: a process without a store does not pay for the driver.
    scheme = _scheme(url)
    if scheme == "sqlite":
        from callgate.store.sqlite import open_sqlite

        return open_sqlite(url, later=later)
    if scheme in _POSTGRES:
        from callgate.store.postgres import open_postgres

        return open_postgres(url, later=later)
    raise StoreError(
        f"store.url: unknown kind of store {scheme[:20]!r}; use "
        "sqlite:///callgate-data/callgate.db or postgresql://user:password@host:5432/database"
    )


def _scheme(url: str) -> str:
    return url.partition(":")[0].partition("+")[0]
