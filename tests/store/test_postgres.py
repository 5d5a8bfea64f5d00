"""PostgreSQL as a store: opening, partitions, several writers, a server that goes away."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from urllib.parse import quote

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, event

from callgate.cli import probes
from callgate.config import load
from callgate.store import postgres as postgres_store
from callgate.store import tables
from callgate.store.base import Key, Query, Store, StoreAwayError, StoreError
from callgate.store.journal.journal import Journal
from callgate.store.journal.shipper import Shipper
from callgate.store.opening import is_made, open_store, open_store_or_wait
from callgate.store.postgres import open_postgres
from pgserver import PASSWORD, PostgresServer
from samples import answered, booked

DAY = 86_400_000
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture
def url(postgres: PostgresServer, postgres_url: str) -> str:
    """The database of the conformance suite, emptied."""
    partitions = postgres.execute("SELECT inhrelid::regclass::text FROM pg_inherits", postgres_url)
    names = [name for (name,) in partitions if not name.endswith(("pkey", "idx"))]
    if names:
        postgres.execute(f"DROP TABLE {', '.join(names)}", postgres_url)
    postgres.execute("TRUNCATE keys, usage; UPDATE meta SET value = 0", postgres_url)
    return postgres_url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as opened:
        yield opened


def days(postgres: PostgresServer, url: str) -> set[str]:
    found = postgres.execute(TABLES, url)
    return {name for (name,) in found if name.startswith("records_")}


def named(unix_ms: int) -> str:
    """The partition of a time."""
    return f"records_{datetime.fromtimestamp(unix_ms / 1000, UTC):%Y%m%d}"


def body(**changes: object) -> bytes:
    return msgspec.json.encode(answered(**changes))  # type: ignore[arg-type]


# Opening


def test_gateways_that_start_at_once_on_an_empty_database_all_succeed(
    postgres: PostgresServer,
) -> None:
    url = postgres.fresh()
    assert not is_made(url)

    def start(_number: int) -> int:
        with closing(open_store(url)) as opened:
            return opened.keys.version()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [0] * 6
    assert is_made(url)


def test_the_revisions_lead_to_the_tables_that_the_queries_know(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_a_migration_is_all_or_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    def fail(*_arguments: object) -> None:
        raise KeyboardInterrupt

    url = postgres.fresh()
    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", fail)
        with pytest.raises(KeyboardInterrupt):
            open_store(url)
    assert postgres.execute(TABLES, url) == []


def test_a_newer_schema_is_refused(postgres: PostgresServer, url: str) -> None:
    (before,) = postgres.execute("SELECT version_num FROM alembic_version", url)
    postgres.execute("UPDATE alembic_version SET version_num = 'callgate_9999'", url)
    try:
        with pytest.raises(StoreError, match=r"callgate_9999.*newer.*store\.url"):
            open_store(url)
    finally:
        postgres.execute(f"UPDATE alembic_version SET version_num = '{before[0]}'", url)


def test_a_database_that_cannot_be_used_is_told_and_left_alone(postgres: PostgresServer) -> None:
    theirs, standby, walled = (postgres.fresh() for _ in range(3))
    postgres.execute("CREATE TABLE theirs (x int)", theirs)
    postgres.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', "
        "current_database()); END $$",
        standby,
    )
    name = walled.partition("?")[0].rpartition("/")[2]
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    postgres.execute("CREATE DATABASE none ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    for url, why in (
        (theirs, r"tables of something else.*store\.url"),
        (standby, r"can only be read.*primary.*store\.url"),
        (postgres.url("latin"), r"encoding LATIN1.*UTF8.*store\.url"),
        (postgres.url("none"), r"encoding SQL_ASCII.*UTF8.*store\.url"),
        (postgres.url(name, "walled", PASSWORD), r"store\.url.*too few rights.*owner"),
        (postgres.url("absent"), r'store\.url.*"absent" does not exist.*correct'),
    ):
        with pytest.raises(StoreError, match=why):
            open_store(url)
    assert postgres.execute(TABLES, theirs) == [("theirs",)]
    for url in (standby, walled, postgres.url("latin")):
        assert postgres.execute(TABLES, url) == []


def test_tables_of_another_user_are_told(postgres: PostgresServer, url: str) -> None:
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO walled", url)
    with pytest.raises(StoreError, match=r"belong to owner.*GRANT owner"):
        open_store(postgres.url(name, "walled", PASSWORD))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://",
        "postgresql://u:hunter2@db",
        "postgresql://u:hun@ter2@db/callgate",
        "postgresql://u:hunter2@db:port/callgate",
        "postgresql://u:x@db:hunter2/callgate",
        "postgresql+asyncpg://u:hunter2@db/callgate",
        "postgresql://u:hunter2@127.0.0.1:1/callgate",
        "postgresql://u:hun%2Fter2@127.0.0.1:1/callgate",
        "postgresql://u:hunter2@127.0.0.1:99999/callgate",
        "postgresql://u:hunter2@no.such.host.invalid/callgate",
    ],
)
def test_what_is_no_url_or_leads_nowhere_is_told_without_the_password(url: str) -> None:
    with pytest.raises(StoreError, match=r"store\.url") as told:
        open_store(url)
    text = "".join(traceback.format_exception(told.value))
    assert "ter2" not in text


def test_a_wrong_password_is_told_without_it(postgres: PostgresServer) -> None:
    with pytest.raises(StoreAwayError, match=r"authentication failed.*store\.url") as told:
        open_store(postgres.url("postgres", "walled", "wrong/" + PASSWORD))
    text = "".join(traceback.format_exception(told.value))
    assert PASSWORD not in text
    assert quote(PASSWORD, safe="") not in text


def test_a_missing_driver_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"callgate\[postgres\]"):
        open_store("postgresql://u:hunter2@db/callgate")


def test_a_check_of_the_set_up_makes_no_tables(
    postgres: PostgresServer, url: str, tmp_path: Path
) -> None:
    empty = postgres.fresh()
    for one, told in ((empty, "the first start makes the tables"), (url, "opens, at revision")):
        file = tmp_path / "callgate.toml"
        file.write_text(f'[store]\nurl = "{one}"\n')
        found = probes.store(load(file, {}))
        assert told in found.what
    assert postgres.execute(TABLES, empty) == []


# Partitions


def test_each_day_has_its_partition_and_the_next_is_there_before_it_begins(
    postgres: PostgresServer, url: str, store: Store
) -> None:
    now = answered()
    store.requests.append_many(booked(now, answered(ago_ms=5 * DAY)))
    assert days(postgres, url) == {named(now.time + days * DAY) for days in (-5, 0, 1)}


def test_a_look_up_goes_to_one_day(store: Store) -> None:
    records = [answered(ago_ms=ago * DAY) for ago in range(8)]
    store.requests.append_many(booked(*records))
    asked: list[tuple[str, object]] = []
    engine = store.requests._engine  # type: ignore[attr-defined]
    event.listen(
        engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, _x, _many: asked.append((statement, parameters)),
    )
    assert store.requests.get(records[4].request_id) is not None
    statement, parameters = asked[-1]
    with engine.connect() as connection:
        connection.exec_driver_sql("SET enable_seqscan = off")  # which is best for so few
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()
    assert sum(" on records_" in line for line in plan) == 1, plan
    assert any(named(records[4].time) in line for line in plan), plan
    assert any("Index Cond: (id = " in line for line in plan), plan


def test_a_day_past_retention_is_dropped_not_deleted(
    postgres: PostgresServer, url: str, store: Store
) -> None:
    store.requests.append_many(booked(*(answered(ago_ms=ago * DAY) for ago in (0, 3, 3, 4))))
    before = days(postgres, url)
    assert store.requests.delete_before(answered().time - 2 * DAY, 1) == 3
    dropped = before - days(postgres, url)
    assert len(dropped) == 2
    assert len(list(store.requests.find(Query()))) == 1


def test_the_time_is_the_servers(store: Store) -> None:
    assert store.requests.now() == pytest.approx(time.time() * 1000, abs=60_000)


def test_an_id_of_no_date_is_no_record(store: Store) -> None:
    with pytest.raises(ValueError, match="no date"):
        store.requests.append_many(
            booked(answered(request_id="ffffffff-ffff-7000-8000-000000000000"))
        )


def test_text_that_postgresql_cannot_hold_is_kept_all_the_same(store: Store) -> None:
    record = answered(model="a\0b", error="x" * 65)
    with pytest.raises(ValueError, match=r"not a record.*too long"):
        store.requests.append_many(booked(record))
    record.error = None
    assert store.requests.append_many(booked(record)) == 1
    found = store.requests.get(record.request_id)
    assert found is not None
    assert found.model == "a\0b"


# Several writers, and a server that goes away


def test_two_machines_ship_into_one_store_at_once_whatever_its_isolation(
    postgres: PostgresServer, url: str
) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    strict = "default_transaction_isolation"
    records = booked(*(answered(ago_ms=number % 4 * DAY) for number in range(400)))

    def ship(number: int) -> int:
        with closing(open_store(url)) as opened:
            mine = records[number * 50 :] + records[: number * 50]
            return sum(opened.requests.append_many(mine[at : at + 40]) for at in range(0, 400, 40))

    postgres.execute(f"ALTER DATABASE {name} SET {strict} = serializable")
    try:
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(ship, range(4))) == 400
    finally:
        postgres.execute(f"ALTER DATABASE {name} RESET {strict}")
    with closing(open_store(url)) as opened:
        assert len(list(opened.requests.find(Query(limit=1000)))) == 400


def test_records_wait_while_the_server_is_away_and_are_kept_once(
    postgres: PostgresServer, url: str, store: Store, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    shipper = Shipper(tmp_path, store.requests, lambda: 0.0)
    for _ in range(3):
        journal.append(body())
        assert shipper.ship() == 1
    postgres.kill()
    try:
        for _ in range(5):
            journal.append(body())
        assert shipper.ship() == 0
        assert shipper.trouble is not None
        assert "store.url" in shipper.trouble
        with pytest.raises(StoreError):
            store.keys.version()
        with closing(open_store_or_wait(url)) as waiting:  # a clerk or worker that starts now
            with pytest.raises(StoreError):
                waiting.keys.all()
            postgres.start()
            assert waiting.keys.all() == []
    finally:
        if not postgres.running:
            postgres.start()
    assert shipper.ship() == 5
    assert shipper.trouble is None
    assert len(list(store.requests.find(Query()))) == 8
    journal.close()


def test_a_server_that_hangs_is_left_after_a_while(
    postgres: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_store, "_SILENCE_SECONDS", 0.2)
    stopped: list[int] = []

    def stop(changed: Key) -> Key:
        ((pid,),) = postgres.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'callgate'"
            " AND datname = current_database()",
            url,
        )
        os.kill(pid, signal.SIGSTOP)
        stopped.append(pid)
        return changed

    key = Key(id="key_1", digest=b"1" * 32, hint="…", name="n", account="a", region="us", created=1)
    with closing(open_store(url)) as store:
        store.keys.add(key)
        try:
            with pytest.raises(StoreError, match=r"has not answered for 0\.2 s"):
                store.keys.change(key.id, stop)  # in the middle of a transaction
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert store.keys.all() == [key]


def test_patience_with_retention_ends_with_it(
    postgres: PostgresServer, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_store, "_SILENCE_SECONDS", 0.2)
    connected = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'callgate'"
        " AND datname = current_database()"
    )
    with closing(open_store(url)) as store:
        store.requests.delete_before(0, 1)
        ((pid,),) = postgres.execute(connected, url)
        os.kill(pid, signal.SIGSTOP)
        rescue = Timer(10.0, os.kill, (pid, signal.SIGCONT))
        rescue.start()
        try:
            assert store.keys.all() == []
            assert set(postgres.execute(connected, url)) != {(pid,)}  # it was left for another
        finally:
            rescue.cancel()
            os.kill(pid, signal.SIGCONT)


def test_a_primary_that_has_become_a_standby_is_looked_for_anew(
    postgres: PostgresServer, url: str
) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    with closing(open_postgres(url, later=True)) as store:
        postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        assert store.keys.version() == 0
        postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        with pytest.raises(StoreError, match="read-only"):
            store.requests.append_many(booked(answered()))
        assert store.requests.append_many(booked(answered())) == 1


def test_of_several_hosts_the_primary_is_taken(postgres: PostgresServer, url: str) -> None:
    place, name = url.partition("host=")[2], url.partition("@/")[2].partition("?")[0]
    several = f"{url}&host={place}"
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        with pytest.raises(StoreAwayError, match="read-only"):
            open_store(several)
        with pytest.raises(StoreError, match="as a standby's can"):
            open_store(url)
        with closing(open_store_or_wait(url)) as begun:  # a worker of a gateway that began before
            assert begun.keys.all() == []
    finally:
        postgres.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    open_store(several).close()
