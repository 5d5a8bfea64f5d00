"""The gate: every request enters here, and the hot path runs through this file.

`POST /v1/chat/completions` is answered by `web.chat`; everything else by a Starlette application
(`cold`), which gets its request id, error shape and record from here as well.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from time import time, time_ns
from typing import Any

from callgate.core.ids import uuid7
from callgate.core.redact import redact
from callgate.engine.call import Call
from callgate.engine.tape import Keeper
from callgate.errors import GatewayError
from callgate.web.body import Message, Receive, Send
from callgate.web.chat import CHAT_PATH, Chat, note_left, stopping
from callgate.web.defect import internal_error
from callgate.web.errorwriter import ErrorWriter
from callgate.web.exchange import Incoming
from callgate.web.head import Head
from callgate.web.reply import DEGRADED, error_headers, send_whole
from callgate.web.taping import taped

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_UNRECORDED = ("/health", "/ready", "/openapi.json")
_MAX_PATH = 1024
_LEFT = "The caller closed the connection"


class Gate:
    """Serves every request; `errors` writes the bodies of failures."""

    def __init__(self, chat: Chat, cold: App, keeper: Keeper, errors: ErrorWriter) -> None:
        self._keeper = keeper
        self._chat = chat
        self._engine = chat.engine
        self._counters = chat.engine.admission.counters
        self._cold = cold
        self._errors = errors
        # Seeded by the system, in each process; an id is no secret.
        self._chance = random.Random()  # noqa: S311

    async def serve(self, head: Head, exchange: Incoming) -> None:
        """Serve one request."""
        path = head.path
        call = Call(self._request_id(), time(), head.method, path)
        call.headers = head.headers
        if self._counters.trouble is not None:
            call.degraded = True
        client = head.client
        if client is not None:
            call.client = client[0]
        try:
            if path == CHAT_PATH:
                await self._chat.serve(call, head, exchange)
            else:
                await self._serve_cold(call, head, exchange)
        except GatewayError as error:
            await self._refuse(call, error, exchange)
        except asyncio.CancelledError:
            if not exchange.gone:  # the process is ending
                await self._refuse(call, stopping(call), exchange)
                raise
            self._abandon(call, unread=exchange.unread)
        except Exception as defect:  # the caller gets an answer in any case
            await self._refuse(call, internal_error(call, defect), exchange)
        finally:
            if call.tape is not None:
                self._keeper.keep(call)
            if call.error is not None:
                # Its traceback has frames that refer to the call: without this, every failed
                # request would be left to the garbage collector.
                call.error.__traceback__ = call.error.__context__ = None

    def refuse_unparsed(self, error: GatewayError, client: str | None) -> tuple[str, bytes]:
        """Record bytes that never became a request; returns an id and the body to answer with."""
        call = Call(self._request_id(), time(), "", "")
        call.client = client
        call.error, call.status = error, error.kind.status
        self._engine.settle(call)
        return call.request_id, self._errors.body(call, error)

    def _request_id(self) -> str:
        return uuid7(time_ns() // 1_000_000, self._chance.getrandbits(80))

    async def _serve_cold(self, call: Call, head: Head, exchange: Incoming) -> None:
        call.path = redact(call.path[:_MAX_PATH])  # it may contain a key
        scope = {**head.scope(), "state": {"call": call}}
        request_id = (b"x-request-id", call.request_id.encode())

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                timing = (b"server-timing", call.server_timing())
                message["headers"] = [*message.get("headers", ()), request_id, timing]
                if call.degraded:
                    message["headers"].append(DEGRADED)
                if call.path not in _UNRECORDED or call.status >= 500:
                    self._engine.settle(call)
            await exchange.send(message)

        await self._cold(scope, exchange.receive, marked)

    async def _refuse(self, call: Call, error: GatewayError, exchange: Incoming) -> None:
        begun = call.status != 0
        call.error, call.status = error, error.kind.status
        if begun:  # the connection cuts off a response that is left incomplete
            self._engine.settle(call)
            return
        try:
            await self._chat.look_at_quota(call)
        except asyncio.CancelledError:  # the caller has left meanwhile
            self._engine.settle(call)
            raise
        body = self._errors.body(call, error)
        call.response_bytes = len(body)
        self._engine.settle(call)
        send = exchange.send if call.tape is None else taped(exchange.send, call.tape)
        await send_whole(send, call.status, error_headers(call, error), body)

    def _abandon(self, call: Call, *, unread: bool) -> None:
        """The caller has left, or reads nothing; the record is kept all the same."""
        if call.error is None:
            why = "The caller read none of the answer" if unread else _LEFT
            call.error = GatewayError("client_disconnected", why)
        call.status = call.error.kind.status
        note_left(call)
        self._engine.settle(call)
