"""The schema's revisions: what leads to the tables of today, and what is told of other tables."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from callgate.core.chat import Usage
from callgate.store import schema, tables
from callgate.store.base import USAGE_DIMENSIONS, StoreError, UsageQuery
from callgate.store.opening import open_store, open_store_or_wait
from samples import answered, booked, failed, refused
from sockets import seen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "callgate.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_a_migration_is_all_or_nothing(
    path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    def fail(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(op, "create_index", fail)
        with pytest.raises(KeyboardInterrupt):
            open_store(url)
    assert path not in seen(os.getpid()).files
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    open_store(url).close()


def test_a_newer_schema_is_refused(path: Path, url: str) -> None:
    open_store(url).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'callgate_9999'")
    with pytest.raises(StoreError, match=r"callgate_9999.*newer.*store\.url"):
        open_store(url)
    with closing(open_store_or_wait(url)) as begun:  # a worker of a gateway that began before
        assert begun.keys.all() == []


def test_a_revision_only_adds_what_gateways_of_the_one_before_may_leave_out(url: str) -> None:
    """They go on with its tables until they are replaced."""
    engine = create_engine(url)
    before: dict[str, dict[str, Any]] = {}
    for revision in schema.REVISIONS:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("path_separator", "os")
            config.set_main_option(
                "script_location", str(Path(schema.__file__).with_name("migrations"))
            )
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            found = inspect(connection)
            after = {
                table: {column["name"]: column for column in found.get_columns(table)}
                for table in found.get_table_names()
            }
        for table, columns in before.items():
            assert columns.keys() <= after[table].keys()
            for name, column in after[table].items():
                if name in columns:
                    assert str(column["type"]) == str(columns[name]["type"])
                    assert column["nullable"] >= columns[name]["nullable"]
                else:
                    assert column["nullable"] or column["default"] is not None
        before = after
    engine.dispose()


def test_the_revisions_lead_to_the_tables_that_the_queries_know(path: Path, url: str) -> None:
    open_store(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_records_from_before_the_totals_are_counted_by_the_migration(path: Path, url: str) -> None:
    tokens = Usage(
        input_tokens=10, output_tokens=5, total_tokens=15, input_details={"cached_tokens": 4}
    )
    records = [
        answered(usage=tokens, cost_usd=0.5),
        answered(ago_ms=3 * 86_400_000, usage=tokens, cost_usd=None, model_served="other"),
        answered(status=404, error="model_not_found", model="made up", model_served=None),
        refused(),
        failed(),
    ]
    query = UsageQuery(by=("day", *USAGE_DIMENSIONS))
    with closing(open_store(url)) as store:
        store.requests.append_many(booked(*records))
        counted = store.requests.usage(query)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE usage")
        connection.execute("DROP TABLE overrides")
        connection.execute("ALTER TABLE keys DROP COLUMN allowance")
        connection.execute("UPDATE alembic_version SET version_num = 'callgate_0002'")
    with closing(open_store(url)) as store:
        assert store.requests.usage(query) == counted
    assert len(counted) == 5


def test_every_revision_is_known(url: str) -> None:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    newest_first = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(newest_first)) == schema.REVISIONS
