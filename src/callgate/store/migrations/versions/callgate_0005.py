"""What operators set of models and accounts while gateways run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "callgate_0005"
down_revision = "callgate_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "overrides",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )
