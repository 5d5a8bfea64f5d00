"""Answers of Gemini and what becomes of them, for its tests."""

from __future__ import annotations

import json
from typing import Any

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.providers.registry import dialect

from .samples import target_of

GEMINI = dialect("gemini")


def decoded(body: Any, target: Target | None = None) -> ChatResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return GEMINI.decode(HttpResponse(200, {}, data), target or target_of("gemini"))


def streamed(*events: Any, end: bytes = b"\r\n\r\n") -> list[Chunk]:
    data = b"".join(
        b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + end
        for one in events
    )
    decoder = GEMINI.decoder(target_of("gemini"))
    return [*decoder.feed(data), *decoder.close()]


def answer(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, **more}], "responseId": "r1"}
