"""The HTTP requests that the bench sends."""

from __future__ import annotations

import json

_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant. Answer in at most two sentences."},
    {"role": "user", "content": "What is the capital of France, and on which river does it lie?"},
]


def _http(port: int, key: str, body: dict[str, object]) -> bytes:
    payload = json.dumps({"model": "fake", "messages": _MESSAGES, **body}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: {key}\r\nContent-Type: application/json\r\nAccept: */*\r\n"
        f"User-Agent: callgate-bench\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def whole(port: int, key: str) -> bytes:
    """A request for one whole answer."""
    return _http(port, key, {"max_tokens": 1000, "temperature": 0.7})


def stream(port: int, key: str, contents: int, pause_ms: int) -> bytes:
    """A request for a stream of `contents` events that bear text, `pause_ms` apart.

    Three more follow: the finish reason, the usage and `[DONE]`.
    """
    body = {
        "max_tokens": contents,
        "seed": pause_ms,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return _http(port, key, body)


EXTRA_EVENTS = 3
