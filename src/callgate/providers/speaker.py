"""Who says a message, for APIs that have no place for it: the name goes before the words.

https://www.assemblyai.com/docs/llm-gateway/chat-completions
"""

from __future__ import annotations

import msgspec

from callgate.core.chat import Message, Part


def spoken(message: Message) -> Message:
    """The message without `name`: `{name}: {content}`. One that says nothing needs no name."""
    if message.name is None:
        return message
    name, content = message.name, message.content
    if isinstance(content, str):
        told: str | list[Part] | None = f"{name}: {content}" if content else content
    else:
        told = _spoken(name, content) if content else content
    return msgspec.structs.replace(message, name=None, content=told)


def _spoken(name: str, parts: list[Part]) -> list[Part]:
    for at, part in enumerate(parts):
        if part.type == "text" and part.text:
            named = msgspec.structs.replace(part, text=f"{name}: {part.text}")
            return [*parts[:at], named, *parts[at + 1 :]]
    return [Part(type="text", text=f"{name}:"), *parts]
