"""SQLite: one file, several processes on one machine. The only file that knows this database."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from callgate.store import schema
from callgate.store.base import Store, StoreError
from callgate.store.overrides import SqlOverrides
from callgate.store.sql import RecordRow, SqlKeys, SqlRequestLog, answering
from callgate.store.tables import records, usage
from callgate.store.usage import adding

_NAMES = ("sqlite", "sqlite+pysqlite")
_BUSY_SECONDS = 5.0
# A record is a good kilobyte: large pages hold several, and halve the cost of an insert.
_PAGE_SIZE = 16384
_CHECKPOINT_PAGES = 1000
_WAL_LIMIT = 64 << 20


def open_sqlite(url: str) -> Store:
    """Open `sqlite:///relative/path` or `sqlite:////absolute/path`, made if absent.

    A new folder gets the mode 0700 and a new file 0600. Raises StoreError with what to do.
    """
    path = _path(url)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(path.parent):
            _make(path)
            engine = _engine(path)
            _upgrade(engine)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"cannot open the store {path}: {reason}; give Callgate a folder that it may write "
            "to in store.url"
        ) from error
    return Store(SqlKeys(engine), SqliteRequestLog(engine), SqlOverrides(engine), engine.dispose)


class SqliteRequestLog(SqlRequestLog):
    """Records in one table."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, adding(insert(usage)))
        # Compiled once, and given to the driver as it is: per record this is what costs most.
        columns = [column.name for column in records.columns]
        insert_new = insert(records).on_conflict_do_nothing()
        self._insert_new = str(insert_new.compile(dialect=engine.dialect, column_keys=columns))

    def _insert(self, connection: Connection, rows: Sequence[RecordRow]) -> Collection[bytes]:
        # Shuts out other writers, so that what is above the last row afterwards is new and ours.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        last = connection.exec_driver_sql("SELECT max(rowid) FROM records").scalar_one() or 0
        inserted = connection.exec_driver_sql(self._insert_new, list(rows)).rowcount
        if inserted == len(rows):
            return [row[0] for row in rows]
        new = connection.exec_driver_sql("SELECT id FROM records WHERE rowid > ?", (last,))
        return new.scalars().all()


def _path(url: str) -> Path:
    try:
        parts = make_url(url)
    except ArgumentError:
        parts = URL.create("")
    sound = parts.drivername in _NAMES and not (parts.host or parts.username or parts.query)
    if not sound or not parts.database or parts.database == ":memory:":
        raise StoreError("store.url: expected a file, such as sqlite:///callgate-data/callgate.db")
    return Path(parts.database)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes and upgrades the files of a folder; a killed one frees it."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _make(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            connection.execute(f"PRAGMA page_size={_PAGE_SIZE}")
            connection.execute("PRAGMA journal_mode=WAL")


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT}")


def _upgrade(engine: Engine) -> None:
    with answering():
        with engine.connect() as connection:
            if schema.is_current(connection):
                return
        with engine.begin() as connection:
            # The driver begins no transaction before DDL by itself.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            schema.upgrade(connection)
