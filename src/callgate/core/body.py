"""A request's body as JSON (RFC 8259): whether it is any, and if not, why and where."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Any

import msgspec

from callgate.core.fault import MAX_FAULTS, Fault
from callgate.core.fieldpath import join
from callgate.errors import GatewayError

MAX_DEPTH = 64
MAX_DIGITS = 4300
"""The most digits of an integer: Python's own bound, and msgspec's."""

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for a body that is no JSON; ValidationError, one of them, is for a value."""

_GENERIC = msgspec.json.Decoder()
_SAID = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: 1 and -1
_NO_STEPS = bytes(set(range(256)) - set(b'[]{}"'))
_STARTS: Mapping[bytes, str] = MappingProxyType(
    {b"[": "an array", b'"': "a string", b"t": "a boolean", b"f": "a boolean", b"n": "null"}
)
_MARKS: Mapping[bytes, str] = MappingProxyType(
    {
        b"\xef\xbb\xbf": "it begins with a byte order mark, which JSON does not allow",
        b"\xff\xfe": "it is UTF-16, but has to be UTF-8",
        b"\xfe\xff": "it is UTF-16, but has to be UTF-8",
        b"\x1f\x8b": "it is compressed by gzip",
    }
)
"""What a body in another form begins with."""


class _OutOfRange:
    """Stands for a number that no machine number can hold."""


def too_deep(body: bytes, most: int = MAX_DEPTH) -> bool:
    """Whether valid JSON nests deeper than `most`. Few brackets settle it at little cost."""
    if len(body) <= 2 * most or _has_few_brackets(body, most):
        return False
    if b"\\" in body:  # first the escaped backslashes, so that what precedes a quote escapes it
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    steps = b"".join(body.translate(_STEPS, _NO_STEPS).split(b'"')[::2])
    return max(accumulate(memoryview(steps).cast("b"))) > most


def _has_few_brackets(body: bytes, most: int) -> bool:
    """Whether no more than `most` open, be it in strings."""
    left = most
    for bracket in (b"[", b"{"):  # of few of them, finding beats counting
        at = body.find(bracket)
        while at >= 0 and left >= 0:
            left -= 1
            at = body.find(bracket, at + 1)
    return left >= 0


def decode(body: bytes) -> tuple[Any, list[Fault]]:
    """The whole body in plain values, and a fault for each number that is out of range.

    Raises GatewayError `invalid_json`.
    """
    try:
        return _GENERIC.decode(body), []
    except msgspec.ValidationError:
        return _decode_any_number(body)
    except MALFORMED as error:
        raise not_json(body, error) from None


def _decode_any_number(body: bytes) -> tuple[Any, list[Fault]]:
    try:
        value = json.loads(body, parse_int=_integer, parse_float=_float)
    except (ValueError, RecursionError) as error:
        raise not_json(body, error) from None
    return value, _out_of_range(value)


def not_json(body: bytes, error: Exception) -> GatewayError:
    """The error for a body that is no JSON object, with the position where it is known."""
    if not body.strip():
        return _invalid("the body is empty")
    if isinstance(error, RecursionError):
        return nested_too_deep()
    if isinstance(error, msgspec.ValidationError):
        kind = _STARTS.get(body.lstrip()[:1], "a number")
        return _invalid(f"the body must be a JSON object, got {kind}")
    if isinstance(error, UnicodeDecodeError):
        return _invalid(f"the body is not valid UTF-8{_not_utf8(body)}")
    return _invalid(f"the body is not valid JSON: {_reason(body, error)}")


def nested_too_deep() -> GatewayError:
    """The error for JSON that nests deeper than `MAX_DEPTH`."""
    return _invalid(f"the body is nested deeper than {MAX_DEPTH} levels")


def _invalid(what: str) -> GatewayError:
    return GatewayError("invalid_json", f"Invalid request: {what}")


def _at(body: bytes, position: int) -> str:
    line = body.count(b"\n", 0, position) + 1
    column = position - body.rfind(b"\n", 0, position)
    return f" at byte {position} (line {line}, column {column})"


def _reason(body: bytes, error: Exception) -> str:
    other = next((what for mark, what in _MARKS.items() if body.startswith(mark)), None)
    if other is not None:
        return other
    said = _SAID.match(str(error))
    if said:
        return f"{said[1]}{_at(body, int(said[2]))}"
    if _is_lenient_json(body):
        return "a string holds half a surrogate pair"
    return f"it ends too early{_at(body, len(body))}"


def _not_utf8(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return _at(body, error.start)
    return ""


def _is_lenient_json(body: bytes) -> bool:
    try:
        json.loads(body, parse_int=_integer)
    except (ValueError, RecursionError):
        return False
    return True


def _integer(text: str) -> object:
    return int(text) if len(text) <= MAX_DIGITS else _OutOfRange()


def _float(text: str) -> object:
    value = float(text)
    return _OutOfRange() if value in {float("inf"), float("-inf")} else value


def _out_of_range(value: Any) -> list[Fault]:
    faults: list[Fault] = []
    rest = [("", value)]
    while rest and len(faults) < MAX_FAULTS:
        path, value = rest.pop()
        if isinstance(value, _OutOfRange):
            faults.append(Fault(path, "the number is out of range"))
        elif isinstance(value, dict):
            rest += [(join(path, key), item) for key, item in reversed(value.items())]
        elif isinstance(value, list):
            rest += [(f"{path}[{index}]", item) for index, item in enumerate(value)][::-1]
    return faults
