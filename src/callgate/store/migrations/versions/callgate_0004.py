"""A key's own limits on tokens and money."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "callgate_0004"
down_revision = "callgate_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("keys", sa.Column("allowance", sa.JSON))
