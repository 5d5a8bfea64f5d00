"""Anthropic's dialect: the Messages API.

https://docs.anthropic.com/en/api/messages, https://docs.anthropic.com/en/api/messages-streaming,
https://docs.anthropic.com/en/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from callgate.chaos.answer import Answer, Ask, Usage, ask_of
from callgate.chaos.dialect import Failure, Json, Reply, Row
from callgate.chaos.framing import sse
from callgate.chaos.request import Request

CREATED = "2024-01-01T00:00:00Z"


class Anthropic:
    """Implements `chaos.dialect.Dialect`."""

    name = "anthropic"
    id_header = "request-id"
    stream_type = "text/event-stream; charset=utf-8"
    failures: Mapping[Failure, Row] = MappingProxyType(
        {
            "bad_request": Row(400, "invalid_request_error", "The request cannot be read."),
            "not_found": Row(404, "not_found_error", "The model does not exist."),
            "rate_limited": Row(429, "rate_limit_error", "The rate limit has been reached."),
            "server_error": Row(500, "api_error", "Internal server error"),
            "unavailable": Row(503, "overloaded_error", "Overloaded"),
            "context": Row(
                400, "invalid_request_error", "prompt is too long: 9001 tokens > 8192 maximum"
            ),
            "prefill": Row(
                400,
                "invalid_request_error",
                "This model takes no assistant message at the end; end with a user message.",
            ),
        }
    )

    def ask(self, request: Request) -> Ask | None:
        if not request.path.endswith("/messages"):
            return None
        body = request.json()
        return ask_of(body.get("model"), body.get("messages"), stream=bool(body.get("stream")))

    def whole(self, answer: Answer) -> Json:
        return {
            **_message(answer),
            "content": [{"type": "text", "text": answer.text}],
            "stop_reason": "end_turn",
            "usage": _usage(answer.usage),
        }

    def opening(self, answer: Answer) -> Sequence[bytes]:
        usage = {"input_tokens": answer.usage.input, "output_tokens": 1}
        block = {"type": "text", "text": ""}
        return [
            _event("message_start", message={**_message(answer), "usage": usage}),
            _event("content_block_start", index=0, content_block=block),
            _event("ping"),
        ]

    def word(self, answer: Answer, text: str) -> bytes:
        return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def closing(self, answer: Answer) -> Sequence[bytes]:
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        return [
            _event("content_block_stop", index=0),
            _event("message_delta", delta=end, usage={"output_tokens": answer.usage.output}),
        ]

    def mark(self, answer: Answer) -> Sequence[bytes]:
        return [_event("message_stop")]

    def fail(self, row: Row) -> Reply:
        return Reply(row.status, _error(row))

    def failing(self) -> bytes:
        return sse(_error(self.failures["unavailable"]), "error")

    def garbage(self) -> bytes:
        return sse(b'{"type": "content_block_delta", "index": 0, "del', "content_block_delta")

    def filtered(self, answer: Answer) -> Reply:
        message = "Output blocked by content filtering policy"
        return self.fail(Row(400, "invalid_request_error", message))

    def models(self, names: Sequence[str], request: Request) -> Json | None:
        if request.path != "/v1/models" or "anthropic-version" not in request.headers:
            return None
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": CREATED}
            for name in names
        ]
        return {"data": rows, "has_more": False, "first_id": names[0], "last_id": names[-1]}


def _message(answer: Answer) -> Json:
    return {
        "id": f"msg_{answer.id}",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _event(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _usage(usage: Usage) -> Json:
    return {"input_tokens": usage.input, "output_tokens": usage.output}


def _error(row: Row) -> Json:
    return {"type": "error", "error": {"type": row.type, "message": row.message}}
