"""Streams of the OpenAI dialect in pieces, and what is read of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.chat import Chunk
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.stream import StreamDecoder

DONE = b"data: [DONE]\n\n"


def event(body: Any) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"data: " + data + b"\n\n"


def piece(index: int = 0, finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event({"id": "up", "created": 5, "model": "m", "choices": [choice]})


def chunks_of(target: Target, *pieces: bytes) -> list[Chunk]:
    decoder = StreamDecoder(target)
    chunks = [chunk for data in pieces for chunk in decoder.feed(data)]
    return [*chunks, *decoder.close()]


def failure_of(target: Target, *pieces: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as told:
        chunks_of(target, *pieces)
    return told.value
