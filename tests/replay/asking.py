"""What goes in through the door: the recorded request, or the like of it in the door's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .records import Recording

Json = dict[str, Any]
Function = tuple[Any, Any, Any]
"""Name, description and schema, as far as a recording has them."""


def request_of(record: Recording, model: str) -> Json:
    """The recorded request where it is in the door's own shape, else one with its tools."""
    body = record["request"]["body"]
    if record["endpoint"] == "chat.completions":
        return {**body, "model": model}
    functions = _FUNCTIONS[record["endpoint"].split(".")[0].split("-")[0]]
    tools = [_tool(*one) for one in functions(body) if isinstance(one[0], str)]
    return plain(record, model, tools)


def plain(record: Recording, model: str, tools: list[Json] | None = None) -> Json:
    """A request that says nothing of its own but whether to stream."""
    request: Json = {"model": model, "messages": [{"role": "user", "content": "Go on."}]}
    if record["stream"]:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return {**request, "tools": tools} if tools else request


def _of_messages(body: Json) -> Iterator[Function]:
    for tool in _objects(body.get("tools")):
        if "input_schema" in tool:
            yield tool.get("name"), tool.get("description"), tool["input_schema"]


def _of_chat(body: Json) -> Iterator[Function]:
    for tool in _objects(body.get("tools")):
        for told in _objects(tool.get("function")):
            yield told.get("name"), told.get("description"), told.get("parameters")


def _of_gemini(body: Json) -> Iterator[Function]:
    for tool in _objects(body.get("tools")):
        told = tool.get("functionDeclarations") or tool.get("function_declarations")
        for one in _objects(told):
            schema = one.get("parametersJsonSchema") or _lowered(one.get("parameters"))
            yield one.get("name"), one.get("description"), schema


def _of_converse(body: Json) -> Iterator[Function]:
    for config in _objects(body.get("toolConfig")):
        for tool in _objects(config.get("tools")):
            for told in _objects(tool.get("toolSpec")):
                for schema in _objects(told.get("inputSchema")):
                    yield told.get("name"), told.get("description"), schema.get("json")


_FUNCTIONS: Mapping[str, Callable[[Json], Iterator[Function]]] = {
    "messages": _of_messages,
    "chat": _of_chat,
    "generateContent": _of_gemini,
    "streamGenerateContent": _of_gemini,
    "converse": _of_converse,
    "invoke": lambda _: iter(()),
}
"""By the first word of the endpoint's name."""


def _objects(value: Any) -> list[Json]:
    """The objects in a list, or the only one where there is no list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _tool(name: str, description: Any, schema: Any) -> Json:
    told: Json = {"name": name, "parameters": schema or {"type": "object", "properties": {}}}
    if description:
        told["description"] = description
    return {"type": "function", "function": told}


def _lowered(schema: Any) -> Any:
    """Google's schema with JSON Schema's names of types."""
    if isinstance(schema, list):
        return [_lowered(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else _lowered(value)
        for key, value in schema.items()
    }
