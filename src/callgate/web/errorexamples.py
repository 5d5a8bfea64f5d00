"""What the errors of each type look like, and what else may be behind them: data of their pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Example(NamedTuple):
    """What an error of a type looks like: its message, the field at fault, the provider's status.

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
    "unsupported_transfer_coding": Example(
        "`Transfer-Encoding` names more than the coding `chunked`"
    ),
    "internal_error": Example("The gateway failed to handle this request"),
    "checker_missing": Example(
        "Answers cannot be held against a JSON Schema here: the extra 'structured' of the gateway "
        "is not installed",
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
    """One of several things that may be behind an error, and what to do about it."""

    why: str
    fix: str


REASONS: Mapping[str, tuple[Reason, ...]] = {
    "bad_http": (
        Reason("The client speaks TLS to a plain port.", "Use `http://`, or the proxy's port."),
        Reason("The client speaks HTTP/2 from the start.", "Let it speak HTTP/1.1."),
        Reason("The gateway was named as the client's proxy.", "It is the address to send to."),
        Reason(
            "A header line or the request line is malformed, as the message says.",
            "Use an HTTP library.",
        ),
    ),
    "invalid_json": (
        Reason("The body is empty, cut short, or form data.", "Send it with `json=` or `-d`."),
        Reason("It holds `NaN`, `Infinity` or a trailing comma.", "Encode it with a JSON library."),
    ),
    "unauthorized": (
        Reason("The header is missing or misspelt.", "It is `Authorization`, with a z."),
        Reason("The key is in the query string or another header.", "Move it, and revoke it."),
        Reason("Two `Authorization` headers were sent.", "Send one; a proxy may add another."),
        Reason("The key was copied in part.", "Copy it again; its last characters are a checksum."),
        Reason(
            "The key is unknown here, expired or revoked.",
            "`callgate keys list` tells the operator which; ask for a new one.",
        ),
    ),
    "path_not_found": (
        Reason(
            "The client's `base_url` lacks `/v1`, or has more.",
            "It is this gateway's address with `/v1` behind it, once.",
        ),
        Reason(
            "The client speaks another API: Anthropic's Messages, OpenAI's Responses, Ollama's.",
            "Use one for OpenAI's Chat Completions; it reaches every model.",
        ),
        Reason("There is a slash at the end.", "Leave it out."),
    ),
    "model_not_found": (
        Reason("The name is misspelt.", "The message offers the nearest names."),
        Reason("The operator has no provider for it.", "`GET /v1/models` lists what is served."),
        Reason(
            "The operator offers it no more.", "`callgate models show NAME` tells the operator."
        ),
    ),
    "context_too_long": (
        Reason("The conversation has grown.", "Drop or summarize its oldest turns."),
        Reason("`max_tokens` reserves much of the window.", "Lower it."),
        Reason("Documents or images are large.", "Send fewer, or choose a wider model."),
    ),
    "rate_limited": (
        Reason("A burst of requests.", "Spread them; `X-RateLimit-Remaining` says what is left."),
        Reason("Several keys of one account.", "They share its windows: ask for a higher limit."),
        Reason("Retries without a pause.", "Wait as long as `Retry-After` says."),
    ),
    "client_disconnected": (
        Reason("The client's timeout is shorter than the answer takes.", "Raise it, or stream."),
        Reason("A proxy between the two gave up.", "Raise its read timeout."),
        Reason(
            "The caller read nothing of its answer for `server.write_timeout`.",
            "Read a stream to its end, or close it.",
        ),
    ),
    "provider_credentials": (
        Reason("The key was revoked, or is another account's.", "Make a new one at the provider."),
        Reason("The variable in the configuration is of another machine.", "`callgate check`."),
    ),
    "provider_refused": (
        Reason("The account has no credit, or its card was declined.", "Look at its billing."),
        Reason("Access to the model has to be asked for.", "Ask for it in the provider's console."),
    ),
    "overloaded": (
        Reason("More than `server.max_requests` at once in a worker.", "Add workers or machines."),
        Reason("A worker may open no more files.", "Raise `LimitNOFILE`; see `/ready`."),
        Reason("The gateway is stopping.", "Retry: another one answers, or it once it is back."),
    ),
    "provider_rate_limited": (
        Reason("The operator's quota at the provider is used up.", "Ask the provider for more."),
        Reason("Other users of the same account.", "Name `fallbacks`, or add a deployment."),
    ),
    "bad_upstream_reply": (
        Reason("A proxy or a login page answers in the provider's place.", "Check `base_url`."),
        Reason("The server speaks another dialect.", "Check `dialect` of the provider."),
    ),
    "upstream_cut": (
        Reason("The provider's server fell or was replaced.", "Retry."),
        Reason("A proxy on the way ends long connections.", "Raise its timeouts."),
    ),
    "schema_violation": (
        Reason("The model is too small for the schema.", "Choose another, or a simpler schema."),
        Reason("The provider does not enforce schemas.", "The page on structured outputs tells."),
        Reason("The prompt asks for something else.", "Describe in it what the fields are for."),
    ),
    "upstream_unreachable": (
        Reason("The name does not resolve, or a firewall is in the way.", "`callgate check`."),
        Reason("The certificate is not trusted.", "Set `SSL_CERT_FILE`; see `callgate check`."),
    ),
    "upstream_timeout": (
        Reason("A long answer that is not streamed.", "Stream it, or lower `max_tokens`."),
        Reason("The model thinks for long.", "Raise `timeouts.first_token` and `headers`."),
    ),
}
"""The types behind which there may be several things, the likeliest first."""
