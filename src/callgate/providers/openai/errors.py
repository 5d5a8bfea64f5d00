"""Failures told in the OpenAI dialect, as rows of the taxonomy.

https://platform.openai.com/docs/guides/error-codes; the vendors differ in shape and words, so the
tables below hold what each of them is known to send. A row is found by the code or type of the
error, else by its wording where the vendor gives nothing better, else by the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.http import HttpResponse
from callgate.core.jsontext import parse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.failure import CLOUDFLARE, STATUS, by_status, failure, prose
from callgate.providers.openai.fault import Fault, read
from callgate.providers.retry_after import retry_after

_ANY = 0

_STATUS: Mapping[int, str] = MappingProxyType(
    {
        **STATUS,
        **CLOUDFLARE,
        402: "provider_refused",
        409: "provider_unavailable",  # OpenAI: a lock was not had in time; its own client retries
        498: "provider_unavailable",  # Groq: the flex tier is out of capacity
        499: "provider_unavailable",
    }
)

_UNREADABLE = (
    "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
    "image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode",
    "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
    "failed_to_download_image", "image_file_not_found",
)  # fmt: skip
"""What OpenAI's answers of status 200 say of images that it cannot read:
https://developers.openai.com/api/reference/resources/responses (`ResponseError`).
"""

_WORDS: Mapping[tuple[int, str], str] = MappingProxyType(
    {
        (status, word): kind
        for kind, rows in {
            "context_too_long": (
                (_ANY, "context_length_exceeded"),
                (_ANY, "exceed_context_size_error"),  # llama.cpp
            ),
            "content_filtered": (
                (_ANY, "content_filter"),  # Azure
                (_ANY, "content_policy_violation"),
                (_ANY, "data_inspection_failed"),  # Alibaba
                (_ANY, "invalid_prompt"),
                (_ANY, "bio_policy"),  # these three: OpenAI, within a stream of Responses
                (_ANY, "misalignment_policy_violation"),
                (_ANY, "image_content_policy_violation"),
            ),
            "provider_credentials": (
                (_ANY, "invalid_api_key"),
                (_ANY, "authentication_error"),
                (_ANY, "incorrect_api_key_error"),  # Moonshot
                (_ANY, "invalid_authentication_error"),  # Moonshot
            ),
            "provider_refused": (
                (_ANY, "insufficient_quota"),
                (_ANY, "billing_hard_limit_reached"),
                (_ANY, "billing_not_active"),
                (_ANY, "account_deactivated"),
                (_ANY, "exceeded_current_quota_error"),  # Moonshot
                (_ANY, "arrearage"),  # Alibaba
                (_ANY, "unsupported_country_region_territory"),
            ),
            "provider_model_missing": (
                (_ANY, "model_not_found"),
                (_ANY, "model_not_available"),  # Together
                (_ANY, "model_decommissioned"),  # Groq
                (_ANY, "invalid_model"),  # Mistral
                (_ANY, "deploymentnotfound"),  # Azure
                (_ANY, "unknown_url"),
                (404, "not_found_error"),  # Anthropic's OpenAI endpoint, llama.cpp
                (_ANY, "some requested entity was not found"),  # xAI
            ),
            "provider_request_too_large": (
                (413, "rate_limit_exceeded"),  # Groq: one request beyond the limit of a minute
            ),
            "provider_rate_limited": (
                (_ANY, "rate_limit_exceeded"),
                (_ANY, "rate_limit_error"),
                (_ANY, "rate_limited"),  # Mistral
            ),
            "provider_unavailable": (
                (_ANY, "server_error"),
                (_ANY, "overloaded_error"),
                (_ANY, "engine_overloaded_error"),  # Moonshot
                (_ANY, "slow_down"),
                (_ANY, "service_unavailable"),
            ),
            "provider_rejected": (
                *((200, code) for code in _UNREADABLE),
                (200, "invalid_request_error"),
                (409, "invalid_request_error"),
                (403, "invalid_request_error"),
                (404, "invalid_request_error"),
            ),
        }.items()
        for status, word in rows
    }
)

_WORDINGS = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        # OpenRouter, DeepSeek, vLLM; xAI
        (r"This (?:endpoint|model)'s maximum (?:context|prompt) length is ", "context_too_long"),
        # Mistral
        (r"Prompt contains \d+ tokens .* too large for model ", "context_too_long"),
        # Fireworks
        (r"The prompt is too long: \d+, model maximum context length", "context_too_long"),
        # Moonshot
        (r"Invalid request: Your request exceeded model token limit", "context_too_long"),
        # xAI, also through OpenRouter
        (r"Content violates usage guidelines", "content_filtered"),
        # OpenRouter says it with a 404: no provider of the model takes a field of the request
        (r"No endpoints found that support ", "provider_rejected"),
        # OpenAI, Azure, of every function beside any effort but `none`, the model's own among them:
        # https://developers.openai.com/api/docs/guides/deployment-checklist
        (r"Function tools with reasoning_effort are not supported for ", "unsupported_field"),
        # xAI says it with a 400
        (r"Incorrect API key provided", "provider_credentials"),
        # DeepSeek, OpenAI, OpenRouter, xAI
        (r"Model Not Exist$", "provider_model_missing"),
        (r"The supported API model names are ", "provider_model_missing"),
        (r"invalid model ID$", "provider_model_missing"),
        (r"\S{1,200} is not a valid model ID$", "provider_model_missing"),
        (r"Model not found: ", "provider_model_missing"),
    )
)

_FIXES: Mapping[str, str] = MappingProxyType(
    {
        "unsupported_field": "Set `reasoning_effort` to `none` where the model takes that; else "
        "choose another model. The operator can have it asked by OpenAI's Responses API "
        "(`responses` of the provider), or served by a provider that gives it tools.",
    }
)


def from_response(response: HttpResponse, target: Target) -> GatewayError:
    """The failure that a response tells of by a status outside 200 to 299."""
    try:
        fault = read(parse(response.body))
    except ValueError:
        fault = Fault(text=prose(response.body))
    return _error(fault, response.status, target, retry_after(response.headers))


def from_object(value: object, target: Target) -> GatewayError:
    """The failure that an error object tells of within a response of status 200."""
    fault = read(value)
    return _error(fault, fault.status or 200, target, None)


def _error(fault: Fault, status: int, target: Target, wait: float | None) -> GatewayError:
    kind = _kind(fault, status)
    return failure(
        kind,
        target,
        status,
        fault.text,
        code=" ".join(word for word in (fault.code, fault.type) if word),
        param=fault.param,
        errors=fault.errors,
        wait=wait,
        fix=_FIXES.get(kind),
    )


def _kind(fault: Fault, status: int) -> str:
    for word in (fault.code, fault.type):
        kind = _WORDS.get((status, word)) or _WORDS.get((_ANY, word))
        if kind is not None and not (status == 404 and fault.param == "model"):
            return kind
    if fault.flagged:  # https://openrouter.ai/docs/api/reference/errors-and-debugging
        return "content_filtered"
    if status < 429:
        for wording, kind in _WORDINGS:
            if wording.match(fault.text) or wording.match(fault.inner):
                return kind
    if status in (403, 404) and fault.param not in (None, "model"):
        return "provider_rejected"
    return by_status(_STATUS, status)
