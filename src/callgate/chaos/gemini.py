"""Google's dialect: generateContent and streamGenerateContent with `alt=sse`.

https://ai.google.dev/api/generate-content; failures as https://google.aip.dev/193 has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import unquote

from callgate.chaos.answer import Answer, Ask, Usage, ask_of
from callgate.chaos.dialect import Failure, Json, Reply, Row
from callgate.chaos.framing import sse
from callgate.chaos.request import Request

_PATH = re.compile(r"/(?:v\w+/)?(?:.*/)?models/(.+):(generateContent|streamGenerateContent)")


class Gemini:
    """Implements `chaos.dialect.Dialect`."""

    name = "gemini"
    id_header = "x-request-id"
    stream_type = "text/event-stream"
    failures: Mapping[Failure, Row] = MappingProxyType(
        {
            "bad_request": Row(400, "INVALID_ARGUMENT", "The request cannot be read."),
            "not_found": Row(404, "NOT_FOUND", "The model is not found."),
            "rate_limited": Row(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."),
            "server_error": Row(500, "INTERNAL", "An internal error has occurred."),
            "unavailable": Row(503, "UNAVAILABLE", "The model is overloaded."),
            "context": Row(
                400,
                "INVALID_ARGUMENT",
                "The input token count (9001) exceeds the maximum number of tokens allowed (8192).",
            ),
            "prefill": Row(400, "INVALID_ARGUMENT", "The last turn must be the user's."),
        }
    )

    def ask(self, request: Request) -> Ask | None:
        match = _PATH.fullmatch(unquote(request.path))
        if match is None:
            return None
        stream = match[2] == "streamGenerateContent"
        return ask_of(match[1], request.json().get("contents"), stream=stream, content="parts")

    def whole(self, answer: Answer) -> Json:
        return _body(answer, answer.text, "STOP", answer.usage)

    def opening(self, answer: Answer) -> Sequence[bytes]:
        return []

    def word(self, answer: Answer, text: str) -> bytes:
        return sse(_body(answer, text))

    def closing(self, answer: Answer) -> Sequence[bytes]:
        return [sse(_body(answer, "", "STOP", answer.usage))]

    def mark(self, answer: Answer) -> Sequence[bytes]:
        return []

    def fail(self, row: Row) -> Reply:
        return Reply(row.status, _error(row))

    def failing(self) -> bytes:
        return sse(_error(self.failures["unavailable"]))

    def garbage(self) -> bytes:
        return sse(b'{"candidates": [{"content": {"parts": [{"te')

    def filtered(self, answer: Answer) -> Reply | Sequence[bytes]:
        body = _head(answer) | {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": answer.usage.input},
        }
        return [sse(body)] if answer.stream else Reply(200, body)

    def models(self, names: Sequence[str], request: Request) -> Json | None:
        unversioned = request.path == "/models" and "x-goog-api-key" in request.headers
        if request.path != "/v1beta/models" and not unversioned:
            return None
        rows = [
            {
                "name": f"models/{name}",
                "displayName": name,
                "supportedGenerationMethods": ["generateContent"],
            }
            for name in names
        ]
        return {"models": rows}


def _head(answer: Answer) -> Json:
    return {"modelVersion": answer.model, "responseId": answer.id}


def _body(answer: Answer, text: str, finish: str = "", usage: Usage | None = None) -> Json:
    candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    body = {"candidates": [candidate], **_head(answer)}
    if usage is not None:
        body["usageMetadata"] = {
            "promptTokenCount": usage.input,
            "candidatesTokenCount": usage.output,
            "totalTokenCount": usage.total,
        }
    return body


def _error(row: Row) -> Json:
    return {"error": {"code": row.status, "message": row.message, "status": row.type}}
