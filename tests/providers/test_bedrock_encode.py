"""OpenAI's conversations and media as Converse's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from callgate.core.validate import parse_chat
from callgate.providers.bedrock.dialect import Bedrock

from .bedrock_requests import (
    CLAUDE,
    CLOCK,
    HELLO,
    NOVA,
    PDF,
    PNG,
    WEATHER,
    bedrock,
    encoded,
    refused,
)
from .converse_model import mistakes

# --- the call -----------------------------------------------------------------------------------


def test_the_model_stands_in_the_path_with_its_colon_quoted() -> None:
    request = parse_chat(json.dumps({"model": "m", "messages": HELLO}).encode())
    sent = Bedrock().encode(request, bedrock())
    assert sent.path == f"/model/{CLAUDE.replace(':', '%3A')}/converse"
    assert "model" not in json.loads(sent.body)
    arn = "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.anthropic.claude"
    assert "%3Ainference-profile%2Fus." in Bedrock().encode(request, bedrock(arn)).path


def test_a_stream_has_its_own_operation() -> None:
    request = parse_chat(json.dumps({"model": "m", "messages": HELLO, "stream": True}).encode())
    sent = Bedrock().encode(request, bedrock())
    assert sent.path.endswith("/converse-stream")
    assert ("accept", "application/vnd.amazon.eventstream") in sent.headers
    assert mistakes(sent.body, "ConverseStream") == ""


def test_a_prompt_is_one_user_message() -> None:
    sent = encoded({"messages": None, "prompt": "Hi"})
    assert sent["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]


# --- the conversation ---------------------------------------------------------------------------


def test_system_and_developer_messages_become_system_blocks() -> None:
    sent = encoded(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
                *HELLO,
            ]
        }
    )
    assert sent["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert sent["messages"] == [{"role": "user", "content": [{"text": "Hello"}]}]


def test_neighbours_of_one_role_become_one_turn_and_blank_text_goes() -> None:
    sent = encoded(
        {
            "messages": [
                {"role": "user", "content": "One"},
                {"role": "user", "content": [{"type": "text", "text": "Two"}]},
                {"role": "assistant", "content": "Three"},
                {"role": "assistant", "content": " \n"},
                {"role": "user", "content": "Four"},
            ]
        }
    )
    assert [(m["role"], [b["text"] for b in m["content"]]) for m in sent["messages"]] == [
        ("user", ["One", "Two"]),
        ("assistant", ["Three"]),
        ("user", ["Four"]),
    ]


def test_calls_and_their_results_become_blocks_in_two_turns() -> None:
    sent = encoded(
        {
            "tools": [WEATHER, CLOCK],
            "messages": [
                *HELLO,
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "tool_calls": [
                        {
                            "id": "a",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Rom"}'},
                        },
                        {
                            "id": "x" * 80,
                            "type": "function",
                            "function": {"name": "clock", "arguments": ""},
                        },
                    ],
                },
                {"role": "tool", "tool_call_id": "a", "content": '{"sun":true}'},
                {
                    "role": "tool",
                    "tool_call_id": "x" * 80,
                    "content": [
                        {"type": "text", "text": "12:00"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    ],
                },
                {"role": "user", "content": "And?"},
            ],
        }
    )
    _, turn, results = sent["messages"]
    text, weather, clock = turn["content"]
    assert text == {"text": "Let me see."}
    assert weather["toolUse"] == {"toolUseId": "a", "name": "weather", "input": {"city": "Rom"}}
    assert clock["toolUse"]["input"] == {}
    assert len(clock["toolUse"]["toolUseId"]) <= 64
    first, second, said = results["content"]
    assert first["toolResult"] == {"toolUseId": "a", "content": [{"text": '{"sun":true}'}]}
    assert second["toolResult"]["toolUseId"] == clock["toolUse"]["toolUseId"]
    assert second["toolResult"]["content"][1]["image"]["source"]["bytes"] == PNG
    assert said == {"text": "And?"}


@pytest.mark.parametrize("arguments", ["{", "[]", "7", '"x"'])
def test_arguments_that_are_no_object_are_named(arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}]
    error = refused({"messages": messages})
    assert error.param == "messages[1].tool_calls[0].function.arguments"


def test_thoughts_go_back_to_their_places_with_their_signatures() -> None:
    details = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s1"},
        {"type": "redacted_thinking", "data": "EuQF", "after_text": 3},
        {"type": "thinking", "thinking": "unsigned"},
        {"type": "reasoning.text", "text": "Aha.", "signature": "s2", "after_text": 3},
    ]
    sent = encoded(
        {
            "messages": [
                *HELLO,
                {
                    "role": "assistant",
                    "content": "OneTwo",
                    "reasoning_content": "Hm.",
                    "reasoning_details": details,
                },
                *HELLO,
            ]
        }
    )
    assert sent["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s1"}}},
        {"text": "One"},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"EuQF").decode()}},
        {"reasoningContent": {"reasoningText": {"text": "Aha.", "signature": "s2"}}},
        {"text": "Two"},
    ]


def test_cache_control_becomes_a_cache_point_behind_what_bears_it() -> None:
    mark = {"type": "ephemeral"}
    sent = encoded(
        {
            "tools": [{**WEATHER, "cache_control": mark}],
            "messages": [
                {"role": "system", "content": "Long.", "cache_control": {**mark, "ttl": "1h"}},
                {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
                {"role": "assistant", "content": "b", "cache_control": mark},
                {"role": "user", "content": "c"},
            ],
        }
    )
    point = {"cachePoint": {"type": "default"}}
    assert sent["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert sent["messages"][0]["content"] == [{"text": "a"}, point]
    assert sent["messages"][1]["content"] == [{"text": "b"}, point]
    assert sent["toolConfig"]["tools"][1] == point


def test_nova_has_cache_points_of_the_usual_time_and_none_among_its_tools() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = {"role": "system", "content": "Long.", "cache_control": mark}
    tools = [{**WEATHER, "cache_control": mark}]
    asked = {"tools": tools, "messages": [system, *HELLO], "cache_control": mark}
    sent = encoded(asked, NOVA)
    assert [list(tool) for tool in sent["toolConfig"]["tools"]] == [["toolSpec"]]
    point = {"cachePoint": {"type": "default"}}
    assert (sent["system"][1], sent["messages"][-1]["content"][-1]) == (point, point)


def test_a_mark_on_the_whole_request_is_a_cache_point_at_its_end() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    sent = encoded({"messages": HELLO, "cache_control": mark})
    assert sent["messages"][-1]["content"][1:] == [point]
    own = [{**HELLO[0], "cache_control": {"type": "ephemeral"}}]
    sent = encoded({"messages": own, "cache_control": mark})
    assert sent["messages"][-1]["content"][1:] == [{"cachePoint": {"type": "default"}}]


def test_a_beginning_of_the_answer_stays_the_last_turn() -> None:
    sent = encoded({"messages": [*HELLO, {"role": "assistant", "content": "{", "prefix": True}]})
    assert sent["messages"][-1] == {"role": "assistant", "content": [{"text": "{"}]}


# --- media --------------------------------------------------------------------------------------


def part(kind: str, value: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": kind, kind: value}]}]}


def block(body: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = encoded(body)["messages"][0]["content"][0]
    return content


def test_media_become_blocks() -> None:
    image = block(part("image_url", {"url": f"data:image/jpeg;base64,{PNG}", "detail": "auto"}))
    assert image == {"image": {"format": "jpeg", "source": {"bytes": PNG}}}
    kept = block(part("image_url", {"url": "s3://a-bucket/b.png"}))
    assert kept["image"]["source"] == {"s3Location": {"uri": "s3://a-bucket/b.png"}}
    sound = block(part("input_audio", {"data": PNG, "format": "wav"}))
    assert sound == {"audio": {"format": "wav", "source": {"bytes": PNG}}}
    film = block(part("file", {"file_data": f"data:video/mp4;base64,{PNG}"}))
    assert film == {"video": {"format": "mp4", "source": {"bytes": PNG}}}


def test_documents_have_fit_names_that_differ() -> None:
    file = {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "../My report_v2!.pdf"}
    content = [{"type": "file", "file": file}, {"type": "file", "file": file}]
    sent = encoded({"messages": [{"role": "user", "content": content}]})
    first, second, _ = (one.get("document") for one in sent["messages"][0]["content"])
    assert (first["name"], first["format"]) == ("My report v2", "pdf")
    assert second["name"] == "My report v2 2"
    assert first["source"] == {"bytes": PDF}
    bare = block(part("file", {"file_data": PDF, "filename": "table.CSV"}))
    assert bare["document"]["format"] == "csv"


@pytest.mark.parametrize(
    ("name", "told"),
    [("$READ", "_READ"), ("read<|a|>", "read__a__"), ("x" * 70, "x" * 64), ("", "unknown")],
)
def test_the_name_of_a_call_that_no_tool_could_have_is_made_fit(name: str, told: str) -> None:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}
    history = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "no such tool"},
    ]
    sent = encoded({"messages": history, "tools": [WEATHER]})
    assert sent["messages"][1]["content"][0]["toolUse"]["name"] == told


MARK = {"cache_control": {"type": "ephemeral"}}
POINT = {"cachePoint": {"type": "default"}}
DOCUMENT = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}"}}
FILM = {"type": "file", "file": {"file_data": f"data:video/mp4;base64,{PNG}"}}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
WORD = {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        ([DOCUMENT], ["document", "."]),
        ([DOCUMENT, IMAGE], ["document", "image", "."]),
        ([WORD, DOCUMENT], ["What is this?", "document"]),
        ([{**DOCUMENT, **MARK}], ["document", ".", POINT]),
        ([{**DOCUMENT, **MARK}, WORD], ["document", ".", POINT, "What is this?"]),
        ([DOCUMENT, {**IMAGE, **MARK}], ["document", "image", ".", POINT]),
        ([{**FILM, **MARK}], ["video", ".", POINT]),
        ([FILM], ["video"]),
        ([WORD, {"type": "text", "text": " ", **MARK}], ["What is this?", POINT]),
        ([{"type": "text", "text": " ", **MARK}, WORD], ["What is this?"]),
        ([{**WORD, **MARK}, {"type": "text", "text": "", **MARK}], ["What is this?", POINT]),
    ],
)
def test_documents_have_a_text_beside_them_and_cache_points_what_they_can_follow(
    parts: list[Any], sent: list[Any]
) -> None:
    (turn,) = encoded({"messages": [{"role": "user", "content": parts}]})["messages"]
    plain = [
        block if block == POINT else block.get("text") or next(iter(block))
        for block in turn["content"]
    ]
    assert plain == sent


def test_a_mark_on_all_of_the_prompt_never_follows_a_document() -> None:
    body = {"messages": [{"role": "user", "content": [WORD, DOCUMENT]}], **MARK}
    (turn,) = encoded(body)["messages"]
    assert turn["content"][2:] == [{"text": "."}, POINT]


def test_a_mark_on_blank_instructions_is_none() -> None:
    blank = {"role": "system", "content": " ", **MARK}
    assert "system" not in encoded({"messages": [blank, *HELLO]})


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        ("image_url", {"url": "https://example.com/a.png"}, "image_url.url"),
        ("image_url", {"url": "data:image/tiff;base64,AAAA"}, "image_url.url"),
        ("image_url", {"url": "data:image/png;base64,A!AA"}, "image_url.url"),
        ("image_url", {"url": f"data:image/png;base64,{PNG}", "detail": "low"}, "image_url.detail"),
        ("input_audio", {"data": PNG, "format": "midi"}, "input_audio.format"),
        ("input_audio", {"data": "", "format": "wav"}, "input_audio.data"),
        ("image_url", {"url": "s3://bucket/picture"}, "image_url.url"),
        ("file", {"file_id": "file-1"}, "file.file_id"),
        ("file", {"file_data": "https://example.com/a.pdf"}, "file.file_data"),
        ("file", {"file_data": "data:application/zip;base64,AAAA"}, "file.file_data"),
    ],
)
def test_media_without_a_place_are_refused_by_their_path(kind: str, value: Any, path: str) -> None:
    assert refused(part(kind, value)).param == f"messages[0].content[0].{path}"
