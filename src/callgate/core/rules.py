"""What a chat request must hold that its types cannot say.

Each rule is a row: per role, per type of part or tool, per field. What is wrong is a fault; a type
that is unknown here is no fault, since an upstream may know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from callgate.core.chat import (
    MAX_PARTS,
    PROMPT_FIELDS,
    ChatBody,
    Message,
    NamedFunction,
    NamedTool,
    Part,
    Tool,
)
from callgate.core.fault import Fault, Findings, Full
from callgate.core.steps import check_steps

_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "system": ("content",),
        "developer": ("content",),
        "user": ("content",),
        "tool": ("tool_call_id", "content"),
        "function": ("name", "content"),
        "assistant": (),
    }
)
_SPEAKS: Final = frozenset({"system", "developer", "user", "assistant"})
"""Roles for which a text is enough."""

_INSTEAD_OF_CONTENT = (
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
)

PART_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "text": "text",
        "image_url": "image_url",
        "input_audio": "input_audio",
        "file": "file",
        "refusal": "refusal",
    }
)
"""The field that each type of content part must have."""

_PART_KEYS: Mapping[str, str] = MappingProxyType({"image_url": "url", "input_audio": "data"})
_TOOL_FIELDS: Mapping[str, str] = MappingProxyType({"function": "function", "custom": "custom"})
_CHOICE_FIELDS: Mapping[str, str] = MappingProxyType(
    {"function": "function", "custom": "custom", "allowed_tools": "allowed_tools"}
)


def check_messages(messages: Iterable[Message], found: Findings) -> None:
    """What each message and each of its parts must hold."""
    parts = 0
    for index, message in enumerate(messages):
        content = message.content
        if content.__class__ is str and message.tool_calls is None and message.role in _SPEAKS:
            continue
        path = f"messages[{index}]"
        for name in _NEEDS[message.role]:
            if getattr(message, name) is None:
                found.absent(f"{path}.{name}")
        if content is None and message.role == "assistant" and not _says_more(message):
            found.absent(f"{path}.content")
        if isinstance(content, list):
            parts += len(content)
            if not content and message.role != "tool" and not _says_more(message):
                found.fault(f"{path}.content", "must not be empty")
            for number, part in enumerate(content):
                _part(part, f"{path}.content[{number}]", found)
        for number, call in enumerate(message.tool_calls or ()):
            _typed(call, _TOOL_FIELDS, f"{path}.tool_calls[{number}]", found)
    if parts > MAX_PARTS:
        found.fault("messages", f"must have at most {MAX_PARTS} content parts in all, has {parts}")


def _says_more(message: Message) -> bool:
    return any(getattr(message, name) for name in _INSTEAD_OF_CONTENT)


def _typed(value: Any, fields: Mapping[str, str], path: str, found: Findings) -> bool:
    """Whether the type is known and has its field."""
    field = fields.get(value.type)
    if field is None:
        found.unknown_at(f"{path}.type")
    elif getattr(value, field) is None:
        found.absent(f"{path}.{field}")
    else:
        return True
    return False


def _part(part: Part, path: str, found: Findings) -> None:
    if part.type == "text" and part.text is not None:
        return
    if not _typed(part, PART_FIELDS, path, found):
        return
    value, key = getattr(part, PART_FIELDS[part.type]), _PART_KEYS.get(part.type)
    if key is None:
        return
    where = f"{path}.{part.type}"
    if isinstance(value, dict):
        where, value = f"{where}.{key}", value.get(key)
    if value is None:
        found.absent(where)
    elif not isinstance(value, str):
        found.fault(where, "expected a string")
    elif not value:
        found.fault(where, "must not be empty")


# --- one rule per field, over the whole body ----------------------------------------------------


def check_prompt(body: ChatBody, found: Findings) -> None:
    """Exactly one of messages and prompt."""
    if body.messages is None and body.prompt is None:
        text = "missing required field 'messages' (or 'prompt')"
        found.add(Fault("messages", text, missing=True))
    elif body.messages is not None and body.prompt is not None:
        found.fault("prompt", "give either messages or prompt, not both")


def _max_completion_tokens(body: ChatBody, found: Findings) -> None:
    one, other = body.max_completion_tokens, body.max_tokens
    if one is not None and other is not None and one != other:
        found.fault("max_completion_tokens", f"must equal max_tokens where both are given, "
                    f"got {one} and {other}")  # fmt: skip


def _top_logprobs(body: ChatBody, found: Findings) -> None:
    if body.top_logprobs is not None and not body.logprobs:
        found.fault("top_logprobs", "requires logprobs to be true")


def _stream_options(body: ChatBody, found: Findings) -> None:
    if body.stream_options is not None and not body.stream:
        found.fault("stream_options", "requires stream to be true")


def _response_format(body: ChatBody, found: Findings) -> None:
    form = body.response_format
    if form is not None and form.type == "json_schema" and form.json_schema is None:
        found.absent("response_format.json_schema")


def _tools(body: ChatBody, found: Findings) -> None:
    for index, tool in enumerate(body.tools or ()):
        if tool.function is None or tool.type != "function":
            _typed(tool, _TOOL_FIELDS, f"tools[{index}]", found)


def _tool_choice(body: ChatBody, found: Findings) -> None:
    choice = body.tool_choice
    if isinstance(choice, NamedTool) and _typed(choice, _CHOICE_FIELDS, "tool_choice", found):
        name_of = _TOOL_NAMES.get(choice.type)
        if name_of and name_of(choice) not in {name_of(tool) for tool in body.tools or ()}:
            found.fault(f"tool_choice.{choice.type}.name", "names a tool that tools does not offer")


_TOOL_NAMES: Mapping[str, Callable[[Tool | NamedTool], object]] = MappingProxyType(
    {
        "function": lambda tool: tool.function.name if tool.function else None,
        "custom": lambda tool: str(tool.custom.get("name")) if tool.custom else None,
    }
)


def _function_call(body: ChatBody, found: Findings) -> None:
    call = body.function_call
    if isinstance(call, NamedFunction) and call.name not in {
        function.name for function in body.functions or ()
    }:
        found.fault("function_call.name", "names a function that functions does not offer")


def _fallbacks(body: ChatBody, found: Findings) -> None:
    for index, fallback in enumerate(body.fallbacks or ()):
        path = f"fallbacks[{index}].model"
        model = fallback.get("model")
        if "model" not in fallback:
            found.absent(path)
        elif not isinstance(model, str):
            found.fault(path, "expected a string")
        elif not 0 < len(model) <= 256:
            found.fault(path, "must have 1 to 256 characters")


Rule = Callable[[ChatBody, Findings], None]

RULES: Mapping[str, tuple[Rule, frozenset[str]]] = MappingProxyType(
    {
        "max_completion_tokens": (_max_completion_tokens, frozenset({"max_tokens"})),
        "top_logprobs": (_top_logprobs, frozenset({"logprobs"})),
        "stream_options": (_stream_options, frozenset({"stream"})),
        "response_format": (_response_format, frozenset()),
        "tools": (_tools, frozenset()),
        "tool_choice": (_tool_choice, frozenset({"tools"})),
        "function_call": (_function_call, frozenset({"functions"})),
        "fallbacks": (_fallbacks, frozenset()),
        "post_processing_steps": (check_steps, frozenset()),
    }
)
"""By the field that a rule is about: the rule, and the other fields that it reads."""


_OPEN = frozenset(
    {
        "tools", "tool_choice", "functions", "response_format", "reasoning", "thinking", "audio",
        "prediction", "web_search_options", "safety_settings", "metadata", "cache_control",
        "fallbacks", "post_processing_steps",
    }
)  # fmt: skip
"""Fields of a body whose values may nest to any depth, as their types have it."""


def is_plain(body: ChatBody, given: Iterable[str]) -> bool:
    """Whether a body is so simple that no rule can find anything, nor any depth, as most are."""
    messages = body.messages
    if not messages or body.prompt is not None or not _SCRUTINISED.isdisjoint(given):
        return False
    for message in messages:
        if type(message.content) is not str or message.role not in _SPEAKS:
            return False
        if message.tool_calls is not None or message.cache_control is not None:
            return False
        if message.annotations is not None or message.reasoning_details is not None:
            return False
        if message.audio is not None:
            return False
    return True


def open_fields(body: ChatBody, given: Iterable[str]) -> list[str]:
    """Those of the `given` top-level fields that may nest to any depth.

    Messages rarely do, be they ever so long: whether they do is seen by what they were decoded to.
    """
    names = [name for name in given if name in _OPEN]
    if body.messages and any(map(_nests, body.messages)):
        names.append("messages")
    return names


def _nests(message: Message) -> bool:
    """Whether an object that may hold anything holds more than plain values."""
    values: list[Any] = [message.audio, message.cache_control]
    values += message.annotations or ()
    values += message.reasoning_details or ()
    content = message.content
    if isinstance(content, list):
        for part in content:
            values += (part.image_url, part.input_audio, part.file, part.cache_control)
    for call in message.tool_calls or ():
        values += (call.custom, call.extra_content)
    return any(
        isinstance(inner, dict | list)
        for value in values
        if isinstance(value, dict)
        for inner in value.values()
    )


_SCRUTINISED: Final = _OPEN | frozenset(RULES)


def examine(
    body: ChatBody, given: Iterable[str], doubtful: frozenset[str] = frozenset()
) -> Findings:
    """All that the rules find in a body with the `given` top-level fields.

    Rules that read a `doubtful` field are left out: it has faults of its own.
    """
    found = Findings()
    try:
        if doubtful.isdisjoint(PROMPT_FIELDS):
            check_prompt(body, found)
        if body.messages:
            check_messages(body.messages, found)
        for name in given:
            row = RULES.get(name)
            if row is not None and name not in doubtful and row[1].isdisjoint(doubtful):
                row[0](body, found)
    except Full:
        pass
    return found
