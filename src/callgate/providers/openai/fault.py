"""The error objects of the OpenAI dialect, which every vendor shapes in its own way."""

from __future__ import annotations

from typing import Any, NamedTuple

from callgate.core.jsontext import parse
from callgate.providers.failure import clip

_MAX_ERRORS = 20


class Fault(NamedTuple):
    """An error object, whatever its shape. Words are lower case; `status` is 0 where unsaid."""

    text: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    status: int = 0
    errors: tuple[str, ...] = ()
    inner: str = ""
    flagged: bool = False


def read(value: object) -> Fault:
    """The fault that this JSON value describes, whichever shape it has."""
    if isinstance(value, list) and value:  # Google wraps the object into a list
        value = value[0]
    if not isinstance(value, dict):
        return Fault(text=_text(value))
    error = value.get("error")
    if isinstance(error, str):  # xAI, Ollama
        return Fault(text=clip(error), code=_word(value.get("code")))
    if not isinstance(error, dict):  # Mistral, FastAPI servers
        error = value
    message, detail = error.get("message"), error.get("detail")
    if isinstance(message, dict):  # Mistral puts the validator's whole answer there
        detail = message.get("detail")
    elif isinstance(message, list):
        detail = message
    errors = _validation_errors(detail) if isinstance(detail, list) else ()
    metadata = error.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    inner = _inner(metadata.get("raw"))
    text = _text(message) or "; ".join(errors) or _text(detail)
    if inner and text == "Provider returned error":  # OpenRouter hands on what it was told
        text = inner
    param = error.get("param")
    return Fault(
        text=clip(text),
        code=_word(error.get("code")),
        type=_word(error.get("type")),
        param=param[:200] if isinstance(param, str) and param else None,
        status=_status(error.get("status_code")) or _status(error.get("code")),
        errors=errors,
        inner=inner,
        flagged="flagged_input" in metadata,
    )


def _inner(raw: object) -> str:
    """What the provider behind OpenRouter said: JSON in a string, or plain text."""
    if not isinstance(raw, str) or not raw:
        return ""
    try:
        value = parse(raw.encode("utf-8", "replace"))
    except ValueError:
        return clip(raw)
    if not isinstance(value, dict):
        return clip(raw)
    error = value.get("error")
    message = error.get("message") if isinstance(error, dict) else error
    return _text(message) or _text(value.get("message")) or clip(raw)


def _validation_errors(rows: list[Any]) -> tuple[str, ...]:
    """The faults that a FastAPI server lists: `loc` is the path, `msg` the fault."""
    told = []
    for row in rows[:_MAX_ERRORS]:
        if isinstance(row, dict) and isinstance(row.get("msg"), str):
            loc = row.get("loc")
            path = ".".join(map(str, loc)) if isinstance(loc, list) else ""
            told.append(clip(f"{path}: {row['msg']}" if path else row["msg"]))
    return tuple(told)


def _status(value: object) -> int:
    return value if type(value) is int and 400 <= value <= 599 else 0


def _word(value: object) -> str:
    return value.lower()[:100] if isinstance(value, str) else ""


def _text(value: object) -> str:
    return clip(value) if isinstance(value, str) else ""
