"""Temperature and `top_p` within what each family takes.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html
"""

from __future__ import annotations

from callgate.core.chat import ChatBody, Json
from callgate.providers.bedrock.models import Family
from callgate.providers.refusal import invalid, unsupported

_LEAST_BESIDE_THOUGHTS = 0.95


def sampling_of(body: ChatBody, family: Family, thinking: Json) -> dict[str, float]:
    """The fields of `inferenceConfig`; `thinking` is Claude's. A default is left out where the
    model takes no other value. Raises GatewayError for what the model does not take.
    """
    temperature, top_p = body.temperature, body.top_p
    for name, value in (("temperature", temperature), ("top_p", top_p)):
        if value is not None and value > 1:
            raise invalid(name, f"must be between 0 and 1 for Bedrock, got {value:g}")
        if family.sampling == "none" and value not in (None, 1):
            raise unsupported(name, "the model accepts only 1")
    if family.sampling == "none":
        return {}
    if thinking.get("type") in ("enabled", "adaptive"):
        if temperature not in (None, 1):
            raise unsupported("temperature", "must be 1 while the model thinks")
        if top_p is not None and top_p < _LEAST_BESIDE_THOUGHTS:
            raise unsupported("top_p", "must be 0.95 to 1 while the model thinks")
        if body.top_k is not None:
            raise unsupported("top_k", "cannot be combined with thinking")
    if family.sampling == "one" and temperature is not None and top_p is not None:
        if top_p == 1:
            top_p = None
        elif temperature == 1:
            temperature = None
        else:
            raise unsupported("top_p", "the model accepts temperature or top_p, not both")
    given = {"temperature": temperature, "topP": top_p}
    return {name: value for name, value in given.items() if value is not None}
