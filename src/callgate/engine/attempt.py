"""One try at one deployment: encode, send, and make sense of what comes back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import Final

from callgate.core.captured import Exchange, Failure
from callgate.core.http import HttpResponse
from callgate.core.jsontext import parse
from callgate.core.record import Attempt
from callgate.core.redact import redact
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.trace import headers
from callgate.engine.call import Call
from callgate.engine.estimate import PER_TOKEN, estimate, written_in
from callgate.errors import GatewayError
from callgate.providers.auth import authorize
from callgate.providers.base import Dialect
from callgate.providers.registry import DIALECTS, dialect_of
from callgate.upstream.credentials import FETCHED, Credentials
from callgate.upstream.failure import named
from callgate.upstream.transport import Transport, UpstreamResponse

_MAX_ERROR_BYTES = 256 * 1024
_AT_ONCE: Final = 64 * 1024
"""Bytes of tools beyond which a request is encoded off the event loop: some dialects rewrite their
schemas, which takes about a second per MB."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

KEPT_BODY = 2048
"""How many characters of an unintelligible reply are kept."""

SEEN_BODY = 2 * KEPT_BODY
"""How many bytes of a reply `Try.keep_body` looks at."""

BESIDE = "asked by the Responses API: Chat Completions does not serve this request"
"""A note on the call."""

CUT_OFF = "the caller left, or the gateway ended"
"""The reason given for a cancelled attempt, until the gate says which of the two it was."""


def fail(attempt: Attempt, error: GatewayError) -> None:
    """Record the failure on the attempt; if more is tried, failover changes the decision."""
    attempt.error, attempt.message = error.kind.type, error.detail or error.message
    attempt.decision, attempt.reason = "stop", "no other target"


class Try:
    """One attempt, and its trace on the call.

    Use it as a context manager: whatever goes wrong inside is noted on the attempt, the upstream
    connection is released or closed, and the time is counted as the upstream's.
    """

    __slots__ = (
        "_call",
        "_client",
        "_credentials",
        "_exchange",
        "_is_sent",
        "_request",
        "_secrets",
        "_started",
        "attempt",
        "dialect",
        "response",
        "target",
    )

    def __init__(
        self, call: Call, target: Target, client: Transport, credentials: Credentials
    ) -> None:
        deployment = target.deployment
        self._call = call
        self._client = client
        self._credentials = credentials
        self._exchange: Exchange | None = None
        self._request: ChatRequest | None = None
        self._is_sent = False
        self._secrets: tuple[Secret, ...] = ()
        self._started = perf_counter_ns()
        self.target = target
        self.dialect: Dialect = DIALECTS[deployment.vendor.dialect]
        self.response: UpstreamResponse | None = None
        self.attempt = Attempt(
            model=target.model.name,
            provider=deployment.provider,
            deployment=deployment.id,
            upstream_model=deployment.upstream_model,
            host=deployment.origin.host,
            started_us=(self._started - call.started) // 1000,
        )
        call.attempts.append(self.attempt)
        call.target = target

    def __enter__(self) -> Try:
        return self

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        self.attempt.duration_us = (self.count_time() - self._started) // 1000
        if self.response is not None:
            if error is None:
                self.response.release()
            else:
                self.response.close()
        attempt = self.attempt
        if error is None:
            attempt.decision, attempt.reason = "done", "the answer is complete"
        elif isinstance(error, GatewayError):
            named(error, attempt.provider)
            fail(attempt, error)
            exchange = self._exchange
            if exchange is not None and not exchange.status:
                exchange.error = Failure.of(error)
            if error.kind.type == "upstream_timeout":
                self._note_given_up()
        else:
            left = isinstance(error, BaseException) and not isinstance(error, Exception)
            attempt.error = "client_disconnected" if left else "internal_error"
            attempt.decision = "stop"
            attempt.reason = CUT_OFF if left else "a defect in the gateway"
            if left:
                self._note_given_up()

    def _note_given_up(self) -> None:
        """Note that this is to be paid for, although nobody waits for the answer any longer."""
        request, abandoned = self._request, self._is_sent and self.response is None
        if self._exchange is not None:
            self._exchange.abandoned = abandoned
        if self.attempt.first_token_us is not None:  # the stream's own usage is counted elsewhere
            return
        answered = self.response is not None and 200 <= self.response.status < 300
        if request is not None and (abandoned or answered):
            asked = (self.attempt, self.target, estimate(request, self.target.model))
            self._call.given_up = (*self._call.given_up, asked)

    async def send(self, request: ChatRequest) -> UpstreamResponse:
        """Send the request in the target's dialect; returns a 2xx response, its body still unread.

        Raises GatewayError for anything else, as the dialect interprets it.
        """
        target, attempt = self.target, self.attempt
        deployment = target.deployment
        scheme = deployment.vendor.auth
        tools = request.raw.get("tools")
        if deployment.vendor.responses:
            self._choose(request)
        try:
            if tools is not None and len(tools) > _AT_ONCE:
                unsigned = await asyncio.to_thread(self.dialect.encode, request, target)
            else:
                unsigned = self.dialect.encode(request, target)
        except GatewayError as error:
            if request.turned is not None:
                request.turned.renamed(error)
            raise
        tape = self._call.tape
        if tape is not None:
            self._exchange = tape.begin(unsigned)
        if scheme in FETCHED:
            deployment = await self._credentials.current(deployment)
        self._secrets = (deployment.secret, deployment.session_token)
        now = datetime.now(UTC) if scheme == "sigv4" else None
        signed = authorize(unsigned, deployment, now)
        self._request = request
        trace = self._call.trace
        if trace is not None:
            told = headers(trace, self._call.request_id, len(self._call.attempts))
            signed = signed.with_headers((*signed.headers, *told))
        response = await self._client.send(
            signed,
            deployment.timeouts,
            streamed=bool(request.body.stream),
            sent=self._sent,
        )
        if tape is not None and self._exchange is not None:
            response = tape.taped(response, self._exchange)
        self.response = response
        attempt.status = response.status
        attempt.connect_us = response.connect_us
        attempt.headers_us = response.headers_us
        attempt.provider_request_id = response.headers.get(deployment.vendor.request_id_header)
        if not 200 <= response.status < 300:
            body = await response.read(_MAX_ERROR_BYTES)
            self._keep_unless_json(body)
            if response.status in _REDIRECTS:
                raise self._redirected(response)
            raise self.dialect.error(HttpResponse(response.status, response.headers, body), target)
        return response

    def _choose(self, request: ChatRequest) -> None:
        """Take the API that serves the request, and have the record say so if it is not the one."""
        usual, self.dialect = self.dialect, dialect_of(request, self.target)
        if self.dialect is not usual and BESIDE not in self._call.notes:
            self._call.notes.append(BESIDE)

    def _sent(self) -> None:
        self._is_sent = True

    def _redirected(self, response: UpstreamResponse) -> GatewayError:
        """Redirects are not followed: they would send prompt and credentials somewhere else."""
        provider = self.target.deployment.provider
        place = redact(response.headers.get("location") or "nowhere", self._secrets)
        return GatewayError(
            "bad_upstream_reply",
            f"{provider} answered with a redirect (status {response.status}).",
            cause="The address that the operator configured for the provider redirects to another.",
            fix=f"The operator has to set `base_url` of [providers.{provider}] to the new address.",
            detail=f"status {response.status}: redirects to {place[:KEPT_BODY]}",
        )

    async def whole(self, request: ChatRequest) -> ChatResponse:
        """The whole answer to the request; enters and leaves the context itself."""
        with self:
            response = await self.send(request)
            body = await response.read()
            try:
                answer = self.dialect.decode(
                    HttpResponse(response.status, response.headers, body), self.target
                )
            except GatewayError as error:
                if error.kind.type == "bad_upstream_reply":
                    self.keep_body(body)
                raise
            self.mark_first_token()
            if answer.usage is None:
                written = written_in(answer.choices) // PER_TOKEN
                answer.usage = estimate(request, self.target.model, written)
            return answer

    def _keep_unless_json(self, body: bytes) -> None:
        """Keep an error that is not JSON: most likely a proxy wrote it, not the provider."""
        try:
            parse(body or b"null")
        except ValueError:
            self.keep_body(body)

    def count_time(self) -> int:
        """Count the time since the last count as the upstream's; returns now (ns)."""
        return self._call.count_upstream(self._started)

    def mark_first_token(self) -> None:
        """Note the time of the first piece of the answer; later calls have no effect."""
        now = perf_counter_ns()
        if self.attempt.first_token_us is None:
            self.attempt.first_token_us = (now - self._started) // 1000
        if self._call.first_token_ns is None:
            self._call.first_token_ns = now - self._call.started

    def keep_body(self, body: bytes) -> None:
        """Keep the beginning of an unintelligible reply, redacted."""
        if not body:
            return
        # Redacted before it is cut: half a secret would not be recognised.
        text = body[:SEEN_BODY].decode("utf-8", "replace")
        self.attempt.body = redact(text, self._secrets)[:KEPT_BODY]
