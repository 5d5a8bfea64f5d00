"""What whole and streamed answers of Gemini share.

https://ai.google.dev/api/generate-content#v1beta.Candidate. Enumerations come as names, or as
numbers where the caller's proxy asks for them (`$alt=json;enum-encoding=int`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from callgate.core.chat import Json
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.gemini import signature
from callgate.providers.gemini.models import is_vertex, own_name

MAX_CALLS = 512

_VERTEX_WORDS = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER",
    "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR",
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER",
    "UNEXPECTED_TOOL_CALL", "NO_IMAGE",
)  # fmt: skip
_GOOGLE_AI_WORDS = (
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER",
    "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "IMAGE_PROHIBITED_CONTENT",
    "NO_IMAGE", "IMAGE_RECITATION", "IMAGE_OTHER",
)  # fmt: skip
"""FinishReason by number: google/cloud/aiplatform/v1/content.proto and
google/ai/generativelanguage/v1beta/generative_service.proto."""


_OF_CALLS = ("UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")
"""Reasons that speak of calls; where there is none, it was taken back, and nothing is left."""

_FINISH: Mapping[str, str] = MappingProxyType(
    {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "CONTINUATION": "length",
        # of functions that were not declared, or of too many: the caller's loop can answer it
        **dict.fromkeys(_OF_CALLS, "tool_calls"),
    }
)
_BROKEN_OFF = "content_filter"
"""Every other reason says that Gemini broke the answer off by a policy: SAFETY, RECITATION, OTHER,
and those that are yet to come."""

_FAILED = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"})
"""Reasons that say that there is no answer."""


def finish_reason(candidate: Json, target: Target, *, called: bool) -> tuple[str, str] | None:
    """OpenAI's finish reason and Gemini's own, None where the candidate has not ended.

    Raises GatewayError where the reason says that the answer failed.
    """
    words = _VERTEX_WORDS if is_vertex(target) else _GOOGLE_AI_WORDS
    word = word_of(candidate.get("finishReason"), words)
    if not word or word == "FINISH_REASON_UNSPECIFIED":
        return None
    if word in _FAILED or (word in _OF_CALLS and not called):
        told = candidate.get("finishMessage")
        raise GatewayError(
            "bad_upstream_reply",
            f"{target.deployment.provider} produced a malformed answer ({word}).",
            detail=told[:500] if isinstance(told, str) else None,
        )
    reason = _FINISH.get(word, _BROKEN_OFF)
    if reason == "stop" and called:  # Gemini says STOP for both
        reason = "tool_calls"
    return reason, word


class Gathered:
    """The parts of one candidate, as OpenAI's fields, over one or many pieces of its answer."""

    __slots__ = ("_calls", "_images", "_seed", "_sounded", "length", "said")

    def __init__(self, seed: str) -> None:
        self.length = 0
        """Characters of text so far."""
        self.said: list[str] = []
        """The text."""
        self._calls = 0
        self._images = 0
        self._sounded = False
        self._seed = seed

    @property
    def called(self) -> bool:
        """Whether there was a tool call."""
        return self._calls > 0

    def take(self, parts: object) -> Json:
        """The fields of a message, or of a delta, that these parts make.

        Raises ValueError where they are no parts.
        """
        out: Json = {}
        if type(parts) is not list:
            if parts is None:
                return out
            raise ValueError("no list of parts")
        for part in parts:
            if type(part) is not dict:
                raise ValueError("a part that is not an object")
            text = part.get("text")
            sign = part.get("thoughtSignature")
            sign = sign if type(sign) is str else ""
            if type(text) is str:
                self._text(out, text, sign, thought=part.get("thought") is True)
            elif "functionCall" in part:
                self._call(out, part["functionCall"], sign)
            elif "inlineData" in part:
                self._media(out, part["inlineData"], sign)
            elif set(part) <= {"thoughtSignature", "thought"}:
                self._text(out, "", sign, thought=False)
            else:
                out.setdefault("content_parts", []).append(part)
        return out

    def _text(self, out: Json, text: str, sign: str, *, thought: bool) -> None:
        if thought:
            out["reasoning_content"] = out.get("reasoning_content", "") + text
            if sign:
                out.setdefault("reasoning_details", []).append(signature.of_thought(sign, text))
            return
        start = self.length
        self.length += len(text)
        self.said.append(text)
        if text or not sign:
            out["content"] = out.get("content", "") + text
        if sign:
            mark = signature.of_text(sign, start, self.length)
            out.setdefault("reasoning_details", []).append(mark)

    def _call(self, out: Json, call: Any, sign: str) -> None:
        if type(call) is not dict or type(call.get("name")) is not str:
            raise ValueError("a call without a name")
        arguments = call.get("args")
        if arguments is not None and type(arguments) is not dict:
            raise ValueError("a call whose arguments are not an object")
        at = self._calls
        if at >= MAX_CALLS:
            raise ValueError("too many tool calls")
        self._calls += 1
        id_ = call.get("id")
        made: Json = {
            "index": at,
            "id": id_ if type(id_) is str and id_ else f"call_{self._seed}_{at}",
            "type": "function",
            "function": {
                "name": own_name(call["name"]),
                "arguments": msgspec.json.encode(arguments or {}).decode(),
            },
        }
        if sign:
            made["extra_content"] = signature.of_call(sign)
        out.setdefault("tool_calls", []).append(made)

    def _media(self, out: Json, blob: Any, sign: str) -> None:
        if type(blob) is not dict:
            raise ValueError("media that are not an object")
        kind, data = blob.get("mimeType"), blob.get("data")
        if type(kind) is not str or type(data) is not str:
            raise ValueError("media without a type or data")
        if kind.startswith("audio/"):
            # https://platform.openai.com/docs/guides/audio; Gemini gives no transcript
            audio = out.setdefault("audio", {"data": ""})
            audio["data"] += data
            if not self._sounded:  # told once: callers join the texts of the pieces
                self._sounded = True
                audio.update(id=f"audio_{self._seed}", mime_type=kind)
            return
        # https://openrouter.ai/docs/features/multimodal/image-generation
        image: Json = {
            "type": "image_url",
            "index": self._images,
            "image_url": {"url": f"data:{kind};base64,{data}"},
        }
        self._images += 1
        if sign:
            image["extra_content"] = signature.of_call(sign)
        out.setdefault("images", []).append(image)


def word_of(value: object, numbered: tuple[str, ...]) -> str:
    """An enumeration's word, given by name or by number; empty where it is neither."""
    if type(value) is int:
        return numbered[value] if 0 <= value < len(numbered) else str(value)
    return value[:100] if isinstance(value, str) else ""


def text_of(value: object) -> str:
    """The string, empty where it is none."""
    return value if isinstance(value, str) else ""


def created_of(value: object) -> int:
    """Unix seconds of an RFC 3339 time, 0 where it is none."""
    if not isinstance(value, str) or not 20 <= len(value) <= 40:
        return 0
    try:
        return max(int(datetime.fromisoformat(value).timestamp()), 0)
    except (ValueError, OverflowError):
        return 0
