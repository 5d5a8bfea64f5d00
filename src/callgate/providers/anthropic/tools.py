"""Tools and the choice among them, as the Messages API has them.

https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.chat import ChatBody, Function, Json, NamedTool
from callgate.core.fault import Findings
from callgate.core.fieldpath import join
from callgate.core.schema.adapt import adapt

_CHOICES: Mapping[str, str] = MappingProxyType(
    {"none": "none", "auto": "auto", "required": "any", "any": "any"}
)


def tools_of(body: ChatBody, found: Findings) -> Json:
    """The fields `tools` and `tool_choice`, as far as there are any. Faults go to `found`.

    Raises GatewayError for a schema that the API does not take.
    """
    tools: list[Json] = []
    for number, offered in enumerate(body.tools or ()):
        if offered.type == "custom":
            found.fault(f"tools[{number}].type", "custom tools are not supported by this provider")
        elif offered.type == "function" and offered.function is not None:
            path = f"tools[{number}].function"
            tools.append(_tool(offered.function, path, offered.cache_control))
    for number, function in enumerate(body.functions or ()):
        tools.append(_tool(function, f"functions[{number}]", None))
    if body.web_search_options is not None:
        tools.append(_web_search(body.web_search_options, found))
    choice, alone = _choice(body, found), body.parallel_tool_calls is False
    if not tools:
        if choice is not None and choice["type"] not in ("none", "auto"):
            found.fault("tool_choice", "needs tools to choose from")
        return {}
    if choice is None and alone:
        choice = {"type": "auto"}
    if choice is None:
        return {"tools": tools}
    if alone and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}


def _tool(function: Function, path: str, cache_control: Json | None) -> Json:
    schema = adapt(function.parameters or {}, "anthropic", f"{path}.parameters")
    tool: Json = {"name": function.name, "input_schema": schema}
    if function.description is not None:
        tool["description"] = function.description
    if function.strict:
        tool["strict"] = True
    if cache_control is not None:
        tool["cache_control"] = cache_control
    return tool


def _choice(body: ChatBody, found: Findings) -> Json | None:
    choice, call = body.tool_choice, body.function_call
    if isinstance(choice, NamedTool):
        if choice.type in ("custom", "allowed_tools"):
            words = f"'{choice.type}' is not supported by this provider"
            found.fault("tool_choice.type", words)
        return {"type": "tool", "name": choice.function.name} if choice.function else None
    word = choice or (call if isinstance(call, str) else None)
    if word is not None:
        return {"type": _CHOICES[word]}
    return {"type": "tool", "name": call.name} if call and not isinstance(call, str) else None


def _web_search(options: Json, found: Findings) -> Json:
    """https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool."""
    tool: Json = {"type": "web_search_20250305", "name": "web_search"}
    for key, value in options.items():
        path = join("web_search_options", key)
        if key == "user_location" and isinstance(value, dict):
            place = value.get("approximate")
            if value.get("type") == "approximate" and isinstance(place, dict):
                tool["user_location"] = {**place, "type": "approximate"}
            else:
                found.fault(path, "expected an approximate location")
        elif value is not None and (key, value) != ("search_context_size", "medium"):
            found.fault(path, "not supported by this provider")
    return tool
