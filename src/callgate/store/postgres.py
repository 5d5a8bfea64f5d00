"""PostgreSQL: one database for gateways on many machines. The only file that knows this database.

The records are partitioned by ranges of their id, a day each: an id carries its time, so a look-up
by id alone goes to one day's index, and a day past retention is dropped as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from math import inf
from time import monotonic
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, exc
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url

from callgate.core.entry import Entry
from callgate.core.redact import redact
from callgate.core.secret import secrets_of_url
from callgate.extras import install
from callgate.store import schema
from callgate.store.base import Store, StoreAwayError, StoreError, StoreUnfitError
from callgate.store.overrides import SqlOverrides
from callgate.store.refusals import DATABASE, fix_of
from callgate.store.sql import SqlKeys, SqlRequestLog, floor, reading, said, writing
from callgate.store.tables import usage
from callgate.store.usage import COLUMNS, Total, adding

_NAMES = ("postgresql", "postgresql+psycopg", "postgres")
_EXPECTED = (
    "store.url: expected postgresql://user:password@host:5432/database, with `@`, `:`, `/` and `%` "
    "in the password written as %40, %3A, %2F and %25"
)
_START = "start PostgreSQL, or correct host and port in store.url"
_RESTORE = "restore it, or name another in store.url"
# What libpq is told unless store.url says otherwise (times in seconds, but for the last):
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
_CONNECTING = {
    "connect_timeout": "3",
    "application_name": "callgate",
    "client_encoding": "utf8",  # a server without an encoding would send bytes that are no text
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
_PRIMARY = {"target_session_attrs": "read-write"}  # of several hosts: not a standby
_POOL, _MORE = 2, 2  # connections that are kept, and those beyond them for a moment
_POOL_SECONDS = 5.0
# Per transaction and not per connection: a pooler such as PgBouncer may stand in between. A
# stricter level, as a database may have by default, would fail those who ship at the same time.
_BOUNDS = (
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
    "SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '10s'"
)
_BOUNDS_17 = f"{_BOUNDS}; SET LOCAL transaction_timeout = 0"  # of the server, it would end any
_PATIENT = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'"
_DROPPING = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '2s'"
# What this end bounds: a server that hangs, or has forgotten the connection, ends nothing itself.
_SILENCE_SECONDS = 45.0
# Advisory locks of this database; any numbers that nobody else is likely to take.
_SCHEMA_LOCK, _RETENTION_LOCK = 0x63616C6C01, 0x63616C6C02

_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date.max.toordinal() - _EPOCH - 1
_PREFIX = "records_"
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_NO_RIGHT, _READ_ONLY = "42501", "25006"

# One statement for a whole batch: an array a column. Binary, or the bodies would go in hexadecimal.
_INSERT = """
INSERT INTO records (id, time, account, key_id, model, status, error, body)
SELECT * FROM unnest(%b::bytea[], %b::bigint[], %b::text[], %b::text[], %b::text[],
                     %b::smallint[], %b::text[], %b::bytea[])
ON CONFLICT DO NOTHING RETURNING id
"""


def open_postgres(url: str, *, later: bool = False) -> Store:
    """Open `postgresql://…`; its tables are made or upgraded, once, however many gateways start.

    With `later` nothing is asked of the server until an operation needs it: the tables are taken to
    be there. Raises StoreError with what to do, StoreAwayError where the server cannot be reached.
    """
    engine = _engine(url)
    if not later:
        try:
            with _opening(url):
                _prepare(engine)
        except BaseException:
            engine.dispose()
            raise
    return Store(SqlKeys(engine), PostgresRequestLog(engine), SqlOverrides(engine), engine.dispose)


def is_made(url: str) -> bool:
    """Whether the database has Callgate's tables; makes nothing. Raises as `open_postgres`."""
    engine = _engine(url)
    try:
        with _opening(url), engine.connect() as connection:
            return schema.is_current(connection)
    finally:
        engine.dispose()


class PostgresRequestLog(SqlRequestLog):
    """Records in partitions, a day each; each is made with the first record of the day before."""

    def now(self) -> int | None:
        """Unix milliseconds by the server's clock."""
        with reading(self._engine) as connection:
            told = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())")
            return int(told.scalar_one() * 1000)

    def delete_before(self, time: int, limit: int) -> int:
        """Drop the days that are wholly older than `time`; returns how many records they held."""
        deleted = 0
        with writing(self._engine) as connection:
            connection.exec_driver_sql(_DROPPING)
            _be_patient(connection)
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_RETENTION_LOCK,))
            for name in _partitions(connection):
                if _ends(name) <= time:
                    held = connection.exec_driver_sql(f"SELECT count(*) FROM {name}")  # noqa: S608
                    deleted += int(held.scalar_one())
                    connection.exec_driver_sql(f"DROP TABLE {name}")
        return deleted

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._add_usage = adding(insert(usage))

    def _insert(self, connection: Connection, rows: Mapping[bytes, Entry]) -> Collection[bytes]:
        days = {_day_of(id_) for id_ in rows}
        _make_partitions(connection, days | {max(days) + 1})
        entries = rows.values()
        arrays = (
            list(rows),
            [entry.time for entry in entries],
            [_storable(entry.account) for entry in entries],
            [_storable(entry.key_id) for entry in entries],
            [_storable(entry.model) for entry in entries],
            [entry.status for entry in entries],
            [_storable(entry.error) for entry in entries],
            [entry.body for entry in entries],
        )
        try:
            return connection.exec_driver_sql(_INSERT, arrays).scalars().all()
        except exc.DataError as error:
            # No later attempt would fare better with it, and it must not hold up the others.
            raise ValueError(f"not a record: {said(error)}") from None

    def _add(self, connection: Connection, totals: Sequence[Total]) -> None:
        rows = [dict(zip(COLUMNS, total, strict=True)) for total in totals]
        connection.execute(self._add_usage, rows)


def _storable(text: str | None) -> str | None:
    """PostgreSQL's text has no place for NUL, which JSON can carry."""
    return text.replace("\0", "\ufffd") if text and "\0" in text else text


def _day_of(id_: bytes) -> int:
    """The day, counted from 1970, in which an id was made."""
    day = int.from_bytes(id_[:6], "big") // _DAY_MS
    if day >= _LAST_DAY:
        raise ValueError("not a record: its id is of no date")
    return day


def _name_of(day: int) -> str:
    return f"{_PREFIX}{date.fromordinal(_EPOCH + day):%Y%m%d}"


def _ends(name: str) -> int:
    """When the day of a partition ends, Unix milliseconds."""
    day = date.fromisoformat(name.removeprefix(_PREFIX)).toordinal() - _EPOCH
    return (day + 1) * _DAY_MS


def _partitions(connection: Connection) -> Iterator[str]:
    """The partitions that are named as here, oldest first."""
    names = connection.exec_driver_sql(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'records'::regclass AND c.relname ~ '^records_[0-9]{8}$' ORDER BY 1"
    )
    return iter(names.scalars().all())


def _make_partitions(connection: Connection, days: Collection[int]) -> None:
    """Make those that are missing; others go on reading and writing meanwhile."""
    wanted = {_name_of(day): day for day in sorted(days)}
    missing = "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(name) IS NULL"
    if not connection.exec_driver_sql(missing, (list(wanted),)).all():
        return
    # The lock that attaching takes, too: one maker at a time, and no reader or writer is shut out.
    connection.exec_driver_sql("LOCK TABLE records IN SHARE UPDATE EXCLUSIVE MODE")
    for name in connection.exec_driver_sql(missing, (list(wanted),)).scalars().all():
        day = wanted[name]
        first, beyond = (floor(at * _DAY_MS).hex() for at in (day, day + 1))
        # Attached when it is whole: to create it as a partition would shut out every reader.
        connection.exec_driver_sql(f"CREATE TABLE {name} (LIKE records INCLUDING ALL)")
        connection.exec_driver_sql(
            f"ALTER TABLE records ATTACH PARTITION {name} "
            f"FOR VALUES FROM ('\\x{first}') TO ('\\x{beyond}')"
        )


def _engine(url: str) -> Engine:
    engine = create_engine(
        _parsed(url),
        # Prepared statements would not live through a pooler, and plan before the day is known.
        connect_args={"prepare_threshold": None},
        hide_parameters=True,
        pool_size=_POOL,
        max_overflow=_MORE,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
    )
    bounded = _bounded()

    def connect(_dialect: object, _entry: object, place: Any, options: dict[str, Any]) -> Any:
        return bounded.connect(*place, **options)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "begin", _bound)
    event.listen(engine, "checkin", _be_impatient)
    event.listen(engine, "handle_error", _demoted)
    return engine


def _bounded() -> type[Any]:
    """A class of connections that wait for an answer no longer than `silence` seconds."""
    import psycopg

    class Bounded(psycopg.Connection[Any]):
        silence = _SILENCE_SECONDS

        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **more: Any) -> Any:
            return super().wait(self._within(gen), *args, **more)

        def _within(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            ends = monotonic() + self.silence
            try:
                awaited = next(gen)
                while True:
                    came = yield awaited  # nothing, now and then, where nothing comes
                    if not came and monotonic() > ends:
                        self.pgconn.finish()
                        raise psycopg.OperationalError(
                            f"the server has not answered for {self.silence:g} s"
                        )
                    awaited = gen.send(came)
            except StopIteration as end:
                return end.value

    return Bounded


def _bound(connection: Connection) -> None:
    version = cast("Any", connection.connection.dbapi_connection).info.server_version
    connection.exec_driver_sql(_BOUNDS if version < 170_000 else _BOUNDS_17)


def _be_patient(connection: Connection) -> None:
    """Wait for this transaction as long as it takes."""
    cast("Any", connection.connection.dbapi_connection).silence = inf


def _be_impatient(connection: Any, _entry: object) -> None:
    """As before: the pool asks whether a connection is alive before the next one begins."""
    if connection is not None:
        connection.silence = _SILENCE_SECONDS


def _demoted(context: ExceptionContext) -> None:
    """A primary that has become a standby keeps its connections; the new primary is elsewhere."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _parsed(url: str) -> URL:
    try:
        parts = make_url(url)
    except (exc.ArgumentError, ValueError):  # whose words may quote the password
        raise StoreError(_EXPECTED) from None
    if parts.drivername not in _NAMES or not parts.database or "@" in (parts.host or ""):
        raise StoreError(_EXPECTED)
    try:
        import psycopg  # noqa: F401  whether it is there
    except ImportError:
        raise StoreError(
            f"store.url: PostgreSQL needs the extra `postgres`; run: {install('postgres')}"
        ) from None
    hosts = parts.query.get("host", ())
    several = _PRIMARY if not isinstance(hosts, str) or "," in hosts else {}
    defaults = _CONNECTING | (several if hosts else {})
    given = {name: value for name, value in defaults.items() if name not in parts.query}
    return parts.set(drivername="postgresql+psycopg").update_query_dict(given)


def _prepare(engine: Engine) -> None:
    """See that the database is fit for use, and that its tables are in their newest form."""
    with engine.connect() as connection:
        _demand(connection)
        current = schema.is_current(connection)
        if current:
            _demand_ownership(connection)
    if not current:
        with engine.begin() as connection:
            connection.exec_driver_sql(_PATIENT)
            _be_patient(connection)
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
            schema.upgrade(connection)


def _demand(connection: Connection) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise StoreError(
            f"the database that store.url names has the encoding {encoding}; name one that was "
            "made with ENCODING 'UTF8' in store.url"
        )
    if connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on":
        raise StoreUnfitError(
            "the database that store.url names can only be read, as a standby's can, or one whose "
            "disk is full; name the primary server in store.url, or make room on this one"
        )


def _demand_ownership(connection: Connection) -> None:
    owner, owned = connection.exec_driver_sql(
        "SELECT relowner::regrole::text, pg_has_role(relowner, 'USAGE') "
        "FROM pg_class WHERE oid = 'records'::regclass"
    ).one()
    if not owned:
        raise StoreError(
            f"the user that store.url names has no rights on Callgate's tables, which belong to "
            f"{owner}; name {owner} in store.url, or GRANT {owner} to that user"
        )


@contextmanager
def _opening(url: str) -> Iterator[None]:
    """Tell what kept the store from opening, and what to do, without its password."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        why = redact(said(error), secrets_of_url(url))
        if getattr(getattr(error, "orig", None), "sqlstate", None) == _NO_RIGHT:
            raise StoreError(
                f"the user that store.url names has too few rights: {why}; make it the owner of "
                "the database and of Callgate's tables, or name another user in store.url"
            ) from None
        away = isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError)
        if away or (isinstance(error, exc.DBAPIError) and error.connection_invalidated):
            raise StoreAwayError(
                f"cannot connect to the database that store.url names: {why}; "
                f"{fix_of(why, DATABASE, _START)}"
            ) from None
        raise StoreError(
            f"cannot use the database that store.url names: {why}; "
            f"{fix_of(why, DATABASE, _RESTORE)}"
        ) from None
