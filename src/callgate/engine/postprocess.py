"""The finishing of whole answers: the steps that the request asks for, before anybody sees them.

A step that refuses the answer fails the attempt, so that another target may be asked. It comes
last, after everything else that makes the answer what the caller asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from callgate.core.accumulator import Accumulator, as_chunks
from callgate.core.chat import Chunk, Json
from callgate.core.redact import redact
from callgate.core.response import ChatResponse
from callgate.core.steps import RefusedError, size, take
from callgate.core.target import Target
from callgate.engine.attempt import KEPT_BODY, SEEN_BODY, fail
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.contentfilter import note_used
from callgate.engine.relay import Again, Outlet, Relay
from callgate.errors import GatewayError

_AT_ONCE = 4096
"""Characters beyond which the steps are taken off the event loop."""


def needs_whole(candidates: Sequence[Candidate]) -> bool:
    """Whether an answer of these candidates can be given only when it is whole."""
    return any(candidate.request.body.post_processing_steps for candidate in candidates)


async def finished(call: Call, target: Target, steps: Sequence[Json], answer: ChatResponse) -> None:
    """Take the steps over the answer, which changes; the target's last attempt is told of it.

    Raises GatewayError: the attempt has failed then, and the beginning of what the model said is
    on its record.
    """
    attempt = call.last_at(target)
    try:
        if size(answer) > _AT_ONCE:
            mendings = await asyncio.to_thread(take, steps, answer)
        else:
            mendings = take(steps, answer)
    except RefusedError as refused:
        error, deployment = refused.error, target.deployment
        secrets = (deployment.secret, deployment.session_token)
        attempt.body = redact(refused.text[:SEEN_BODY], secrets)[:KEPT_BODY]
        fail(attempt, error)
        attempt.usage = call.usage = answer.usage
        note_used(call, target, answer.usage)
        raise error from None
    attempt.post_processing = mendings


async def gathered(call: Call, relay: Relay) -> ChatResponse:
    """The whole of a streamed answer; whatever breaks it off fails the attempt."""
    await relay.open()
    accumulator = Accumulator()
    try:
        with relay:
            while (chunks := await relay.next()) is not None:
                accumulator.take(chunks)
            answer = accumulator.answer()
    except (asyncio.CancelledError, GatewayError) as broken:
        _charge(call, relay, broken)
        raise
    answer.usage = relay.usage
    return answer


def _charge(call: Call, relay: Relay, broken: BaseException) -> None:
    """Count what an answer that broke off has used: it is paid for, though nobody gets it."""
    assert relay.usage is not None  # the provider's, or an estimate
    call.usage = None
    if isinstance(broken, GatewayError):
        relay.attempt.usage = relay.usage
        note_used(call, relay.target, relay.usage)
    else:
        call.given_up = (*call.given_up, (relay.attempt, relay.target, relay.usage))


class Whole:
    """A whole answer for those who want a stream; used as a `Relay` is that has been opened."""

    def __init__(self, answer: ChatResponse) -> None:
        self._chunks = as_chunks(answer)

    def __enter__(self) -> Whole:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Nothing is left open."""

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunk; None when the answer is complete."""
        return [self._chunks.pop(0)] if self._chunks else None

    async def pour(self, sink: Outlet, again: Again | None = None) -> None:
        """Nothing arrives: all of it is here."""
