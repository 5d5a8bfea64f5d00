"""Data for the pages on errors: an example of each type, and what commonly causes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Example(NamedTuple):
    """An error as it might occur: its message, the field at fault, the provider's status.

    `tried` says that a provider was asked.
    """

    message: str
    param: str | None = None
    tried: bool = False
    upstream_status: int | None = None


EXAMPLES: Mapping[str, Example] = {
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
    "budget_exhausted": Example(
        "The budget of 50.00 US dollars per day of account 'acme' is spent"
    ),
    "rate_limited": Example("Rate limit of 30 requests per 60 s for model 'gpt-4.1' is used up"),
    "headers_too_large": Example("The headers are larger than 65,536 bytes"),
    "client_disconnected": Example("The caller closed the connection", tried=True),
    "unsupported_transfer_coding": Example("`Transfer-Encoding` names more codings than `chunked`"),
    "internal_error": Example("The gateway failed to handle this request"),
    "checker_missing": Example(
        "Answers cannot be checked against a JSON Schema here: the extra 'structured' is not "
        "installed in this gateway",
        "response_format.json_schema.schema",
    ),
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
    "records_unavailable": Example("The records could not be read just now"),
    "provider_rate_limited": Example(
        "openai is limiting the configured account's requests.", tried=True, upstream_status=429
    ),
    "bad_upstream_reply": Example(
        "openai answered with a body that is not JSON.", tried=True, upstream_status=200
    ),
    "upstream_cut": Example(
        "The provider's stream ended before the answer did.", tried=True, upstream_status=200
    ),
    "unrepairable_json": Example(
        "The answer is not JSON and cannot be repaired: it ends inside a string (at character 412 "
        "of the value)",
        tried=True,
        upstream_status=200,
    ),
    "schema_violation": Example(
        "The answer of 'gpt-4.1' does not conform to response_format: items[0].price: value is not "
        'of type "number"',
        tried=True,
        upstream_status=200,
    ),
    "provider_unavailable": Example(
        "openai is unavailable or overloaded (status 503).", tried=True, upstream_status=503
    ),
    "upstream_unreachable": Example("api.openai.com refused the connection", tried=True),
    "upstream_timeout": Example(
        "openai sent no response headers within 120 s (response headers timeout)",
        tried=True,
    ),
}
"""A type without a row here is shown with its cause as its message."""


class Reason(NamedTuple):
    """One common cause of an error, and what to do about it."""

    why: str
    fix: str


REASONS: Mapping[str, tuple[Reason, ...]] = {
    "bad_http": (
        Reason("The client speaks TLS to a plain port.", "Use `http://`, or the proxy's port."),
        Reason("The client speaks HTTP/2 from the start.", "Configure it to use HTTP/1.1."),
        Reason(
            "The gateway is configured as the client's proxy.", "Use it as the base URL instead."
        ),
        Reason(
            "The request line or a header is malformed, as the message says.",
            "Use an HTTP library.",
        ),
    ),
    "invalid_json": (
        Reason("The body is empty, cut short, or form data.", "Send it with `json=` or `-d`."),
        Reason(
            "It contains `NaN`, `Infinity` or a trailing comma.", "Encode it with a JSON library."
        ),
    ),
    "unauthorized": (
        Reason("The header is missing or misspelt.", "It is `Authorization`, with a z."),
        Reason(
            "The key is in the query string or another header.",
            "Send it in `Authorization`; revoke it if it was in a URL.",
        ),
        Reason("Two `Authorization` headers were sent.", "Send one; a proxy may add another."),
        Reason(
            "The key was copied incompletely.", "Copy it again; its last characters are a checksum."
        ),
        Reason(
            "The key is unknown here, expired or revoked.",
            "`callgate keys list` tells the operator which; ask for a new one.",
        ),
    ),
    "path_not_found": (
        Reason(
            "The client's `base_url` lacks `/v1`, or has something after it.",
            "It is this gateway's address followed by `/v1`, once.",
        ),
        Reason(
            "The client speaks another API: Anthropic's Messages, OpenAI's Responses, Ollama's.",
            "Use one for OpenAI's Chat Completions; it reaches every model.",
        ),
        Reason("The path ends with a slash.", "Leave it out."),
    ),
    "model_not_found": (
        Reason("The name is misspelt.", "The message suggests similar names."),
        Reason("No provider is configured for it.", "`GET /v1/models` lists what is served."),
        Reason(
            "The operator no longer offers it.",
            "The operator can see: `callgate models show NAME`.",
        ),
    ),
    "context_too_long": (
        Reason("The conversation has grown.", "Drop or summarize its oldest turns."),
        Reason("`max_tokens` reserves much of the window.", "Lower it."),
        Reason(
            "Documents or images are large.",
            "Send fewer, or choose a model with a larger context window.",
        ),
    ),
    "rate_limited": (
        Reason("A burst of requests.", "Spread them; `X-RateLimit-Remaining` says what is left."),
        Reason("Several keys of one account.", "They share its limit: ask for a higher one."),
        Reason("Retries without a pause.", "Wait as long as `Retry-After` says."),
    ),
    "client_disconnected": (
        Reason("The client's timeout is shorter than the answer takes.", "Raise it, or stream."),
        Reason("A proxy in between gave up.", "Raise its read timeout."),
        Reason(
            "The caller read none of its answer for `server.write_timeout`.",
            "Read a stream to its end, or close it.",
        ),
    ),
    "provider_credentials": (
        Reason(
            "The key was revoked, or belongs to another account.",
            "Create a new one at the provider.",
        ),
        Reason(
            "The gateway's environment has another key than you think.", "Run `callgate check`."
        ),
    ),
    "provider_refused": (
        Reason("The account has no credit, or its card was declined.", "Check its billing."),
        Reason("Access to the model has to be requested.", "Request it in the provider's console."),
    ),
    "overloaded": (
        Reason(
            "A worker has more than `server.max_requests` in progress.", "Add workers or machines."
        ),
        Reason("A worker has reached its open-file limit.", "Raise `LimitNOFILE`; see `/ready`."),
        Reason(
            "The gateway is shutting down.", "Retry: another one answers, or the restarted one."
        ),
    ),
    "provider_rate_limited": (
        Reason("The operator's quota at the provider is used up.", "Ask the provider for more."),
        Reason("Others use the same account.", "Name `fallbacks`, or add a deployment."),
    ),
    "bad_upstream_reply": (
        Reason("A proxy or a login page answers in the provider's place.", "Check `base_url`."),
        Reason("The server speaks another dialect.", "Check the provider's `dialect`."),
    ),
    "upstream_cut": (
        Reason("The provider's server crashed or was replaced.", "Retry."),
        Reason("A proxy on the way cuts long connections.", "Raise its timeouts."),
    ),
    "schema_violation": (
        Reason("The model is too small for the schema.", "Choose another, or a simpler schema."),
        Reason("The provider does not enforce schemas.", "See the page on structured outputs."),
        Reason("The prompt asks for something else.", "Explain in it what the fields are for."),
    ),
    "upstream_unreachable": (
        Reason("The name does not resolve, or a firewall is in the way.", "Run `callgate check`."),
        Reason("The certificate is not trusted.", "Set `SSL_CERT_FILE`; see `callgate check`."),
    ),
    "upstream_timeout": (
        Reason("A long answer that is not streamed.", "Stream it, or lower `max_tokens`."),
        Reason("The model thinks for a long time.", "Raise `timeouts.first_token` and `headers`."),
    ),
}
"""The types that have several common causes, the likeliest first."""
