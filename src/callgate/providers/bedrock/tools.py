"""Tools and structured output, as Converse takes them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html
"""

from __future__ import annotations

import msgspec

from callgate.core.chat import ChatBody, Json, NamedTool, Tool
from callgate.core.schema.adapt import adapt
from callgate.providers.bedrock.messages import cache_point
from callgate.providers.bedrock.models import Family
from callgate.providers.refusal import invalid, unsupported

_text = msgspec.json.Encoder().encode


def tool_config(body: ChatBody, family: Family) -> Json | None:
    """The tools on offer and which must be called; None where none may be."""
    tools: list[Json] = []
    for number, tool in enumerate(body.tools or ()):
        path = f"tools[{number}]"
        tools.append({"toolSpec": _spec(tool, path, family)})
        points = cache_point(tool, path)
        if family.full_points:  # Nova refuses them here: it caches tools with a message
            tools.extend(points)
    if body.web_search_options is not None:
        if not family.web or body.web_search_options:
            raise unsupported("web_search_options", "the model does not support these options")
        tools.append({"systemTool": {"name": "nova_grounding"}})
    choice = body.tool_choice
    if not tools and choice in ("required", "any"):
        raise invalid("tool_choice", "there are no tools to choose from")
    if choice == "none" or not tools:
        return None
    config: Json = {"tools": tools}
    if choice is not None:
        config["toolChoice"] = _choice(choice)
        if not family.forced and choice != "auto":
            raise unsupported("tool_choice", "the model cannot be made to call a tool")
    return config


def _spec(tool: Tool, path: str, family: Family) -> Json:
    function = tool.function
    if tool.type != "function" or function is None:
        raise unsupported(f"{path}.type", "Bedrock supports only functions")
    schema = function.parameters or {"type": "object", "properties": {}}
    spec: Json = {"name": function.name}
    if function.description:
        spec["description"] = function.description
    where = f"{path}.function.parameters"
    spec["inputSchema"] = {"json": adapt(schema, family.schema, where)}
    if function.strict is not None:
        spec["strict"] = function.strict
    return spec


def _choice(choice: str | NamedTool) -> Json:
    if not isinstance(choice, NamedTool):
        return {"auto": {}} if choice == "auto" else {"any": {}}
    if choice.function is None:
        raise unsupported("tool_choice.type", "Bedrock can require one function or any")
    return {"tool": {"name": choice.function.name}}


def output_config(body: ChatBody) -> Json | None:
    """The form of the answer.

    https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html
    """
    wanted = body.response_format
    if wanted is None or wanted.type == "text":
        return None
    given = wanted.json_schema
    if given is None or given.schema is None:
        raise unsupported(
            "response_format.type", "Bedrock supports only `json_schema` with a schema"
        )
    schema = adapt(given.schema, "bedrock", "response_format.json_schema.schema", strict=True)
    structure: Json = {"schema": _text(schema).decode(), "name": given.name}
    if given.description:
        structure["description"] = given.description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": structure}}}
