"""The taxonomy: every failure that Callgate can report, as one table.

A failure is a `GatewayError` that carries a `Kind`, a row of `TAXONOMY`; callers never see any
other exception. By origin, which says whose fault it is::

    GatewayError
    ├── client    the request has to change
    │   ├── 400   bad_http, invalid_json, missing_field, invalid_field, unsupported_field,
    │   │         provider_rejected, context_too_long, content_filtered
    │   ├── 401   unauthorized
    │   ├── 403   wrong_region_key, model_not_allowed
    │   ├── 404   path_not_found, request_not_found, model_not_found, model_retired,
    │   │         model_not_in_region
    │   ├── 405   method_not_allowed
    │   ├── 408   request_timeout
    │   ├── 413   request_too_large, provider_request_too_large
    │   ├── 415   unsupported_media_type
    │   ├── 429   rate_limited, budget_exhausted
    │   ├── 431   headers_too_large
    │   ├── 499   client_disconnected
    │   └── 501   unsupported_transfer_coding
    ├── gateway   the operator has to change something
    │   ├── 500   internal_error
    │   ├── 501   checker_missing
    │   ├── 502   provider_credentials, provider_refused, provider_model_missing
    │   └── 503   overloaded, keys_unavailable, limits_unavailable, records_unavailable
    └── upstream  the provider failed
        ├── 429   provider_rate_limited
        ├── 502   bad_upstream_reply, upstream_cut, unrepairable_json, answer_diverged,
        │         schema_violation
        ├── 503   provider_unavailable, upstream_unreachable, circuit_open
        └── 504   upstream_timeout
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

Origin = Literal["client", "gateway", "upstream"]


class Kind(NamedTuple):
    """One row of the taxonomy. `retryable` speaks to the caller: may the same request succeed?"""

    type: str
    status: int
    origin: Origin
    retryable: bool
    cause: str
    fix: str


_ROWS = (
    # --- client ---------------------------------------------------------------------------------
    Kind(
        "bad_http", 400, "client", False,
        "The bytes received are not an HTTP/1.1 request.",
        "Send a well-formed HTTP request; check that the client is not speaking TLS to a plain "
        "port.",
    ),
    Kind(
        "invalid_json", 400, "client", False,
        "The body is not a JSON object.",
        "Send one JSON object, encoded as UTF-8, and nothing after it.",
    ),
    Kind(
        "missing_field", 400, "client", False,
        "A required field is absent.",
        "Add the field named in `param`.",
    ),
    Kind(
        "invalid_field", 400, "client", False,
        "A field has the wrong type or a value out of its range.",
        "Correct every field listed in `metadata.errors`.",
    ),
    Kind(
        "unsupported_field", 400, "client", False,
        "The chosen model cannot honour a field of the request.",
        "Leave out the field named in `param`, or choose a model that supports it.",
    ),
    Kind(
        "provider_rejected", 400, "client", False,
        "The provider found the request invalid.",
        "Change the request as the provider's message says.",
    ),
    Kind(
        "context_too_long", 400, "client", False,
        "The prompt and the requested output together exceed the model's context window.",
        "Shorten the prompt, lower `max_tokens`, or choose a model with a larger "
        "`context_length`.",
    ),
    Kind(
        "content_filtered", 400, "client", False,
        "The provider's content policy refused the request.",
        "Change the prompt; the provider's message names the policy.",
    ),
    Kind(
        "unauthorized", 401, "client", False,
        "No valid API key came with the request.",
        "Send the key in the header `Authorization: <key>`.",
    ),
    Kind(
        "wrong_region_key", 403, "client", False,
        "The key belongs to another region than this endpoint.",
        "Use the endpoint of the key's region, or a key of this region.",
    ),
    Kind(
        "model_not_allowed", 403, "client", False,
        "The key may not use this model.",
        "Choose a model that the key allows, or ask the operator to allow this one.",
    ),
    Kind(
        "path_not_found", 404, "client", False,
        "This gateway serves no such path.",
        "Check the path; `/openapi.json` lists what is served.",
    ),
    Kind(
        "request_not_found", 404, "client", False,
        "No request with this id is on record for this account.",
        "Check the id, and that the key belongs to the account that made the request.",
    ),
    Kind(
        "model_not_found", 404, "client", False,
        "This gateway serves no model of this name.",
        "Choose a model that `GET /v1/models` lists.",
    ),
    Kind(
        "model_retired", 404, "client", False,
        "The model has been retired by its provider.",
        "Use the successor that the message names.",
    ),
    Kind(
        "model_not_in_region", 404, "client", False,
        "The model is not served in this region.",
        "Use an endpoint of a region that serves it, or another model.",
    ),
    Kind(
        "method_not_allowed", 405, "client", False,
        "The path exists but not for this HTTP method.",
        "Use a method that the `Allow` header names.",
    ),
    Kind(
        "request_timeout", 408, "client", True,
        "The request's body did not arrive in time.",
        "Send the body without pauses; check the network between client and gateway.",
    ),
    Kind(
        "request_too_large", 413, "client", False,
        "The body is larger than this gateway accepts.",
        "Send less: pass large media by URL instead of base64, or shorten the prompt.",
    ),
    Kind(
        "provider_request_too_large", 413, "client", False,
        "The body is larger than the provider accepts.",
        "Send less: pass large media by URL instead of base64, or shorten the prompt.",
    ),
    Kind(
        "unsupported_media_type", 415, "client", False,
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json`.",
    ),
    Kind(
        "rate_limited", 429, "client", True,
        "The account's keys together have used up its requests for this model in the current "
        "60-second window.",
        "Wait as long as `Retry-After` says, spread requests out, or ask the operator for a higher "
        "limit.",
    ),
    Kind(
        "budget_exhausted", 429, "client", False,
        "The budget of the account, the key or the model for this day or month is spent.",
        "Ask the operator for a larger budget, or wait for the next day or month (UTC): "
        "`Retry-After` says how long.",
    ),
    Kind(
        "headers_too_large", 431, "client", False,
        "The request's headers are larger than this gateway accepts.",
        "Send fewer or shorter headers; large cookies are the usual reason.",
    ),
    Kind(
        "client_disconnected", 499, "client", True,
        "The caller closed the connection, or stopped reading, before the response was complete.",
        "Raise the client's own timeout, or stream the answer.",
    ),
    Kind(
        "unsupported_transfer_coding", 501, "client", False,
        "The body was sent with a transfer coding that this gateway does not know.",
        "Send the body as it is, with `Content-Length` or with `Transfer-Encoding: chunked` alone.",
    ),
    # --- gateway --------------------------------------------------------------------------------
    Kind(
        "internal_error", 500, "gateway", True,
        "A defect in Callgate.",
        "Report it with the request_id; a retry may succeed.",
    ),
    Kind(
        "checker_missing", 501, "gateway", False,
        "Answers cannot be checked against a JSON Schema here: the extra `structured` is missing.",
        "The operator has to install it; `callgate check` says how. Until then, leave out `strict` "
        "in `response_format`.",
    ),
    Kind(
        "provider_credentials", 502, "gateway", False,
        "The provider refused the credentials that the operator configured for it.",
        "The operator has to correct `api_key` of the provider named in the message.",
    ),
    Kind(
        "provider_refused", 502, "gateway", False,
        "The provider does not let the operator's account do this.",
        "The operator has to check billing, permissions and model access at the provider.",
    ),
    Kind(
        "provider_model_missing", 502, "gateway", False,
        "The provider does not know the upstream model that the operator configured.",
        "The operator has to correct `upstream_model` or `base_url` of the model.",
    ),
    Kind(
        "overloaded", 503, "gateway", True,
        "The gateway has as many requests or connections as it can carry, or is shutting down.",
        "Wait as long as `Retry-After` says, then retry.",
    ),
    Kind(
        "keys_unavailable", 503, "gateway", True,
        "The key could not be checked because the store does not answer.",
        "Retry shortly; the operator has to restore the store.",
    ),
    Kind(
        "limits_unavailable", 503, "gateway", True,
        "The table of limits is full or cannot be reached.",
        "Retry shortly; the operator has to check `/ready`.",
    ),
    Kind(
        "records_unavailable", 503, "gateway", True,
        "The record of a request could not be looked up: the store did not answer in time.",
        "Retry shortly; narrow a list by `since`. The operator has to check the store.",
    ),
    # --- upstream -------------------------------------------------------------------------------
    Kind(
        "provider_rate_limited", 429, "upstream", True,
        "The operator's account has reached the provider's own limit.",
        "Wait as long as `Retry-After` says, or name `fallbacks`.",
    ),
    Kind(
        "bad_upstream_reply", 502, "upstream", True,
        "The provider answered with something that is not a valid reply.",
        "Retry; if it persists, the operator has to check `base_url` and the provider's status.",
    ),
    Kind(
        "upstream_cut", 502, "upstream", True,
        "The provider's answer broke off before its end.",
        "Retry; if part of the answer was delivered, it is not a finished one.",
    ),
    Kind(
        "unrepairable_json", 502, "upstream", True,
        "The model was asked for JSON, and its answer is not JSON that can be repaired with "
        "certainty.",
        "Retry, describe the wanted JSON in the prompt, use `response_format`, or name "
        "`fallbacks`.",
    ),
    Kind(
        "answer_diverged", 502, "upstream", True,
        "The answer broke off, and another one did not begin with what was already delivered.",
        "Retry; what was delivered so far is not a finished answer.",
    ),
    Kind(
        "schema_violation", 502, "upstream", True,
        "The model's answer does not conform to `response_format`, even after it was told what "
        "was wrong.",
        "Retry, name `fallbacks`, choose a model that enforces schemas itself, or simplify the "
        "schema; `metadata.errors` lists what was wrong.",
    ),
    Kind(
        "provider_unavailable", 503, "upstream", True,
        "The provider reports that it is unavailable or overloaded.",
        "Retry after a pause, or name `fallbacks`.",
    ),
    Kind(
        "upstream_unreachable", 503, "upstream", True,
        "No connection to the provider could be made.",
        "Retry; if it persists, the operator has to check `base_url`, DNS, proxy and firewall.",
    ),
    Kind(
        "circuit_open", 503, "upstream", True,
        "The provider has failed so often recently that it is not being called for a while.",
        "Wait as long as `Retry-After` says, then retry, or name `fallbacks`.",
    ),
    Kind(
        "upstream_timeout", 504, "upstream", True,
        "The provider did not answer in time.",
        "Retry, lower `max_tokens`, or stream the answer.",
    ),
)  # fmt: skip

TAXONOMY: Mapping[str, Kind] = MappingProxyType({row.type: row for row in _ROWS})


class GatewayError(Exception):
    """One failure of a kind in the taxonomy.

    `message` is for the caller and holds no secret; `param` is the path of the field at fault;
    `errors` lists every fault if there are several; `cause` and `fix` replace the row's own when
    more is known; `retry_after` is in seconds; `detail` is for the operator alone (log and record),
    such as what the provider said about the operator's credentials.
    """

    def __init__(
        self,
        type: str,  # noqa: A002 - the contract's own name
        message: str,
        *,
        param: str | None = None,
        errors: Sequence[str] = (),
        cause: str | None = None,
        fix: str | None = None,
        retry_after: float | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = TAXONOMY[type]
        self.message = message
        self.param = param
        self.errors = tuple(errors) or (message.removeprefix("Invalid request: "),)
        self.cause = cause or self.kind.cause
        self.fix = fix or self.kind.fix
        self.retry_after = retry_after
        self.detail = detail
