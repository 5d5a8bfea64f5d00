"""`GET /v1/requests/{request_id}` and `GET /v1/requests`: callers look up what became of theirs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.core.ids import is_request_id
from callgate.core.record import Record
from callgate.core.redact import redact
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.store.base import Page, Query, StoreError
from callgate.support.story import ExplainedRecord
from callgate.web.authentication import Authenticator
from callgate.web.filters import read_filters
from callgate.web.headers import note_client
from callgate.web.lookups import Lookups
from callgate.web.openapi.lookups import PATH
from callgate.web.shapes import RequestList, RequestSummary

T = TypeVar("T")
Explain = Callable[[Record], ExplainedRecord]
"""Gives a record as its caller may see it, with its explanation. Blocks."""

_SECONDS = 0.5
_DAY_MS = 86_400_000
_SHOWN = 100
_encode = msgspec.json.Encoder().encode


class Reader(Protocol):
    """Where records are found, shipped or not. Everything blocks and may raise StoreError."""

    def get(self, request_id: str, /) -> Record | None:
        """The record of this id."""
        ...

    def page(
        self, query: Query, oldest: int, seconds: float, keep: Callable[[Record], bool], /
    ) -> Page:
        """The newest that match and are kept, back to `oldest` (Unix ms), in about so long."""
        ...


class Requests:
    """The routes. An account sees its own requests and nobody else's."""

    def __init__(
        self,
        reader: Reader,
        explain: Explain,
        authenticator: Authenticator,
        lookups: Lookups,
        retention_days: int,
    ) -> None:
        self._reader = reader
        self._explain = explain
        self._authenticator = authenticator
        self._lookups = lookups
        self._retention_ms = retention_days * _DAY_MS

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [
            Route(PATH, self.list, methods=["GET"]),
            Route(PATH + "/{request_id}", self.show, methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """One request's record with its explanation.

        Raises GatewayError `request_not_found`, the same for an unknown id and for another's.
        """
        account = await self._account(request)
        wanted: str = request.path_params["request_id"]
        canonical = wanted.lower()

        def find() -> bytes | None:
            if not is_request_id(canonical):
                return None
            record = self._reader.get(canonical)
            if record is None or record.account != account:
                return None
            return _encode(self._explain(record))

        body = await self._look_up(account, find)
        if body is None:
            raise GatewayError(
                "request_not_found",
                f"No request {redact(wanted[:_SHOWN])!r} is on record for this account",
            )
        return Response(body, media_type="application/json")

    async def list(self, request: Request) -> Response:
        """The account's own requests, newest first; not the look-ups themselves.

        Raises GatewayError `invalid_field` for parameters that make no sense.
        """
        account = await self._account(request)
        now = time.time_ns() // 1_000_000
        query = read_filters(request.query_params.multi_items(), account, now)
        oldest = now - self._retention_ms

        def find() -> bytes:
            page = self._reader.page(query, oldest, _SECONDS, _is_no_lookup)
            listed = [_summary(record) for record in page.records]
            return _encode(RequestList(data=listed, next_cursor=page.cursor))

        body = await self._look_up(account, find)
        return Response(body, media_type="application/json")

    async def _account(self, request: Request) -> str:
        call: Call = request.scope["state"]["call"]
        headers = dict(request.scope["headers"])
        note_client(call, headers)
        key = await self._authenticator.key(call, headers, request.scope["query_string"])
        return key.account

    async def _look_up(self, account: str, work: Callable[[], T]) -> T:
        try:
            return await self._lookups.run(account, work)
        except StoreError as error:
            raise GatewayError(
                "records_unavailable", "The records could not be read just now", detail=str(error)
            ) from None


def _is_no_lookup(record: Record) -> bool:
    return not record.path.startswith(PATH)


def _summary(record: Record) -> RequestSummary:
    return RequestSummary(
        request_id=record.request_id,
        time=record.time,
        method=record.method,
        path=record.path,
        status=record.status,
        key_id=record.key_id,
        client_request_id=record.client_request_id,
        model=record.model,
        model_served=record.model_served,
        provider=record.provider,
        stream=record.stream,
        error=record.error,
        origin=record.origin,
        message=record.message,
        finish_reason=record.finish_reason,
        input_tokens=record.usage.input_tokens if record.usage is not None else None,
        output_tokens=record.usage.output_tokens if record.usage is not None else None,
        cost_usd=record.cost_usd,
        total_us=record.total_us,
        attempts=len(record.attempts),
    )
