"""Totals of each day, kept with the records and beyond their retention."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "callgate_0003"
down_revision = "callgate_0002"
branch_labels = None
depends_on = None

_DIMENSIONS = ("account", "key_id", "model", "served", "provider")
_COUNTS = (
    "requests", "errors", "unpriced", "estimated", "input_tokens", "cached_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip

# SQLite alone has records from before; PostgreSQL became a store with this revision.
_COUNTED = """
INSERT INTO usage
SELECT date(time / 1000, 'unixepoch'), coalesce(account, ''), coalesce(key_id, ''),
       iif(served <> '' OR status = 429 OR status >= 500, coalesce(model, ''), '') AS asked,
       served, coalesce(json_extract(record, '$.provider'), ''),
       count(*), sum(status >= 400 OR error IS NOT NULL),
       sum(usage IS NOT NULL AND cost IS NULL),
       sum(coalesce(json_extract(usage, '$.estimated'), 0)),
       sum(coalesce(json_extract(usage, '$.input_tokens'), 0)),
       sum(coalesce(json_extract(usage, '$.input_details.cached_tokens'), 0)),
       sum(coalesce(json_extract(usage, '$.input_details.cache_write_tokens'), 0)),
       sum(coalesce(json_extract(usage, '$.output_tokens'), 0)),
       sum(coalesce(json_extract(usage, '$.output_details.reasoning_tokens'), 0)),
       total(cost)
FROM (SELECT *, coalesce(json_extract(record, '$.model_served'), '') AS served,
             json_extract(record, '$.usage') AS usage, json_extract(record, '$.cost_usd') AS cost
      FROM (SELECT *, CAST(body AS TEXT) AS record FROM records))
GROUP BY 1, 2, 3, 4, 5, 6
"""


def upgrade() -> None:
    """Make the table, and count what is there."""
    op.create_table(
        "usage",
        sa.Column("day", sa.Date, primary_key=True),
        *(
            sa.Column(name, sa.String(64 if name == "key_id" else None), primary_key=True)
            for name in _DIMENSIONS
        ),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("cost_usd", sa.Float, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_COUNTED)
