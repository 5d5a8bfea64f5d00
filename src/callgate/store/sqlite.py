"""SQLite: one file, several processes on one machine. The only file that knows this database."""

from __future__ import annotations

import fcntl
import math
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from callgate.core.entry import Entry
from callgate.store import schema
from callgate.store.base import Store, StoreAwayError, StoreError
from callgate.store.overrides import SqlOverrides
from callgate.store.sql import SqlKeys, SqlRequestLog, answering
from callgate.store.tables import records, usage
from callgate.store.usage import COLUMNS, Total, adding

_NAMES = ("sqlite", "sqlite+pysqlite")
_BUSY_SECONDS = 5.0
# A record is a good kilobyte: large pages hold several, and halve the cost of an insert.
_PAGE_SIZE = 16384
_CHECKPOINT_PAGES = 1000
_WAL_LIMIT = 64 << 20
_ROWS = 50  # of one statement; there are SQLites that take no more than 999 values
# For any value but an int, float, str or bytearray the driver looks for an adapter, in vain: for
# three in a row that costs half as much as to insert it. SQLite keeps NaN as NULL.
_NULL = math.nan


def open_sqlite(url: str, *, later: bool = False) -> Store:
    """Open `sqlite:///relative/path` or `sqlite:////absolute/path`, made if absent.

    A new folder gets the mode 0700 and a new file 0600. With `later` nothing is opened until an
    operation needs it: the tables are taken to be there. Raises StoreError with what to do,
    StoreAwayError where that may pass by itself, as on a full disk.
    """
    path = _path(url)
    engine = _engine(path)
    if not later:
        try:
            _opened(path, engine)
        except BaseException:
            engine.dispose()
            raise
    return Store(SqlKeys(engine), SqliteRequestLog(engine), SqlOverrides(engine), engine.dispose)


class SqliteRequestLog(SqlRequestLog):
    """Records in one table."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        columns = [column.name for column in records.columns]
        # OR FAIL: the transaction is undone as a whole, so SQLite need not keep in a file what
        # would undo a statement of many rows alone.
        insert_new = insert(records).prefix_with("OR FAIL").on_conflict_do_nothing()
        one = str(insert_new.compile(dialect=engine.dialect, column_keys=columns))
        # Given to the driver as they are: per record this is what costs most. Many at once cost a
        # third less than one by one, since the cursors stay where they are.
        row = f"({', '.join('?' * len(columns))})"
        self._insert_one, self._insert_many = one, one.replace(row, ", ".join([row] * _ROWS))
        add = adding(insert(usage)).compile(dialect=engine.dialect, column_keys=list(COLUMNS))
        self._add_usage = str(add)

    def _insert(self, connection: Connection, rows: Mapping[bytes, Entry]) -> Collection[bytes]:
        # Shuts out other writers, so that what is above the last row afterwards is new and ours.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        last = connection.exec_driver_sql("SELECT max(rowid) FROM records").scalar_one() or 0
        values = [
            (
                bytearray(id_),
                entry.time,
                entry.account,
                entry.key_id,
                entry.model,
                entry.status,
                _NULL if entry.error is None else entry.error,
                bytearray(entry.body),
            )
            for id_, entry in rows.items()
        ]
        whole = len(values) - len(values) % _ROWS
        many = [tuple(chain(*values[at : at + _ROWS])) for at in range(0, whole, _ROWS)]
        inserted = 0
        for statement, parameters in (
            (self._insert_many, many),
            (self._insert_one, values[whole:]),
        ):
            if parameters:
                inserted += connection.exec_driver_sql(statement, parameters).rowcount
        if inserted == len(rows):
            return rows.keys()
        new = connection.exec_driver_sql("SELECT id FROM records WHERE rowid > ?", (last,))
        return new.scalars().all()

    def _add(self, connection: Connection, totals: Sequence[Total]) -> None:
        rows = [(day.isoformat(), *rest) for day, *rest in totals]
        connection.exec_driver_sql(self._add_usage, rows)


def _mending(error: OSError | sqlite3.Error) -> str:
    """What to do about a store that cannot be opened."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file is where a folder should be: move it away, or correct store.url or data_dir"
    if type(error) is sqlite3.DatabaseError:  # not one of its kinds: the file itself is at fault
        return (
            "put a backup in its place, move it away to begin with a new one, or correct store.url"
        )
    return (
        "give Callgate a folder that it may write to, in store.url or, where that is not set, "
        "in data_dir"
    )


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


def _opened(path: Path, engine: Engine) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(path.parent):
            _make(path)
            _upgrade(engine)
    except StoreError as error:
        if isinstance(error.__cause__, OperationalError):
            raise StoreAwayError(str(error)) from error.__cause__
        raise
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        passing = isinstance(error, sqlite3.OperationalError)
        raise (StoreAwayError if passing else StoreError)(
            f"cannot open the store {path}: {reason}; {_mending(error)}"
        ) from error


def _upgrade(engine: Engine) -> None:
    with answering():
        with engine.connect() as connection:
            if schema.is_current(connection):
                return
        with engine.begin() as connection:
            # The driver begins no transaction before DDL by itself.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            schema.upgrade(connection)
