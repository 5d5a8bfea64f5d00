"""What the tests of the Responses API share: requests and events, judged by OpenAI's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.core.validate import parse_chat
from callgate.providers.responses.dialect import Responses

from .samples import target_of

Json = dict[str, Any]

DIALECT = Responses()
TARGET = target_of("openai", upstream_model="gpt-6-sol")
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


def decoded(whole: Json) -> ChatResponse:
    return DIALECT.decode(HttpResponse(200, {}, json.dumps(whole).encode()), TARGET)


def streamed(*pieces: bytes) -> Sequence[Chunk]:
    decoder = DIALECT.decoder(TARGET)
    chunks = [chunk for one in pieces for chunk in decoder.feed(one)]
    return [*chunks, *decoder.close()]


def sent(**body: Any) -> Json:
    """A caller's body as it arrives at OpenAI, which its SDK finds valid."""
    given = {"model": "asked", "messages": HELLO, **body}
    request = DIALECT.encode(parse_chat(json.dumps(given).encode()), TARGET)
    assert request.path == "/v1/responses"
    arrived: Json = json.loads(request.body)
    judge(arrived)
    return arrived


def judge(body: Json) -> None:
    """Raises ValidationError for what OpenAI's SDK would not send."""
    fields = dict(body)
    assert fields.pop("stream", True) is True  # it is of another type of the SDK's
    # The SDK sends earlier thoughts with ids; those that are encrypted need none.
    fields["input"] = [
        {"id": "rs", **item} if item["type"] == "reasoning" else item for item in body["input"]
    ]
    _walk(_requests().validate_python(fields, extra="forbid"))


def judge_events(pieces: Iterable[bytes]) -> None:
    """Raises ValidationError for what is no event to OpenAI's SDK."""
    for piece in pieces:
        _events().validate_json(piece.partition(b"data: ")[2].strip())


@cache
def _requests() -> TypeAdapter[Any]:
    """Imported by who needs it, as it takes seconds: not every process of the tests does."""
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    return TypeAdapter(ResponseCreateParamsNonStreaming)


@cache
def _events() -> TypeAdapter[Any]:
    from openai.types.responses import ResponseStreamEvent

    return TypeAdapter(ResponseStreamEvent)


def _walk(value: object) -> None:
    """The SDK's lists are checked as they are read."""
    if isinstance(value, Mapping):
        for one in value.values():
            _walk(one)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for one in value:
            _walk(one)
