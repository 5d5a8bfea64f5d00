"""Callers' keys that came in the wrong place of a request, such as the name of the model.

Who refuses a request quotes what was wrong with it, and the record of it keeps that.
"""

from __future__ import annotations

from msgspec import Raw

from callgate.core.record import Record
from callgate.core.redact import redact
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
    if record.parameters is not None:
        record.parameters = {
            _without(name): Raw(_without(bytes(value).decode()).encode())
            for name, value in record.parameters.items()
        }


def _without(text: str) -> str:
    return redact(text) if _MARK in text else text
