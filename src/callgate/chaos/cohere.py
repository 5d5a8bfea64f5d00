"""Cohere's dialect: the second version of Chat.

https://docs.cohere.com/reference/chat, https://docs.cohere.com/docs/streaming,
https://docs.cohere.com/reference/errors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from callgate.chaos.answer import Answer, Ask, Usage, ask_of
from callgate.chaos.dialect import Failure, Json, Reply, Row
from callgate.chaos.framing import sse
from callgate.chaos.request import Request


class Cohere:
    """Implements `chaos.dialect.Dialect`; a failure has no type here, its status tells it."""

    name = "cohere"
    id_header = "x-debug-trace-id"
    stream_type = "text/event-stream"
    failures: Mapping[Failure, Row] = MappingProxyType(
        {
            "bad_request": Row(400, "", "invalid request: the body cannot be read"),
            "not_found": Row(404, "", "the model is not found"),
            "rate_limited": Row(429, "", "the rate limit has been reached; wait and try again"),
            "server_error": Row(500, "", "internal server error"),
            "unavailable": Row(503, "", "the service is unavailable"),
            "context": Row(400, "", "too many tokens: 809 more than the limit of 8192"),
            "prefill": Row(400, "", "invalid request: the last message must be the user's"),
        }
    )

    def ask(self, request: Request) -> Ask | None:
        if request.path not in ("/v2/chat", "/chat"):
            return None
        body = request.json()
        return ask_of(body.get("model"), body.get("messages"), stream=bool(body.get("stream")))

    def whole(self, answer: Answer) -> Json:
        content = [{"type": "text", "text": answer.text}]
        return {
            "id": answer.id,
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": content},
            "usage": _usage(answer.usage),
        }

    def opening(self, answer: Answer) -> Sequence[bytes]:
        message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
        content = {"type": "text", "text": ""}
        return [
            _event("message-start", id=answer.id, delta={"message": message}),
            _event("content-start", index=0, delta={"message": {"content": content}}),
        ]

    def word(self, answer: Answer, text: str) -> bytes:
        return _event("content-delta", index=0, delta={"message": {"content": {"text": text}}})

    def closing(self, answer: Answer) -> Sequence[bytes]:
        end = {"finish_reason": "COMPLETE", "usage": _usage(answer.usage)}
        return [_event("content-end", index=0), _event("message-end", delta=end)]

    def mark(self, answer: Answer) -> Sequence[bytes]:
        return []

    def fail(self, row: Row) -> Reply:
        return Reply(row.status, {"message": row.message})

    def failing(self) -> bytes:
        said = {"finish_reason": "ERROR", "error": self.failures["server_error"].message}
        return _event("message-end", delta=said)

    def garbage(self) -> bytes:
        return sse(b'{"type": "content-delta", "index": 0, "del', "content-delta")

    def filtered(self, answer: Answer) -> Reply:
        return self.fail(Row(498, "", "the input or the output was blocked"))

    def models(self, names: Sequence[str], request: Request) -> Json | None:
        if request.path != "/v2/models":
            return None
        rows = [{"name": name, "endpoints": ["chat"], "context_length": 8192} for name in names]
        return {"models": rows}


def _event(kind: str, **fields: object) -> bytes:
    return sse({"type": kind, **fields}, kind)


def _usage(usage: Usage) -> Json:
    tokens = {"input_tokens": usage.input, "output_tokens": usage.output}
    return {"billed_units": tokens, "tokens": tokens}
