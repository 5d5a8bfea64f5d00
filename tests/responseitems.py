"""Answers of OpenAI's Responses API and the events that stream them, as OpenAI documents both.

https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 7},
    "total_tokens": 32,
}


def thought(data: str | None = "gAAA", *summary: str, id_: str = "rs_1") -> Json:
    told = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": id_, "summary": told, "encrypted_content": data}


def message(*texts: str, phase: str | None = None, refusal: str | None = None) -> Json:
    parts: list[Json] = [
        {"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts
    ]
    if refusal is not None:
        parts.append({"type": "refusal", "refusal": refusal})
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {**item, "content": parts, **({} if phase is None else {"phase": phase})}


def call(id_: str = "call_1", arguments: str = '{"city":"Oslo"}', name: str = "weather") -> Json:
    item = {"type": "function_call", "id": f"fc_{id_}", "call_id": id_, "status": "completed"}
    return {**item, "name": name, "arguments": arguments}


def answer(*items: Json, status: str = "completed", **more: Any) -> Json:
    """A whole answer, as the SDK's own type has it."""
    return {
        "id": "resp_1", "object": "response", "created_at": 1_790_000_000.0, "status": status,
        "model": "gpt-6-sol-2026-09-22", "error": None, "incomplete_details": None,
        "output": list(items), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "service_tier": "default", "store": False, "usage": USAGE, **more,
    }  # fmt: skip


def event(kind: str, number: int = 0, **body: Any) -> bytes:
    told = {"type": kind, "sequence_number": number, **body}
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode()


def events_of(whole: Json) -> list[bytes]:
    """The events by which this answer is streamed."""
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    told: list[tuple[str, Json]] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    for at, item in enumerate(whole["output"]):
        place = {"output_index": at}
        empty = {**item, "status": "in_progress", **_EMPTY.get(item["type"], {})}
        told.append(("response.output_item.added", {**place, "item": empty}))
        told += _PIECES[item["type"]](item, {**place, "item_id": item["id"]})
        told.append(("response.output_item.done", {**place, "item": item}))
    told.append((f"response.{whole['status']}", {"response": whole}))
    return [event(kind, number, **body) for number, (kind, body) in enumerate(told)]


_EMPTY = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": [], "encrypted_content": "gA"},
}


def _of_message(item: Json, place: Json) -> Iterator[tuple[str, Json]]:
    for at, part in enumerate(item["content"]):
        where = {**place, "content_index": at}
        name = "text" if part["type"] == "output_text" else "refusal"
        kind = "output_text" if name == "text" else "refusal"
        logged: Json = {"logprobs": []} if name == "text" else {}
        yield "response.content_part.added", {**where, "part": {**part, name: ""}}
        for piece in _halves(part[name]):
            yield f"response.{kind}.delta", {**where, **logged, "delta": piece}
        yield f"response.{kind}.done", {**where, **logged, name: part[name]}
        yield "response.content_part.done", {**where, "part": part}


def _of_thought(item: Json, place: Json) -> Iterator[tuple[str, Json]]:
    for at, part in enumerate(item["summary"]):
        where = {**place, "summary_index": at}
        yield "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
        for piece in _halves(part["text"]):
            yield "response.reasoning_summary_text.delta", {**where, "delta": piece}
        yield "response.reasoning_summary_text.done", {**where, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**where, "part": part}


def _of_call(item: Json, place: Json) -> Iterator[tuple[str, Json]]:
    arguments = {"arguments": item["arguments"]}
    for piece in _halves(item["arguments"]):
        yield "response.function_call_arguments.delta", {**place, "delta": piece}
    yield "response.function_call_arguments.done", {**place, "name": item["name"], **arguments}


_PIECES = {"message": _of_message, "reasoning": _of_thought, "function_call": _of_call}


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]
