"""Tokens that nobody has counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.models import Model
from callgate.core.request import ChatRequest
from callgate.core.validate import parse_chat
from callgate.engine.estimate import estimate, written_in

MEDIUM = 1000
"""What a picture counts as."""


def read(request: ChatRequest, context: int = 0) -> int:
    model = Model(name="m", deployments=(), context_length=context)
    return estimate(request, model).input_tokens


def asked(content: Any, spaces: bool = True, **more: Any) -> ChatRequest:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    separators = (", ", ": ") if spaces else (",", ":")
    return parse_chat(json.dumps(body, separators=separators, ensure_ascii=False).encode())


def picture(data: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def sound(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"format": "mp3", "data": data}}


def test_four_bytes_make_a_token_and_no_prompt_is_longer_than_the_context() -> None:
    request = parse_chat(json.dumps({"model": "m", "prompt": "x" * 398}).encode())
    assert read(request) == 100
    assert read(request, 70) == 70


def test_tools_are_read_too() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 4000}}
    without, given = asked("x"), asked("x", tools=[tool])
    assert read(given, 0) - read(without) >= MEDIUM


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize("part", [picture, sound])
def test_media_count_as_pictures_whatever_their_size(part: Any, *, spaces: bool) -> None:
    one = read(asked([part("A" * 5000)], spaces))
    large = read(asked([part("A" * 500_000)], spaces))
    several = read(asked([part("A" * 500_000)] * 3, spaces))
    assert MEDIUM <= one == large <= MEDIUM + 40
    assert 3 * MEDIUM <= several <= 3 * MEDIUM + 120


@pytest.mark.parametrize("words", ["so many words ", "\u4e00\u4e8c", "a\\b", "x\n"])
def test_text_that_pretends_to_be_a_medium_is_text(words: str) -> None:
    text = "data:text/plain;base64," + words * 10_000
    beside = [{"type": "text", "text": text}, picture("A")]
    assert min(read(asked(text)), read(asked(beside))) >= len(text.encode()) // 4


def test_a_medium_that_is_written_into_a_text_is_text() -> None:
    assert read(asked("data:image/png;base64," + "A" * 40_000)) >= 10_000


def test_an_answer_counts_with_its_thoughts_and_calls() -> None:
    function = {"name": "look", "arguments": '{"at": 1}'}
    message = {
        "content": "abcd",
        "reasoning_content": "efgh",
        "tool_calls": [{"function": function}],
    }
    written = written_in(
        [{"message": message}, {"message": {"content": "ijkl"}}, {"message": None}]
    )
    assert written == 3 * 4 + len('look{"at": 1}')
