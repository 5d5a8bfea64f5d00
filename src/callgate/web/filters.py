"""The parameters of `GET /v1/requests`, read from its query string."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.core import filters
from callgate.core.ids import is_request_id
from callgate.core.instant import instant
from callgate.errors import TAXONOMY, GatewayError
from callgate.store.base import Query

ANY = "any"
MOST = 100
USUAL = 20

_LONGEST = 256
_NUMBER = re.compile(r"[0-9]{1,15}")
# A + that was not encoded is a space by now; it stands between a time and its offset.
_PLUS = re.compile(r"(?<=[0-9:.T]{3}) (?=[0-9]{2}:?[0-9]{2}$)")


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
    return {"status": filters.status(value)}


def _error(value: str, _now: int) -> dict[str, Any]:
    if value == ANY:
        return {"failed": True}
    if value not in TAXONOMY:
        near = difflib.get_close_matches(value, TAXONOMY, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"must be a type of error as /errors lists it, or {ANY!r}{hint}")
    return {"error": value}


def _min_duration(value: str, _now: int) -> dict[str, Any]:
    return {"min_us": filters.duration(value)}


def _min_cost(value: str, _now: int) -> dict[str, Any]:
    return {"min_cost": filters.dollars(value)}


def _since(value: str, now: int) -> dict[str, Any]:
    return {"since": instant(_PLUS.sub("+", value), now)}


def _until(value: str, now: int) -> dict[str, Any]:
    return {"until": instant(_PLUS.sub("+", value), now)}


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
        "min_duration": _min_duration,
        "min_cost": _min_cost,
        "since": _since,
        "until": _until,
        "limit": _limit,
        "cursor": _cursor,
    }
)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _READERS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"is not a parameter of this list{hint}"
