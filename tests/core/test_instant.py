"""Points in time as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from callgate.core.instant import instant

NOW = int(datetime(2026, 1, 31, 13, 45, 6, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("today", "2026-01-31T00:00:00Z"),
        ("yesterday", "2026-01-30T00:00:00Z"),
        ("90m", "2026-01-31T12:15:06Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31 12:00", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ("1769860800", "2026-01-31T12:00:00Z"),
        ("1769860800000", "2026-01-31T12:00:00Z"),
        ("1000000w", "1970-01-01T00:00:00Z"),
        ("13:45", "2026-01-31T13:45:00Z"),
        ("13:46", "2026-01-30T13:46:00Z"),
        ("0:07:59Z", "2026-01-31T00:07:59Z"),
    ],
)
def test_a_moment_is_read_as_it_is_meant(text: str, moment: str) -> None:
    assert instant(text, NOW) == datetime.fromisoformat(moment).timestamp() * 1000


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "Today", "2026-13-01", "-1h", "1 fortnight", "24:00", "12:60"]
)
def test_what_is_no_moment_is_told_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="must be a span such as 15m, 24h or 7d, today, yest"):
        instant(text, NOW)
