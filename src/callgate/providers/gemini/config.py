"""The parameters of a request as Gemini's generation config, and those that it has not.

https://ai.google.dev/api/generate-content#v1beta.GenerationConfig
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import ROOM, ChatBody, Json
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.validate import output_limit
from callgate.providers.gemini.media import resolution_of
from callgate.providers.gemini.models import family_of
from callgate.providers.gemini.tools import answer_form
from callgate.providers.refusal import invalid, unsupported

MAX_STOPS = 5
MAX_CANDIDATES = 8
_INT32 = 2**31

_SAME: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "seed": "seed",
        "frequency_penalty": "frequencyPenalty",
        "presence_penalty": "presencePenalty",
        "n": "candidateCount",
    }
)
"""Parameters that only carry another name."""

_FOREIGN: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "logit_bias": ({},),
        "functions": (),
        "function_call": (),
        "prediction": (),
        "verbosity": ("medium",),
        "service_tier": ("auto", "default"),
        "store": (False,),
        "prompt_cache_key": (),
        "prompt_cache_retention": (),
        "cache_control": (),
    }
)
"""Parameters without a counterpart, and the values that ask for nothing."""

_MODALITIES: Mapping[str, str] = MappingProxyType(
    {"text": "TEXT", "image": "IMAGE", "audio": "AUDIO"}
)

# https://ai.google.dev/gemini-api/docs/openai#thinking
_LEVELS: Mapping[str, str] = MappingProxyType(
    {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "XHIGH"}
)
_FROM_LOW: Mapping[str, str] = MappingProxyType({**_LEVELS, "minimal": "LOW"})
_FIRST_PRO_LEVELS: Mapping[str, str] = MappingProxyType({**_FROM_LOW, "medium": "HIGH"})
_BUDGETS: Mapping[str, int] = MappingProxyType(
    {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576}
)


def generation_config(request: ChatRequest, target: Target) -> Json:
    """The generation config. Raises GatewayError with the name of what cannot be honoured."""
    body = request.body
    for name, idle in _FOREIGN.items():
        value = getattr(body, name)
        if value is not None and value not in idle:
            raise unsupported(name, "not supported by Gemini")
    thinking = _thinking(body, target)
    most, room = target.model.max_output_tokens, _room(thinking)
    out: Json = {"maxOutputTokens": output_limit(request, most, room)}
    for ours, theirs in _SAME.items():
        value = getattr(body, ours)
        if value is not None:
            out[theirs] = value
    if body.seed is not None and not -_INT32 <= body.seed < _INT32:
        raise invalid("seed", "must fit into 32 bits for Gemini")
    if body.n is not None and body.n > MAX_CANDIDATES:
        raise unsupported("n", f"Gemini gives at most {MAX_CANDIDATES} answers")
    out.update(_stops(body))
    if body.logprobs:
        out["responseLogprobs"] = True
        if body.top_logprobs is not None:
            out["logprobs"] = body.top_logprobs
    out.update(answer_form(body.response_format))
    out.update(_modalities(body))
    resolution = resolution_of(request.messages)
    if resolution:
        out["mediaResolution"] = resolution
    if thinking:
        out["thinkingConfig"] = thinking
    return out


def _stops(body: ChatBody) -> Json:
    stops = [body.stop] if isinstance(body.stop, str) else body.stop
    if not stops:
        return {}
    if len(stops) > MAX_STOPS:
        raise unsupported("stop", f"Gemini takes at most {MAX_STOPS}")
    return {"stopSequences": stops}


def safety_settings(body: ChatBody) -> list[Json]:
    """Gemini's own settings, as the caller gave them."""
    for at, setting in enumerate(body.safety_settings or ()):
        for name in ("category", "threshold"):
            if not isinstance(setting.get(name), str):
                raise invalid(f"safety_settings[{at}].{name}", "must be a string")
        for name in setting:
            if name not in ("category", "threshold", "method"):
                raise unsupported(f"safety_settings[{at}].{name}"[:300], "not supported by Gemini")
    return body.safety_settings or []


def _modalities(body: ChatBody) -> Json:
    out: Json = {}
    wanted = []
    for at, name in enumerate(body.modalities or ()):
        if name not in _MODALITIES:
            raise unsupported(f"modalities[{at}]", f"expected one of {', '.join(_MODALITIES)}")
        wanted.append(_MODALITIES[name])
    if wanted:
        out["responseModalities"] = wanted
    if body.audio is not None:
        if "AUDIO" not in wanted:
            raise invalid("audio", "needs 'audio' among the modalities")
        if body.audio.get("format", "pcm16") != "pcm16":
            raise unsupported("audio.format", "Gemini gives pcm16")
        voice = body.audio.get("voice")
        if not isinstance(voice, str):
            raise invalid("audio.voice", "must be the name of a Gemini voice")
        out["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    return out


def _thinking(body: ChatBody, target: Target) -> Json:
    """How deep to think, by OpenAI's, OpenRouter's or Anthropic's field."""
    if body.reasoning_effort is not None:
        return _effort(body.reasoning_effort, "reasoning_effort", target)
    if body.reasoning is not None:
        return _openrouter(body.reasoning, target)
    if body.thinking is not None:
        return _anthropic(body.thinking, target)
    return {}


def _room(thinking: Json) -> int:
    """Tokens that the thoughts asked for may take, which Gemini counts as output."""
    budget, level = thinking.get("thinkingBudget"), thinking.get("thinkingLevel")
    if type(budget) is int:
        return budget if budget >= 0 else ROOM["medium"]
    return ROOM[level.lower()] if level is not None else 0


def _openrouter(given: Json, target: Target) -> Json:
    for name in given:
        if name not in ("effort", "max_tokens", "exclude", "enabled"):
            raise unsupported(f"reasoning.{name}"[:300], "not supported by Gemini")
    out: Json = {}
    if given.get("enabled") is False:
        return _effort("none", "reasoning.enabled", target)
    if given.get("effort") is not None:
        out = _effort(given["effort"], "reasoning.effort", target)
    elif given.get("max_tokens") is not None:
        out = _budget(given["max_tokens"], "reasoning.max_tokens", target)
    elif given.get("enabled") is True:
        out = _budget(None, "reasoning.enabled", target)
    if given.get("exclude") is True:
        out = {**out, "includeThoughts": False}
    return out


def _anthropic(given: Json, target: Target) -> Json:
    kind = given.get("type")
    if kind == "disabled":
        return _effort("none", "thinking.type", target)
    if kind == "adaptive":
        return _budget(None, "thinking.type", target)
    if kind != "enabled":
        raise unsupported("thinking.type", "must be enabled, adaptive or disabled")
    return _budget(given.get("budget_tokens"), "thinking.budget_tokens", target)


def _budget(tokens: object, path: str, target: Target) -> Json:
    family = family_of(target)
    if family.thinking == "none":
        raise unsupported(path, "the model does not think")
    if tokens is None:
        return {"includeThoughts": True}
    if not family.budgets:
        raise unsupported(path, "the model accepts an effort, not a number of tokens")
    if type(tokens) is not int or not 0 < tokens < _INT32:
        raise invalid(path, "must be a count of tokens")
    return {"thinkingBudget": tokens, "includeThoughts": True}


def _effort(effort: object, path: str, target: Target) -> Json:
    family = family_of(target)
    if effort == "none":
        if not family.rests:
            raise unsupported(path, "the model always thinks")
        return {"thinkingBudget": 0} if family.thinking == "budget" else {}
    if family.thinking == "none":
        raise unsupported(path, "the model does not think")
    table: Mapping[str, Any] = _BUDGETS
    name = "thinkingBudget"
    if family.thinking == "level":
        name, table = "thinkingLevel", _LEVELS if family.minimal else _FROM_LOW
        if "gemini-3-pro" in target.deployment.upstream_model:
            table = _FIRST_PRO_LEVELS
    if not isinstance(effort, str) or effort not in table:
        raise unsupported(path, f"the model accepts {', '.join(table)}")
    return {name: table[effort], "includeThoughts": True}
