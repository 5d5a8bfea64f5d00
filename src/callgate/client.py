"""The caller's side: what to log of every call, so that it can be found and explained later.

Nothing of the server and no package is imported; a file of its own would do as well. The entry is
that of https://www.assemblyai.com/docs/llm-gateway/troubleshooting ("What to log for support").
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

LogEntry = dict[str, Any]

_REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
_KEY = re.compile(r"(?:Bearer\s+)?cg_([a-z0-9-]+)_", re.IGNORECASE)


def log_entry(response: Any, *, model: str | None = None, region: str | None = None) -> LogEntry:
    """What to log of a call: `timestamp`, `region`, `model`, `status_code`, `request_id`, `error`.

    `response` is what came of it: a response of `requests` or `httpx`; of OpenAI's SDK a raw
    response, a completion, a chunk, a stream, or the exception that it raised; or a body as a dict.
    `timestamp` is when the gateway received the request, in Unix seconds, where the request_id
    tells it, else now. What cannot be known is None; `model` and `region` say what the response
    does not. No key is in it, and a body that has not been read stays unread. Never raises.
    """
    http = _http(response)
    headers = _mapping(_read(http, "headers"))
    body = _body(response, http)
    request = _read(http, "request") or _read(response, "request")
    fault = _mapping(body.get("error"))
    request_id = body.get("request_id") or _header(headers, "x-request-id")
    request_id = request_id or _mapping(fault.get("metadata")).get("request_id")
    return {
        "timestamp": _timestamp(request_id),
        "region": region or _header(headers, "x-callgate-region") or _region(request),
        "model": model or _asked(request) or _echoed(body, headers),
        "status_code": _status(response, http, body),
        "request_id": request_id,
        "error": body.get("error"),
    }


def _read(thing: Any, name: str) -> Any:
    """An attribute, None where there is none or it cannot be had now."""
    try:
        return getattr(thing, name, None)
    except Exception:  # libraries raise all sorts of things from properties
        return None


def _mapping(thing: Any) -> Mapping[str, Any]:
    return thing if isinstance(thing, Mapping) else {}


def _http(response: Any) -> Any:
    """The HTTP response in, behind, or instead of what was given."""
    for name in ("http_response", "response"):
        inner = _read(response, name)
        if _read(inner, "status_code") is not None:
            return inner
    return response


def _body(response: Any, http: Any) -> Mapping[str, Any]:
    if isinstance(response, Mapping):
        return response
    # A completion or a chunk of OpenAI's SDK, else what came by HTTP, as far as it is there.
    parse = _read(response, "model_dump") or (None if _is_streaming(http) else _read(http, "json"))
    try:
        found = _mapping(parse()) if callable(parse) else {}
    except Exception:  # unread, or no JSON
        found = {}
    return found or _told(response)


def _told(response: Any) -> Mapping[str, Any]:
    """What an exception says: OpenAI's carry what stood under `error`, that of an event too."""
    said = _read(response, "body")
    if isinstance(said, Mapping):
        return said if "error" in said else {"error": said}
    if isinstance(response, BaseException) and _read(response, "response") is None:
        return {"error": {"message": str(response), "type": type(response).__name__}}
    return {}


def _is_streaming(http: Any) -> bool:
    """Whether the body is still on its way: `requests` would fetch it, and others would not."""
    headers = _mapping(_read(http, "headers"))
    events = "event-stream" in (_header(headers, "content-type") or "")
    return events or _read(http, "_content_consumed") is False


def _header(headers: Mapping[str, Any], name: str) -> str | None:
    value = headers.get(name)
    return str(value) if value is not None else None


def _status(response: Any, http: Any, body: Mapping[str, Any]) -> int | None:
    told = (
        _read(http, "status_code"),
        _read(response, "status_code"),
        body.get("http_status_code"),
        body.get("code"),
        _mapping(body.get("error")).get("code"),
    )
    return next((one for one in told if isinstance(one, int)), None)


def _timestamp(request_id: Any) -> float:
    """The time in a UUIDv7 (https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7), or now."""
    if isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id):
        return int(request_id[:8] + request_id[9:13], 16) / 1000
    return time.time()


def _region(request: Any) -> str | None:
    """The region that the key names; the key itself goes nowhere."""
    value = _header(_mapping(_read(request, "headers")), "authorization")
    if value is None:
        value = _header(_mapping(_read(request, "headers")), "Authorization")
    match = _KEY.match(value or "")
    return match[1].lower() if match else None


def _asked(request: Any) -> str | None:
    """The `model` of the request's body."""
    sent = _read(request, "body")
    if not isinstance(sent, str | bytes):
        sent = _read(request, "content")
    if not isinstance(sent, str | bytes):
        return None
    try:
        named = _mapping(json.loads(sent)).get("model")
    except (ValueError, RecursionError):
        return None
    return named if isinstance(named, str) else None


def _echoed(body: Mapping[str, Any], headers: Mapping[str, Any]) -> str | None:
    """The model as the answer tells it: what was asked for, else what answered."""
    told = (
        _mapping(body.get("request")).get("model"),
        _header(headers, "x-ratelimit-model"),
        body.get("model"),
    )
    return next((one for one in told if isinstance(one, str)), None)
