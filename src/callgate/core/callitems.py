"""Calls and their results as items of their own in `messages`: the original form of AssemblyAI's
LLM Gateway, https://www.assemblyai.com/docs/llm-gateway/tool-calling

They are turned into the assistant's `tool_calls` and `tool` messages, which are the usual form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from callgate.errors import GatewayError

Item = dict[str, Any]
_MARK = b"function_call"
_CALL, _RESULT = "function_call", "function_call_output"
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_PATH = re.compile(
    r"messages\[(\d{1,9})\](\.tool_calls(?:\[(\d{1,9})\](?:\.function)?)?)?"
    r"(\.(?:id|tool_call_id|content)\b)?"
)


class Origin(NamedTuple):
    """A place in the caller's own list; `id_name` is the item's own name for the call's id, empty
    if the entry is an ordinary message.
    """

    at: int
    id_name: str = ""


class Turned(NamedTuple):
    """A request whose items have become messages, and where each message came from."""

    body: bytes
    origins: Sequence[Sequence[Origin]]

    def renamed(self, error: GatewayError) -> GatewayError:
        """The error, with the messages' paths replaced by those of the caller's own items."""
        error.message = self._own(error.message)
        error.args = (error.message,)
        error.param = None if error.param is None else self._own(error.param)
        error.errors = tuple(map(self._own, error.errors))
        error.fix = self._own(error.fix)
        return error

    def _own(self, text: str) -> str:
        return _PATH.sub(self._path, text)

    def _path(self, found: re.Match[str]) -> str:
        at, calls, call, field = found.groups()
        if int(at) >= len(self.origins):
            return found[0]
        origins = self.origins[int(at)]
        origin = origins[min(int(call or 0), len(origins) - 1)]
        if not origin.id_name:
            return f"messages[{origin.at}]{calls or ''}{field or ''}"
        name = ".output" if field == ".content" else f".{origin.id_name}"
        return f"messages[{origin.at}]{name if field else ''}"


def without_items(body: bytes) -> Turned | None:
    """The request with messages in place of items; None if it has no items or is malformed."""
    if body.find(_MARK) < 0:
        return None
    try:
        request = _fields(body)
        messages = _decode(request["messages"]) if "messages" in request else None
        if not isinstance(messages, list) or not any(map(_is_item, messages)):
            return None
        made, origins = _messages(messages)
        return Turned(_encode({**request, "messages": made}), origins)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None  # mistakes are reported on the original request


def _is_item(message: object) -> bool:
    return (
        isinstance(message, dict)
        and "role" not in message
        and message.get("type") in (_CALL, _RESULT)
    )


def _messages(items: list[Any]) -> tuple[list[Any], list[list[Origin]]]:
    """Turn items into messages; consecutive calls are one turn, as they are answered together."""
    made: list[Any] = []
    origins: list[list[Origin]] = []
    calls: list[Item] | None = None
    for at, item in enumerate(items):
        origin = Origin(at)
        if not _is_item(item):
            calls = None
            made.append(item)
        elif item["type"] == _RESULT:
            calls = None
            origin = Origin(at, _id_name(item))
            made.append({"role": "tool", "tool_call_id": _id(item), "content": item.get("output")})
        else:
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": _id(item), "type": "function", "function": function}
            origin = Origin(at, _id_name(item))
            if calls is not None:
                calls.append(call)
                origins[-1].append(origin)
                continue
            calls = [call]
            made.append({"role": "assistant", "content": None, "tool_calls": calls})
        origins.append([origin])
    return made, origins


def _id(item: Item) -> object:
    return item.get(_id_name(item))


def _id_name(item: Item) -> str:
    """Its own name of the id, or that of OpenAI's Responses."""
    return "call_id" if "call_id" in item and "tool_call_id" not in item else "tool_call_id"
