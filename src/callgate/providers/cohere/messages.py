"""OpenAI's messages as Cohere's.

https://docs.cohere.com/reference/chat#request.body.messages
"""

from __future__ import annotations

from callgate.core.chat import Json, Message, Part
from callgate.providers.refusal import unsupported
from callgate.providers.speaker import spoken


def message_of(message: Message, path: str) -> Json:
    """One message. Raises GatewayError with the path of what Cohere has no place for."""
    for name in ("audio", "function_call", "cache_control"):
        if getattr(message, name) is not None:
            raise unsupported(f"{path}.{name}", "not supported by Cohere")
    if message.is_error:
        raise unsupported(f"{path}.is_error", "Cohere cannot mark a tool's result as failed")
    if message.role == "tool":
        content = message.content
        told = content if isinstance(content, str) else _texts(content or [], path)
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": told}
    if message.role == "function":
        raise unsupported(f"{path}.role", "Cohere has tools instead of functions")
    message = spoken(message)
    if message.role == "assistant":
        return _answer(message, path)
    role = "user" if message.role == "user" else "system"
    content = message.content
    if isinstance(content, str):
        return {"role": role, "content": content}
    parts = content or []
    return {"role": role, "content": _parts(parts, path) if role == "user" else _texts(parts, path)}


def _answer(message: Message, path: str) -> Json:
    if message.prefix:
        raise unsupported(f"{path}.prefix", "Cohere cannot continue an answer")
    given = message.content
    parts = [Part(type="text", text=given)] if isinstance(given, str) else given or []
    said = _texts(parts, path)
    if message.refusal:
        said.append({"type": "text", "text": message.refusal})
    said = [part for part in said if part["text"]]
    told: Json = {"role": "assistant"}
    thoughts = message.reasoning_content
    content = [{"type": "thinking", "thinking": thoughts}] if thoughts else []
    if message.tool_calls:
        plan = "".join(part["text"] for part in said)
        if plan:
            told["tool_plan"] = plan
        told["tool_calls"] = [
            _call(call.id, call.function, f"{path}.tool_calls[{number}]")
            for number, call in enumerate(message.tool_calls)
        ]
    else:
        content += said
    if content or "tool_calls" not in told:
        told["content"] = content
    return told


def _call(id_: str, function: object, path: str) -> Json:
    name, arguments = getattr(function, "name", None), getattr(function, "arguments", "")
    if name is None:
        raise unsupported(f"{path}.type", "Cohere supports only functions")
    call = {"name": name, "arguments": arguments or "{}"}
    return {"id": id_, "type": "function", "function": call}


def _parts(parts: list[Part], path: str) -> list[Json]:
    told: list[Json] = []
    for number, part in enumerate(parts):
        where = f"{path}.content[{number}]"
        if part.type != "image_url":
            told += _texts([part], path, number)
            continue
        if part.cache_control is not None:
            raise unsupported(f"{where}.cache_control", "not supported by Cohere")
        image = part.image_url
        image = {"url": image} if isinstance(image, str) else image or {}
        for key in image:
            if key not in ("url", "detail"):
                raise unsupported(f"{where}.image_url.{key}", "not supported by Cohere")
        told.append({"type": "image_url", "image_url": image})
    return told


def _texts(parts: list[Part], path: str, start: int = 0) -> list[Json]:
    told: list[Json] = []
    for number, part in enumerate(parts, start):
        where = f"{path}.content[{number}]"
        if part.cache_control is not None:
            raise unsupported(f"{where}.cache_control", "not supported by Cohere")
        if part.type not in ("text", "refusal"):
            raise unsupported(f"{where}.type", "Cohere does not accept such a part here")
        told.append({"type": "text", "text": part.text or part.refusal or ""})
    return told
