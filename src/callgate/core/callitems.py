"""Calls and their results as items of their own in `messages`, as clients of AssemblyAI's LLM
Gateway wrote them at first: https://www.assemblyai.com/docs/llm-gateway/tool-calling

They become the assistant's `tool_calls` and `tool` messages, by which they are known today.
"""

from __future__ import annotations

from typing import Any

import msgspec

Item = dict[str, Any]
_MARK = b"function_call"
_CALL, _RESULT = "function_call", "function_call_output"
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def without_items(body: bytes) -> bytes | None:
    """The request with messages in their place; None where it has no such item, or is not sound."""
    if body.find(_MARK) < 0:
        return None
    try:
        request = _fields(body)
        messages = _decode(request["messages"]) if "messages" in request else None
        if not isinstance(messages, list) or not any(map(_is_item, messages)):
            return None
        return _encode({**request, "messages": _messages(messages)})
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None  # what is wrong is told of the request as it came


def _is_item(message: object) -> bool:
    return (
        isinstance(message, dict)
        and "role" not in message
        and message.get("type") in (_CALL, _RESULT)
    )


def _messages(items: list[Any]) -> list[Any]:
    """Calls in a row are one turn of the assistant, as they are answered together."""
    made: list[Any] = []
    calls: list[Item] | None = None
    for item in items:
        if not _is_item(item):
            calls = None
            made.append(item)
        elif item["type"] == _RESULT:
            calls = None
            made.append({"role": "tool", "tool_call_id": _id(item), "content": item.get("output")})
        else:
            if calls is None:
                calls = []
                made.append({"role": "assistant", "content": None, "tool_calls": calls})
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            calls.append({"id": _id(item), "type": "function", "function": function})
    return made


def _id(item: Item) -> object:
    """Under its own name, or that of OpenAI's Responses."""
    return item.get("tool_call_id", item.get("call_id"))
