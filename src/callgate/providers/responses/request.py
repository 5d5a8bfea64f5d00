"""OpenAI's Chat Completions request as one of its Responses API.

https://developers.openai.com/api/docs/guides/migrate-to-responses; functions and schemas are
`strict` there unless they say otherwise, and answers kept for 30 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from callgate.core.chat import ChatBody, Json, NamedTool, Tool
from callgate.core.fieldpath import join
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import output_limit, thoughts_of
from callgate.providers.refusal import invalid, refuse_fields, unsupported
from callgate.providers.responses.items import NO_PLACE, input_of

MIN_OUTPUT: Final = 16
"""https://github.com/vectorize-io/hindsight/issues/58: "Expected a value >= 16"."""

_REFUSED: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "n": (1,),
        "stop": ([],),
        "seed": (),
        "frequency_penalty": (0,),
        "presence_penalty": (0,),
        "logit_bias": ({},),
        "logprobs": (False,),
        "top_logprobs": (0,),
        "top_k": (),
        "functions": ([],),
        "function_call": (),
        "thinking": (),
        "modalities": (["text"], []),
        "audio": (),
        "prediction": (),
        "web_search_options": (),
        "safety_settings": ([],),
        "cache_control": (),
    }
)
"""Fields that have no place there, and the values that ask for nothing."""

_SAME = (
    "temperature", "top_p", "metadata", "user", "safety_identifier", "service_tier",
    "prompt_cache_key", "prompt_cache_retention",
)  # fmt: skip
_UNKNOWN = "prompt_cache_options"
"""A field that Callgate does not know, and both APIs do."""
_REASONING = ("effort", "summary", "mode", "context")
_ENCRYPTED = "reasoning.encrypted_content"


def body_of(request: ChatRequest, target: Target) -> Json:
    """The body. Raises GatewayError `unsupported_field` or `invalid_field` with the path."""
    body, model, deployment = request.body, target.model, target.deployment
    unknown = tuple(path for path in request.unknown if path != _UNKNOWN)
    refuse_fields(request.replace(unknown=unknown), _REFUSED, "OpenAI's Responses API")
    limit = output_limit(request, model.max_output_tokens, thoughts_of(body))
    if limit < MIN_OUTPUT:
        name = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
        raise invalid(name, f"must be at least {MIN_OUTPUT} in OpenAI's Responses API, got {limit}")
    fields: Json = {
        "model": deployment.upstream_model,
        "input": input_of(request.messages, deployment.provider),
        "max_output_tokens": limit,
        "store": bool(body.store),
    }
    for name in _SAME:
        value = getattr(body, name)
        if value is not None:
            fields[name] = value
    if _UNKNOWN in request.raw:
        fields[_UNKNOWN] = request.raw[_UNKNOWN]
    reasoning = _reasoning(body)
    if reasoning:
        fields["reasoning"] = reasoning
    if reasoning or "reasoning_effort" in model.supported_parameters:  # others refuse it
        fields["include"] = [_ENCRYPTED]
    text = _text(body)
    if text:
        fields["text"] = text
    fields.update(_tools(body))
    if body.stream:
        fields["stream"] = True
        options = body.stream_options
        if options is not None and options.include_obfuscation is not None:
            fields["stream_options"] = {"include_obfuscation": options.include_obfuscation}
    return fields


def _reasoning(body: ChatBody) -> Json:
    """What asks for reasoning, in whichever of two fields the caller says it."""
    given = body.reasoning or {}
    told = {name: given[name] for name in _REASONING if given.get(name) is not None}
    for name in given.keys() - {*_REASONING, "enabled", "exclude"}:
        if given[name] is not None:
            raise unsupported(join("reasoning", name), NO_PLACE)
    if given.get("enabled") is False:
        told.setdefault("effort", "none")
    if given.get("exclude"):
        told.pop("summary", None)
    effort = body.reasoning_effort
    if effort is not None and told.setdefault("effort", effort) != effort:
        raise invalid("reasoning.effort", "differs from reasoning_effort")
    return told


def _text(body: ChatBody) -> Json:
    """https://developers.openai.com/api/docs/guides/structured-outputs"""
    text: Json = {}
    form = body.response_format
    if form is not None and form.type == "json_object":
        text["format"] = {"type": "json_object"}
    elif form is not None and form.json_schema is not None and form.type == "json_schema":
        schema = form.json_schema
        if schema.schema is None:
            raise invalid("response_format.json_schema.schema", "needed by this provider")
        text["format"] = {
            "type": "json_schema",
            "name": schema.name,
            "schema": schema.schema,
            "strict": bool(schema.strict),
        }
        if schema.description is not None:
            text["format"]["description"] = schema.description
    if body.verbosity is not None:
        text["verbosity"] = body.verbosity
    return text


def _tools(body: ChatBody) -> Json:
    choice = body.tool_choice
    if not body.tools:
        if choice not in (None, "none", "auto"):
            raise invalid("tool_choice", "there are no tools to choose from")
        return {}
    fields: Json = {
        "tools": [_tool(tool, f"tools[{number}]") for number, tool in enumerate(body.tools)]
    }
    if choice is not None:
        fields["tool_choice"] = _choice(choice)
    if body.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = body.parallel_tool_calls
    return fields


def _tool(tool: Tool, path: str) -> Json:
    """https://developers.openai.com/api/docs/guides/function-calling"""
    function = tool.function
    if tool.type != "function" or function is None:
        raise unsupported(f"{path}.type", "only functions are passed on to the Responses API")
    if tool.cache_control is not None:
        raise unsupported(f"{path}.cache_control", NO_PLACE)
    told: Json = {"type": "function", "name": function.name}
    if function.description is not None:
        told["description"] = function.description
    told["parameters"] = function.parameters or {"type": "object", "properties": {}}
    told["strict"] = bool(function.strict)
    return told


def _choice(choice: str | NamedTool) -> object:
    if isinstance(choice, str):
        return "required" if choice == "any" else choice
    if choice.function is not None:
        return {"type": "function", "name": choice.function.name}
    allowed = choice.allowed_tools
    tools = allowed.get("tools") if allowed is not None else None
    if allowed is None or not isinstance(tools, list) or not all(map(_is_named, tools)):
        raise unsupported("tool_choice", "only functions are passed on to the Responses API")
    names = [{"type": "function", "name": tool["function"]["name"]} for tool in tools]
    return {"type": "allowed_tools", "mode": allowed.get("mode"), "tools": names}


def _is_named(tool: object) -> bool:
    function = tool.get("function") if isinstance(tool, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)
