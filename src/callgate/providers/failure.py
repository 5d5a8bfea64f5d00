"""A provider's failure as a row of the taxonomy: what all dialects have in common.

Each dialect's `errors` says which row it is, by the codes and words of its provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from callgate.core.redact import redact
from callgate.core.target import Target
from callgate.errors import TAXONOMY, GatewayError

MAX_TEXT = 1000
"""Characters of a provider's own words that are kept."""

_READ_BYTES = 4000
_UNSEEN = re.compile(r"<(style|script)\b.*?(?:</\1\s*>|$)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>?")

STATUS: Mapping[int, str] = MappingProxyType(
    {
        401: "provider_credentials",
        403: "provider_refused",
        404: "provider_model_missing",
        405: "provider_model_missing",
        408: "upstream_timeout",
        413: "provider_request_too_large",
        429: "provider_rate_limited",
        504: "upstream_timeout",
    }
)
CLOUDFLARE: Mapping[int, str] = MappingProxyType(
    {
        522: "upstream_timeout",  # the origin's connection timed out
        524: "upstream_timeout",  # the origin's answer timed out
    }
)
_CLASS: Mapping[int, str] = MappingProxyType({4: "provider_rejected", 5: "provider_unavailable"})

_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "provider_rejected": "{provider} rejected the request: {text}",
        "unsupported_field": "{provider} does not accept a field of the request: {text}",
        "context_too_long": "The request does not fit into the context of {model}: {text}",
        "content_filtered": "{provider} refused the content of the request: {text}",
        "provider_request_too_large": "The request is too large for {provider}: {text}",
        "provider_credentials": "{provider} refused the credentials configured for it.",
        "provider_refused": "{provider} does not let the configured account do this.",
        "provider_model_missing": "{provider} does not serve the model configured for {model}.",
        "provider_rate_limited": "{provider} is limiting the configured account's requests.",
        "provider_unavailable": "{provider} is unavailable or overloaded ({where}).",
        "upstream_timeout": "{provider} ran out of time (status {status}).",
        "bad_upstream_reply": "{provider} answered with status {status} and no valid body.",
    }
)
"""`{text}`, the provider's own words, is in those alone that the caller has to act on: it may hold
parts of the operator's credentials.
"""


def by_status(own: Mapping[int, str], status: int) -> str:
    """The row for a status that nothing more exact is known of; `own` are a dialect's rows."""
    return own.get(status) or _CLASS.get(status // 100, "bad_upstream_reply")


def failure(
    kind: str,
    target: Target,
    status: int,
    text: str,
    *,
    code: str = "",
    param: str | None = None,
    errors: Sequence[str] = (),
    wait: float | None = None,
    message: str | None = None,
    fix: str | None = None,
) -> GatewayError:
    """The error of type `kind` with the provider's words, redacted.

    `code` is the provider's own word for it, `wait` how many seconds it wants to be left alone,
    `message` a template in place of the usual one, `fix` what to do where more is known than the
    row says.
    """
    deployment, origin = target.deployment, TAXONOMY[kind].origin
    secrets = (deployment.secret, deployment.session_token)
    text = redact(text, secrets)
    return GatewayError(
        kind,
        (message or _MESSAGES[kind]).format(
            provider=deployment.provider,
            model=target.model.name,
            status=status,
            where=f"status {status}" if status != 200 else "as an answer of status 200 says",
            text=text or f"status {status} without a message",
        ),
        param=param if origin == "client" else None,
        errors=[redact(one, secrets) for one in errors] if origin == "client" else (),
        fix=fix,
        retry_after=wait if origin == "upstream" else None,
        detail=clip(f"{_words(status, redact(code, secrets))}: {text or 'no message'}"),
    )


def prose(body: bytes) -> str:
    """The words of an error that is not JSON; of a page of HTML, those that a reader would see."""
    text = body[:_READ_BYTES].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        text = " ".join(_TAG.sub(" ", _UNSEEN.sub(" ", text)).split())
    return clip(text)


def _words(status: int, code: str) -> str:
    return f"status {status} {code}" if code else f"status {status}"


def bad_reply(what: str, body: bytes, target: Target) -> GatewayError:
    """The error of a reply that is no answer; its beginning is kept for the operator."""
    deployment = target.deployment
    start = body[:200].decode("utf-8", "replace")
    return GatewayError(
        "bad_upstream_reply",
        f"{deployment.provider} answered with {what}.",
        detail=redact(start, (deployment.secret, deployment.session_token)) or None,
    )


def clip(text: str) -> str:
    """The text, as far as it is kept."""
    return text.strip()[:MAX_TEXT]
