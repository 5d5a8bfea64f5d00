"""OpenAI's messages as the system prompt and the turns of the Messages API.

https://docs.anthropic.com/en/api/messages#body-messages
"""

from __future__ import annotations

import re
from binascii import crc32
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import FunctionCall, Json, Message
from callgate.core.fault import Findings
from callgate.core.jsontext import parse
from callgate.providers.anthropic.parts import blocks_of, text_blocks
from callgate.providers.anthropic.reasoning import THOUGHTS, Thought, thoughts_of
from callgate.providers.callids import CallIds, call_name
from callgate.providers.speaker import spoken

_MAX_NAME = 128
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOT_ID = re.compile(r"[^A-Za-z0-9_-]")


class Conversation:
    """The system prompt and the turns, of which no two neighbours have the same role.

    System messages at the beginning become the system prompt. A later one stands as a system turn
    behind the user turn that it precedes or follows, where `system_turns` says that the model takes
    these; else it joins the system prompt, as Anthropic's own OpenAI-compatible endpoint has it
    (https://docs.anthropic.com/en/api/openai-sdk): its authority counts for more than its place.

    `signed` says that the model is Claude, which takes no thoughts but those that it signed, and
    no names of calls but those that a tool could have.
    """

    def __init__(
        self, messages: Iterable[Message], found: Findings, *, system_turns: bool, signed: bool
    ) -> None:
        self.system: list[Json] = []
        self.turns: list[Json] = []
        self._later: list[Json] = []  # system blocks that wait for a user turn to end
        self._system_turns = system_turns
        self._sealed = signed
        self._found = found
        self._ids = CallIds(call_id)
        self._legacy_ids: dict[str, str] = {}  # by the function's name, its latest call
        for index, message in enumerate(messages):
            _ROLES[message.role](self, message, f"messages[{index}]")
        self._settle()

    def blocks(self) -> Iterable[Json]:
        """Every block of every turn, and those within tool results."""
        for turn in self.turns:
            for block in turn["content"]:
                yield block
                inner = block.get("content")
                if type(inner) is list:
                    yield from inner

    def _instruct(self, message: Message, path: str) -> None:
        message = spoken(message)
        blocks = _marked(blocks_of(message.content, path, self._found), message)
        for block in blocks:
            if block["type"] != "text":
                self._found.fault(f"{path}.content", "only text is supported in a system message")
        (self._later if self.turns and self._system_turns else self.system).extend(blocks)

    def _user(self, message: Message, path: str) -> None:
        message = spoken(message)
        self._add("user", _marked(blocks_of(message.content, path, self._found), message))

    def _assistant(self, message: Message, path: str) -> None:
        message = spoken(message)
        if message.audio is not None:
            self._found.fault(f"{path}.audio", "audio is not supported by this provider")
        ids = self._ids
        ids.turn()
        calls = [
            self._call(ids.call(call.id), call.function, f"{path}.tool_calls[{number}].function")
            for number, call in enumerate(message.tool_calls or ())
            if self._is_function(call.type, f"{path}.tool_calls[{number}].type")
        ]
        if message.function_call is not None:
            name = message.function_call.name
            self._legacy_ids[name] = id_ = f"call_{path[9:-1]}"
            calls.append(self._call(id_, message.function_call, f"{path}.function_call"))
        thoughts = thoughts_of(message.reasoning_details or ())
        if self._sealed:
            thoughts = [one for one in thoughts if one.block.get("signature") != ""]
        if message.content.__class__ is str:
            blocks = _woven(message.content, thoughts, calls)
        else:
            text = blocks_of(message.content, path, self._found)
            blocks = [*(thought.block for thought in thoughts), *text, *calls]
        blocks[len(thoughts) : len(thoughts)] = text_blocks(message.refusal)
        self._settle()
        self._add("assistant", _marked(blocks, message))

    def _tool(self, message: Message, path: str) -> None:
        self._result(self._ids.result(message.tool_call_id or ""), message, path)

    def _function(self, message: Message, path: str) -> None:
        id_ = self._legacy_ids.get(message.name or "")
        if id_ is None:
            self._found.fault(f"{path}.name", "does not answer an earlier function_call")
        else:
            self._result(id_, message, path)

    def _result(self, id_: str, message: Message, path: str) -> None:
        result: Json = {"type": "tool_result", "tool_use_id": id_}
        mark = None
        if message.content.__class__ is str:
            content: Any = message.content
        else:
            content = blocks_of(message.content, path, self._found)
            for block in content:  # within a result a mark is refused, on it it is not
                mark = block.pop("cache_control", mark)
        if message.is_error:
            result["is_error"] = True
            content = content or "error"  # without content, an error is refused
        if content:
            result["content"] = content
        mark = message.cache_control or mark
        if mark is not None:
            result["cache_control"] = mark
        if not self._ids.repeats(id_, result):
            self._add("user", [result])

    def _call(self, id_: str, function: FunctionCall | None, path: str) -> Json:
        arguments: Any = {}
        if function is not None and function.arguments.strip():
            try:
                arguments = parse(function.arguments.encode("utf-8", "replace"))
            except ValueError:
                arguments = function.arguments
            if arguments is None:  # Groq says `null` for no arguments
                arguments = {}
            if type(arguments) is not dict:
                self._found.fault(f"{path}.arguments", "expected a JSON object")
                arguments = {}
        name = function.name if function is not None else ""
        if self._sealed:
            name = call_name(name, _MAX_NAME)
        return {"type": "tool_use", "id": id_, "name": name, "input": arguments}

    def _is_function(self, kind: str, path: str) -> bool:
        if kind == "custom":
            self._found.fault(path, "custom tools are not supported by this provider")
        return kind == "function"

    def _add(self, role: str, blocks: list[Json]) -> None:
        if not blocks:
            return
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def _settle(self) -> None:
        """Put what waits behind the user turn that has just ended, the only place allowed."""
        if self._later:
            if self.turns[-1]["role"] == "user":
                self.turns.append({"role": "system", "content": self._later})
            else:
                self.system += self._later
            self._later = []


# ruff: noqa: SLF001  # the table stands behind the class whose methods it names
_ROLES: Mapping[str, Callable[[Conversation, Message, str], None]] = MappingProxyType(
    {
        "system": Conversation._instruct,
        "developer": Conversation._instruct,
        "user": Conversation._user,
        "assistant": Conversation._assistant,
        "tool": Conversation._tool,
        "function": Conversation._function,
    }
)


def call_id(given: str) -> str:
    """The id of a call in the letters that Anthropic takes, the same each time."""
    if _ID.fullmatch(given):
        return given
    mark = f"_{crc32(given.encode('utf-8', 'replace')):08x}"
    return _NOT_ID.sub("_", given)[: 64 - len(mark)] + mark


def _woven(text: str, thoughts: list[Thought], calls: list[Json]) -> list[Json]:
    """Text and calls with the thoughts at their old places among them."""
    blocks: list[Json] = []
    said = called = 0
    for thought in thoughts:
        blocks += text_blocks(text[said : thought.after_text])
        blocks += calls[called : thought.after_tools]
        said, called = max(said, thought.after_text), max(called, thought.after_tools)
        blocks.append(thought.block)
    return [*blocks, *text_blocks(text[said:]), *calls[called:]]


def _marked(blocks: list[Json], message: Message) -> list[Json]:
    """The blocks, of which the last that can carry it has the message's own `cache_control`."""
    if message.cache_control is not None:
        for block in reversed(blocks):
            if block["type"] not in THOUGHTS:
                block["cache_control"] = message.cache_control
                break
    return blocks
