"""What requests are looked for by, as people write it. Each raises ValueError with what it has to
be.
"""

from __future__ import annotations

import re

from callgate.core.instant import span

_STATUS = re.compile(r"([1-5])xx|([1-5][0-9][0-9])", re.IGNORECASE)
_DOLLARS = re.compile(r"[0-9]{1,7}(\.[0-9]{1,6})?")
_MOST_DOLLARS = 1_000_000


def status(text: str) -> int:
    """A status such as 404, or a class such as 4xx as its first digit."""
    match = _STATUS.fullmatch(text)
    if match is None:
        raise ValueError("must be a status such as 404, or a class such as 4xx")
    return int(match[1] or match[2])


def duration(text: str) -> int:
    """A span of time, more than none, in microseconds."""
    milliseconds = span(text)
    if not milliseconds:
        raise ValueError("must be a span of time such as 500ms, 10s or 2m")
    return milliseconds * 1000


def dollars(text: str) -> float:
    """US dollars, from a millionth to a million."""
    if _DOLLARS.fullmatch(text) is None or not 0 < float(text) <= _MOST_DOLLARS:
        raise ValueError("must be US dollars, 0.000001 to 1000000, such as 12.50")
    return float(text)
