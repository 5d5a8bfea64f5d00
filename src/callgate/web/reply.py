"""Responses as ASGI messages, with the headers that every response carries."""

from __future__ import annotations

import math
from typing import Final

from callgate.core.limits import WINDOW_US
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.web.body import Message, Send

HeaderList = list[tuple[bytes, bytes]]

JSON: Final = b"application/json"
EVENT_STREAM: Final = b"text/event-stream; charset=utf-8"
DEFAULT_RETRY_AFTER = 1.0
_WINDOW: Final = WINDOW_US // 1_000_000
DEGRADED = (b"x-callgate-degraded", b"counters")
"""Sent with every response while limits are not exact."""


def head_lines(call: Call, content_type: bytes) -> bytes:
    """The header lines of a response to a call, without its length.

    `X-RateLimit-Reset` is in whole seconds from now until the window resets.
    """
    lines = b"content-type: %b\r\nx-request-id: %b\r\nserver-timing: %b\r\n" % (
        content_type,
        call.request_id.encode(),
        call.server_timing(),
    )
    quota, now = call.quota, call.now()
    if quota is not None and call.model is not None:
        lines += (
            b"x-ratelimit-limit: %d\r\nx-ratelimit-remaining: %d\r\n"
            b"x-ratelimit-reset: %d\r\nx-ratelimit-model: %b\r\n"
        ) % (
            quota.limit,
            quota.remaining,
            _whole(quota.reset - now),
            call.model.name.encode("ascii", "replace"),
        )
    tokens = call.token_quota
    if tokens is not None:
        lines += (
            b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
            b"x-ratelimit-reset-tokens: %d\r\n"
        ) % (tokens.limit, tokens.remaining, _whole(tokens.reset - now))
    if call.budget_warning is not None:
        lines += b"x-callgate-budget: %b\r\n" % call.budget_warning.encode()
    if call.degraded:
        lines += b"%b: %b\r\n" % DEGRADED
    return lines


def _whole(left: float) -> int:
    # The clock may have been set since the window was looked at.
    return min(max(0, math.ceil(left)), _WINDOW)


def headers_of(lines: bytes) -> HeaderList:
    """Header lines as ASGI's list of headers."""
    parts = [line.partition(b": ") for line in lines.split(b"\r\n")[:-1]]
    return [(name, value) for name, _, value in parts]


def error_headers(call: Call, error: GatewayError) -> HeaderList:
    """The headers of an error response: 429 and 503 say when to come back (RFC 9110, 10.2.3)."""
    headers = headers_of(head_lines(call, JSON)) + advice(error)
    if error.kind.status == 405:
        headers.append((b"allow", b"POST"))  # only the chat route refuses methods here
    return headers


def advice(error: GatewayError) -> HeaderList:
    """The headers that tell a client what to do about an error: wait, not retry, or authenticate.

    The SDKs of OpenAI and Anthropic retry every 429 and 5xx unless `x-should-retry` is false:
    https://github.com/openai/openai-python/blob/main/src/openai/_base_client.py
    """
    status, wait = error.kind.status, error.retry_after
    if wait is None and status in (429, 503):
        wait = DEFAULT_RETRY_AFTER
    headers = [] if wait is None else [(b"retry-after", b"%d" % max(1, math.ceil(wait)))]
    if not error.kind.retryable and (status == 429 or status >= 500):
        headers.append((b"x-should-retry", b"false"))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


async def send_whole(send: Send, status: int, headers: HeaderList, body: bytes) -> None:
    """Send a response whose whole body is known."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def piece(body: bytes, *, more: bool = True) -> Message:
    """The ASGI message for a piece of a streamed body."""
    return {"type": "http.response.body", "body": body, "more_body": more}
