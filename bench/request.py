"""The HTTP requests that the bench sends."""

from __future__ import annotations

import json
from typing import NamedTuple

_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant. Answer in at most two sentences."},
    {"role": "user", "content": "What is the capital of France, and on which river does it lie?"},
]


class Dialect(NamedTuple):
    """What of a request and its stream depends on the dialect of the provider behind the model.

    `extra_events` come besides those that bear text.
    """

    model: str
    extra_events: int


# The finish reason, the usage and [DONE]; where messages are translated, the role too.
OPENAI = Dialect("fake", 3)
ANTHROPIC = Dialect("fake-anthropic", 4)


def _http(port: int, key: str, dialect: Dialect, body: dict[str, object]) -> bytes:
    payload = json.dumps({"model": dialect.model, "messages": _MESSAGES, **body}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: {key}\r\nContent-Type: application/json\r\nAccept: */*\r\n"
        f"User-Agent: callgate-bench\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def whole(port: int, key: str, dialect: Dialect = OPENAI) -> bytes:
    """A request for one whole answer."""
    return _http(port, key, dialect, {"max_tokens": 1000, "temperature": 0.7})


def stream(
    port: int, key: str, contents: int, dialect: Dialect = OPENAI, pause_ms: int | None = None
) -> bytes:
    """A request for a stream of `contents` events that bear text, `pause_ms` or 10 ms apart.

    Only the OpenAI dialect can tell the pause.
    """
    body = {
        "max_tokens": contents,
        **({} if pause_ms is None else {"seed": pause_ms}),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    return _http(port, key, dialect, body)
