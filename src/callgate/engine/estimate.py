"""How many tokens a request and its answer have, where the provider has not counted them.

Four bytes of text make a token. Media in Base64 are no text: whatever their size, each counts as
about what providers charge for a picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from callgate.core.chat import Json, Usage
from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.validate import prompt_bytes

PER_TOKEN: Final = 4
_LARGE: Final = 4096
"""Bytes beyond which media are looked for: what is shorter is not far off in any case."""
_MEDIUM: Final = 4000
_BEGINNINGS: Final = (b";base64,", b'"data":"', b'"data": "')
"""Where media begin: data URLs, and the audio and files of OpenAI's content parts."""


def estimate(request: ChatRequest, model: Model, output: int = 0) -> Usage:
    """The usage of a request with `output` tokens of answer.

    The input is the prompt with its tools, at most what fits into the model's context.
    """
    prompt = prompt_bytes(request)
    tools = request.raw.get("tools")
    size = len(prompt) if tools is None else len(prompt) + len(tools)
    if size > _LARGE and _may_hold_media(request):
        size -= _of_media(bytes(prompt))
    read = size // PER_TOKEN
    if model.context_length:  # what is longer is refused by the provider
        read = min(read, model.context_length)
    return Usage(
        input_tokens=read, output_tokens=output, total_tokens=read + output, estimated=True
    )


def written_in(choices: Iterable[Json]) -> int:
    """The characters of whole answers: their texts, thoughts and calls."""
    return sum(
        characters(message.get(name))
        for choice in choices
        if isinstance(message := choice.get("message"), dict)
        for name in ("content", "reasoning_content", "refusal", "tool_calls")
    )


def characters(value: object) -> int:
    """How long a text is, or the texts of calls: of each a name and what it is called with."""
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, list):
        return 0
    called = [one.get("function") for one in value if isinstance(one, dict)]
    return sum(
        len(text)
        for function in called
        if isinstance(function, dict)
        for text in (function.get("name"), function.get("arguments"))
        if isinstance(text, str)
    )


def _may_hold_media(request: ChatRequest) -> bool:
    """Whether some part of a message is no text: to search a long prompt takes a millisecond."""
    return any(
        part.type != "text"
        for message in request.messages
        if isinstance(message.content, list)
        for part in message.content
    )


def _of_media(data: bytes) -> int:
    """The bytes of media beyond what each of them counts as."""
    beyond = 0
    for beginning in _BEGINNINGS:
        at = data.find(beginning)
        while at >= 0:
            start = at + len(beginning)
            end = data.find(b'"', start)
            if end - start > _MEDIUM and _is_no_text(data[start:end]):
                beyond += end - start - _MEDIUM
            at = data.find(beginning, max(end, start))
    return beyond


def _is_no_text(data: bytes) -> bool:
    return data.isascii() and b" " not in data and b"\\" not in data
