"""What was said in a captured request, as attributes of a span: messages in, messages out.

Names: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/#recording-content-on-attributes
The form of messages:
https://github.com/open-telemetry/semantic-conventions/blob/main/docs/gen-ai/gen-ai-input-messages.json
https://github.com/open-telemetry/semantic-conventions/blob/main/docs/gen-ai/gen-ai-output-messages.json
Spans have no structured attributes in every collector, so both are JSON in a string.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from callgate.core.accumulator import Accumulator
from callgate.core.captured import Captured
from callgate.core.chat import Chunk
from callgate.core.scrub import scrub
from callgate.core.sse import Parser
from callgate.errors import GatewayError

INPUT, OUTPUT, CUT = "gen_ai.input.messages", "gen_ai.output.messages", "callgate.content_cut"
MOST_BYTES = 32 * 1024
"""How long each of the two attributes may be."""

_LEAST = 64
_TRIES = 8
_DOTS = 8
_FINISHES = {"tool_calls": "tool_call", "function_call": "tool_call"}
_UNREADABLE = (GatewayError, RecursionError, ValueError)

Json = dict[str, Any]


def content(captured: Captured, most: int = MOST_BYTES) -> dict[str, Any]:
    """The attributes; those of what cannot be read are left out.

    Of what is longer than `most` bytes the newest is kept, and `callgate.content_cut` says so.
    """
    told: dict[str, Any] = {}
    for name, messages in ((INPUT, _asked(captured)), (OUTPUT, _answered(captured))):
        if messages:
            kept, cut = _bounded(messages, most)
            # Once more: the first time, what JSON spells with escapes was not seen.
            told[name] = scrub(_json(kept)).decode("utf-8", "replace")
            if cut or captured.cut:
                told[CUT] = True
    return told


def _asked(captured: Captured) -> list[Json]:
    """The messages as the caller has sent them."""
    body = _object(captured.body)
    messages = body.get("messages")
    if isinstance(messages, list):
        return [_message(one) for one in messages if isinstance(one, dict)]
    prompt = body.get("prompt")
    return [_message({"role": "user", "content": prompt})] if isinstance(prompt, str) else []


def _answered(captured: Captured) -> list[Json]:
    """A message for each choice of the answer that the caller has got."""
    kinds = [value for name, value in captured.answer_headers if name.lower() == "content-type"]
    if any("event-stream" in kind for kind in kinds):
        choices = _streamed(captured.answer)
    else:
        choices = _object(captured.answer).get("choices") or ()
    found = []
    for choice in choices:
        if isinstance(choice, dict) and isinstance(message := choice.get("message"), dict):
            reason = str(choice.get("finish_reason") or "error")
            made = _message({"role": "assistant", **message})
            found.append({**made, "finish_reason": _FINISHES.get(reason, reason)})
    return found


def _streamed(answer: bytes) -> Sequence[Any]:
    parser, accumulator = Parser(), Accumulator()
    try:
        for _, data in (*parser.feed(answer), *parser.close()):
            choices = _object(data).get("choices")
            if isinstance(choices, list):
                accumulator.take([Chunk(choices=[one for one in choices if isinstance(one, dict)])])
        return accumulator.answer().choices
    except _UNREADABLE:
        return ()


def _message(message: Mapping[str, Any]) -> Json:
    role, said = str(message.get("role", "")), message.get("content")
    parts: list[Json] = []
    for field in ("reasoning_content", "reasoning"):
        if isinstance(message.get(field), str) and not parts:
            parts.append({"type": "reasoning", "content": message[field]})
    if role == "tool":
        answer = said if isinstance(said, str) else _texts(said)
        parts.append(
            {
                "type": "tool_call_response",
                "id": _text(message.get("tool_call_id")),
                "response": answer,
            }
        )
    elif isinstance(said, str):
        parts.append({"type": "text", "content": said})
    elif isinstance(said, list):
        parts += [_part(one) for one in said if isinstance(one, dict)]
    if isinstance(message.get("refusal"), str):
        parts.append({"type": "text", "content": message["refusal"]})
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
            parts.append(
                {
                    "type": "tool_call",
                    "id": _text(call.get("id")),
                    "name": str(function.get("name")),
                    "arguments": _text(function.get("arguments")),
                }
            )
    named = {"name": message["name"]} if isinstance(message.get("name"), str) else {}
    return {"role": role, **named, "parts": parts}


def _part(part: Mapping[str, Any]) -> Json:
    """A part of a message; bytes are left out, as no trace is the place for them."""
    kind = str(part.get("type"))
    if isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    image = part.get("image_url")
    if isinstance(image, dict) and isinstance(url := image.get("url"), str):
        if not url.startswith("data:"):
            return {"type": "uri", "modality": "image", "uri": url}
        mime = url[5:].partition(";")[0][:100]
        return {"type": "blob", "modality": "image", "mime_type": mime, "content": ""}
    if kind == "input_audio":
        return {"type": "blob", "modality": "audio", "content": ""}
    return {"type": kind}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _texts(said: Any) -> str:
    parts = said if isinstance(said, list) else ()
    return "".join(str(one.get("text", "")) for one in parts if isinstance(one, dict))


def _bounded(messages: Sequence[Json], most: int) -> tuple[list[Json], bool]:
    """The newest messages that have room, and whether anything had to be left out."""
    kept: list[Json] = []
    left = most
    for message in reversed(messages):
        size = len(_json(message)) + 1
        if size > left:
            if (shortened := _shortened(message, left)) is not None:
                kept.append(shortened)
            return kept[::-1], True
        kept.append(message)
        left -= size
    return kept[::-1], False


def _shortened(message: Json, room: int) -> Json | None:
    """The message with the longest of its texts cut short, or None where that is not enough."""
    parts = [dict(part) for part in message["parts"]]
    made = {**message, "parts": parts}
    for _ in range(len(parts) + _TRIES):
        over = len(_json(made)) + 1 - room
        if over <= 0:
            return made
        texts = [(part, name) for part in parts for name, text in part.items() if _cuttable(text)]
        if not texts:
            return None
        part, name = max(texts, key=lambda text: len(text[0][text[1]]))
        text, size = part[name], len(_json(part[name]))
        keep = len(text) * max(0, size - over - _DOTS) // size
        part[name] = f"{text[:keep]}…"
    return None


def _cuttable(value: Any) -> bool:
    return isinstance(value, str) and len(value) > _LEAST


def _object(data: bytes) -> Json:
    try:
        found = msgspec.json.decode(data)
    except _UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}


def _json(value: Iterable[Json] | Json | str) -> bytes:
    return msgspec.json.encode(value)
