"""`POST /v1/chat/completions`: from ASGI to the engine and back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Final

import msgspec
from msgspec import Raw

from callgate.core.captured import HEADER, Failure
from callgate.core.chat import Chunk, Name, Named
from callgate.core.present import response_json
from callgate.core.record import BEGUN
from callgate.core.sse import encode as event
from callgate.core.template import Run
from callgate.core.validate import parameters, parse_chat
from callgate.engine.attempt import CUT_OFF
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.engine import Engine, Stream
from callgate.errors import GatewayError
from callgate.store.base import Key
from callgate.web.authentication import Authenticator
from callgate.web.body import Send, read_body
from callgate.web.chunks import ChunkWriter
from callgate.web.defect import internal_error
from callgate.web.errorwriter import ErrorWriter
from callgate.web.exchange import Incoming
from callgate.web.head import Head
from callgate.web.headers import check_media_type, note_client, trace_of
from callgate.web.methods import wrong_method
from callgate.web.queue import Queue
from callgate.web.reply import EVENT_STREAM, JSON, head_lines, headers_of, piece, send_whole
from callgate.web.settings import ChatSettings
from callgate.web.taping import Taping

CHAT_PATH: Final = "/v1/chat/completions"
_DONE = b"data: [DONE]\n\n"
_UNBUFFERED = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"
_LARGE: Final = 1_000_000
_TRUE: Final = Raw(b"true")


class Chat:
    """The chat route. Failures before the first byte are raised as GatewayError to the gate.

    `streams` counts those in progress.
    """

    def __init__(
        self,
        engine: Engine,
        authenticator: Authenticator,
        taping: Taping,
        settings: ChatSettings,
        errors: ErrorWriter,
    ) -> None:
        self.engine = engine
        self._taping = taping
        self._authenticator = authenticator
        self._settings = settings
        self._errors = errors
        self.streams = 0
        self.queue = Queue(settings.max_requests, settings.max_queue, settings.queue_timeout)

    async def serve(self, call: Call, head: Head, exchange: Incoming) -> None:
        """Answer one request, or raise GatewayError as long as nothing has been sent.

        If all places are taken it waits in the queue; if that is full it is refused at once, before
        its key is looked at.
        """
        queue = self.queue
        if queue.taken < queue.places:
            queue.taken += 1
        else:
            await self._wait(call, head)
        try:
            await self._serve(call, head, exchange)
        finally:
            queue.leave()

    async def _wait(self, call: Call, head: Head) -> None:
        """Wait for a place in the queue, which only callers with a valid key may do."""
        self.queue.check()
        note_client(call, head.headers)
        await self._authenticator.key(call, head.headers, head.query)
        began = perf_counter_ns()
        try:
            await self.queue.enter()
        finally:
            call.queue_ns = perf_counter_ns() - began

    async def _serve(self, call: Call, head: Head, exchange: Incoming) -> None:
        headers = head.headers
        note_client(call, headers)
        if self._settings.trace_share is not None:
            call.trace = trace_of(call, headers, self._settings.trace_share)
        if head.method != "POST":
            raise wrong_method(head.method, "POST")
        key = await self._authenticator.key(call, headers, head.query)
        taping = self._taping
        send: Send = exchange.send
        if taping.always or key.capture is not None or HEADER in headers:
            send = taping.begin(call, key, headers, send)
        check_media_type(headers)
        settings = self._settings
        body = exchange.arrived(settings.max_body_bytes)
        if body is None:
            try:
                body = await read_body(exchange.receive, headers, settings.max_body_bytes)
            except GatewayError as error:
                if call.tape is not None:
                    call.tape.unread = Failure.of(error)
                raise
        if call.tape is not None:
            call.tape.read(body)
        candidates = await self._admit(call, key, body)
        if candidates[0].request.body.stream:
            self.streams += 1
            try:
                await self._stream(call, candidates, send, exchange)
            finally:
                self.streams -= 1
        else:
            await self._whole(call, candidates, send, exchange)

    async def look_at_quota(self, call: Call) -> None:
        """Fill in the state of the window for a call that was refused before it reserved."""
        if call.quota is None and call.key is not None and call.model is not None:
            try:
                await self.engine.admission.look(call, call.key, call.model)
            except GatewayError:
                return  # an error about limits must not hide the original one

    async def _admit(self, call: Call, key: Key, body: bytes) -> list[Candidate]:
        admission = self.engine.admission
        try:
            if len(body) > _LARGE:  # this may take long: keep it off the event loop
                request = await asyncio.to_thread(parse_chat, body)
            else:
                request = parse_chat(body)
        except GatewayError:
            self._note(call, key, body)
            raise
        call.request, call.parameters = request, parameters(request)
        if request.unknown:
            call.unkept = request.raw.get("zero_data_retention") == _TRUE
        model = admission.choose(call, key, request.body.model)
        if len(body) > _LARGE and (request.body.fallbacks or model.fallbacks):
            # Each fallback may parse the body again, which may take as long.
            found = await asyncio.to_thread(admission.candidates, key, request, model)
        else:
            found = admission.candidates(key, request, model)
        return await admission.enter(call, key, found)

    def _note(self, call: Call, key: Key, body: bytes) -> None:
        """Note the model of a body with mistakes, if it names one, so that limits are reported."""
        try:
            named = msgspec.json.decode(body, type=Named)
            call.unkept = named.zero_data_retention is True
            model = msgspec.convert(named.model, Name)
            self.engine.admission.choose(call, key, model)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, GatewayError):
            return

    async def _whole(
        self, call: Call, candidates: list[Candidate], send: Send, exchange: Incoming
    ) -> None:
        answer = await self.engine.complete(call, candidates)
        assert call.target is not None
        body = response_json(
            answer,
            request_id=call.request_id,
            model=call.target.model.name,
            parameters=call.parameters or {},
            llm_status=call.attempts[-1].status or 200,
            response_time_ns=perf_counter_ns() - call.started,
        )
        call.status, call.response_bytes = 200, len(body)
        self.engine.settle(call)
        lines = head_lines(call, JSON)
        if call.tape is not None or not exchange.respond(200, lines, body):
            await send_whole(send, 200, headers_of(lines), body)

    async def _stream(
        self,
        call: Call,
        candidates: list[Candidate],
        send: Send,
        exchange: Incoming,
    ) -> None:
        chunks = ChunkWriter(call)
        try:
            with await self.engine.stream(call, candidates) as relay:
                lines = head_lines(call, EVENT_STREAM) + _UNBUFFERED
                call.status = 200
                if call.tape is not None or not exchange.start(200, lines):
                    headers = headers_of(lines)
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                await self._relay(call, relay, chunks, send, exchange)
        except GatewayError as error:
            if call.status != 200:
                raise
            tail = self._broken_off(call, error)
        except Exception as defect:
            if call.status != 200:
                raise
            tail = self._broken_off(call, internal_error(call, defect))
        except asyncio.CancelledError:
            if call.status != 200 or exchange.gone:
                raise
            tail = self._broken_off(call, stopping(call))
        else:
            tail = chunks.usage() + _DONE if candidates[0].request.wants_usage else _DONE
        call.response_bytes += len(tail)
        self.engine.settle(call)
        await send(piece(tail, more=False))

    async def _relay(
        self,
        call: Call,
        relay: Stream,
        chunks: ChunkWriter,
        send: Send,
        exchange: Incoming,
    ) -> None:
        def push(ready: Sequence[Chunk]) -> bool:
            body = chunks.all(ready)
            call.response_bytes += len(body)
            return exchange.push(body)

        def again(run: Run) -> bool:
            body = chunks.again(run)
            call.response_bytes += len(body)
            return exchange.push(body)

        while (ready := await relay.next()) is not None:
            body = chunks.all(ready)
            call.response_bytes += len(body)
            await send(piece(body))
            if call.tape is None:
                await relay.pour(push, again)

    def _broken_off(self, call: Call, error: GatewayError) -> bytes:
        """The in-band event that ends a stream which failed after its first byte."""
        call.error, call.status = error, error.kind.status
        call.notes.append(BEGUN)
        return event(self._errors.body(call, error))


def stopping(call: Call) -> GatewayError:
    """The error for a request that the process's end cuts off.

    Its attempts are corrected to say so, rather than that the caller left.
    """
    for attempt in call.attempts:
        if attempt.reason == CUT_OFF:
            attempt.error, attempt.reason = "overloaded", "the gateway ended"
    return GatewayError("overloaded", "The gateway is shutting down")


def note_left(call: Call) -> None:
    """Have the attempt that was cut off say that the caller left."""
    for attempt in call.attempts:
        if attempt.reason == CUT_OFF:
            attempt.reason = "the caller left"
