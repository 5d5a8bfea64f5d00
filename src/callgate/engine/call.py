"""One call on its way through the gateway: what is known of it so far."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from time import perf_counter_ns, time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from msgspec import Raw

from callgate.core.chat import Usage
from callgate.core.mislaid import conceal_in, without_keys
from callgate.core.models import Model
from callgate.core.quota import Quota
from callgate.core.record import DECLINED, Attempt, Record, Splice
from callgate.core.request import ChatRequest
from callgate.core.target import Target
from callgate.core.trace import TraceContext
from callgate.core.validate import prompt_bytes
from callgate.core.withheld import withhold
from callgate.engine.tape import Tape
from callgate.errors import GatewayError
from callgate.store.base import Key

if TYPE_CHECKING:
    from callgate.engine.metering import Reservation

_SHORTER_THAN_KEYS: Final = 32
_ERRORS_KEPT = 20
_NO_HEADERS: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class TokenQuota:
    """The state of the token limit that has the least left. `reset` is Unix seconds."""

    __slots__ = ("limit", "remaining", "reset")

    def __init__(self, limit: int, remaining: int, reset: float) -> None:
        self.limit = limit
        self.remaining = remaining
        self.reset = reset


class Call:
    """The state of one request, filled in along its way; in the end the record is made from it.

    `started` and all other instants are `time.perf_counter_ns`; `arrived` is Unix seconds.
    `headers` are the request's as received, names in lower case; they are not recorded. `parts` are
    the targets and the usage of each, if more than one is paid for; `given_up` are attempts that
    were cancelled or timed out, with their targets and the usage to pay for. `degraded` says that
    limits were not exact while the call was served, `budget_warning` which budget is nearly spent;
    `reservations` are the tokens and money still to be settled. `listed` counts the entries
    streamed so far of each list in an answer.
    """

    __slots__ = (
        "arrived",
        "attempts",
        "budget_warning",
        "client",
        "client_request_id",
        "cost_usd",
        "defect",
        "degraded",
        "error",
        "finish_reason",
        "first_token_ns",
        "given_up",
        "headers",
        "key",
        "listed",
        "method",
        "model",
        "model_asked",
        "native_finish_reason",
        "notes",
        "parameters",
        "parts",
        "path",
        "paused_ns",
        "queue_ns",
        "quota",
        "request",
        "request_id",
        "reservations",
        "response_bytes",
        "settled",
        "splices",
        "started",
        "status",
        "tape",
        "target",
        "token_quota",
        "trace",
        "unkept",
        "upstream_ns",
        "upstream_until",
        "usage",
        "user_agent",
    )

    def __init__(self, request_id: str, arrived: float, method: str, path: str) -> None:
        self.request_id = request_id
        self.arrived = arrived
        self.started = perf_counter_ns()
        self.method = method
        self.path = path
        self.headers: Mapping[bytes, bytes] = _NO_HEADERS
        self.status = 0
        self.key: Key | None = None
        self.listed: dict[tuple[int, str], int] | None = None
        self.client_request_id: str | None = None
        self.user_agent: str | None = None
        self.client: str | None = None
        self.model_asked: str | None = None
        self.model: Model | None = None
        self.request: ChatRequest | None = None
        self.parameters: Mapping[str, Raw] | None = None
        self.quota: Quota | None = None
        self.degraded = False
        self.token_quota: TokenQuota | None = None
        self.budget_warning: str | None = None
        self.reservations: tuple[Reservation, ...] = ()
        self.target: Target | None = None
        self.attempts: list[Attempt] = []
        self.upstream_ns = self.upstream_until = self.queue_ns = self.paused_ns = 0
        self.first_token_ns: int | None = None
        self.usage: Usage | None = None
        self.parts: list[tuple[Target, Usage]] = []
        self.given_up: tuple[tuple[Attempt, Target, Usage], ...] = ()
        self.splices: list[Splice] = []
        self.cost_usd: float | None = None
        self.finish_reason: str | None = None
        self.native_finish_reason: str | None = None
        self.response_bytes = 0
        self.error: GatewayError | None = None
        self.defect: Exception | None = None
        self.notes: list[str] = []
        self.trace: TraceContext | None = None
        self.settled = False
        self.unkept = False
        self.tape: Tape | None = None

    def count_upstream(self, since: int) -> int:
        """Count the time from `since` until now as spent upstream; returns now (ns).

        Time up to `upstream_until` has been counted already and is not counted again.
        """
        now = perf_counter_ns()
        self.upstream_ns += now - max(since, self.upstream_until)
        self.upstream_until = now
        return now

    def elapsed_us(self) -> int:
        """Microseconds since the request arrived."""
        return (perf_counter_ns() - self.started) // 1000

    def now(self) -> float:
        """Unix seconds. Counted on from the arrival, calls that saw the clock being set would tell
        counters another time than the others do, and open their windows anew.
        """
        return time()

    def last_at(self, target: Target) -> Attempt:
        """The latest attempt at a target; one at another target may be under way, too."""
        deployment = target.deployment.id
        return next(one for one in reversed(self.attempts) if one.deployment == deployment)

    @property
    def private(self) -> bool:
        """Whether the request, or its key, forbids keeping any of the conversation."""
        return self.unkept or (self.key is not None and self.key.capture == "never")

    def server_timing(self) -> bytes:
        """The value of `Server-Timing` (https://www.w3.org/TR/server-timing/), in ms."""
        upstream, queue, paused = self.upstream_ns, self.queue_ns, self.paused_ns
        gateway = perf_counter_ns() - self.started - upstream - queue - paused
        told = b"gateway;dur=%b, upstream;dur=%b" % (_ms(gateway), _ms(upstream))
        if queue:
            told += b", queue;dur=" + _ms(queue)
        return told + b", pauses;dur=" + _ms(paused) if paused else told

    def record(self, region: Any) -> Record:
        """The record as things stand, once the status is known. `region` may be `marked`."""
        total_us = self.elapsed_us()
        upstream_us = self.upstream_ns // 1000
        key, error, request, target = self.key, self.error, self.request, self.target
        # Only what most calls have: passing a field's default costs as much as any other value.
        record = Record(
            request_id=self.request_id,
            time=int(self.arrived * 1000),
            region=region,
            method=self.method,
            path=self.path,
            status=self.status,
            account=None if key is None else key.account,
            key_id=None if key is None else key.id,
            client_request_id=self.client_request_id,
            user_agent=self.user_agent,
            client=self.client,
            model=self.model_asked,
            model_served=None if target is None else target.model.name,
            provider=None if target is None else target.deployment.provider,
            response_bytes=self.response_bytes,
            finish_reason=self.finish_reason,
            native_finish_reason=self.native_finish_reason,
            usage=self.usage,
            total_us=total_us,
            upstream_us=upstream_us,
            gateway_us=total_us - upstream_us - self.queue_ns // 1000 - self.paused_ns // 1000,
            attempts=self.attempts,
        )
        quota = self.quota
        if quota is not None and self.model is not None:
            record.quota_model, record.quota_limit = self.model.name, quota.limit
            record.quota_left, record.quota_until = quota.remaining, int(quota.reset * 1000)
        if request is not None:
            prompt = prompt_bytes(request)
            if self.parameters is not None:
                record.parameters = _kept(self.parameters)
            record.message_count = len(request.messages)
            record.prompt_bytes = len(prompt)
            record.prompt_sha256 = sha256(prompt).hexdigest()
            if request.body.stream:
                record.stream = True
        self._add_seldom(record)
        if error is not None:
            _add_error(record, error)
        if self.private:
            withhold(record)
        return record

    def _add_seldom(self, record: Record) -> None:
        """Add what only some calls have."""
        if self.cost_usd is not None:
            record.cost_usd = self.cost_usd
        if self.first_token_ns:
            record.first_token_us = self.first_token_ns // 1000
        if self.queue_ns:
            record.queue_us = self.queue_ns // 1000
        if self.paused_ns:
            record.paused_us = self.paused_ns // 1000
        if self.splices:
            record.splices = self.splices
        if self.notes:
            record.notes = self.notes
        if self.trace is not None:
            record.trace = self.trace
        if self.tape is not None and not self.private:
            record.captured = self.tape.decide(self.error, self.attempts)


def _kept(parameters: Mapping[str, Raw]) -> Mapping[str, Raw]:
    """The parameters to record, without callers' keys; few values are long enough to hold one."""
    for name, raw in parameters.items():
        if len(raw) > _SHORTER_THAN_KEYS or len(name) > _SHORTER_THAN_KEYS:  # noqa: SIM102
            if bytes(raw).find(b"cg_") >= 0 or name.find("cg_") >= 0:
                return without_keys(parameters)
    return parameters


def note_declined(call: Call) -> None:
    """Note, once, that the model refused: nothing else in the record says so."""
    if DECLINED not in call.notes:
        call.notes.append(DECLINED)


def _add_error(record: Record, error: GatewayError) -> None:
    record.error, record.origin = error.kind.type, error.kind.origin
    record.message, record.param, record.detail = error.message, error.param, error.detail
    if len(error.errors) > 1 and error.kind.status == 400:  # others may quote the answer
        record.errors = error.errors[:_ERRORS_KEPT]
    if error.cause is not error.kind.cause:
        record.cause = error.cause
    if error.fix is not error.kind.fix:
        record.fix = error.fix
    conceal_in(record)


def _ms(ns: int) -> bytes:
    """Nanoseconds (not negative) as milliseconds with three decimals."""
    us = (ns + 500) // 1000
    return b"%d.%b" % (us // 1000, (b"%d" % (us % 1000 + 1000))[1:])
