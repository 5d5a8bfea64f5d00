"""Callers' keys that came in the wrong place of a request, such as the name of the model.

Who refuses a request quotes what was wrong with it, and the record of each keeps its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from callgate.core.record import Record
from callgate.core.redact import MASK, redact
from callgate.errors import GatewayError

_MARK = "cg_"


def conceal(error: GatewayError) -> None:
    """Take keys out of what an error says to the caller."""
    error.message = _without(error.message)
    error.errors = tuple(map(_without, error.errors))
    if error.param is not None:
        error.param = _without(error.param)


def conceal_in(record: Record) -> None:
    """Take keys out of the record of a failure."""
    if record.model is not None:
        record.model = _without(record.model)
    if record.message is not None:
        record.message = _without(record.message)
    if record.param is not None:
        record.param = _without(record.param)
    if record.errors:
        record.errors = [_without(one) for one in record.errors]


def without_keys(parameters: Mapping[str, Raw]) -> dict[str, Raw]:
    """Parameters with the keys taken out of their names and strings."""
    return {_without(name): _raw_without(raw) for name, raw in parameters.items()}


def _raw_without(raw: Raw) -> Raw:
    if _MARK.encode() not in bytes(raw):
        return raw
    try:  # read, because what stands for a secret could break JSON's escapes
        return Raw(msgspec.json.encode(_value_without(msgspec.json.decode(raw))))
    except (msgspec.MsgspecError, RecursionError):
        return Raw(msgspec.json.encode(MASK))


def _value_without(value: Any) -> Any:
    if isinstance(value, str):
        return _without(value)
    if isinstance(value, dict):
        return {_without(name): _value_without(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_value_without(one) for one in value]
    return value


def _without(text: str) -> str:
    return redact(text) if _MARK in text else text
