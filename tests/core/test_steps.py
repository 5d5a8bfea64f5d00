"""Steps of post-processing over the texts of an answer."""

from __future__ import annotations

import time

import pytest

from callgate.core.chat import Json
from callgate.core.response import ChatResponse
from callgate.core.steps import RefusedError, take
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError

REPAIR = [{"type": "json-repair"}]
STRIP = [{"type": "strip-code-fence"}]


def answer(*messages: Json, finish: str = "stop") -> ChatResponse:
    choices: list[Json] = [
        {"index": at, "message": message, "finish_reason": finish}
        for at, message in enumerate(messages)
    ]
    return ChatResponse(id="a", created=1, model="m", choices=choices)


def calling(arguments: object, content: str | None = None) -> Json:
    function = {"name": "f"} if arguments is None else {"name": "f", "arguments": arguments}
    call = {"id": "1", "type": "function", "function": function}
    return {"role": "assistant", "content": content, "tool_calls": [call]}


def test_every_choice_and_every_call_is_mended() -> None:
    given = answer({"content": "{'a': 1}"}, calling("{b: 2}"))
    told = take(REPAIR, given)
    assert [one.where for one in told] == [
        "choices[0].message.content",
        "choices[1].message.tool_calls[0].function.arguments",
    ]
    assert given.choices[0]["message"]["content"] == '{"a": 1}'
    assert given.choices[1]["message"]["tool_calls"][0]["function"]["arguments"] == '{"b": 2}'


@pytest.mark.parametrize("given", ["", " ", None])
def test_a_call_without_arguments_has_an_empty_object(given: str | None) -> None:
    whole = answer(calling(given))
    take(REPAIR, whole)
    assert whole.choices[0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("given", ['"a word"', "[1, 2]", "5", "null"])
def test_arguments_that_are_sound_json_of_another_kind_are_left_alone(given: str) -> None:
    assert take(REPAIR, answer(calling(given))) == []


@pytest.mark.parametrize("given", ['"\\ud800"', r'"{\"a\": \"\ud83d\"}"', r'"\udc00 {}"'])
def test_a_string_that_stands_for_no_text_is_left_alone(given: str) -> None:
    assert take(REPAIR, answer(calling(given))) == []


def test_the_older_form_of_a_call_is_mended_too() -> None:
    whole = answer({"content": None, "function_call": {"name": "f", "arguments": "{'a': 1}"}})
    (told,) = take(REPAIR, whole)
    assert told.where == "choices[0].message.function_call.arguments"
    assert whole.choices[0]["message"]["function_call"]["arguments"] == '{"a": 1}'


@pytest.mark.parametrize("content", ["", "Let me look.", None])
def test_words_beside_a_call_are_left_alone(content: str | None) -> None:
    whole = answer(calling('{"a": 1}', content))
    assert take(REPAIR, whole) == []
    assert whole.choices[0]["message"]["content"] == content


def test_json_beside_a_call_is_not() -> None:
    with pytest.raises(RefusedError):
        take(REPAIR, answer(calling("{}", '{"a": "cut of')))


@pytest.mark.parametrize(
    ("message", "finish"),
    [
        ({"content": None, "refusal": "No."}, "stop"),
        ({"content": "", "refusal": "No."}, "stop"),
        ({"content": ""}, "content_filter"),
        ({"content": "I am sorry"}, "content_filter"),
        ({"content": None, "tool_calls": [{"id": "1", "type": "custom",
                                           "custom": {"name": "c", "input": "{'"}}]}, "tool_calls"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_left_alone(message: Json, finish: str) -> None:
    assert take(REPAIR, answer(message, finish=finish)) == []


def test_an_empty_answer_is_no_json() -> None:
    with pytest.raises(RefusedError) as refused:
        take(REPAIR, answer({"content": ""}))
    assert refused.value.error.message == (
        "choices[0].message.content is not JSON and cannot be repaired: it is empty"
    )


def test_a_refusal_has_what_the_model_said() -> None:
    with pytest.raises(RefusedError) as refused:
        take(REPAIR, answer({"content": "{'a': 1}"}, {"content": "No."}))
    assert refused.value.text == "No."


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("```\nx = 1\n```", "x = 1"),
        ("\n```c++\nint x;\nint y;\n```\n", "int x;\nint y;"),
        ("```json\r\n{'a': 1}\r\n```", "{'a': 1}"),
        ("```\n```", ""),
        ("```\na\n```\nand\n```\nb\n```", None),
        ("Here: ```\na\n```", None),
        ("plain", None),
        ("", None),
        ("```\nnever closed", None),
    ],
)
def test_a_fence_is_stripped_where_it_is_all_there_is(text: str, inside: str | None) -> None:
    whole = answer({"content": text})
    told = take(STRIP, whole)
    assert whole.choices[0]["message"]["content"] == (text if inside is None else inside)
    assert bool(told) == (inside is not None)


@pytest.mark.parametrize("end", ["x", "```", "\n```"])
@pytest.mark.parametrize("blank", [" ", "\n", "```  "])
@pytest.mark.parametrize("begin", ["```", "```\n", ""])
def test_time_for_a_fence_is_in_proportion(begin: str, blank: str, end: str) -> None:
    """Callers choose the text, by what they ask, and all others of the worker wait meanwhile."""
    whole = answer({"content": begin + blank * 200_000 + end})
    started = time.process_time()
    take(STRIP, whole)
    assert time.process_time() - started < 1


def test_a_step_without_a_type_is_told_of() -> None:
    body = b'{"model": "m", "prompt": "x", "post_processing_steps": [{"type": "json-repair"}, {}]}'
    with pytest.raises(GatewayError) as raised:
        parse_chat(body)
    assert raised.value.kind.type == "missing_field"
    assert raised.value.param == "post_processing_steps[1].type"
