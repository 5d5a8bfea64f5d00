"""The fields of a Converse request beside the conversation.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import ROOM, ChatBody, Json
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import output_limit
from callgate.providers.bedrock.messages import Conversation, cache_point, settled, unled
from callgate.providers.bedrock.models import (
    Family,
    family_of,
    takes_thoughts,
    thinking_fields,
)
from callgate.providers.bedrock.sampling import sampling_of
from callgate.providers.bedrock.tools import output_config, tool_config
from callgate.providers.refusal import invalid, refuse_fields, unsupported

_REFUSED: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "n": (1,),
        "seed": (),
        "frequency_penalty": (0,),
        "presence_penalty": (0,),
        "top_k": (),
        "logit_bias": ({},),
        "logprobs": (False,),
        "top_logprobs": (0,),
        "parallel_tool_calls": (True,),
        "functions": ([],),
        "function_call": (),
        "modalities": (["text"],),
        "audio": (),
        "prediction": (),
        "verbosity": ("medium",),
        "safety_settings": ([],),
        "store": (False,),
        "prompt_cache_key": (),
        "prompt_cache_retention": (),
    }
)
"""Fields that Converse has no place for, and the values that ask for nothing."""

_TIERS: Mapping[str, str | None] = MappingProxyType(
    {"auto": None, "default": "default", "flex": "flex", "priority": "priority",
     "reserved": "reserved"}
)  # fmt: skip
_GUARDRAIL: Mapping[str, str] = MappingProxyType(
    {
        "guardrail_identifier": "guardrailIdentifier",
        "guardrail_version": "guardrailVersion",
        "guardrail_trace": "trace",
    }
)

_EFFORTS = (
    ("output_config", "effort"), ("reasoningConfig", "maxReasoningEffort"),
    ("reasoning_config", ""), ("reasoning_effort", ""), ("reasoning", "effort"),
)  # fmt: skip
"""Where the families are told of an effort."""

_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MAX_METADATA = 16


def converse(request: ChatRequest, target: Target) -> Json:
    """The body of the request, but for the model, which stands in the path.

    Raises GatewayError `unsupported_field` or `invalid_field` with the path of the field.
    """
    deployment, body = target.deployment, request.body
    options, family = deployment.options, family_of(deployment.upstream_model)
    refused = {name: idle for name, idle in _REFUSED.items() if name not in family.fields}
    refuse_fields(request, refused, "Bedrock")
    thoughts = takes_thoughts(deployment.upstream_model)
    tools = tool_config(body, family)
    conversation = Conversation(request.messages, thoughts=thoughts, tools=tools is not None)
    fields: Json = {"messages": conversation.messages}
    system = settled(conversation.system, lasting=family.full_points)
    if system:
        fields["system"] = system
    if conversation.messages and "cachePoint" not in conversation.messages[-1]["content"][-1]:
        conversation.messages[-1]["content"] += cache_point(body, "")
    for turn in conversation.messages:
        turn["content"] = settled(turn["content"], lasting=family.full_points)
    additional = _additional(body, family)
    if body.thinking is None and _has_budget(additional) and unled(conversation.messages):
        del additional["thinking"]
    most = target.model.max_output_tokens
    fields["inferenceConfig"] = _inference(request, additional, family, most)
    if tools is not None:
        fields["toolConfig"] = tools
    if additional:
        fields["additionalModelRequestFields"] = additional
    output = output_config(body)
    if output is not None:
        fields["outputConfig"] = output
    guardrail = {theirs: options[ours] for ours, theirs in _GUARDRAIL.items() if options.get(ours)}
    if guardrail:
        fields["guardrailConfig"] = guardrail
    tier = _tier(body)
    if tier is not None:
        fields["serviceTier"] = {"type": tier}
    metadata = _metadata(body)
    if metadata:
        fields["requestMetadata"] = metadata
    return fields


def _inference(request: ChatRequest, additional: Json, family: Family, most: int) -> Json:
    body = request.body
    limit = _output_limit(request, additional, most)
    config: Json = {} if limit is None else {"maxTokens": limit}
    config.update(sampling_of(body, family, additional.get("thinking", {})))
    if body.stop:
        config["stopSequences"] = [body.stop] if isinstance(body.stop, str) else body.stop
    return config


def _output_limit(request: ChatRequest, additional: Json, most: int) -> int | None:
    """The output limit; one that nobody set leaves room for the reasoning that is asked for."""
    if additional.get("reasoningConfig", {}).get("maxReasoningEffort") == "high":
        return _asked_limit(request.body)  # Nova refuses a limit with this effort
    return output_limit(request, most, _room(additional))


def _room(additional: Json) -> int:
    """Tokens that the reasoning asked for may take, which count as output."""
    thinking = additional.get("thinking", {})
    budget = thinking.get("budget_tokens")
    if type(budget) is int:
        return max(budget, 0)
    for told, name in _EFFORTS:
        effort = additional.get(told, {}).get(name) if name else additional.get(told)
        if isinstance(effort, str) and effort in ROOM:
            return ROOM[effort]
    return ROOM["medium"] if thinking.get("type") == "adaptive" else 0


def _has_budget(additional: Json) -> bool:
    return "budget_tokens" in additional.get("thinking", {})


def _asked_limit(body: ChatBody) -> int | None:
    return body.max_completion_tokens or body.max_tokens


def _additional(body: ChatBody, family: Family) -> Json:
    fields = _thinking(body, family)
    for name, place in family.fields.items():
        value = getattr(body, name)
        if value is not None:
            at = fields
            for step in place[:-1]:
                at = at.setdefault(step, {})
            at[place[-1]] = value
    return fields


def _thinking(body: ChatBody, family: Family) -> Json:
    """What asks for reasoning, in whichever of three fields the caller says it."""
    if body.thinking is not None:
        if body.thinking.get("type") == "disabled":
            return thinking_fields(family, "none", None) or {}
        if family.thinking not in ("budget", "adaptive", "veiled"):
            raise unsupported("thinking", "the model does not accept this object")
        fields: Json = {"thinking": body.thinking}
        if body.reasoning_effort is not None and family.thinking != "budget":
            fields["output_config"] = {"effort": body.reasoning_effort}
        return fields
    effort, path, budget = body.reasoning_effort, "reasoning_effort", None
    if body.reasoning is not None and effort is None:
        effort, path, budget = _reasoning(body.reasoning)
    if budget is not None:
        if family.thinking != "budget":
            raise unsupported(path, "the model accepts a level of effort, not a number of tokens")
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    if effort is None:
        return {}
    asked = thinking_fields(family, effort, _asked_limit(body))
    if asked is None:
        why = "the model cannot reason with this effort"
        if family.thinking == "budget":
            why += ", or `max_tokens` leaves no room for it (1024 tokens at least)"
        raise unsupported(path, why)
    return asked


def _reasoning(given: Json) -> tuple[str | None, str, int | None]:
    """Effort, path and budget of OpenRouter's object.

    https://openrouter.ai/docs/use-cases/reasoning-tokens
    """
    for name in given:
        if name not in ("effort", "max_tokens", "enabled"):
            raise unsupported(f"reasoning.{name}", "not supported by Bedrock")
    effort, budget, enabled = (given.get(name) for name in ("effort", "max_tokens", "enabled"))
    if type(budget) is int and budget > 0:
        return None, "reasoning.max_tokens", budget
    if isinstance(effort, str):
        return effort, "reasoning.effort", None
    if enabled is not None:
        return "medium" if enabled else "none", "reasoning.enabled", None
    if effort is not None or budget is not None:
        raise invalid("reasoning", "must have an `effort` level or a number of `max_tokens`")
    return None, "reasoning", None


def _tier(body: ChatBody) -> str | None:
    tier = body.service_tier
    if tier is None:
        return None
    if tier not in _TIERS:
        raise unsupported("service_tier", f"expected one of {', '.join(_TIERS)}")
    return _TIERS[tier]


def _metadata(body: ChatBody) -> dict[str, Any]:
    """Tags of the invocation log; the caller's own name of its user is one of them."""
    tags: dict[str, Any] = dict(body.metadata or {})
    for key, value in tags.items():
        if not _METADATA_KEY.fullmatch(key) or not _fits(value):
            raise unsupported(f"metadata.{key}"[:200], "Bedrock accepts only short plain text")
    for name in ("user", "safety_identifier"):
        value = getattr(body, name)
        if value is not None:
            if not _fits(value):
                raise unsupported(name, "Bedrock accepts only short plain text")
            tags.setdefault(name, value)
    if len(tags) > _MAX_METADATA:
        raise unsupported("metadata", f"Bedrock accepts at most {_MAX_METADATA} tags")
    return tags


def _fits(value: object) -> bool:
    return isinstance(value, str) and _METADATA_VALUE.fullmatch(value) is not None
