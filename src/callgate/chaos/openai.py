"""OpenAI's dialect: Chat Completions, which many other servers speak too.

https://platform.openai.com/docs/api-reference/chat, and for its failures
https://platform.openai.com/docs/guides/error-codes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from callgate.chaos.answer import Answer, Ask, Usage, ask_of
from callgate.chaos.dialect import Failure, Json, Reply, Row
from callgate.chaos.framing import sse
from callgate.chaos.request import Request

CREATED = 1_700_000_000


class OpenAI:
    """Implements `chaos.dialect.Dialect`; a failure's type is `type` or `type/code`."""

    name = "openai"
    id_header = "x-request-id"
    stream_type = "text/event-stream; charset=utf-8"
    failures: Mapping[Failure, Row] = MappingProxyType(
        {
            "bad_request": Row(400, "invalid_request_error", "The request cannot be read."),
            "not_found": Row(
                404, "invalid_request_error/model_not_found", "The model does not exist."
            ),
            "rate_limited": Row(
                429, "requests/rate_limit_exceeded", "Rate limit reached for requests."
            ),
            "server_error": Row(500, "server_error", "The server had an error."),
            "unavailable": Row(503, "server_error", "The server is overloaded or not ready yet."),
            "context": Row(
                400,
                "invalid_request_error/context_length_exceeded",
                "This model's maximum context length is 8192 tokens, but the messages have 9001.",
            ),
            "prefill": Row(
                400, "invalid_request_error", "The last message must not be the assistant's."
            ),
        }
    )

    def ask(self, request: Request) -> Ask | None:
        if not request.path.endswith("/chat/completions"):
            return None
        body = request.json()
        options = body.get("stream_options")
        return ask_of(
            body.get("model"),
            body.get("messages"),
            stream=bool(body.get("stream")),
            usage=isinstance(options, dict) and bool(options.get("include_usage")),
        )

    def whole(self, answer: Answer) -> Json:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": answer.text, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        return {
            "id": f"chatcmpl-{answer.id}",
            "object": "chat.completion",
            "created": CREATED,
            "model": answer.model,
            "choices": [choice],
            "usage": _usage(answer.usage),
        }

    def opening(self, answer: Answer) -> Sequence[bytes]:
        return [_chunk(answer, {"role": "assistant", "content": ""})]

    def word(self, answer: Answer, text: str) -> bytes:
        return _chunk(answer, {"content": text})

    def closing(self, answer: Answer) -> Sequence[bytes]:
        end = [_chunk(answer, {}, "stop")]
        if answer.report:
            end.append(sse({**_head(answer), "choices": [], "usage": _usage(answer.usage)}))
        return end

    def mark(self, answer: Answer) -> Sequence[bytes]:
        return [sse(b"[DONE]")]

    def fail(self, row: Row) -> Reply:
        return Reply(row.status, _error(row))

    def failing(self) -> bytes:
        return sse(_error(self.failures["server_error"]))

    def garbage(self) -> bytes:
        return sse(b'{"choices": [{"index": 0, "delta": {"con')

    def filtered(self, answer: Answer) -> Reply:
        message = "The prompt was refused by the content policy."
        return self.fail(Row(400, "invalid_request_error/content_filter", message))

    def models(self, names: Sequence[str], request: Request) -> Json | None:
        if request.path not in ("/v1/models", "/models"):
            return None
        rows = [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "chaos"}
            for name in names
        ]
        return {"object": "list", "data": rows}


def _head(answer: Answer) -> Json:
    return {
        "id": f"chatcmpl-{answer.id}",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": answer.model,
    }


def _chunk(answer: Answer, delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return sse({**_head(answer), "choices": [choice]})


def _usage(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
    }


def _error(row: Row) -> Json:
    kind, _, code = row.type.partition("/")
    error = {"message": row.message, "type": kind, "param": None, "code": code or None}
    return {"error": error}
