"""A stream that heals: if it breaks off, another attempt continues the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from callgate.core.chat import Chunk
from callgate.core.models import Deployment
from callgate.core.prefill import can_go_on, prefilled, takes_beginning
from callgate.core.record import Splice as Place
from callgate.core.request import ChatRequest
from callgate.core.splice import Matched, Prefilled, Splice, stem
from callgate.core.target import Target
from callgate.core.usage import total
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.contentfilter import filtered, leaves, note_used
from callgate.engine.failover import Failover, may_leave
from callgate.engine.relay import Again, Outlet, Relay
from callgate.errors import GatewayError
from callgate.providers.prefill import prefill_of

Connect = Callable[[Target, ChatRequest, Splice | None], Relay]

_REFUSALS = ("provider_rejected", "unsupported_field")
"""How a target may refuse a beginning that it does not accept."""


class HealingStream:
    """The streamed answer to a call. Open it, then use it as a context manager, like a `Relay`.

    An answer that breaks off is continued by one of the remaining candidates, or by the same target
    if there is none, within the failover's rules and budget. A target that can continue a beginning
    is given it; any other answers from the start, and its answer has to begin with exactly what was
    delivered. If no target can continue, the failure that cut the answer off is raised.
    """

    __slots__ = (
        "_call", "_candidates", "_connect", "_continues", "_failed", "_failover", "_plain",
        "_probe", "_relay", "_text", "_thought", "_way",
    )  # fmt: skip

    def __init__(
        self,
        call: Call,
        candidates: Sequence[Candidate],
        failover: Failover,
        connect: Connect,
        *,
        continues: bool,
    ) -> None:
        self._call = call
        self._candidates = candidates
        self._failover = failover
        self._connect = connect
        self._continues = continues
        self._failed: set[str] = set()  # deployments whose answer broke off
        self._text: list[str] = []  # the text delivered by attempts that broke off
        self._plain = True
        self._thought = False
        self._relay: Relay | None = None
        self._probe = False
        self._way: Place | None = None

    async def open(self) -> None:
        """Wait for the first content. Raises GatewayError where no target has any."""
        self._attach(await self._failover.run(self._call, self._candidates, self._begin))

    def __enter__(self) -> HealingStream:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._relay is not None:
            self._detach(error)
        call = self._call
        if not call.parts:
            return
        call.target, call.usage = call.parts[-1]
        if len(call.parts) > 1:
            call.usage = total(usage for _, usage in call.parts)
        else:
            call.parts.clear()  # a single target: the call's own usage is enough

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunks, at least one; None when the answer is complete.

        Raises GatewayError if the stream fails: the answer so far is then incomplete.
        """
        while True:
            assert self._relay is not None
            try:
                return await self._relay.next()
            except GatewayError as error:
                await self._continue(error, self._relay)

    async def pour(self, sink: Outlet, again: Again | None = None) -> None:
        """See `Relay.pour`."""
        assert self._relay is not None
        await self._relay.pour(sink, again)

    async def _begin(self, target: Target, request: ChatRequest) -> Relay:
        relay = self._connect(target, request, None)
        await relay.open()
        if relay.filtered and leaves(self._candidates, target, request):
            self._leave(relay)
        return relay

    def _leave(self, relay: Relay) -> None:
        """Give up an answer that a filter withheld before any of it was delivered."""
        call, error = self._call, filtered(relay.target)
        relay.__exit__(type(error), error, None)
        relay.attempt.usage = relay.usage
        note_used(call, relay.target, relay.usage)
        call.usage = call.finish_reason = call.native_finish_reason = None
        call.first_token_ns = None
        raise error

    def _attach(self, relay: Relay) -> None:
        self._relay = relay
        health = self._failover.health_table[relay.target.deployment.id]
        self._probe = health.begin(time.monotonic())

    def _detach(self, error: BaseException | None) -> None:
        """End the attempt, and keep what it used as a part of the call's usage."""
        call, relay = self._call, self._relay
        assert relay is not None
        self._relay = None
        relay.__exit__(type(error), error, None)
        self._failover.health_table[relay.target.deployment.id].end(probe=self._probe)
        assert call.usage is not None  # the provider's, or an estimate
        call.parts.append((relay.target, call.usage))
        if call.splices or isinstance(error, GatewayError):
            relay.attempt.usage = call.usage

    async def _continue(self, error: GatewayError, relay: Relay) -> None:
        """Continue with another attempt. Raises the error if none can."""
        call, target = self._call, relay.target
        self._text += relay.text
        self._plain = self._plain and relay.plain
        self._thought = self._thought or relay.thought
        self._detach(error)
        deployment = target.deployment
        self._failed.add(deployment.id)
        at = next(
            n
            for n, candidate in enumerate(self._candidates)
            if candidate.model.name == target.model.name
        )
        candidate = self._candidates[at]
        if not self._may_continue(error, candidate):
            self._failover.learn(call, deployment, error)
            relay.attempt.reason = "what was delivered is not to be continued"
            raise error
        left = [one for one in candidate.model.deployments if one.id not in self._failed]
        candidates = [one for one in self._candidates[at + 1 :] if can_go_on(one.request)]
        entered = bool(left)
        if left:
            candidates.insert(0, _only(candidate, left))
        decision = self._failover.judge(
            call, candidate, deployment, error, others=bool(candidates), broken=relay.attempt
        )
        if decision.action == "stop":
            raise error
        said = sum(map(len, self._text))
        attempt = relay.attempt
        attempt.reason = f"{error.kind.type} after {said} characters"
        if candidates:
            attempt.decision = "continue the answer at the next target"
        else:
            attempt.decision = f"continue the answer in {decision.pause}"
            candidates, entered = [_only(candidate, [deployment])], True
            await self._failover.wait(call, decision.wait)
        await self._go_on(candidates, error, entered=entered)

    async def _go_on(
        self, candidates: list[Candidate], error: GatewayError, *, entered: bool
    ) -> None:
        call = self._call
        call.usage = None
        try:
            relay = await self._failover.run(call, candidates, self._resume, entered=entered)
        except GatewayError as further:
            call.notes.append(f"the answer could not be continued: {further.message}")
            raise error from None
        self._candidates = candidates
        self._attach(relay)
        assert self._way is not None
        call.splices.append(self._way)

    async def _resume(self, target: Target, request: ChatRequest) -> Relay:
        """An attempt that continues what was delivered."""
        text = "".join(self._text)
        way = prefill_of(target) if takes_beginning(request) else None
        beginning = stem(text)
        if way is not None and beginning:
            seam = Prefilled(text, echoes=way.echoes)
            asked = prefilled(request, beginning, way, target.model.max_output_tokens)
            relay = self._connect(target, asked, Splice(seam, spoken=True))
            try:
                await relay.open()
            except GatewayError as error:
                if error.kind.type not in _REFUSALS:
                    raise
                relay.attempt.decision = "ask for the whole answer"
                relay.attempt.reason = "the target does not go on with a beginning"
            else:
                self._note(text, "prefill")
                return relay
        splice = Splice(Matched(text), spoken=bool(text), thought=self._thought)
        relay = self._connect(target, request, splice)
        await relay.open()
        self._note(text, "match")
        return relay

    def _note(self, text: str, way: str) -> None:
        attempt = len(self._call.attempts) - 1
        self._way = Place(characters=len(text), attempt=attempt, way=way)

    def _may_continue(self, error: GatewayError, candidate: Candidate) -> bool:
        return (
            may_leave(error, candidate)
            and self._continues
            and self._plain
            and self._call.finish_reason is None
            and can_go_on(candidate.request)
        )


def continues(candidates: Sequence[Candidate], default: str) -> bool:
    """Whether to continue a stream that breaks off; `default` if the request does not say."""
    config = candidates[0].request.body.fallback_config
    wish = config.mid_stream if config is not None else None
    return (wish or default) == "continue"


def _only(candidate: Candidate, deployments: Sequence[Deployment]) -> Candidate:
    model = replace(candidate.model, deployments=tuple(deployments))
    return Candidate(model, candidate.request, candidate.param, candidate.note)
