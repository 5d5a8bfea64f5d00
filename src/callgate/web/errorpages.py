"""The explanation of each type of error: the text of the troubleshooting page, and its routes.

`docs/generate.py` writes the same text into `docs/troubleshooting.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from textwrap import wrap

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.core.present import DOCS_PATH, error_json
from callgate.core.record import Attempt
from callgate.errors import TAXONOMY, GatewayError, Kind
from callgate.web.errorexamples import EXAMPLES, REASONS, Example
from callgate.web.shapes import ErrorType, ErrorTypeList

_EXAMPLE_ID = "01997c3e-7d3a-7c12-9a41-5c1f0c6f2b7e"
_WIDTH = 118
_REFERRED = (429, 503)
_CALLER_LEFT = 499
_KINDS = tuple(sorted(TAXONOMY.values(), key=lambda kind: kind.status))
_TITLES: Mapping[int, str] = {
    400: "400: the request is wrong",
    401: "401: the key is missing or invalid",
    403: "403: the key may not do this",
    404: "404: not found",
    405: "405: the method is wrong",
    408: "408: the request came too slowly",
    413: "413: the request is too large",
    415: "415: the body is not JSON",
    429: "429: a limit is used up",
    431: "431: the headers are too large",
    499: "499: the caller left",
    500: "500: a defect in Callgate",
    501: "501: this gateway lacks a part",
    502: "502: the provider's answer is unusable",
    503: "503: unavailable for now",
    504: "504: the provider took too long",
}
_ORIGINS: Mapping[str, str] = {
    "client": "the caller",
    "gateway": "the gateway's operator",
    "upstream": "the provider",
}


class ErrorPages:
    """The routes. Public: the text is the same for everybody and reveals nothing of this gateway.

    As Markdown, or as JSON for clients that accept it.
    """

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [
            Route(DOCS_PATH.rstrip("/"), self.list, methods=["GET"]),
            Route(DOCS_PATH + "{type}", self.show, methods=["GET"]),
        ]

    async def list(self, request: Request) -> Response:
        """Every type of error."""
        if _wants_json(request):
            return _json(ErrorTypeList(data=[_row(kind) for kind in TAXONOMY.values()]))
        return _text("\n".join(_overview(DOCS_PATH)))

    async def show(self, request: Request) -> Response:
        """One type of error."""
        kind = TAXONOMY.get(request.path_params["type"])
        if kind is None:
            raise HTTPException(404)
        return _json(_row(kind)) if _wants_json(request) else _text("\n".join(section(kind)))


def _wants_json(request: Request) -> bool:
    return "json" in request.headers.get("accept", "")


def _row(kind: Kind) -> ErrorType:
    return ErrorType(**kind._asdict(), docs=DOCS_PATH + kind.type)


def _json(value: ErrorType | ErrorTypeList) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _text(text: str) -> Response:
    return Response(text + "\n", media_type="text/plain")


def errors() -> str:
    """Every type of error: an overview, then a section per status and a part per type."""
    lines = list(_overview("#"))
    status = 0
    for kind in _KINDS:
        if kind.status != status:
            status = kind.status
            lines += ["", f"## {_TITLES.get(status, str(status))}"]
        lines += ["", *section(kind)]
    return "\n".join([*lines, ""])


def _overview(link: str) -> Iterator[str]:
    yield "| status | type | whose fault | retry |"
    yield "|---|---|---|---|"
    for kind in _KINDS:
        retry = "yes" if kind.retryable else "no"
        named = f"[`{kind.type}`]({link}{kind.type})"
        yield f"| {kind.status} | {named} | {_ORIGINS[kind.origin]} | {retry} |"


def section(kind: Kind) -> Iterator[str]:
    """The section on one type, as lines of Markdown."""
    example = EXAMPLES.get(kind.type) or Example(kind.cause)
    yield f"### {kind.type}"
    yield ""
    yield from _item("Symptom", _symptom(kind))
    yield from _item("Cause", kind.cause)
    yield from _item("Fix", kind.fix)
    yield from _item("Retry", _retry(kind))
    yield from _item("Whose fault", f"{_ORIGINS[kind.origin]}.")
    yield ""
    reasons = REASONS.get(kind.type, ())
    if reasons:
        yield "| common cause | what to do |"
        yield "|---|---|"
        yield from (f"| {reason.why} | {reason.fix} |" for reason in reasons)
        yield ""
    yield "```json"
    yield _body(kind, example)
    yield "```"


def _item(label: str, text: str) -> list[str]:
    return wrap(f"- **{label}**: {text}", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)


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
        return "yes, after waiting as long as `Retry-After` says."
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
