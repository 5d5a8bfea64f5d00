"""Responses as ASGI messages, with the headers that every response carries."""

from __future__ import annotations

import math

from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.web.body import Message, Send

HeaderList = list[tuple[bytes, bytes]]

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
DEFAULT_RETRY_AFTER = 1.0
DEGRADED = (b"x-callgate-degraded", b"counters")
"""Stands on every response while limits are not exact."""


def headers_for(call: Call, content_type: bytes) -> HeaderList:
    """The headers of a response to a call, without its length.

    `X-RateLimit-Reset` is in whole seconds until the window resets.
    """
    headers = [
        (b"content-type", content_type),
        (b"x-request-id", call.request_id.encode()),
        (b"server-timing", call.server_timing().encode()),
    ]
    quota = call.quota
    if quota is not None and call.model is not None:
        reset = max(0, math.ceil(quota.reset - call.arrived))
        headers += (
            (b"x-ratelimit-limit", b"%d" % quota.limit),
            (b"x-ratelimit-remaining", b"%d" % quota.remaining),
            (b"x-ratelimit-reset", b"%d" % reset),
            (b"x-ratelimit-model", call.model.name.encode("ascii", "replace")),
        )
    tokens = call.token_quota
    if tokens is not None:
        reset = max(0, math.ceil(tokens.reset - call.arrived))
        headers += (
            (b"x-ratelimit-limit-tokens", b"%d" % tokens.limit),
            (b"x-ratelimit-remaining-tokens", b"%d" % tokens.remaining),
            (b"x-ratelimit-reset-tokens", b"%d" % reset),
        )
    if call.budget_warning is not None:
        headers.append((b"x-callgate-budget", call.budget_warning.encode()))
    if call.degraded:
        headers.append(DEGRADED)
    return headers


def error_headers(call: Call, error: GatewayError) -> HeaderList:
    """The headers of an error response: 429 and 503 say when to come back (RFC 9110, 10.2.3)."""
    headers = headers_for(call, JSON) + advice(error)
    if error.kind.status == 405:
        headers.append((b"allow", b"POST"))  # only the chat route refuses methods here
    return headers


def advice(error: GatewayError) -> HeaderList:
    """What the headers of an error tell a client to do: to wait, or to show a key."""
    status, wait = error.kind.status, error.retry_after
    if wait is None and status in (429, 503):
        wait = DEFAULT_RETRY_AFTER
    headers = [] if wait is None else [(b"retry-after", b"%d" % max(1, math.ceil(wait)))]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


async def send_whole(send: Send, status: int, headers: HeaderList, body: bytes) -> None:
    """Send a response whose body is at hand."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def piece(body: bytes, *, more: bool = True) -> Message:
    """The ASGI message for a piece of a streamed body."""
    return {"type": "http.response.body", "body": body, "more_body": more}
