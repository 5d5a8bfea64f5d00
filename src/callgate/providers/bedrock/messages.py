"""The conversation, as Converse takes it: system blocks, and turns whose roles alternate.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from itertools import dropwhile
from types import MappingProxyType

from callgate.core.chat import Json, Message, Part, ToolCall
from callgate.core.fieldpath import join
from callgate.core.jsontext import parse
from callgate.providers.bedrock.media import Documents, file, image, sound
from callgate.providers.bedrock.retelling import call_in_words, result_in_words
from callgate.providers.callids import CallIds, call_name
from callgate.providers.refusal import invalid, unsupported
from callgate.providers.speaker import spoken

_CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
Thought = tuple[int, int, Json]
"""Characters of text and number of calls before it, and its block."""

_TTLS = ("5m", "1h")
_FILLER: Json = {"text": "."}
_MAX_NAME = 64
_OPENROUTER = "anthropic-claude-v1"
_KINDS: Mapping[str, str] = MappingProxyType(
    {"reasoning.text": "thinking", "reasoning.encrypted": "redacted_thinking"}
)


class Conversation:
    """What becomes of the messages; built once per request.

    `system` and `messages` are Converse's own fields. `thoughts` says that the model takes back
    what it thought, `tools` that the request offers tools; without, calls are told in words.
    Raises GatewayError with the path of what Converse has no place for.
    """

    def __init__(self, messages: list[Message], *, thoughts: bool, tools: bool) -> None:
        self.system: list[Json] = []
        self.messages: list[Json] = []
        self._documents = Documents()
        self._thoughts = thoughts
        self._tools = tools
        self._ids = CallIds(call_id)
        self._names: dict[str, str] = {}  # of tools, by their calls
        for index, message in enumerate(messages):
            path = f"messages[{index}]"
            if message.role in ("system", "developer"):
                self._instruct(message, path)
            elif message.role == "assistant":
                self._answer(message, path, last=index == len(messages) - 1)
            elif message.role == "tool":
                self._result(message, path)
            elif message.role == "user":
                said = spoken(message)
                self._say("user", [*self._content(said, path), *cache_point(said, path)])
            else:
                raise unsupported(f"{path}.role", "Bedrock has tools instead of functions")

    def _say(self, role: str, blocks: list[Json]) -> None:
        """Add blocks to the turn that goes on, or begin the next one."""
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(blocks)
        elif begun := list(dropwhile(_is_point, blocks)):
            self.messages.append({"role": role, "content": begun})

    def _instruct(self, message: Message, path: str) -> None:
        message = spoken(message)
        for number, part in enumerate(_parts(message)):
            where = f"{path}.content[{number}]"
            if part.type != "text":
                raise unsupported(f"{where}.type", "Bedrock accepts only text in a system message")
            self.system.extend(_text(part.text))
            self.system.extend(cache_point(part, where))
        self.system.extend(cache_point(message, path))

    def _answer(self, message: Message, path: str, *, last: bool) -> None:
        message = spoken(message)
        if message.audio is not None:
            raise unsupported(f"{path}.audio", "Bedrock does not accept audio of earlier turns")
        if message.function_call is not None:
            raise unsupported(f"{path}.function_call", "Bedrock has tools instead of functions")
        if message.prefix and not last:
            raise unsupported(
                f"{path}.prefix", "only the last message can be the beginning of an answer"
            )
        self._ids.turn()
        calls = [
            _call(call, self._ids, f"{path}.tool_calls[{number}]")
            for number, call in enumerate(message.tool_calls or ())
        ]
        if not self._tools:
            for call, given in zip(calls, message.tool_calls or (), strict=True):
                self._names[given.id] = call["toolUse"]["name"]
            calls = [call_in_words(call) for call in calls]
        thoughts = list(_reasoning(message, path)) if self._thoughts else []
        refusal = _text(message.refusal)
        if isinstance(message.content, list):
            said = self._content(message, path)
            blocks = [*(thought for _, _, thought in thoughts), *said, *refusal, *calls]
        else:
            blocks = [*_woven(message.content or "", thoughts, calls), *refusal]
        self._say("assistant", [*blocks, *cache_point(message, path)])

    def _result(self, message: Message, path: str) -> None:
        points: list[Json] = []
        content: list[Json] = []
        for block in self._content(message, path):
            (points if "cachePoint" in block else content).append(block)
        points += cache_point(message, path)
        if not self._tools:
            name = self._names.get(message.tool_call_id or "") or message.name
            told = result_in_words(name, content, failed=bool(message.is_error))
            self._say("user", [*told, *points[:1]])
            return
        id_ = self._ids.result(message.tool_call_id or "")
        result: Json = {
            "toolUseId": id_,
            "content": content or [{"text": "error" if message.is_error else ""}],
        }
        if message.is_error:
            result["status"] = "error"
        if not self._ids.repeats(id_, result):
            self._say("user", [{"toolResult": result}, *points[:1]])

    def _content(self, message: Message, path: str) -> Iterator[Json]:
        for number, part in enumerate(_parts(message)):
            where = f"{path}.content[{number}]"
            if part.type == "text":
                yield from _text(part.text)
            elif part.type == "refusal":
                yield from _text(part.refusal)
            elif part.type == "image_url":
                yield image(part, where)
            elif part.type == "input_audio":
                yield sound(part, where)
            elif part.type == "file":
                yield file(part, where, self._documents)
            else:
                raise unsupported(f"{where}.type", "Bedrock does not accept such a part")
            yield from cache_point(part, where)


def unled(turns: list[Json]) -> bool:
    """Whether the conversation is in the middle of tool calls that no thought precedes.

    Claude accepts no thinking budget then:
    https://docs.claude.com/en/docs/build-with-claude/extended-thinking
    """
    first: Json | None = None
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            first = turn["content"][0]
        elif "toolResult" not in turn["content"][0]:
            break
    amid = bool(turns) and "toolResult" in turns[-1]["content"][0]
    return amid and first is not None and "reasoningContent" not in first


def settled(blocks: list[Json], *, lasting: bool) -> list[Json]:
    """The blocks of a turn or of the instructions as Converse takes them.

    Documents need a text beside them, and a cache point neither stands first nor right after
    another, a document or a film. `lasting` says that the model takes points with a time of their
    own ("Extended TTL prompt caching is only supported for Anthropic models").
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
    """
    taken: list[Json] = []
    for block in blocks:
        before = taken[-1] if taken else {}
        if _is_point(block):
            if not taken or _is_point(before):
                continue
            if "document" in before or "video" in before:
                taken.append(_FILLER)
            if not lasting:
                block = {"cachePoint": {"type": "default"}}  # noqa: PLW2901
        taken.append(block)
    if any("document" in block for block in taken) and not any("text" in block for block in taken):
        taken.insert(len(taken) - _is_point(taken[-1]), _FILLER)
    return taken


def cache_point(value: object, path: str) -> list[Json]:
    """The block that says: keep in the cache what stands before. Empty where nobody asks for it.

    https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
    """
    control = getattr(value, "cache_control", None)
    if control is None:
        return []
    where = join(path, "cache_control")
    if control.get("type") != "ephemeral":
        raise unsupported(f"{where}.type", "Bedrock supports only `ephemeral`")
    point: Json = {"type": "default"}
    ttl = control.get("ttl")
    if ttl is not None:
        if ttl not in _TTLS:
            raise unsupported(f"{where}.ttl", "Bedrock supports only 5m and 1h")
        point["ttl"] = ttl
    return [{"cachePoint": point}]


def _is_point(block: Json) -> bool:
    return "cachePoint" in block


def call_id(given: str) -> str:
    """An id that Converse takes; what another dialect made too long or too colourful is hashed."""
    if _CALL_ID.fullmatch(given):
        return given
    return "call_" + hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:48]


def _parts(message: Message) -> list[Part]:
    content = message.content
    if isinstance(content, str):
        return [Part(type="text", text=content)]
    return content or []


def _call(call: ToolCall, ids: CallIds, path: str) -> Json:
    if call.function is None:
        raise unsupported(f"{path}.type", "Bedrock supports only functions")
    arguments = call.function.arguments
    try:
        value = parse(arguments.encode("utf-8", "replace")) if arguments.strip() else {}
    except ValueError:
        value = arguments
    if value is None:  # Groq says `null` for no arguments
        value = {}
    if not isinstance(value, dict):
        raise invalid(f"{path}.function.arguments", "must be the text of a JSON object")
    name = call_name(call.function.name, _MAX_NAME)
    return {"toolUse": {"toolUseId": ids.call(call.id), "name": name, "input": value}}


def _text(text: str | None) -> list[Json]:
    """One block, or none where there is nothing to read: Converse refuses blank text."""
    return [{"text": text}] if text and not text.isspace() else []


def _woven(text: str, thoughts: list[Thought], calls: list[Json]) -> list[Json]:
    """Text and calls with the thoughts at their old places among them."""
    blocks: list[Json] = []
    said = called = 0
    for after_text, after_tools, block in thoughts:
        blocks += _text(text[said:after_text])
        blocks += calls[called:after_tools]
        said, called = max(said, after_text), max(called, after_tools)
        blocks.append(block)
    return [*blocks, *_text(text[said:]), *calls[called:]]


def _reasoning(message: Message, path: str) -> Iterator[Thought]:
    """Earlier reasoning of Claude that carries its signature; Claude takes no other, and other
    models take none at all. OpenRouter's entries tell in `format` whose they are.
    """
    for number, detail in enumerate(message.reasoning_details or ()):
        kind = str(detail.get("type"))
        signature, data = detail.get("signature"), detail.get("data")
        text = detail.get("thinking")
        where = f"{path}.reasoning_details[{number}]"
        whose = detail.get("format")
        if whose == _OPENROUTER or (whose is None and kind == "reasoning.text"):
            kind, text = _KINDS.get(kind, ""), detail.get("text") or ""
        if kind == "thinking" and isinstance(signature, str) and signature:
            if not isinstance(text, str):
                raise invalid(where, "must have the text that was signed")
            block: Json = {"reasoningText": {"text": text, "signature": signature}}
            yield *_place(detail), {"reasoningContent": block}
        elif kind == "redacted_thinking":
            if not isinstance(data, str) or not data:
                raise invalid(f"{where}.data", "must be text")
            if detail.get("format") != "base64":
                data = binascii.b2a_base64(data.encode(), newline=False).decode()
            yield *_place(detail), {"reasoningContent": {"redactedContent": data}}


def _place(detail: Json) -> tuple[int, int]:
    text, tools = detail.get("after_text"), detail.get("after_tools")
    return (
        text if type(text) is int and text > 0 else 0,
        tools if type(tools) is int and tools > 0 else 0,
    )
