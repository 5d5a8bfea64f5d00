"""Amazon Bedrock's dialect: Converse, and ConverseStream in binary events.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import unquote

from callgate.chaos.answer import Answer, Ask, Usage, ask_of
from callgate.chaos.dialect import Failure, Json, Reply, Row
from callgate.chaos.framing import frame
from callgate.chaos.request import Request

BLOCKED = "Sorry, this cannot be answered."

_PATH = re.compile(r"/model/(.+)/(converse|converse-stream)")


class Bedrock:
    """Implements `chaos.dialect.Dialect`."""

    name = "bedrock"
    id_header = "x-amzn-requestid"
    stream_type = "application/vnd.amazon.eventstream"
    failures: Mapping[Failure, Row] = MappingProxyType(
        {
            "bad_request": Row(400, "ValidationException", "The request cannot be read."),
            "not_found": Row(404, "ResourceNotFoundException", "The model is not found."),
            "rate_limited": Row(429, "ThrottlingException", "Too many requests, wait."),
            "server_error": Row(500, "InternalServerException", "The server has failed."),
            "unavailable": Row(503, "ServiceUnavailableException", "The service is unavailable."),
            "context": Row(400, "ValidationException", "Input is too long for requested model."),
            "prefill": Row(
                400, "ValidationException", "The conversation must end with a user message."
            ),
        }
    )

    def ask(self, request: Request) -> Ask | None:
        match = _PATH.fullmatch(unquote(request.path))
        if match is None:
            return None
        stream = match[2] == "converse-stream"
        return ask_of(match[1], request.json().get("messages"), stream=stream)

    def whole(self, answer: Answer) -> Json:
        return _whole(answer, answer.text, "end_turn")

    def opening(self, answer: Answer) -> Sequence[bytes]:
        return [frame("messageStart", {"role": "assistant"})]

    def word(self, answer: Answer, text: str) -> bytes:
        return _delta(text)

    def closing(self, answer: Answer) -> Sequence[bytes]:
        return _end("end_turn")

    def mark(self, answer: Answer) -> Sequence[bytes]:
        return [_metadata(answer)]

    def fail(self, row: Row) -> Reply:
        return Reply(row.status, {"message": row.message}, (("x-amzn-errortype", row.type),))

    def failing(self) -> bytes:
        said = {"message": self.failures["server_error"].message}
        return frame("internalServerException", said, "exception")

    def garbage(self) -> bytes:
        return frame("contentBlockDelta", b'{"contentBlockIndex": 0, "delta": {"te')

    def filtered(self, answer: Answer) -> Reply | Sequence[bytes]:
        if not answer.stream:
            return Reply(200, _whole(answer, BLOCKED, "guardrail_intervened"))
        return [
            *self.opening(answer),
            _delta(BLOCKED),
            *_end("guardrail_intervened"),
            _metadata(answer),
        ]

    def models(self, names: Sequence[str], request: Request) -> Json | None:
        if request.path != "/foundation-models":
            return None
        rows = [{"modelId": name, "modelName": name, "providerName": "chaos"} for name in names]
        return {"modelSummaries": rows}


def _whole(answer: Answer, text: str, reason: str) -> Json:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": reason,
        "usage": _usage(answer.usage),
        "metrics": {"latencyMs": 1},
    }


def _delta(text: str) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})


def _end(reason: str) -> list[bytes]:
    return [
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": reason}),
    ]


def _metadata(answer: Answer) -> bytes:
    return frame("metadata", {"usage": _usage(answer.usage), "metrics": {"latencyMs": 1}})


def _usage(usage: Usage) -> Json:
    return {
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "totalTokens": usage.total,
    }
