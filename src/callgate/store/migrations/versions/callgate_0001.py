"""Keys, records, and the counter that tells of changed keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "callgate_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first tables."""
    meta = op.create_table(
        "meta",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(meta, [{"name": "keys_version", "value": 0}])
    op.create_table(
        "keys",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("hint", sa.String(16), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("region", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
        sa.Column("models", sa.JSON),
        sa.Column("limits", sa.JSON, nullable=False),
    )
    op.create_table(
        "records",
        sa.Column("id", sa.LargeBinary(16), primary_key=True),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("account", sa.String),
        sa.Column("key_id", sa.String(64)),
        sa.Column("model", sa.String),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("error", sa.String(64)),
        sa.Column("body", sa.LargeBinary, nullable=False),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index(
        "records_filters",
        "records",
        ["id", "time", "account", "key_id", "model", "status", "error"],
    )
