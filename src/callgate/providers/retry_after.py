"""When a provider wants to be asked again, as its headers say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
"""Seconds; a provider that asks for more is taken to mean this."""

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,12})?")
_DURATION = re.compile(r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_RESET = "x-ratelimit-reset-"
_REMAINING = "x-ratelimit-remaining-"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, or None where nothing usable is said. Header names are lower case.

    In this order: `retry-after-ms` (Azure), `retry-after` (RFC 9110, section 10.2.3; a date is read
    against the response's own `date`), and the longest `x-ratelimit-reset-*` of a used-up limit
    (https://platform.openai.com/docs/guides/rate-limits, durations such as `6m0s` or `120ms`).
    """
    for seconds in _candidates(headers):
        if seconds > 0:
            return min(seconds, LONGEST)
    return None


def _candidates(headers: Mapping[str, str]) -> Iterator[float]:
    yield _number(headers.get("retry-after-ms", "")) / 1000
    value = headers.get("retry-after", "")
    yield _number(value) or _until(value, headers.get("date", ""))
    resets = [
        duration(value)
        for name, value in headers.items()
        if name.startswith(_RESET)
        and not _number(headers.get(_REMAINING + name.removeprefix(_RESET), "0"))
    ]
    yield max(resets, default=0.0)


def duration(text: str) -> float:
    """Seconds of a duration such as `1h3m23.442s`, `120ms` or `7`; 0 where it is none."""
    text = text.strip()
    if len(text) > 40:
        return 0.0
    match = _DURATION.fullmatch(text)
    if match is None:
        return _number(text)
    return sum(
        _number(group) * unit
        for group, unit in zip(match.groups(), _SECONDS, strict=True)
        if group is not None
    )


def _number(text: str) -> float:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else 0.0


def _until(date: str, now: str) -> float:
    try:
        return (parsedate_to_datetime(date) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # absent, no date, without a zone, of no year
        return 0.0
