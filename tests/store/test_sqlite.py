"""SQLite as a store."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import event

from callgate.store.base import (
    Key,
    Query,
    RequestLog,
    StoreAwayError,
    StoreError,
)
from callgate.store.opening import open_store, open_store_or_wait
from samples import answered, booked
from store.children import child

# Opens fresh stores, one after the other, whenever it is told to.
OPEN = """
import sys
import alembic.command
import callgate.store.sqlite
from callgate.store.opening import open_store, open_store_or_wait
print("ready", flush=True)
for line in sys.stdin:
    store = open_store(line.strip())
    print(store.keys.version(), flush=True)
    store.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "callgate.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_fresh_store_is_for_its_owner_alone(path: Path, url: str) -> None:
    store = open_store(url)
    store.requests.append_many(booked(answered()))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"callgate.db", "callgate.db-wal", "callgate.db-shm"}
    store.close()


def test_a_folder_that_exists_keeps_its_mode(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o755)  # whatever the umask
    open_store(url).close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_a_relative_url_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///here/callgate.db").close()
    assert (tmp_path / "here" / "callgate.db").exists()


def test_what_is_stored_outlives_the_process(url: str) -> None:
    record = answered()
    store = open_store(url)
    store.requests.append_many(booked(record))
    store.close()
    store = open_store(url)
    assert store.requests.get(record.request_id) is not None
    store.close()


def test_processes_that_open_a_fresh_store_at_once_all_succeed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        children = [stack.enter_context(child(OPEN)) for _ in range(4)]
        for process in children:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for number in range(10):
            for process in children:
                assert process.stdin is not None
                process.stdin.write(f"sqlite:///{tmp_path}/{number}/callgate.db\n")
                process.stdin.flush()
            for process in children:
                assert process.stdout is not None
                assert process.stdout.readline() == "0\n"


def test_alembic_and_another_dialect_are_imported_by_a_migration_only(url: str) -> None:
    code = (
        "import sys; from callgate.store.opening import open_store, open_store_or_wait; "
        "open_store(sys.argv[1]).close(); "
        "print(*({'alembic', 'sqlalchemy.dialects.postgresql'} & {*sys.modules}))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, url], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert [bool(names.split()) for names in told] == [True, False]


def test_a_file_that_cannot_be_opened_just_now_is_waited_for_by_who_begins_later(
    path: Path, url: str
) -> None:
    open_store(url).close()
    in_the_way = path.with_name(f"{path.name}-wal")  # as where a full disk has no room for it
    in_the_way.mkdir()
    with pytest.raises(StoreAwayError, match="cannot open the store"):
        open_store(url)
    with closing(open_store_or_wait(url)) as waiting:
        with pytest.raises(StoreError):
            waiting.keys.all()
        in_the_way.rmdir()
        assert waiting.keys.all() == []


def test_another_programs_database_is_refused_and_untouched(path: Path, url: str) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match=r"something else.*store\.url"):
        open_store(url)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_file_that_is_no_database_is_refused(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(StoreError, match=r"not a database; put a backup in its place.*store\.url"):
        open_store(url)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"a file is where a folder should be.*store\.url"):
        open_store(f"sqlite:///{tmp_path}/file/callgate.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "callgate.db",
        "mysql://user:hunter2@db/callgate",
        "user:hunter2@db/callgate",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://user:hunter2@host/callgate.db",
        "sqlite:///callgate.db?mode=ro",
        "sqlite+aiosqlite:///callgate.db",
    ],
)
def test_a_url_of_no_supported_kind_is_told_without_its_secret(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"store\.url") as told:
        open_store(url)
    assert "hunter2" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_old_records_are_deleted_oldest_first_in_batches(url: str) -> None:
    hour = 3_600_000
    records = [answered(ago_ms=hour * (10 - number)) for number in range(10)]
    with closing(open_store(url)) as store:
        log = store.requests
        log.append_many(booked(*records))

        def left() -> list[str]:
            return [record.request_id for record in log.find(Query())]

        assert log.delete_before(records[7].time, 5) == 5
        assert left() == [record.request_id for record in records[:4:-1]]
        assert log.delete_before(records[7].time, 5) == 2
        assert log.delete_before(records[7].time, 5) == 0
        assert left() == [record.request_id for record in records[:6:-1]]


def test_a_failure_tells_nothing_of_the_values(path: Path, url: str) -> None:
    store = open_store(url)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE records")
    with pytest.raises(StoreError) as told:
        store.requests.append_many(booked(answered(message="planted")))
    assert "planted" not in str(told.value)
    assert "planted" not in str(told.value.__cause__)
    store.close()


def test_the_backup_that_the_docs_describe_is_whole_and_for_its_owner_alone(
    tmp_path: Path,
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    (commands,) = re.findall(r"```\n(umask [^`]*VACUUM INTO[^`]*)```", page)
    data = tmp_path / "callgate-data"
    record = answered()
    with closing(open_store(f"sqlite:///{data}/callgate.db")) as store:
        store.keys.add(_key(1))
        store.requests.append_many(booked(record))
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        subprocess.run(["sh", "-ec", commands], cwd=tmp_path, env={"PATH": path}, check=True)
    backup = tmp_path / "backup.db"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(open_store(f"sqlite:///{backup}")) as restored:
        assert restored.keys.all() == [_key(1)]
        assert restored.requests.get(record.request_id) == record


def _key(number: int) -> Key:
    return Key(
        id=f"key_{number}", digest=bytes([number]) * 32, hint="", name="", account="a",
        region="us", created=1,
    )  # fmt: skip


def test_keys_that_became_different_never_have_one_version(path: Path, url: str) -> None:
    """Or a gateway would not look at a store restored from a backup, and changed since."""
    with closing(open_store(url)) as store:
        store.keys.add(_key(1))
        backup = path.with_name("backup.db")
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"VACUUM INTO '{backup}'")
        store.keys.add(_key(2))
        seen = store.keys.version()
    with closing(open_store(f"sqlite:///{backup}")) as restored:
        assert restored.keys.version() < seen
        restored.keys.revoke("key_1", 5)
        assert restored.keys.version() != seen


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(model="m"),
        Query(account="a", status=5),
        Query(error="e", since=1, until=10**13),
        Query(before="01998877-0000-7000-8000-000000000000", key_id="k"),
    ],
)
def test_lists_are_looked_for_in_the_index_alone(path: Path, url: str, query: Query) -> None:
    plan = plan_of(path, url, lambda log: list(log.find(query)))
    looking = [step for step in plan if "records" in step]
    assert any("COVERING INDEX" in step for step in looking), plan
    assert all("INDEX" in step for step in looking), plan


def test_a_record_is_looked_for_in_the_index_of_ids(path: Path, url: str) -> None:
    (step,) = plan_of(path, url, lambda log: log.get(answered().request_id))
    assert re.fullmatch(r"SEARCH records USING INDEX \w+ \(id=\?\)", step)


def plan_of(path: Path, url: str, ask: Callable[[RequestLog], object]) -> list[str]:
    """How SQLite goes about the one statement with which the log is asked."""
    store = open_store(url)
    asked: list[tuple[str, tuple]] = []
    engine = store.requests._engine  # type: ignore[attr-defined]
    event.listen(
        engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, _x, _many: asked.append((statement, parameters)),
    )
    ask(store.requests)
    store.close()
    ((statement, parameters),) = asked
    with closing(sqlite3.connect(path)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
