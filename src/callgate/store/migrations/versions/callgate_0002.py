"""Whether the payloads of a key's requests are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "callgate_0002"
down_revision = "callgate_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("keys", sa.Column("capture", sa.String(16)))
