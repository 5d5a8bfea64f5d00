"""OpenAI's request as Cohere's.

https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.chat import ChatBody, Json, NamedTool, Tool
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import output_limit
from callgate.providers.cohere.messages import message_of
from callgate.providers.refusal import invalid, refuse_fields, unsupported

_REFUSED: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "n": (1,),
        "logit_bias": ({},),
        "top_logprobs": (0,),
        "parallel_tool_calls": (True,),
        "functions": ([],),
        "function_call": (),
        "modalities": (["text"],),
        "audio": (),
        "prediction": (),
        "verbosity": ("medium",),
        "web_search_options": (),
        "safety_settings": ([],),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "metadata": ({},),
        "user": (),
        "safety_identifier": (),
        "prompt_cache_key": (),
        "prompt_cache_retention": (),
        "cache_control": (),
    }
)
"""Fields that Cohere has no place for, and the values that ask for nothing."""

_NAMES: Mapping[str, tuple[str, float, float]] = MappingProxyType(
    {
        "temperature": ("temperature", 0, 2),
        "top_p": ("p", 0.01, 0.99),
        "top_k": ("k", 0, 500),
        "frequency_penalty": ("frequency_penalty", 0, 1),
        "presence_penalty": ("presence_penalty", 0, 1),
        "seed": ("seed", 0, 2**64 - 1),
    }
)
"""Cohere's names of parameters, and their least and greatest values."""

_BUDGETS: Mapping[str, int] = MappingProxyType(
    {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384}
)
"""Tokens of reasoning, https://docs.cohere.com/docs/reasoning."""
_CHOICES: Mapping[str, str | None] = MappingProxyType(
    {"auto": None, "none": "NONE", "required": "REQUIRED", "any": "REQUIRED"}
)


def chat(request: ChatRequest, target: Target) -> Json:
    """The body. Raises GatewayError `unsupported_field` or `invalid_field` with the path."""
    body = request.body
    refuse_fields(request, _REFUSED, "Cohere")
    fields: Json = {
        "model": target.deployment.upstream_model,
        "messages": [
            message_of(message, f"messages[{index}]")
            for index, message in enumerate(request.messages)
        ],
        "stream": bool(body.stream),
    }
    thinking = _thinking(body)
    limit = output_limit(request, target.model.max_output_tokens)
    if thinking is not None:
        fields["thinking"] = thinking
        if not (body.max_completion_tokens or body.max_tokens) and thinking["type"] == "enabled":
            most = target.model.max_output_tokens
            limit += thinking.get("token_budget", _BUDGETS["high"])
            limit = min(limit, most) if most else limit
    fields["max_tokens"] = limit
    for name, (theirs, least, greatest) in _NAMES.items():
        value = getattr(body, name)
        if value is not None and not (name == "top_p" and value == 1):
            if not least <= value <= greatest:
                raise invalid(name, f"must be between {least} and {greatest}")
            fields[theirs] = value
    if body.stop:
        fields["stop_sequences"] = [body.stop] if isinstance(body.stop, str) else body.stop
    if body.logprobs:
        fields["logprobs"] = True
    fields.update(_tools(body))
    form = _form(body)
    if form is not None:
        fields["response_format"] = form
    return fields


def _thinking(body: ChatBody) -> Json | None:
    """What asks for reasoning, in whichever of three fields the caller says it."""
    if body.thinking is not None:
        given = dict(body.thinking)
        if "budget_tokens" in given:
            given["token_budget"] = given.pop("budget_tokens")
        if given.keys() - {"type", "token_budget"} or given.get("type") not in (
            "enabled", "disabled",
        ):  # fmt: skip
            raise unsupported("thinking", "Cohere accepts only `type` and `token_budget`")
        if type(given.get("token_budget", 1)) is not int:
            raise invalid("thinking.token_budget", "must be a number")
        return given
    effort, path = body.reasoning_effort, "reasoning_effort"
    if effort is None and body.reasoning is not None:
        path = "reasoning"
        for name in body.reasoning.keys() - {"effort", "max_tokens", "enabled"}:
            raise unsupported(f"reasoning.{name}", "not supported by Cohere")
        budget, effort = body.reasoning.get("max_tokens"), body.reasoning.get("effort")
        if type(budget) is int and budget > 0:
            return {"type": "enabled", "token_budget": budget}
        if effort is None and body.reasoning.get("enabled") is not None:
            effort = "high" if body.reasoning["enabled"] else "none"
    if effort is None:
        return None
    if effort == "none":
        return {"type": "disabled"}
    if not isinstance(effort, str) or effort not in _BUDGETS:
        raise unsupported(path, f"expected one of none, {', '.join(_BUDGETS)}")
    return {"type": "enabled", "token_budget": _BUDGETS[effort]}


def _tools(body: ChatBody) -> Json:
    choice = body.tool_choice
    if not body.tools:
        if choice in ("required", "any"):
            raise invalid("tool_choice", "there are no tools to choose from")
        return {}
    tools = [_tool(tool, f"tools[{number}]") for number, tool in enumerate(body.tools)]
    fields: Json = {"tools": tools}
    if any(tool.function is not None and tool.function.strict for tool in body.tools):
        fields["strict_tools"] = True
    if isinstance(choice, NamedTool):  # any of one is that one
        name = choice.function.name if choice.function is not None else None
        fields["tools"] = [tool for tool in tools if tool["function"]["name"] == name]
        if not fields["tools"]:
            raise unsupported("tool_choice", "Cohere can require one function or any")
        fields["tool_choice"] = "REQUIRED"
    elif choice is not None and _CHOICES[choice] is not None:
        fields["tool_choice"] = _CHOICES[choice]
    return fields


def _tool(tool: Tool, path: str) -> Json:
    function = tool.function
    if tool.type != "function" or function is None:
        raise unsupported(f"{path}.type", "Cohere supports only functions")
    if tool.cache_control is not None:
        raise unsupported(f"{path}.cache_control", "not supported by Cohere")
    told: Json = {"name": function.name}
    if function.description is not None:
        told["description"] = function.description
    told["parameters"] = function.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": told}


def _form(body: ChatBody) -> Json | None:
    """https://docs.cohere.com/docs/structured-outputs"""
    wanted = body.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "json_object"}
    schema = wanted.json_schema.schema if wanted.json_schema is not None else None
    return {"type": "json_object", **({} if schema is None else {"json_schema": schema})}
