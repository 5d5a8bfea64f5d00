"""OpenAI's messages as the input items of the Responses API.

https://developers.openai.com/api/reference/resources/responses/methods/create (`input`)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from callgate.core.chat import Json, Message, Part, ToolCall
from callgate.core.fieldpath import join
from callgate.providers.callids import CallIds, call_name
from callgate.providers.refusal import unsupported
from callgate.providers.responses.output import BETWEEN
from callgate.providers.responses.reasoning import marks_of
from callgate.providers.speaker import spoken

MAX_NAME = 64
MAX_ID = 64
"""https://github.com/decolua/9router/issues/393: longer ids of calls are refused."""

NO_PLACE = "OpenAI's Responses API has no place for this field"
_WITHOUT = ("audio", "function_call", "cache_control", "is_error", "prefix")
_FILE_FIELDS = frozenset({"file_data", "file_id", "file_url", "filename"})


def input_of(messages: Sequence[Message], provider: str) -> list[Json]:
    """The items. `provider` is who is asked: it reads only its own thoughts.

    Raises GatewayError with the path of what has no place there.
    """
    items: list[Json] = []
    ids = CallIds(_shaped)
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        for name in _WITHOUT:
            if getattr(message, name):
                raise unsupported(f"{path}.{name}", NO_PLACE)
        if message.role == "tool":
            id_ = ids.result(message.tool_call_id or "")
            output = _content(message.content, path)
            item: Json = {"type": "function_call_output", "call_id": id_, "output": output}
            if not ids.repeats(id_, item):
                items.append(item)
        elif message.role == "function":
            raise unsupported(f"{path}.role", "OpenAI's Responses API has tools, not functions")
        elif message.role == "assistant":
            ids.turn()
            items += _answer(spoken(message), path, ids, provider)
        else:
            content = _content(spoken(message).content, path)
            items.append({"type": "message", "role": message.role, "content": content})
    return items


def _answer(message: Message, path: str, ids: CallIds, provider: str) -> list[Json]:
    """What was said, called and thought in this turn, in the order in which it was."""
    items: list[Json] = []
    text = _said(message, path)
    calls = [
        _call(call, f"{path}.tool_calls[{number}]", ids)
        for number, call in enumerate(message.tool_calls or ())
    ]
    told, called = 0, 0
    phase: str | None = None
    for mark in marks_of(message.reasoning_details or (), provider):
        piece = text[told : mark.after_text]
        items += _message(piece.removesuffix(BETWEEN) if mark.thought is None else piece, phase)
        items += calls[called : mark.after_tools]
        told, called = max(told, mark.after_text), max(called, mark.after_tools)
        if mark.thought is None:
            phase = mark.phase
        else:
            items.append(mark.thought)
    items += _message(text[told:], phase)
    items += calls[called:]
    while items and items[-1]["type"] == "reasoning":  # one is refused that led to nothing
        items.pop()
    return items


def _message(text: str, phase: str | None) -> list[Json]:
    if not text:
        return []
    item: Json = {"type": "message", "role": "assistant", "content": text}
    if phase is not None:
        item["phase"] = phase
    return [item]


def _said(message: Message, path: str) -> str:
    content = message.content
    if isinstance(content, str):
        return content or message.refusal or ""
    pieces = []
    for number, part in enumerate(content or ()):
        if part.type not in ("text", "refusal"):
            words = "OpenAI's Responses API takes no such part here"
            raise unsupported(f"{path}.content[{number}].type", words)
        pieces.append(part.text or part.refusal or "")
    return "".join(pieces) or message.refusal or ""


def _call(call: ToolCall, path: str, ids: CallIds) -> Json:
    if call.function is None:
        raise unsupported(f"{path}.type", "only functions are passed on to the Responses API")
    return {
        "type": "function_call",
        "call_id": ids.call(call.id),
        "name": call_name(call.function.name, MAX_NAME),
        "arguments": call.function.arguments or "{}",
    }


def _shaped(given: str) -> str:
    """An id as it is taken; the same for the same each time."""
    if 0 < len(given) <= MAX_ID:
        return given
    return "call_" + hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:40]


def _content(content: str | list[Part] | None, path: str) -> str | list[Json]:
    if content is None or isinstance(content, str):
        return content or ""
    return [_part(part, f"{path}.content[{number}]") for number, part in enumerate(content)]


def _part(part: Part, path: str) -> Json:
    if part.cache_control is not None:
        raise unsupported(f"{path}.cache_control", NO_PLACE)
    if part.type == "text":
        return {"type": "input_text", "text": part.text or ""}
    if part.type == "image_url":
        return _image(part.image_url, f"{path}.image_url")
    if part.type == "file":
        file = {name: value for name, value in (part.file or {}).items() if value is not None}
        for name in file.keys() - _FILE_FIELDS:
            raise unsupported(join(f"{path}.file", name), NO_PLACE)
        return {"type": "input_file", **file}
    raise unsupported(f"{path}.type", "OpenAI's Responses API takes no such part here")


def _image(given: Json | str | None, path: str) -> Json:
    image: Json = given if isinstance(given, dict) else {"url": given}
    for name in image.keys() - {"url", "detail"}:
        raise unsupported(join(path, name), NO_PLACE)
    return {
        "type": "input_image",
        "image_url": image.get("url"),
        "detail": image.get("detail") or "auto",
    }
