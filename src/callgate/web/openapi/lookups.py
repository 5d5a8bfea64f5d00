"""The operations of `/v1/requests` in the OpenAPI document."""

from __future__ import annotations

from callgate.web.filters import ANY, MOST, USUAL
from callgate.web.openapi.parts import ANYWHERE, BASIC, Json, answer, ref, refusals

PATH = "/v1/requests"

_REFUSED = (
    *ANYWHERE,
    "unauthorized",
    "wrong_region_key",
    "keys_unavailable",
    "overloaded",
    "records_unavailable",
)
_INSTANT = (
    "A span before now (`15m`, `24h`, `7d`), a date and time (`2026-01-31T12:00:00Z`; UTC unless "
    "it says otherwise), or Unix time in seconds or milliseconds."
)
_WORD: Json = {"type": "string", "minLength": 1, "maxLength": 256}


def request_list() -> Json:
    """The list of the account's requests."""
    return {
        "operationId": "listRequests",
        "tags": ["Requests"],
        "summary": "List the account's requests",
        "description": "Newest first, of all keys of the account; without the look-ups themselves.",
        "security": [{"Key": []}, {"BearerKey": []}],
        "parameters": [
            _filter("model", "The model that was asked for.", _WORD),
            _filter("status", "A status such as `404`, or a class such as `4xx`.", _WORD, "4xx"),
            _filter("error", f"A type of error, or `{ANY}` for all that failed.", _WORD, ANY),
            _filter(
                "min_duration",
                "Only those that took so long or longer, to the end of the response: a span such "
                "as `500ms`, `10s` or `2m`.",
                _WORD,
                "10s",
            ),
            _filter("min_cost", "Only those that cost so many US dollars or more.", _WORD, "0.50"),
            _filter("since", f"From then on. {_INSTANT}", _WORD, "24h"),
            _filter("until", f"Before then. {_INSTANT}", _WORD, "1s"),
            _filter(
                "limit",
                "How many at most.",
                {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
            ),
            _filter(
                "cursor",
                "The `next_cursor` of the list that this one continues.",
                {"type": "string", "format": "uuid"},
            ),
        ],
        "responses": {
            "200": answer(ref("RequestList"), "The requests."),
            **refusals((*_REFUSED, "invalid_field"), BASIC),
        },
    }


def request_shown() -> Json:
    """One request with its explanation."""
    return {
        "operationId": "getRequest",
        "tags": ["Requests"],
        "summary": "Explain one request",
        "description": "The whole record with its attempts, and what it means. Found as soon as "
        "the response has ended. Another account's request is as unknown as one that never was.",
        "security": [{"Key": []}, {"BearerKey": []}],
        "parameters": [
            {
                "name": "request_id",
                "in": "path",
                "required": True,
                "description": "The id that the response bore.",
                "schema": {"type": "string", "minLength": 1},
                "example": "019b0000-0000-7000-8000-000000000000",
            }
        ],
        "responses": {
            "200": answer(ref("ExplainedRecord"), "The record and its explanation."),
            **refusals((*_REFUSED, "request_not_found"), BASIC),
        },
    }


def _filter(name: str, description: str, schema: Json, example: str | None = None) -> Json:
    told: Json = {"name": name, "in": "query", "description": description, "schema": schema}
    return told if example is None else {**told, "example": example}
