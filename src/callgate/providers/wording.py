"""What callers are told of a provider's failure, by the type of the error.

`{text}` is the provider's own words, which only those types bear that the caller has to act on:
the others may hold parts of the operator's credentials.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "provider_rejected": "{provider} rejected the request: {text}",
        "context_too_long": "The request does not fit into the context of {model}: {text}",
        "content_filtered": "{provider} refused the content of the request: {text}",
        "provider_request_too_large": "The request is too large for {provider}: {text}",
        "provider_credentials": "{provider} refused the credentials configured for it.",
        "provider_refused": "{provider} does not let the configured account do this.",
        "provider_model_missing": "{provider} does not serve the model configured for {model}.",
        "provider_rate_limited": "{provider} is limiting the configured account's requests.",
        "provider_unavailable": "{provider} is unavailable or overloaded (status {status}).",
        "upstream_timeout": "{provider} ran out of time (status {status}).",
        "bad_upstream_reply": "{provider} answered with status {status} and no sound answer.",
    }
)
