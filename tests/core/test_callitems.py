"""Calls and results as items of their own among the messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.callitems import without_items
from callgate.core.models import Model
from callgate.core.validate import check_model, parse_chat
from callgate.errors import GatewayError

USER = {"role": "user", "content": "Where does Sarah work?"}


def call(id_: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "function_call", "tool_call_id": id_, "name": "find", "arguments": '{"a": 1}',
        **fields,
    }  # fmt: skip


def result(id_: str) -> dict[str, Any]:
    return {"type": "function_call_output", "tool_call_id": id_, "name": "find", "output": "x"}


def asked(*messages: dict[str, Any]) -> bytes:
    return json.dumps({"model": "m", "messages": [USER, *messages], "seed": 1}).encode()


def made(*ids: str) -> dict[str, Any]:
    function = {"name": "find", "arguments": '{"a": 1}'}
    calls = [{"id": id_, "type": "function", "function": function} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def told(id_: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": "x"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([call("a"), result("a")], [made("a"), told("a")]),
        (
            [call("a"), call("b"), result("a"), result("b"), USER],
            [made("a", "b"), told("a"), told("b"), USER],
        ),
        (
            [call("a"), result("a"), call("b"), result("b")],
            [made("a"), told("a"), made("b"), told("b")],
        ),
    ],
)
def test_calls_and_results_become_messages(
    given: list[dict[str, Any]], wanted: list[dict[str, Any]]
) -> None:
    request = parse_chat(asked(*given))
    assert json.loads(bytes(request.raw["messages"])) == [USER, *wanted]
    assert [message.role for message in request.messages] == [
        message["role"] for message in [USER, *wanted]
    ]
    assert bytes(request.raw["seed"]) == b"1"


def test_the_id_may_have_the_name_that_openai_gives_it() -> None:
    item = {"type": "function_call", "call_id": "a", "name": "find", "arguments": '{"a": 1}'}
    request = parse_chat(asked(item))
    assert json.loads(bytes(request.raw["messages"]))[1] == made("a")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "name": "f", "arguments": "{}"},
        {"type": "function_call", "tool_call_id": "a", "arguments": "{}"},
        {"type": "function_call_output", "output": "x"},
        {"type": "function_call", "tool_call_id": "a", "name": "f", "arguments": 10**400},
    ],
)
def test_an_item_that_lacks_something_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(GatewayError) as raised:
        parse_chat(asked(item))
    assert raised.value.kind.type in ("invalid_field", "missing_field")
    assert raised.value.param is not None
    assert raised.value.param.startswith("messages[1].")


def failure(*messages: dict[str, Any]) -> GatewayError:
    with pytest.raises(GatewayError) as raised:
        parse_chat(asked(*messages))
    return raised.value


def test_a_mistake_is_told_where_it_stands_in_the_callers_own_list() -> None:
    sound = [call("a"), call("b"), result("a"), result("b")]
    error = failure(*sound, call("c"), call("d", name=None), {**result("d"), "tool_call_id": 7})
    assert error.param == "messages[6].name"
    assert error.message.startswith("Invalid request: messages[6].name: ")
    assert str(error) == error.message
    assert any(one.startswith("messages[7].tool_call_id: ") for one in error.errors)
    nameless = {"type": "function_call", "call_id": 7, "name": "f", "arguments": "{}"}
    assert failure(*sound, nameless).param == "messages[5].call_id"
    assert failure(*sound, {**result("a"), "output": 5}).param == "messages[5].output"


def test_messages_beside_the_items_keep_their_paths_but_for_the_index() -> None:
    wrong = made("x")
    wrong["tool_calls"][0]["function"]["name"] = 5
    error = failure(call("a"), call("b"), result("a"), result("b"), wrong)
    assert error.param == "messages[5].tool_calls[0].function.name"
    assert (
        failure(call("a"), call("b"), {"role": "user", "content": 5}).param == "messages[3].content"
    )


def test_what_a_model_refuses_later_is_told_there_too() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    request = parse_chat(asked(call("a"), call("b"), {"role": "user", "content": [image]}))
    with pytest.raises(GatewayError) as raised:
        check_model(request, Model(name="m", deployments=(), input_modalities=("text",)))
    assert raised.value.param == "messages[3].content[0]"
    assert request.replace(unknown=("x",)).turned is request.turned


@pytest.mark.parametrize(
    "body",
    [
        asked({"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}),
        b'{"messages": "function_call"}',
        b'["function_call"]',
        b'{"function_call',
        b'{"messages": [{"type": "function_call", "name": "\\ud800"}]}',
    ],
)
def test_what_has_no_such_item_is_left_alone(body: bytes) -> None:
    assert without_items(body) is None
