"""The tables of a SQL store, the same for every SQL database. `migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Date,
    Float,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),
    Column("name", String, nullable=False),
    Column("account", String, nullable=False),
    Column("region", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("models", JSON(none_as_null=True)),
    Column("limits", JSON, nullable=False),
    Column("capture", String(16)),
    Column("allowance", JSON(none_as_null=True)),
)

overrides = Table(
    "overrides",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String, primary_key=True),
    Column("settings", Text, nullable=False),
    Column("changed", BigInteger, nullable=False),
)

records = Table(
    "records",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("account", String),
    Column("key_id", String(64)),
    Column("model", String),
    Column("status", SmallInteger, nullable=False),
    Column("error", String(64)),
    Column("body", LargeBinary, nullable=False),
    Index("records_filters", "id", "time", "account", "key_id", "model", "status", "error"),
    # PostgreSQL's is partitioned by ranges of ids. Only `migrations` says so: an option of one
    # dialect would have all of that dialect imported at every start, a sixth of it.
)

usage = Table(
    "usage",
    metadata,
    Column("day", Date, primary_key=True),
    Column("account", String, primary_key=True),
    Column("key_id", String(64), primary_key=True),
    Column("model", String, primary_key=True),
    Column("served", String, primary_key=True),
    Column("provider", String, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("estimated", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_usd", Float, nullable=False),
)
