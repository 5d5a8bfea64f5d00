"""How a target is asked for an answer in form, and its answer turned back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callgate.core.chat import Chunk
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.schema.example import example_of
from callgate.core.structured import Forms, Plan, corrected, is_astray, plan, unwrapped
from callgate.core.structured_stream import Transcript, Unwrapping
from callgate.core.validate import parse_chat

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 2}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
OPENAI = Forms(schema=("openai-format",), lenient=True)
ASKED = [{"role": "user", "content": "Who?"}]


def request(
    form: Any = None, *, schema: Any = SCHEMA, strict: bool | None = True, **fields: Any
) -> ChatRequest:
    given: dict[str, Any] = {"name": "person", "schema": schema}
    if strict is not None:
        given["strict"] = strict
    body = {
        "model": "m",
        "response_format": form or {"type": "json_schema", "json_schema": given},
        **({} if "prompt" in fields else {"messages": ASKED}),
        **fields,
    }
    return parse_chat(msgspec.json.encode(body))


def wire(made: Plan) -> dict[str, Any]:
    """What the plan sends, by its bytes; they have to say the same as its structs."""
    read: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(made.request.raw)))
    again = parse_chat(msgspec.json.encode(dict(made.request.raw)))
    assert again.body == made.request.body
    assert again.messages == made.request.messages
    return read


def test_a_target_that_takes_every_schema_gets_it_to_the_byte() -> None:
    asked = request()
    made = plan(asked, Forms())
    assert made.way == "native"
    assert made.request is asked


def test_what_the_target_refuses_is_told_in_words_and_the_rest_is_enforced() -> None:
    made = plan(request(), OPENAI)
    sent = wire(made)["response_format"]["json_schema"]
    assert made.way == "native"
    assert sent["strict"] is True
    assert sent["schema"]["additionalProperties"] is False
    name = sent["schema"]["properties"]["name"]
    assert name == {"type": "string", "description": "Must satisfy minLength: 2"}


def test_a_schema_that_cannot_be_enforced_goes_as_it_is_where_it_may() -> None:
    optional = {**SCHEMA, "required": ["name"]}
    made = plan(request(schema=optional), OPENAI)
    sent = wire(made)["response_format"]["json_schema"]
    assert (made.way, sent["strict"], sent["schema"]) == ("native", False, optional)


def test_a_loose_request_is_left_alone_where_strictness_is_the_targets_own_affair() -> None:
    asked = request(strict=None)
    assert plan(asked, OPENAI).request is asked


def test_without_schemas_a_function_has_to_be_called() -> None:
    made = plan(request(), Forms(schema=None))
    sent = wire(made)
    assert made.way == "tool"
    assert made.tool == "person"
    assert "response_format" not in sent
    (tool,) = sent["tools"]
    assert tool["type"] == "function"
    assert tool["function"]["parameters"] == SCHEMA
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "person"}}
    required = wire(plan(request(), Forms(schema=None, tool="required")))
    assert required["tool_choice"] == "required"


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize(
    "asked",
    [
        request(tools=[TOOL]),
        request(reasoning_effort="high"),
        request(thinking={"type": "enabled"}),
        request(schema={"type": "array", "items": {"type": "string"}}),
        request(schema={"anyOf": [SCHEMA, {"type": "null"}]}),
        request(schema={"$defs": {"n": SCHEMA}, "$ref": "#/$defs/n"}),
    ],
)
def test_where_no_function_can_be_forced_the_target_is_told_in_words(asked: ChatRequest) -> None:
    made = plan(asked, Forms(schema=None, object=False))
    sent = wire(made)
    assert made.way == "prompt"
    assert "response_format" not in sent
    assert sent.get("tools") == ([TOOL] if asked.body.tools else None)
    assert sent["messages"][0]["role"] == "system"
    assert "JSON Schema" in sent["messages"][0]["content"]
    assert sent["messages"][1:] == [{"role": "user", "content": last_words(asked)}]
    plainly = wire(plan(asked, Forms(schema=None, object=False), plainly=True))
    assert plainly["messages"] == [{"role": "user", "content": last_words(asked)}]


def last_words(asked: ChatRequest) -> str:
    """The question with an example of the form below it."""
    form = asked.body.response_format
    assert form is not None
    assert form.json_schema is not None
    example = msgspec.json.encode(example_of(form.json_schema.schema or {})).decode()
    return f"Who?\n\nAnswer with JSON in this form and nothing else:\n{example}"


def test_the_example_follows_the_last_message_only_where_that_is_the_users() -> None:
    forms = Forms(schema=None, object=False, tool="")
    parts = [{"type": "text", "text": "Who?"}]
    sent = wire(plan(request(messages=[{"role": "user", "content": parts}]), forms))
    assert [len(one["content"]) for one in sent["messages"][1:]] == [2]
    answered = [*ASKED, {"role": "assistant", "content": "He"}]
    sent = wire(plan(request(messages=answered), forms))
    assert sent["messages"][1:] == answered


@pytest.mark.parametrize(
    ("answer", "astray"),
    [({"name": 1}, False), (SCHEMA, True), ({}, True), (None, True), ([], True), ("x", True)],
)
def test_an_answer_that_has_nothing_of_the_form_is_astray(answer: Any, *, astray: bool) -> None:
    assert is_astray(SCHEMA, answer) == astray


def test_a_mode_of_json_helps_the_instructions() -> None:
    made = plan(request(), Forms(schema=None, tool=""))
    sent = wire(made)
    assert made.way == "object"
    assert sent["response_format"] == {"type": "json_object"}
    assert "JSON Schema" in sent["messages"][0]["content"]


def test_a_form_that_cannot_stand_beside_functions_gives_way_to_words() -> None:
    made = plan(request(tools=[TOOL]), Forms(beside_tools=False))
    assert made.way == "prompt"
    assert plan(request(), Forms(beside_tools=False)).way == "native"


def test_any_object_is_had_natively_or_by_words() -> None:
    asked = request({"type": "json_object"})
    assert wire(plan(asked, Forms()))["response_format"] == {"type": "json_object"}
    made = plan(asked, Forms(object=False))
    assert made.way == "prompt"
    assert "one JSON object" in wire(made)["messages"][0]["content"]


@pytest.mark.parametrize(
    ("first", "content"),
    [
        ({"role": "system", "content": "Be kind."}, "Be kind.\n\nAnswer"),
        ({"role": "developer", "content": "Be kind."}, "Be kind.\n\nAnswer"),
        ({"role": "system", "content": ""}, "Answer"),
    ],
)
def test_instructions_join_the_callers_own(first: dict[str, str], content: str) -> None:
    sent = wire(plan(request(messages=[first, *ASKED]), Forms(schema=None, object=False, tool="")))
    assert sent["messages"][0]["role"] == first["role"]
    assert sent["messages"][0]["content"].startswith(content)
    assert len(sent["messages"]) == 2


def test_instructions_join_the_callers_own_parts() -> None:
    first = {"role": "system", "content": [{"type": "text", "text": "Be kind."}]}
    sent = wire(plan(request(messages=[first, *ASKED]), Forms(schema=None, object=False, tool="")))
    assert [part["text"][:6] for part in sent["messages"][0]["content"]] == ["Be kin", "Answer"]


def test_a_prompt_becomes_a_message_behind_the_instructions() -> None:
    sent = wire(plan(request(prompt="Who?"), Forms(schema=None, object=False, tool="")))
    assert "prompt" not in sent
    assert [one["role"] for one in sent["messages"][1:]] == ["user"]
    assert sent["messages"][1]["content"].startswith("Who?\n\n")


def test_a_correction_shows_the_answer_and_names_its_faults() -> None:
    asked = request(prompt="Who?")
    told = corrected(asked, '{"name": 1}', ["name: value is not a string", "age: is missing"])
    sent = wire(Plan("native", told))
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user"]
    assert sent["messages"][1]["content"] == '{"name": 1}'
    assert "- name: value is not a string\n- age: is missing" in sent["messages"][2]["content"]
    assert sent["response_format"] == msgspec.json.decode(asked.raw["response_format"])
    assert asked.body.prompt == "Who?"
    long = corrected(asked, "x" * 10**6, ["a"])
    assert len(long.raw["messages"]) < 40_000


def answer(message: dict[str, Any], finish: str = "tool_calls") -> ChatResponse:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return ChatResponse(id="1", created=0, model="m", choices=[choice])


def call(name: str, arguments: str, index: int = 0) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": "c", "type": "function", "index": index, "function": function}


@pytest.mark.parametrize(("given", "told"), [("tool_calls", "stop"), ("stop", "stop"),
                                             ("length", "length")])  # fmt: skip
def test_arguments_become_content(given: str, told: str) -> None:
    calls = [call("person", '{"a":1}'), call("person", "{}")]
    turned = unwrapped(answer({"content": "Sure:", "tool_calls": calls}, given), "person")
    (choice,) = turned.choices
    assert choice["message"] == {"role": "assistant", "content": '{"a":1}'}
    assert choice["finish_reason"] == told


def test_an_answer_without_a_call_stays_as_it_is() -> None:
    turned = unwrapped(answer({"content": "Hello"}, "stop"), "person")
    assert turned.choices[0]["message"]["content"] == "Hello"


def chunk(delta: dict[str, Any], finish: str | None = None) -> Chunk:
    return Chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def turned_round(*chunks: Chunk) -> tuple[str, str | None]:
    turning, kept = Unwrapping(), Transcript(100)
    out = [made for one in chunks for made in turning.turn([one])]
    ended = kept.take(out)
    assert not any("tool_calls" in one.choices[0]["delta"] for one in out)
    text = "".join(one.choices[0]["delta"].get("content") or "" for one in out)
    if out[-1].choices[0]["finish_reason"] == "stop":
        assert ended == [(out[-1], text)]
    return text, out[-1].choices[0]["finish_reason"]


def test_streamed_arguments_become_streamed_content() -> None:
    text, finish = turned_round(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Sure, "}),
        chunk({"tool_calls": [call("person", "")]}),
        chunk({"tool_calls": [call("person", '{"a"')]}),
        chunk({"tool_calls": [call("person", ":1}"), call("person", "{}", index=1)]}),
        chunk({"content": "done"}),
        chunk({}, "tool_calls"),
    )
    assert (text, finish) == ('{"a":1}', "stop")


@pytest.mark.parametrize("odd", [5, ["x"], {"a": 1}, True])
def test_what_has_another_shape_than_text_and_calls_says_nothing(odd: Any) -> None:
    strange = {**call("person", "{"), "function": odd}
    kept = Transcript(100)
    kept.take([chunk({"content": odd}), chunk({"content": "{"})])
    last = chunk({"content": "}"}, "stop")
    assert kept.take([last]) == [(last, "{}")]
    assert turned_round(
        chunk({"content": odd}), chunk({"tool_calls": [strange]}),
        chunk({"tool_calls": [call("person", "{}")]}), chunk({}, "tool_calls"),
    ) == ("{}", "stop")  # fmt: skip
    whole = unwrapped(answer({"tool_calls": [strange, call("person", "{}")]}), "person")
    assert whole.choices[0]["message"]["content"] == "{}"


def test_streamed_arguments_that_are_cut_are_not_told_as_whole() -> None:
    cut = chunk({"tool_calls": [call("person", '{"a"')]})
    assert turned_round(cut, chunk({}, "length")) == ('{"a"', "length")


def test_a_stream_without_a_call_keeps_its_text() -> None:
    text, finish = turned_round(
        chunk({"role": "assistant", "content": "{"}), chunk({"content": "}"}), chunk({}, "stop")
    )
    assert (text, finish) == ("{}", "stop")


def test_a_transcript_is_bounded_and_holds_what_ended_well() -> None:
    kept = Transcript(10)
    assert kept.take([chunk({"content": "x" * 11}), chunk({}, "stop")]) == []
    assert kept.full
    cut = Transcript(10)
    assert cut.take([chunk({"content": "x"}, "length")]) == []
    assert not cut.full
    last = chunk({"content": "y"}, "stop")
    assert cut.take([chunk({"content": "x"}), last]) == [(last, "xxy")]
