"""Reads JSON that others wrote: fast where it is sound, forgiving where only characters are not."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import msgspec

_decode: Final = msgspec.json.Decoder().decode
_LONE_SURROGATE = re.compile(f"[{chr(0xD800)}-{chr(0xDFFF)}]")
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_REPLACEMENT = "\ufffd"


def parse(data: bytes) -> Any:
    """The value of this JSON text (RFC 8259). Raises ValueError where it is none.

    Bytes that are not UTF-8, and halves of surrogate pairs, as servers emit them that cut a
    character in two, become U+FFFD; control characters in strings are let through.
    """
    try:
        return _decode(data)
    except ValueError:
        return _forgiving(data)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object that a body is, read as `parse` does. Raises ValueError with what it is."""
    try:
        value = parse(data)
    except ValueError:
        raise ValueError("a body that is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("JSON that is not an object")
    return value


def strict(data: bytes) -> Any:
    """The value of this JSON text, of which nothing has to be forgiven. Raises ValueError."""
    try:
        return _decode(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def inert(text: str) -> str:
    """The same JSON with an escape for what a terminal obeys, or takes for the end of a line.

    JSON itself asks that of the controls of ASCII alone (RFC 8259, 7).
    """
    if text.isascii():
        return text
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _forgiving(data: bytes) -> Any:
    try:
        text = data.decode("utf-8", "replace")
        value = json.loads(text, strict=False, parse_constant=_refuse)
        plain = _LONE_SURROGATE.sub(_REPLACEMENT, json.dumps(value, ensure_ascii=False))
        return _decode(plain)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
