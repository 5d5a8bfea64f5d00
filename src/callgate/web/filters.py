"""The parameters of `GET /v1/requests`, read from its query string."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from callgate.core.ids import is_request_id
from callgate.errors import TAXONOMY, GatewayError
from callgate.store.base import Query

ANY = "any"
MOST = 100
USUAL = 20

_LONGEST = 256
_STATUS = re.compile(r"([1-5])xx|([1-5][0-9][0-9])", re.IGNORECASE)
_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_MILLISECONDS = MappingProxyType({"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000})
_NUMBER = re.compile(r"[0-9]{1,15}")
_IN_MILLISECONDS = 10**11  # a number from here on: in seconds it would be a year beyond 5000


def read_filters(given: Iterable[tuple[str, str]], account: str, now: int) -> Query:
    """The query that the parameters ask for, of one account. `now` is Unix milliseconds.

    Raises GatewayError `invalid_field` that lists all that is wrong.
    """
    fields: dict[str, Any] = {"limit": USUAL}
    faults: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, value in given:
        read = _READERS.get(name)
        if read is None:
            faults.append((name[:_LONGEST], _unknown(name)))
        elif name in seen:
            faults.append((name, "is given twice"))
        elif not value or len(value) > _LONGEST:
            faults.append((name, f"must have 1 to {_LONGEST} characters"))
        elif "\0" in value:  # no text of PostgreSQL has one
            faults.append((name, "must have no NUL character"))
        else:
            try:
                fields |= read(value, now)
            except ValueError as error:
                faults.append((name, str(error)))
        seen.add(name)
    if faults:
        told = [f"{name}: {what}" for name, what in faults]
        raise GatewayError(
            "invalid_field", f"Invalid request: {told[0]}", param=faults[0][0], errors=told
        )
    return Query(account=account, **fields)


def _model(value: str, _now: int) -> dict[str, Any]:
    return {"model": value}


def _status(value: str, _now: int) -> dict[str, Any]:
    match = _STATUS.fullmatch(value)
    if match is None:
        raise ValueError("must be a status such as 404, or a class such as 4xx")
    return {"status": int(match[1] or match[2])}


def _error(value: str, _now: int) -> dict[str, Any]:
    if value == ANY:
        return {"failed": True}
    if value not in TAXONOMY:
        near = difflib.get_close_matches(value, TAXONOMY, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"must be a type of error as /errors lists it, or {ANY!r}{hint}")
    return {"error": value}


def _since(value: str, now: int) -> dict[str, Any]:
    return {"since": _instant(value, now)}


def _until(value: str, now: int) -> dict[str, Any]:
    return {"until": _instant(value, now)}


def _limit(value: str, _now: int) -> dict[str, Any]:
    if not _NUMBER.fullmatch(value) or not 1 <= int(value) <= MOST:
        raise ValueError(f"must be a number from 1 to {MOST}")
    return {"limit": int(value)}


def _cursor(value: str, _now: int) -> dict[str, Any]:
    if not is_request_id(value):
        raise ValueError("must be the next_cursor of a list")
    return {"before": value}


_READERS: Mapping[str, Callable[[str, int], dict[str, Any]]] = MappingProxyType(
    {
        "model": _model,
        "status": _status,
        "error": _error,
        "since": _since,
        "until": _until,
        "limit": _limit,
        "cursor": _cursor,
    }
)
NAMES = tuple(_READERS)


def _instant(value: str, now: int) -> int:
    """A span before now, Unix time, or a date and time, UTC unless it says otherwise; in ms."""
    if (span := _SPAN.fullmatch(value)) is not None:
        return max(now - int(span[1]) * _MILLISECONDS[span[2]], 0)
    if _NUMBER.fullmatch(value):
        number = int(value)
        return number if number >= _IN_MILLISECONDS else number * 1000
    try:
        moment = datetime.fromisoformat(value.replace(" ", "+"))  # what was a + before decoding
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(int(moment.timestamp() * 1000), 0)
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a span such as 15m, 24h or 7d, a time such as 2026-01-31T12:00:00Z, or Unix "
            "time in s or ms"
        ) from None


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _READERS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"is no parameter of this list{hint}"
