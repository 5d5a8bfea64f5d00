"""A chat request as the body of a request to the Messages API.

https://docs.anthropic.com/en/api/messages; what has no equivalent there is refused by its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from callgate.core.chat import DEFAULT_MAX_TOKENS, ChatBody, Json
from callgate.core.fault import Findings, Full
from callgate.core.fieldpath import join
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.messages import Conversation
from callgate.providers.anthropic.models import Family, family
from callgate.providers.anthropic.parts import holds_files
from callgate.providers.anthropic.sampling import sampling_of
from callgate.providers.anthropic.thinking import BINDING_BETA, Thinking, bound, settle, unled
from callgate.providers.anthropic.tools import tools_of
from callgate.providers.echo import strange

FILES_BETA = "files-api-2025-04-14"
_FIX = "Change what `metadata.errors` lists, or choose a model that supports it."
_MAX_TOLD = 50

_REFUSED: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "seed": (),
        "n": (1,),
        "frequency_penalty": (0,),
        "presence_penalty": (0,),
        "logit_bias": ({},),
        "logprobs": (False,),
        "top_logprobs": (0,),
        "modalities": (["text"], []),
        "audio": (),
        "prediction": (),
        "verbosity": ("medium",),
        "safety_settings": ([],),
        "store": (False,),
        "prompt_cache_key": (),
        "prompt_cache_retention": (),
    }
)
"""Fields without an equivalent, and the values that ask for nothing."""

_SERVICE_TIERS: Mapping[str, str] = MappingProxyType(
    {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
)
_THINKS = ("enabled", "adaptive")


class Encoded(NamedTuple):
    """The body's fields, and the beta features that it needs."""

    fields: Json
    betas: tuple[str, ...]


def encode(request: ChatRequest, target: Target, *, system_turns: bool = True) -> Encoded:
    """The body. `system_turns` false says that the server takes no system message within a
    conversation, whatever the model.

    Raises GatewayError `unsupported_field`; `param` is the first path, `errors` lists all.
    """
    found = Findings()
    encoder = _Encoder(request, target, found)
    encoded = None
    try:
        for path in strange(request) if request.unknown else ():
            found.fault(path, "not supported by this provider")
        encoded = encoder.encode(system_turns=system_turns)
    except Full:
        pass
    if found.faults or encoded is None:
        provider = target.deployment.provider
        errors = [str(fault) for fault in found.faults[:_MAX_TOLD]]
        raise GatewayError(
            "unsupported_field",
            f"Invalid request for {provider}: {errors[0]}",
            param=found.faults[0].path,
            errors=errors,
            fix=None if "support" in errors[0] else _FIX,
        )
    return encoded


class _Encoder:
    """One request on its way."""

    def __init__(self, request: ChatRequest, target: Target, found: Findings) -> None:
        self._request = request
        self._body: ChatBody = request.body
        self._target = target
        self._family: Family = family(target.deployment.upstream_model)
        self._found = found
        self._fields: Json = {"model": target.deployment.upstream_model}

    def encode(self, *, system_turns: bool) -> Encoded:
        body, found, fields = self._body, self._found, self._fields
        for name, harmless in _REFUSED.items():
            value = getattr(body, name)
            if value is not None and value not in harmless:
                found.fault(name, "not supported by this provider")
        thinking = settle(body, self._family, self._target.model.max_output_tokens, found)
        fields["max_tokens"] = thinking.max_tokens
        conversation = Conversation(
            self._request.messages,
            found,
            system_turns=system_turns and self._family.system_turns,
            signed=self._family.sampling != "unruled",
        )
        if not conversation.turns and not any(
            one.path.startswith("messages") for one in found.faults
        ):
            found.fault("messages", "must contain something besides the system prompt")
        if self._is_unled(thinking.thinking, conversation.turns):
            limit = body.max_completion_tokens or body.max_tokens or DEFAULT_MAX_TOKENS
            thinking = Thinking(None, None, limit)
            fields["max_tokens"] = limit
        if conversation.system:
            fields["system"] = conversation.system
        fields["messages"] = conversation.turns
        thinks = (thinking.thinking or {}).get("type") in _THINKS
        fields.update(sampling_of(body, self._family, found, thinks=thinks))
        if body.stop is not None and body.stop != []:
            fields["stop_sequences"] = [body.stop] if isinstance(body.stop, str) else body.stop
        if body.stream:
            fields["stream"] = True
            if body.stream_options is not None and body.stream_options.include_obfuscation:
                found.fault("stream_options.include_obfuscation", "not supported by this provider")
        fields.update(tools_of(body, found))
        self._unforced(thinking.thinking)
        asked = bound(thinking.thinking, conversation.turns, self._family)
        if asked is not None:
            fields["thinking"] = asked
        output: Json = {"effort": thinking.effort} if thinking.effort else {}
        if body.response_format is not None:
            self._format(output)
        if output:
            fields["output_config"] = output
        self._account()
        betas = (FILES_BETA,) if holds_files(conversation.blocks()) else ()
        if asked is not None and "block_binding" in asked:
            betas = (*betas, BINDING_BETA)
        return Encoded(fields, betas)

    def _is_unled(self, thinking: Json | None, turns: list[Json]) -> bool:
        """Whether a budget is asked for, in others' words, that Anthropic would refuse."""
        return (
            thinking is not None
            and thinking.get("type") == "enabled"
            and self._body.thinking is None
            and self._family.sampling != "unruled"
            and unled(turns)
        )

    def _unforced(self, thinking: Json | None) -> None:
        """https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#extended-thinking-with-tool-use"""
        choice = self._fields.get("tool_choice")
        forced = choice is not None and choice["type"] in ("any", "tool")
        if forced and not self._family.forced:
            self._found.fault("tool_choice", "must be 'auto' or 'none' with this model")
        budgeted = thinking is not None and thinking.get("type") == "enabled"
        if forced and budgeted and self._family.sampling != "unruled":
            words = "must be 'auto' or 'none' while the model thinks within a budget"
            self._found.fault("tool_choice", words)

    def _format(self, output: Json) -> None:
        """https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs."""
        form = self._body.response_format
        if form is None or form.type == "text":
            return
        if form.type == "json_object" or form.json_schema is None:
            self._found.fault(
                "response_format.type",
                "only 'text' and 'json_schema' are supported by this provider",
            )
            return
        schema, description = form.json_schema.schema, form.json_schema.description
        if schema is None:
            self._found.fault("response_format.json_schema.schema", "required by this provider")
            return
        if description is not None and "description" not in schema:
            schema = {**schema, "description": description}
        output["format"] = {"type": "json_schema", "schema": schema}

    def _account(self) -> None:
        body, found = self._body, self._found
        if body.cache_control is not None:
            self._fields["cache_control"] = body.cache_control
        user: Any = body.safety_identifier or body.user or None
        for key, value in (body.metadata or {}).items():
            if key == "user_id" and isinstance(value, str) and user in (None, value):
                user = value
            else:
                found.fault(join("metadata", key), "not supported by this provider")
        if user is not None:
            self._fields["metadata"] = {"user_id": user}
        if body.service_tier is not None:
            tier = _SERVICE_TIERS.get(body.service_tier)
            if tier is None:
                found.fault(
                    "service_tier", "only 'auto' and 'default' are supported by this provider"
                )
            else:
                self._fields["service_tier"] = tier
