"""Points in time as people write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

_SPAN = re.compile(r"([0-9]{1,9})\s*(ms|s|m|h|d|w)")
_MILLISECONDS: Mapping[str, int] = MappingProxyType(
    {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
)
_NUMBER = re.compile(r"[0-9]{1,15}")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?Z?")
_DAY = 86_400_000
_MIDNIGHTS: Mapping[str, int] = MappingProxyType({"today": 0, "yesterday": _DAY})
_IN_MILLISECONDS = 10**11  # a number from here on: in seconds it would be a year beyond 5000


def span(text: str) -> int | None:
    """A span such as `30s`, `15m`, `12h` or `90d` in milliseconds; None where it is none."""
    match = _SPAN.fullmatch(text)
    return None if match is None else int(match[1]) * _MILLISECONDS[match[2]]


def instant(text: str, now: int) -> int:
    """A span before `now`, Unix time, or a date and time, UTC unless it says otherwise.

    `today` and `yesterday` are the midnights of UTC with which they begin; `14:03` is when the
    clock of UTC last showed that. All in Unix milliseconds, and never before 1970. Raises
    ValueError with what is expected.
    """
    if (before := span(text)) is not None:
        return max(now - before, 0)
    if (midnight := _MIDNIGHTS.get(text)) is not None:
        return max(now - now % _DAY - midnight, 0)
    if shown := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in shown.groups())
        since = (now - (hours * 3600 + minutes * 60 + seconds) * 1000) % _DAY
        return max(now - since, 0)
    if _NUMBER.fullmatch(text):
        number = int(text)
        return number if number >= _IN_MILLISECONDS else number * 1000
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(int(moment.timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a span such as 15m, 24h or 7d, today, yesterday, a time such as 14:03 or "
            "2026-01-31T12:00:00Z (UTC), or Unix time in s or ms"
        ) from None
