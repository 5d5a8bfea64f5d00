"""The fake provider's answers, ready-made, in the dialects that it speaks.

Wire formats: https://platform.openai.com/docs/api-reference/chat/streaming and
https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

import json
from typing import NamedTuple

_TEXT = (
    "The capital of France is Paris. It lies on the Seine in the north of the country, and has "
    "been the seat of its government for most of the time since the tenth century."
)
_PIECE = " and"

Json = dict[str, object]


class Answers(NamedTuple):
    """What a provider sends, HTTP framing included.

    `whole` is the answer at once; a stream is `head`, the `opening` events, `content` as often as
    asked for, and the `closing` events, each an HTTP chunk of its own.
    """

    whole: bytes
    head: bytes
    opening: tuple[bytes, ...]
    content: bytes
    closing: tuple[bytes, ...]


def _compact(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _whole(body: Json, header: bytes) -> bytes:
    data = _compact(body)
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%b: req_fake\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (header, len(data), data)
    )


def _head(header: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
        b"%b: req_fake\r\nTransfer-Encoding: chunked\r\n\r\n" % header
    )


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


_END = b"0\r\n\r\n"


def _openai(*, usage: bool) -> Answers:
    shared: Json = {"id": "chatcmpl-fake0000000000000000000001"}
    made: Json = {"created": 1700000000, "model": "fake", "system_fingerprint": "fp_fake"}
    tokens: Json = {"prompt_tokens": 42, "completion_tokens": 37, "total_tokens": 79}
    details: Json = {
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }

    def answer(choice: Json, finish: str | None) -> list[Json]:
        return [{"index": 0, **choice, "logprobs": None, "finish_reason": finish}]

    def event(choices: list[Json], **rest: object) -> bytes:
        body = {**shared, "object": "chat.completion.chunk", **made, "choices": choices, **rest}
        return _chunk(b"data: %b\n\n" % _compact(body))

    message = {"role": "assistant", "content": _TEXT, "refusal": None}
    choices = answer({"message": message}, "stop")
    finish = event(answer({"delta": {}}, "stop"))
    done = _chunk(b"data: [DONE]\n\n") + _END
    body = {**shared, "object": "chat.completion", **made, "choices": choices}
    return Answers(
        whole=_whole({**body, "usage": {**tokens, **details}}, b"x-request-id"),
        head=_head(b"x-request-id"),
        opening=(),
        content=event(answer({"delta": {"content": _PIECE}}, None)),
        closing=(finish, event([], usage=tokens), done) if usage else (finish, done),
    )


def _anthropic() -> Answers:
    message: Json = {
        "id": "msg_fake00000000000000000001",
        "type": "message",
        "role": "assistant",
        "model": "fake",
    }
    used: Json = {
        "input_tokens": 42,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 37,
        "service_tier": "standard",
    }
    stop: Json = {"stop_reason": "end_turn", "stop_sequence": None}

    def event(kind: str, **rest: object) -> bytes:
        return _chunk(
            b"event: %b\ndata: %b\n\n" % (kind.encode(), _compact({"type": kind, **rest}))
        )

    unfinished: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": used}
    content = [{"type": "text", "text": _TEXT}]
    return Answers(
        whole=_whole({**message, "content": content, **stop, "usage": used}, b"request-id"),
        head=_head(b"request-id"),
        opening=(
            event("message_start", message={**message, **unfinished}),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            event("ping"),
        ),
        content=event("content_block_delta", index=0, delta={"type": "text_delta", "text": _PIECE}),
        closing=(
            event("content_block_stop", index=0),
            event("message_delta", delta=stop, usage={"output_tokens": 37}),
            event("message_stop") + _END,
        ),
    )


OPENAI = _openai(usage=False)
OPENAI_WITH_USAGE = _openai(usage=True)
ANTHROPIC = _anthropic()
