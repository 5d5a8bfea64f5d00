"""Tools, the choice among them, and the form of the answer.

https://ai.google.dev/api/caching#Tool, #ToolConfig;
https://ai.google.dev/gemini-api/docs/structured-output
"""

from __future__ import annotations

from typing import Any

from callgate.core.chat import ChatBody, Json, NamedTool, ResponseFormat, Tool
from callgate.core.schema.adapt import adapt
from callgate.errors import GatewayError
from callgate.providers.gemini.models import told_name
from callgate.providers.refusal import invalid, unsupported


def tools_of(body: ChatBody) -> Json:
    """The fields `tools` and `toolConfig`, as far as the request has them."""
    out: Json = {}
    declared = [_declaration(tool, f"tools[{at}]") for at, tool in enumerate(body.tools or ())]
    if declared:
        out["tools"] = [{"functionDeclarations": declared}]
    if body.web_search_options is not None:
        for name in body.web_search_options:
            raise unsupported(f"web_search_options.{name}"[:300], "Gemini's search has no options")
        out.setdefault("tools", []).append({"googleSearch": {}})
    if body.parallel_tool_calls is False:
        raise unsupported("parallel_tool_calls", "Gemini always decides by itself")
    strict = any(tool.function and tool.function.strict for tool in body.tools or ())
    config = _calling(body.tool_choice, bool(declared), strict=strict)
    if config:
        out["toolConfig"] = {"functionCallingConfig": config}
    return out


def answer_form(form: ResponseFormat | None) -> Json:
    """The fields of the generation config that shape the answer."""
    if form is None or form.type == "text":
        return {}
    out: Json = {"responseMimeType": "application/json"}
    given = form.json_schema
    if form.type == "json_schema" and given is not None and given.schema is not None:
        path = "response_format.json_schema.schema"
        plain, schema = _schema(given.schema, path, strict=bool(given.strict))
        if given.description and "description" not in schema:
            schema = {**schema, "description": given.description}
        out["responseJsonSchema" if plain else "responseSchema"] = schema
    return out


def _declaration(tool: Tool, path: str) -> Json:
    if tool.type != "function" or tool.function is None:
        raise unsupported(f"{path}.type", "Gemini supports only functions as tools")
    if tool.cache_control is not None:
        raise unsupported(f"{path}.cache_control", "Gemini caches automatically")
    function = tool.function
    out: Json = {"name": told_name(function.name)}
    if function.description is not None:
        out["description"] = function.description
    parameters = function.parameters
    if parameters:
        where = f"{path}.function.parameters"
        plain, schema = _schema(parameters, where, strict=bool(function.strict))
        if "properties" in schema and "type" not in schema:
            schema = {"type": "object", **schema}  # else refused, and nothing else is meant
        out["parametersJsonSchema" if plain else "parameters"] = schema
    return out


def _schema(schema: Json, path: str, *, strict: bool) -> tuple[bool, Json]:
    """The schema in the form that keeps most of it, and whether that is JSON Schema's own.

    Only OpenAPI's form enforces lengths and patterns, and only the other the rest.
    """
    try:
        return True, adapt(schema, "gemini", path, strict=True)
    except GatewayError as error:
        refusal = error
    try:
        return False, adapt(schema, "gemini-openapi", path, strict=True)
    except GatewayError:
        if strict:
            raise refusal from None
    return True, adapt(schema, "gemini", path)


def _calling(choice: str | NamedTool | None, declared: bool, *, strict: bool) -> Json:
    auto = "VALIDATED" if strict else "AUTO"  # the mode in which Gemini holds to the schemas
    if not declared:
        if choice in (None, "none", "auto"):
            return {}
        raise invalid("tool_choice", "there are no tools to choose from")
    if isinstance(choice, NamedTool):
        return _named(choice)
    modes = {"none": "NONE", "auto": auto, "required": "ANY", "any": "ANY"}
    if choice is None:
        return {"mode": auto} if strict else {}
    return {"mode": modes[choice]}


def _named(choice: NamedTool) -> Json:
    if choice.function is not None:
        return {"mode": "ANY", "allowedFunctionNames": [told_name(choice.function.name)]}
    allowed: Any = choice.allowed_tools
    if choice.type != "allowed_tools" or not isinstance(allowed, dict):
        raise unsupported("tool_choice.type", "Gemini supports only functions as tools")
    names: list[str] = []
    listed = allowed.get("tools")
    for at, tool in enumerate(listed if isinstance(listed, list) else ()):
        function = tool.get("function") if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str):
            raise unsupported(f"tool_choice.allowed_tools.tools[{at}]", "not a function by name")
        names.append(told_name(name))
    if not names:
        raise invalid("tool_choice.allowed_tools.tools", "must name at least one function")
    mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
    return {"mode": mode, "allowedFunctionNames": names}
