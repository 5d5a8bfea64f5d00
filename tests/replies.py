"""Pieces of HTTP and of the OpenAI dialect, as a provider writes them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

Writer = asyncio.StreamWriter


def head(
    status: int, kind: str = "application/json", length: int | None = None, extra: str = ""
) -> bytes:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nx-request-id: req_upstream\r\n"
        f"{extra}{framing}\r\n\r\n"
    ).encode()


def send_json(writer: Writer, status: int, value: object, extra: str = "") -> None:
    body = json.dumps(value).encode()
    writer.write(head(status, length=len(body), extra=extra) + body)


def event(writer: Writer, value: object) -> None:
    data = b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


def done(writer: Writer, finish: str | None = None) -> None:
    """The end of a stream, and of its body; with the reason, where it was not given yet."""
    if finish is not None:
        event(writer, chunk({}, finish))
    event(writer, b"[DONE]")
    writer.write(b"0\r\n\r\n")


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-up",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "upstream-model-0613",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}],
    }
