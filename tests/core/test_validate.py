"""Chat requests: what is accepted, and in which words the rest is refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.core.chat import FallbackConfig, Message, NamedTool
from callgate.core.validate import parameters, parse_chat, prompt_bytes
from callgate.errors import GatewayError

RECORDINGS = Path(
    os.environ.get("CALLGATE_RECORDINGS")
    or Path(__file__).resolve().parents[3] / "shared" / "recordings" / "shared.jsonl"
)
"""Recorded traffic with real providers, one JSON object per line; not part of the project."""

HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def chat(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": HI} | fields).encode()


def said(*messages: dict[str, Any]) -> bytes:
    return chat(messages=list(messages))


def parts(*content: Any) -> bytes:
    return said({"role": "user", "content": list(content)})


def refusal(body: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        parse_chat(body)
    assert caught.value.kind.status == 400
    return caught.value


# --- accepted -----------------------------------------------------------------------------------


def test_a_request_keeps_its_original_beside_its_meaning() -> None:
    body = b'{"model": "m", "messages": [{"role":"user", "content":"Hi"}], "temperature": 0.50}'
    request = parse_chat(body)
    assert request.body.model == "m"
    assert request.messages == [Message(role="user", content="Hi")]
    assert request.unknown == ()
    assert bytes(request.raw["temperature"]) == b"0.50"
    assert bytes(prompt_bytes(request)) == b'[{"role":"user", "content":"Hi"}]'
    assert {name: bytes(raw) for name, raw in parameters(request).items()} == {
        "model": b'"m"',
        "temperature": b"0.50",
    }
    assert msgspec.json.encode(parameters(request)) == b'{"model":"m","temperature":0.50}'


def test_a_prompt_becomes_one_user_message() -> None:
    request = parse_chat(b'{"model":"m","messages":null,"prompt":"Hi"}')
    assert request.messages == [Message(role="user", content="Hi")]
    assert bytes(prompt_bytes(request)) == b'"Hi"'


@pytest.mark.parametrize(
    "body",
    [
        chat(temperature=None, tools=None, stop=None, stream_options=None, tool_choice=None),
        chat(temperature=1, top_p=1, n=3, seed=-(2**63), stop="a"),
        chat(stop=["a"] * 16, logprobs=True, top_logprobs=0),
        chat(max_tokens=5, max_completion_tokens=5),
        chat(stream=True, stream_options={"include_usage": True}),
        chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "add"}}),
        chat(tools=[{"function": {"name": "add"}}], tool_choice="any"),
        chat(
            tools=[{"type": "custom", "custom": {"name": "c"}}],
            tool_choice={"type": "custom", "custom": {"name": "c"}},
        ),
        chat(tools=[TOOL], tool_choice={"type": "allowed_tools", "allowed_tools": {"tools": []}}),
        chat(functions=[{"name": "f"}], function_call={"name": "f"}),
        chat(response_format={"type": "json_schema", "json_schema": {"name": "n"}}),
        chat(fallbacks=[{"model": "other", "temperature": 0}], fallback_config={"depth": 2}),
        chat(fallback_config=dict.fromkeys(FallbackConfig.__struct_fields__)),
        chat(post_processing_steps=[{"type": "json-repair"}], model_region="eu"),
        chat(metadata={"deep": {"n": 2**70}}),
        said({"role": "assistant", "tool_calls": [{"id": "", "function": {"name": "f"}}]}),
        said({"role": "assistant", "content": [], "tool_calls": [
            {"id": "1", "type": "custom", "custom": {}}]}),
        said({"role": "assistant", "reasoning_content": "hm"}),
        said({"role": "assistant", "refusal": "no", "content": None}),
        said({"role": "tool", "tool_call_id": "1", "content": ""}),
        said({"role": "function", "name": "f", "content": "1"}),
        said({"role": "user", "content": ""}),
        parts({"type": "text", "text": ""}, {"type": "image_url", "image_url": "https://x/y.png"},
              {"type": "image_url", "image_url": {"url": "data:", "detail": "low"}},
              {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
              {"type": "file", "file": {"file_id": "f"}}),
    ],
)  # fmt: skip
def test_what_providers_accept_is_accepted(body: bytes) -> None:
    request = parse_chat(body)
    assert request.unknown == ()
    assert bytes(prompt_bytes(request)) == bytes(request.raw["messages"])


def test_the_last_of_duplicate_fields_counts_in_both_forms() -> None:
    body = (
        b'{"model":5,"model":"a","mod\\u0065l":"b","messages":[{"role":"x","role":"user",'
        b'"content":"1","content":"2"}]}'
    )
    request = parse_chat(body)
    assert request.body.model == "b"
    assert bytes(request.raw["model"]) == b'"b"'
    assert request.messages == [Message(role="user", content="2")]


# --- unknown fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        (chat(provider={"order": ["a"]}, transforms=[]), ("provider", "transforms")),
        (chat(provider=None), ()),
        (chat(**{"a.b": 1}), ('"a.b"',)),
        (said({"role": "user", "content": "a", "parsed": None}), ()),
        (said({"role": "user", "content": "a", "weight": 1}), ("messages[0].weight",)),
        (chat(usage={}, response_format={"type": "text", "x": 1}), ("response_format.x", "usage")),
        (parts({"type": "text", "text": "a"}, {"type": "video_url", "video_url": {"url": "u"}}),
         ("messages[0].content[1].type",)),
        (parts({"type": "thinking"}), ("messages[0].content[0].type",)),
        (chat(tools=[TOOL, {"type": "web_search", "size": 1}]), ("tools[1].type",)),
        (chat(tool_choice={"type": "tool", "name": "x"}), ("tool_choice.type",)),
        (said({"role": "assistant", "tool_calls": [{"id": "1", "type": "mcp"}]}),
         ("messages[0].tool_calls[0].type",)),
    ],
)  # fmt: skip
def test_unknown_fields_and_types_are_listed_and_stay_in_the_original(
    body: bytes, unknown: tuple[str, ...]
) -> None:
    request = parse_chat(body)
    assert request.unknown == unknown
    original = json.loads(body)
    assert {name: json.loads(bytes(raw)) for name, raw in request.raw.items()} == original


def test_known_fields_are_read_beside_unknown_ones() -> None:
    request = parse_chat(
        chat(tool_choice={"type": "function", "function": {"name": "add"}, "x": 1}, tools=[TOOL])
    )
    assert isinstance(request.body.tool_choice, NamedTool)
    assert request.unknown == ("tool_choice.x",)


def test_very_many_unknown_fields_are_still_told_apart() -> None:
    request = parse_chat(chat(**{f"x{number}": number for number in range(500)}))
    assert len(request.unknown) == 500
    many = refusal(chat(**{f"x{number}": 0 for number in range(20_001)}))
    assert many.message == "Invalid request: more than 20000 unknown fields"


# --- refused: fields ----------------------------------------------------------------------------

MISSING = [
    (b'{"messages":[{"role":"user","content":"a"}]}', "model", None),
    (b'{"model":"m"}', "messages", "'messages' (or 'prompt')"),
    (b'{"model":"m","messages":null,"prompt":null}', "messages", "'messages' (or 'prompt')"),
    (said({"content": "a"}), "messages[0].role", None),
    (said({"role": "user"}), "messages[0].content", None),
    (said({"role": "system", "content": None}), "messages[0].content", None),
    (said({"role": "assistant"}), "messages[0].content", None),
    (said({"role": "assistant", "tool_calls": []}), "messages[0].content", None),
    (said({"role": "tool", "content": "a"}), "messages[0].tool_call_id", None),
    (said({"role": "tool", "tool_call_id": "1"}), "messages[0].content", None),
    (said({"role": "function", "content": "a"}), "messages[0].name", None),
    (said({"role": "assistant", "content": "a", "tool_calls": [{"id": "1"}]}),
     "messages[0].tool_calls[0].function", None),
    (said({"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}),
     "messages[0].tool_calls[0].id", None),
    (parts({"text": "a"}), "messages[0].content[0].type", None),
    (parts({"type": "text"}), "messages[0].content[0].text", None),
    (parts({"type": "image_url"}), "messages[0].content[0].image_url", None),
    (parts({"type": "image_url", "image_url": {}}), "messages[0].content[0].image_url.url", None),
    (parts({"type": "input_audio", "input_audio": {}}),
     "messages[0].content[0].input_audio.data", None),
    (parts({"type": "file"}), "messages[0].content[0].file", None),
    (chat(tools=[{"type": "function"}]), "tools[0].function", None),
    (chat(tools=[{"type": "function", "function": {}}]), "tools[0].function.name", None),
    (chat(tools=[{"type": "custom"}]), "tools[0].custom", None),
    (chat(tool_choice={"type": "function"}), "tool_choice.function", None),
    (chat(response_format={}), "response_format.type", None),
    (chat(response_format={"type": "json_schema"}), "response_format.json_schema", None),
    (chat(fallbacks=[{"model": "a"}, {}]), "fallbacks[1].model", None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path", "name"), MISSING)
def test_an_absent_field_is_named(body: bytes, path: str, name: str | None) -> None:
    error = refusal(body)
    assert error.kind.type == "missing_field"
    assert error.message == f"Invalid request: missing required field {name or repr(path)}"
    assert error.param == path
    assert error.errors == (error.message.removeprefix("Invalid request: "),)


@pytest.mark.parametrize(
    ("asked", "fix"),
    [
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, "into `function`"),
        ({"tools": [{"type": "function", "name": "f", "parameters": {}}]}, "into `function`"),
        ({"tool_choice": {"type": "function", "name": "f"}}, '"function": {"name": "…"}'),
        ({"response_format": {"type": "json_schema", "schema": {}}}, "into `json_schema`"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "Give a name"),
        ({"messages": [{"content": "x"}]}, "Add the field named in `param`."),
    ],
)
def test_who_writes_another_apis_form_is_told_how_it_is_here(
    asked: dict[str, Any], fix: str
) -> None:
    error = refusal(chat(**asked))
    assert error.kind.type == "missing_field"
    assert fix in error.fix


ROLES = "'assistant', 'developer', 'function', 'system', 'tool', 'user'"

INVALID = [
    (chat(model=5), "model: expected a string, got an integer"),
    (chat(model=""), "model: must not be empty"),
    (chat(model="m" * 300), "model: must have at most 256 characters, has 300"),
    (chat(messages=[]), "messages: must not be empty"),
    (chat(messages="a"), "messages: expected an array, got a string"),
    (chat(messages=["a"]), "messages[0]: expected an object, got a string"),
    (chat(messages=HI * 10_001), "messages: must have at most 10000 items, has 10001"),
    (chat(prompt="a"), "prompt: give either messages or prompt, not both"),
    (said({"role": "bot", "content": "a"}),
     "messages[0].role: expected one of " + ROLES + ", got 'bot'"),
    (said({"role": "user", "content": 5}),
     "messages[0].content: expected a string or an array, got an integer"),
    (said({"role": "user", "content": []}), "messages[0].content: must not be empty"),
    (parts("a"), "messages[0].content[0]: expected an object, got a string"),
    (parts({"type": "text", "text": 5}),
     "messages[0].content[0].text: expected a string, got an integer"),
    (parts({"type": "image_url", "image_url": {"url": 5}}),
     "messages[0].content[0].image_url.url: expected a string"),
    (parts({"type": "image_url", "image_url": {"url": ""}}),
     "messages[0].content[0].image_url.url: must not be empty"),
    (chat(messages=[{"role": "user", "content": [{"type": "text", "text": ""}] * 10_001}] * 2),
     "messages: must have at most 20000 content parts in all, has 20002"),
    (chat(max_tokens=0), "max_tokens: must be at least 1, got 0"),
    (chat(max_tokens=100.0), "max_tokens: expected an integer, got 100.0"),
    (chat(max_tokens=True), "max_tokens: expected an integer, got a boolean"),
    (chat(max_tokens="5"), "max_tokens: expected an integer, got a string"),
    (chat(max_tokens=10**40),
     "max_tokens: must be at most 9007199254740992, got a far larger number"),
    (chat(max_tokens=5, max_completion_tokens=6),
     "max_completion_tokens: must equal max_tokens where both are given, got 6 and 5"),
    (chat(seed=2**63), "seed: must be at most 9223372036854775807, got 9223372036854775808"),
    (chat(temperature="hot"), "temperature: expected a number, got a string"),
    (chat(temperature=2.5), "temperature: must be at most 2, got 2.5"),
    (chat(top_p=True), "top_p: expected a number, got a boolean"),
    (chat(n=0), "n: must be at least 1, got 0"),
    (chat(stop=""), "stop: must not be empty"),
    (chat(stop=["a"] * 17), "stop: must have at most 16 items, has 17"),
    (chat(stop=["a", ""]), "stop[1]: must not be empty"),
    (chat(stop=5), "stop: expected a string or an array, got an integer"),
    (chat(logit_bias={"1": "x"}), "logit_bias.1: expected a number, got a string"),
    (chat(top_logprobs=2), "top_logprobs: requires logprobs to be true"),
    (chat(top_logprobs=21, logprobs=True), "top_logprobs: must be at most 20, got 21"),
    (chat(stream="true"), "stream: expected a boolean, got a string"),
    (chat(stream_options={}), "stream_options: requires stream to be true"),
    (chat(tools=[TOOL] * 513), "tools: must have at most 512 items, has 513"),
    (chat(tool_choice="some"),
     "tool_choice: expected one of 'any', 'auto', 'none', 'required', got 'some'"),
    (chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "sub"}}),
     "tool_choice.function.name: names a tool that tools does not offer"),
    (chat(tools=[TOOL], tool_choice={"type": "custom", "custom": {"name": "add"}}),
     "tool_choice.custom.name: names a tool that tools does not offer"),
    (chat(function_call={"name": "f"}),
     "function_call.name: names a function that functions does not offer"),
    (chat(response_format={"type": "xml"}),
     "response_format.type: expected one of 'json_object', 'json_schema', 'text', got 'xml'"),
    (chat(fallbacks={}), "fallbacks: expected an array, got an object"),
    (chat(fallbacks=["a"]), "fallbacks[0]: expected an object, got a string"),
    (chat(fallbacks=[{"model": 5}]), "fallbacks[0].model: expected a string"),
    (chat(fallbacks=[{"model": ""}]), "fallbacks[0].model: must have 1 to 256 characters"),
    (chat(post_processing_steps=[{"type": "json-repiar"}]),
     "post_processing_steps[0].type: unknown step 'json-repiar'; known steps: json-repair, strip-code-fence"),  # noqa: E501
    (chat(post_processing_steps=[{"type": 1}]),
     "post_processing_steps[0].type: expected a string"),
    (chat(post_processing_steps=[{"type": "json-repair", "strict": True}]),
     "post_processing_steps[0].strict: is not a field of a step"),
    (chat(post_processing_steps=[{"type": "json-repair"}] * 17),
     "post_processing_steps: must have at most 16 items, has 17"),
    (chat(post_processing_steps=[5]),
     "post_processing_steps[0]: expected an object, got an integer"),
    (chat(zz=0).replace(b'"zz": 0', b'"zz": {"a": [1e999]}'),
     "zz.a[0]: the number is out of range"),
    (chat(seed=0).replace(b'"seed": 0', b'"seed": ' + b"9" * 5000),
     "seed: the number is out of range"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "text"), INVALID)
def test_a_wrong_field_is_named(body: bytes, text: str) -> None:
    error = refusal(body)
    assert error.kind.type == "invalid_field"
    assert error.message == f"Invalid request: {text}"
    assert error.param == text.partition(": ")[0]
    assert error.errors == (text,)


def test_every_wrong_field_is_listed_in_the_order_of_the_contract() -> None:
    body = {
        "temperature": "hot",
        "zz": 1,
        "stream_options": {},
        "messages": [{"role": "tool", "content": 5}, {"role": "user", "content": "a"}],
    }
    error = refusal(json.dumps(body).encode())
    assert error.kind.type == "missing_field"
    assert error.message == "Invalid request: missing required field 'model'"
    assert error.param == "model"
    assert error.errors == (
        "missing required field 'model'",
        "messages[0].content: expected a string or an array, got an integer",
        "missing required field 'messages[0].tool_call_id'",
        "temperature: expected a number, got a string",
        "stream_options: requires stream to be true",
    )


def test_a_rule_is_not_applied_to_fields_that_are_wrong_themselves() -> None:
    error = refusal(chat(logprobs="yes", top_logprobs=2, stream=1, stream_options={}))
    assert error.errors == (
        "logprobs: expected a boolean, got a string",
        "stream: expected a boolean, got an integer",
    )


def test_an_empty_object_lacks_both_model_and_messages() -> None:
    assert refusal(b"{}").errors == (
        "missing required field 'model'",
        "missing required field 'messages' (or 'prompt')",
    )


def test_the_list_of_mistakes_is_bounded() -> None:
    error = refusal(chat(messages=[5] * 80))
    assert len(error.errors) == 51
    assert error.errors[-1] == "… and 30 more"
    assert refusal(chat(messages=[5] * 9999)).errors[-1] == "… and at least 950 more"


def test_nothing_of_any_length_is_echoed() -> None:
    error = refusal(chat(**{"tool_choice": "x" * 10**6, "y" * 10**6: 1, "temperature": 10**400}))
    assert all(len(text) < 200 for text in error.errors)
    assert len(error.message) < 200


# --- recorded traffic ---------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDINGS.is_file(), reason=f"no recorded traffic at {RECORDINGS}")
def test_every_recorded_request_that_a_provider_accepted_is_accepted() -> None:
    refused, seen = [], 0
    with RECORDINGS.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["endpoint"] != "chat.completions" or record["response"]["status"] != 200:
                continue
            body = record["request"]["body"]
            named = re.search(r"/deployments/([^/]+)/", record["request"]["path"])
            if named:
                body = {"model": named[1]} | body
            seen += 1
            try:
                request = parse_chat(json.dumps(body).encode())
            except GatewayError as error:
                refused.append((record["id"], error.errors))
            else:
                assert {name: json.loads(bytes(raw)) for name, raw in request.raw.items()} == body
    assert refused == []
    assert seen
