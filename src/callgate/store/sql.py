"""Keys and records in SQL: the tables and the queries, the same for every SQL database.

A record is kept whole, as the JSON that the journal bore; beside it stand the few columns that
lists are filtered by. One index covers all of those, so that the rarest match is looked for in
some hundred bytes a record and not in the records themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from secrets import randbelow
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from callgate.core.entry import Entry
from callgate.core.ids import is_request_id
from callgate.core.record import Record
from callgate.store.base import CHANGEABLE, Key, Query, StoreError, Tally, Usage, UsageQuery
from callgate.store.refusals import IN_USE, fix_of
from callgate.store.tables import keys, meta, records
from callgate.store.usage import Total, totals_of, usage_of

KEYS_VERSION = "keys_version"
_STEP = 1 << 32  # of 63 bits that there are: enough for four billion changes

_KEY_FIELDS = tuple(field for field in Key.__struct_fields__ if field in keys.c)
_KEY_COLUMNS = tuple(keys.c[field] for field in _KEY_FIELDS)
_PLAIN = ("name", "expires", *(field for field in _KEY_FIELDS if field not in CHANGEABLE))

_PAGE = 200
_PAGE_READ_FOR = 2000  # where few of them will be wanted
_DASHES = (8, 13, 18, 23)  # where they stand in an id
# An id is made within moments of the time that its record states.
_SLACK_MS = 10_000


class SqlKeys:
    """`store.base.Keys` over a SQL database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def version(self) -> int:
        """A number that changes with every change of a key or an override; cheap to ask."""
        with reading(self._engine) as connection:
            row = connection.execute(select(meta.c.value).where(meta.c.name == KEYS_VERSION)).one()
        return int(row[0])

    def all(self) -> Sequence[Key]:
        """Every key, dead ones too, oldest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(
                select(*_KEY_COLUMNS).order_by(keys.c.created, keys.c.id)
            ).all()
        return [_key(row) for row in rows]

    def find(self, digest: bytes) -> Key | None:
        """The key of this digest."""
        with reading(self._engine) as connection:
            row = connection.execute(
                select(*_KEY_COLUMNS).where(keys.c.digest == digest)
            ).one_or_none()
        return None if row is None else _key(row)

    def add(self, key: Key) -> None:
        """Keep a new key. Raises ValueError where its id or digest is taken."""
        try:
            with writing(self._engine) as connection:
                _insert_key(connection, key)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise ValueError(f"a key of id {key.id} or of its digest exists") from error
            raise

    def add_first(self, key: Key) -> bool:
        """Keep a key if there is none yet; whether it is kept. Of several at once, one is."""
        with writing(self._engine) as connection:
            shut_out(connection)
            first = connection.execute(select(keys.c.id).limit(1)).one_or_none() is None
            if first:
                _insert_key(connection, key)
        return first

    def revoke(self, key_id: str, at: int) -> bool:
        """Refuse the key from `at` on, unless it ends earlier; False where there is none.

        Below zero, `at` is minus the present time, and the key refused at once.
        """
        later = or_(keys.c.revoked.is_(None), keys.c.revoked > max(at, -1))
        statement = (
            update(keys)
            .where(keys.c.id == key_id)
            .values(revoked=case((later, at), else_=keys.c.revoked))
        )
        with writing(self._engine) as connection:
            found = connection.execute(statement).rowcount > 0
            if found:
                bump(connection)
        return found

    def change(self, key_id: str, edit: Callable[[Key], Key]) -> Key | None:
        """Put what `edit` makes of the key in its place, in one step; None where there is none."""
        with writing(self._engine) as connection:
            shut_out(connection)
            row = connection.execute(select(*_KEY_COLUMNS).where(keys.c.id == key_id)).one_or_none()
            if row is None:
                return None
            before = _key(row)
            if before.unreadable:
                raise StoreError(
                    f"the key {key_id} holds what this version of Callgate does not understand "
                    f"({before.unreadable}); change it with the newer version that wrote it"
                )
            edited = edit(before)
            changes = {name: getattr(edited, name) for name in CHANGEABLE}
            after = msgspec.structs.replace(before, **changes)
            if after != before:
                connection.execute(
                    update(keys).where(keys.c.id == key_id).values(msgspec.to_builtins(changes))
                )
                bump(connection)
        return after


class SqlRequestLog(ABC):
    """`store.base.RequestLog` over a SQL database, but for how new records are inserted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._record = msgspec.json.Decoder(Record)

    def append_many(self, entries: Sequence[Entry]) -> int:
        """Keep these records; idempotent by request_id.

        Returns how many were new. Raises ValueError where one of them cannot be kept, as its id is
        none; then none of them is.
        """
        if not entries:
            return 0
        try:
            ids = _ids([entry.request_id for entry in entries])
        except ValueError as error:
            raise ValueError(f"not a record: {error}") from error
        # In one order for all: two who insert the same records never wait for each other, and what
        # is appended to an index costs less than what goes somewhere into it.
        rows = dict(sorted(zip(ids, entries, strict=True), key=itemgetter(0)))
        with writing(self._engine) as connection:
            new = self._insert(connection, rows)
            # In the same transaction: a record is counted if and only if it is kept.
            if totals := totals_of([rows[id_] for id_ in new]):
                self._add(connection, totals)
        return len(new)

    def get(self, request_id: str) -> Record | None:
        """The record of this id."""
        if not is_request_id(request_id):
            return None
        statement = select(records.c.body).where(records.c.id == _id(request_id))
        with reading(self._engine) as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else self._record.decode(row[0])

    def find(self, query: Query) -> Iterator[Record]:
        """The records that match, newest first. Raises ValueError where `before` is no id.

        Read page by page, each in a transaction of its own: a slow reader holds nothing up.
        """
        _check_cursor(query)
        return self._pages(query)

    def tally(self, query: Query) -> Sequence[Tally]:
        """All the records that match, whatever `limit` says, counted by status and error."""
        _check_cursor(query)
        wanted = _conditions(query)
        if query.before is not None:
            wanted.append(records.c.id < _id(query.before))
        group = (records.c.status, records.c.error)
        statement = select(*group, func.count()).where(*wanted).group_by(*group)
        with reading(self._engine) as connection:
            return [Tally(*row) for row in connection.execute(statement).all()]

    def usage(self, query: UsageQuery) -> Sequence[Usage]:
        """Totals by day and by what `query.by` names, in their order."""
        with reading(self._engine) as connection:
            return usage_of(connection, query)

    def now(self) -> int | None:
        """Unix milliseconds by the store's own clock; None where that is this machine's."""
        return None

    def delete_before(self, time: int, limit: int) -> int:
        """Delete at most `limit` records older than `time`; returns how many."""
        oldest = (
            select(records.c.id)
            .where(records.c.id < floor(time))
            .order_by(records.c.id)
            .limit(limit)
        )
        with writing(self._engine) as connection:
            return connection.execute(delete(records).where(records.c.id.in_(oldest))).rowcount

    @abstractmethod
    def _insert(self, connection: Connection, rows: Mapping[bytes, Entry]) -> Collection[bytes]:
        """Insert the records whose ids, in whose order they stand, are new; those ids.

        Raises ValueError for what cannot be kept.
        """

    @abstractmethod
    def _add(self, connection: Connection, totals: Sequence[Total]) -> None:
        """Add to the day's totals, with the dialect's own statement (`usage.adding`)."""

    def _pages(self, query: Query) -> Iterator[Record]:
        wanted = _conditions(query)
        cursor = None if query.before is None else _id(query.before)
        left = query.limit
        while left > 0:
            size = _PAGE_READ_FOR if query.searches() else min(left, _PAGE)
            matching = select(records.c.id).where(*wanted)
            if cursor is not None:
                matching = matching.where(records.c.id < cursor)
            matching = matching.order_by(records.c.id.desc()).limit(size)
            page = (
                select(records.c.id, records.c.body)
                .where(records.c.id.in_(matching))
                .order_by(records.c.id.desc())
            )
            with reading(self._engine) as connection:
                rows = connection.execute(page).all()
            for row in rows:
                # The last of them in any case, so that whoever reads can stop after each page.
                last = row is rows[-1]
                if not last and query.holding not in row.body:
                    continue
                record = self._record.decode(row.body)
                if last or query.reached_by(record):
                    yield record
                    left -= 1
                    if not left:
                        return
            if len(rows) < size:
                return
            cursor = rows[-1].id


def _check_cursor(query: Query) -> None:
    if query.before is not None and not is_request_id(query.before):
        raise ValueError("before: expected a request id")


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    column = records.c
    equal = {
        column.account: query.account,
        column.key_id: query.key_id,
        column.model: query.model,
        column.error: query.error,
    }
    conditions = [name == value for name, value in equal.items() if value is not None]
    if query.status is not None:
        hundred = query.status * 100
        conditions.append(
            column.status.between(hundred, hundred + 99)
            if query.status < 10
            else column.status == query.status
        )
    if query.failed:
        conditions.append(or_(column.error.is_not(None), column.status >= 400))
    if query.since is not None:
        conditions += [column.time >= query.since, column.id >= floor(query.since - _SLACK_MS)]
    if query.until is not None:
        conditions += [column.time < query.until, column.id < floor(query.until + _SLACK_MS)]
    return conditions


def _id(request_id: str) -> bytes:
    return _ids([request_id])[0]


def _ids(request_ids: Sequence[str]) -> list[bytes]:
    """All at once: one by one, this would cost as much as it costs to tell the totals."""
    told = "".join(request_ids)
    dashes = "-" * len(request_ids)
    if set(map(len, request_ids)) != {36} or any(told[at::36] != dashes for at in _DASHES):
        raise ValueError("expected a request id")
    ids = bytes.fromhex(told.replace("-", ""))
    if len(ids) != 16 * len(request_ids):
        raise ValueError("expected a request id")
    return [ids[at : at + 16] for at in range(0, len(ids), 16)]


def floor(unix_ms: int) -> bytes:
    """What every id made at or after this time is not less than."""
    return min(max(unix_ms, 0), (1 << 48) - 1).to_bytes(6, "big") + bytes(10)


def _insert_key(connection: Connection, key: Key) -> None:
    told = msgspec.to_builtins(key, builtin_types=(bytes,))
    connection.execute(insert(keys), [{field: told[field] for field in _KEY_FIELDS}])
    bump(connection)


def _key(row: Row[Any]) -> Key:
    fields = dict(zip(_KEY_FIELDS, row, strict=True))
    try:
        return msgspec.convert(fields, Key)
    except msgspec.ValidationError as error:
        # One key of a newer version must not keep what is known of all others as it was.
        return Key(**{name: fields[name] for name in _PLAIN}, unreadable=str(error))


def bump(connection: Connection) -> None:
    """Give the keys and overrides another version, which no other history of them comes to.

    A gateway may know changes that a store brought back from a backup has never had. Counted one by
    one, its next changes would bear those numbers, and the gateway would not look at them.
    """
    _raise_version(connection, 1 + randbelow(_STEP))


def shut_out(connection: Connection) -> None:
    """Keep everyone else from changing a key or an override until the transaction ends."""
    _raise_version(connection, 0)


def _raise_version(connection: Connection, by: int) -> None:
    statement = update(meta).where(meta.c.name == KEYS_VERSION).values(value=meta.c.value + by)
    connection.execute(statement)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection to read by. Raises StoreError where the database does not answer."""
    with answering(), engine.connect() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction, committed at the end. Raises StoreError where the database does not answer."""
    with answering(), engine.begin() as connection:
        yield connection


_FIX = "restore the database that store.url names"


@contextmanager
def answering() -> Iterator[None]:
    """Tell the database's failures as StoreError, without statements and their values."""
    try:
        yield
    except SQLAlchemyError as error:
        told = said(error)
        raise StoreError(
            f"the store does not answer: {told}; {fix_of(told, IN_USE, _FIX)}"
        ) from error


def said(error: SQLAlchemyError) -> str:
    """What the database said, in one line; further lines may quote values."""
    told = error.orig if isinstance(error, DBAPIError) else error
    return str(told).partition("\n")[0].rstrip("; ")
