"""Writes the generated parts of the pages in this folder: `python docs/generate.py`.

A page holds a generated part between `<!-- generated: NAME -->` and `<!-- end -->`; `PARTS` says
what makes it. `tests/test_docs.py` fails while a page and its source differ.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from callgate.core.present import error_json
from callgate.core.record import Attempt
from callgate.errors import TAXONOMY, GatewayError, Kind
from callgate.providers.registry import VENDORS

FOLDER = Path(__file__).parent
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_EXAMPLE_ID = "01997c3e-7d3a-7c12-9a41-5c1f0c6f2b7e"
_REFERRED = (429, 503)
_CALLER_LEFT = 499
_TITLES: Mapping[int, str] = {
    400: "400: the request is wrong",
    401: "401: the key is missing or invalid",
    403: "403: the key may not do this",
    404: "404: there is no such thing here",
    405: "405: the method is wrong",
    408: "408: the request came too slowly",
    413: "413: the request is too large",
    415: "415: the body is not JSON",
    429: "429: a limit is used up",
    431: "431: the headers are too large",
    499: "499: the caller left",
    500: "500: a defect in Callgate",
    502: "502: the provider's answer is of no use",
    503: "503: not available now",
    504: "504: the provider took too long",
}
_ORIGINS: Mapping[str, str] = {
    "client": "the caller",
    "gateway": "the gateway's operator",
    "upstream": "the provider",
}


class Example(NamedTuple):
    """What an error of a type looks like: its message, the field at fault, the provider's status.

    `tried` says that a provider was asked.
    """

    message: str
    param: str | None = None
    tried: bool = False
    upstream_status: int | None = None


_EXAMPLES: Mapping[str, Example] = {
    "bad_http": Example("Invalid HTTP request received"),
    "invalid_json": Example("Invalid request: the body is empty"),
    "missing_field": Example("Invalid request: missing required field 'model'", "model"),
    "invalid_field": Example(
        "Invalid request: max_tokens: must be at least 1, got 0", "max_tokens"
    ),
    "unsupported_field": Example(
        "Invalid request: top_k: not supported by the model 'gpt-4.1'", "top_k"
    ),
    "provider_rejected": Example(
        "openai rejected the request: Invalid schema for function 'weather'",
        "tools[0].function.parameters",
        tried=True,
        upstream_status=400,
    ),
    "context_too_long": Example(
        "The request does not fit into the context of gpt-4.1: This model's maximum context length "
        "is 1047576 tokens.",
        "messages",
        tried=True,
        upstream_status=400,
    ),
    "content_filtered": Example(
        "openai refused the content of the request: The prompt was flagged by the content policy.",
        tried=True,
        upstream_status=400,
    ),
    "unauthorized": Example("Unauthorized - Invalid or missing API key"),
    "wrong_region_key": Example(
        "This key belongs to region 'eu', this endpoint serves 'us'. "
        "Its endpoint is https://llm-gateway.eu.example.com."
    ),
    "model_not_allowed": Example(
        "This key may not use model 'gpt-4.1'; it may use: gpt-4.1-mini", "model"
    ),
    "path_not_found": Example(
        "No such path: '/v1/chat/completion'; did you mean '/v1/chat/completions'?"
    ),
    "model_not_found": Example(
        "Model 'gpt-4.1-mimi' is not served here; did you mean 'gpt-4.1-mini'?", "model"
    ),
    "model_retired": Example(
        "Model 'gpt-4-32k' has been retired; its successor is 'gpt-6-luna'", "model"
    ),
    "model_not_in_region": Example(
        "Model 'gpt-4.1' is not served in region 'us' but in: eu "
        "(https://llm-gateway.eu.example.com)",
        "model",
    ),
    "method_not_allowed": Example("GET is not allowed here; use POST"),
    "request_timeout": Example("The body did not arrive within 60 s"),
    "request_too_large": Example("The body is larger than 20,000,000 bytes"),
    "provider_request_too_large": Example(
        "The request is too large for openai: Maximum content size limit exceeded",
        tried=True,
        upstream_status=413,
    ),
    "unsupported_media_type": Example("Content-Type 'text/plain' is not JSON"),
    "rate_limited": Example("Rate limit of 30 requests per 60 s for model 'gpt-4.1' is used up"),
    "headers_too_large": Example("The headers are larger than 65,536 bytes"),
    "client_disconnected": Example("The caller closed the connection", tried=True),
    "internal_error": Example("The gateway failed to handle this request"),
    "provider_credentials": Example(
        "openai refused the credentials configured for it.", tried=True, upstream_status=401
    ),
    "provider_refused": Example(
        "openai does not let the configured account do this.", tried=True, upstream_status=403
    ),
    "provider_model_missing": Example(
        "openai does not serve the model configured for gpt-4.1.", tried=True, upstream_status=404
    ),
    "overloaded": Example("the gateway is shutting down"),
    "keys_unavailable": Example("The key could not be checked just now"),
    "limits_unavailable": Example("The table of limits is full"),
    "provider_rate_limited": Example(
        "openai is limiting the configured account's requests.", tried=True, upstream_status=429
    ),
    "bad_upstream_reply": Example(
        "openai answered with a body that is not JSON.", tried=True, upstream_status=200
    ),
    "upstream_cut": Example(
        "The provider's stream ended before the answer did.", tried=True, upstream_status=200
    ),
    "provider_unavailable": Example(
        "openai is unavailable or overloaded (status 503).", tried=True, upstream_status=503
    ),
    "upstream_unreachable": Example("api.openai.com refused the connection", tried=True),
    "upstream_timeout": Example(
        "api.openai.com sent no response headers within 120 s (response headers timeout)",
        tried=True,
    ),
}
"""A type without a row here is shown with its cause as its message."""


def errors() -> str:
    """Every type of error: an overview, then a section per status and a part per type."""
    kinds = sorted(TAXONOMY.values(), key=lambda kind: kind.status)
    lines = ["| status | type | whose fault | retry |", "|---|---|---|---|"]
    lines += [
        f"| {kind.status} | [`{kind.type}`](#{kind.type}) | {_ORIGINS[kind.origin]} | "
        f"{'yes' if kind.retryable else 'no'} |"
        for kind in kinds
    ]
    status = 0
    for kind in kinds:
        if kind.status != status:
            status = kind.status
            lines += ["", f"## {_TITLES.get(status, str(status))}"]
        lines += ["", *_section(kind)]
    return "\n".join([*lines, ""])


def _section(kind: Kind) -> Iterator[str]:
    example = _EXAMPLES.get(kind.type) or Example(kind.cause)
    yield f"### {kind.type}"
    yield ""
    yield f"- **Symptom**: {_symptom(kind)}"
    yield f"- **Cause**: {kind.cause}"
    yield f"- **Fix**: {kind.fix}"
    yield f"- **Retry**: {_retry(kind)}"
    yield f"- **Whose fault**: {_ORIGINS[kind.origin]}."
    yield ""
    yield "```json"
    yield _body(kind, example)
    yield "```"


def _symptom(kind: Kind) -> str:
    if kind.status == _CALLER_LEFT:
        return f"nobody receives this; the record says {kind.status} `{kind.type}`."
    told = f"status {kind.status}, `error.type` is `{kind.type}`"
    if kind.origin == "upstream":
        return f"{told}; or, once a stream has begun, its last event is this body."
    return f"{told}."


def _retry(kind: Kind) -> str:
    if not kind.retryable:
        return "no; the same request fails again."
    if kind.status in _REFERRED:
        return "yes, after the seconds that `Retry-After` says."
    return "yes; the same request may succeed."


def _body(kind: Kind, example: Example) -> str:
    tried = Attempt(
        model="gpt-4.1",
        provider="openai",
        deployment="",
        upstream_model="",
        host="",
        started_us=0,
        duration_us=412_000,
        status=example.upstream_status,
        error=kind.type,
        provider_request_id="req_7d1f0c" if example.upstream_status else None,
    )
    body = error_json(
        GatewayError(kind.type, example.message, param=example.param),
        request_id=_EXAMPLE_ID,
        attempts=[tried] if example.tried else [],
    )
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def vendors() -> str:
    """Every vendor that a provider's table can be named after."""
    lines = [
        "| provider | dialect | base_url | variable of the key |",
        "|---|---|---|---|",
    ]
    for name, vendor in sorted(VENDORS.items()):
        base_url = f"`{vendor.base_url}`" if vendor.base_url else "-"
        variable = f"`{vendor.env}`" if vendor.env else "-"
        lines.append(f"| `{name}` | {vendor.dialect} | {base_url} | {variable} |")
    return "\n".join([*lines, ""])


PARTS: Mapping[str, Callable[[], str]] = {"errors": errors, "vendors": vendors}


def refreshed(page: str) -> str:
    """The page with every generated part made anew."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", page)


def main() -> int:
    """Bring the pages up to date; tells which have changed."""
    for path in sorted(FOLDER.glob("*.md")):
        old = path.read_text()
        new = refreshed(old)
        if new != old:
            path.write_text(new)
            print(f"{path.name} is up to date again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
