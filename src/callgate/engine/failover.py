"""Failover: attempt after attempt, candidate after candidate, until one succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic, perf_counter_ns
from types import MappingProxyType
from typing import Generic, TypeVar

import msgspec

from callgate.core.models import Deployment, Model
from callgate.core.record import LEFT_ALONE, Attempt
from callgate.core.request import ChatRequest
from callgate.core.retry import Budget, Decision, State, decide, reaction
from callgate.core.routing import order
from callgate.core.target import Target
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.healthtable import HealthTable
from callgate.engine.hedge import HEDGED, SHARE, Race, Runner
from callgate.errors import GatewayError
from callgate.store.base import Key

T = TypeVar("T")
Send = Callable[[Target, ChatRequest], Awaitable[T]]
Reserve = Callable[[Call, Key, Model, ChatRequest], Awaitable[None]]

_NEXT = "go to the next target"
_ONWARD = (_NEXT, "fall back to ", "continue the answer ")


class _Run(Generic[T]):
    """One call on its way through failover. `drawn`: models whose windows have counted it."""

    __slots__ = ("call", "candidates", "drawn", "send")

    def __init__(
        self, call: Call, candidates: Sequence[Candidate], send: Send[T], drawn: set[str]
    ) -> None:
        self.call = call
        self.candidates = candidates
        self.send = send
        self.drawn = drawn


class Failover:
    """Finds an answer for each call. `reserve` takes a request from a fallback's window; `pause`
    sleeps for a number of seconds.
    """

    def __init__(
        self,
        health_table: HealthTable,
        budget: Budget,
        reserve: Reserve,
        chance: Callable[[], float],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.health_table = health_table
        self._budget = budget
        self._without_retry = msgspec.structs.replace(budget, per_target=1)
        self._reserve = reserve
        self._chance = chance
        self._pause = pause

    async def run(
        self, call: Call, candidates: Sequence[Candidate], send: Send[T], *, entered: bool = True
    ) -> T:
        """The first success of `send` at one of the candidates' deployments.

        `entered`: the account's window for the first model has counted the call already. Every
        attempt is noted on the call. Raises GatewayError: the last failure that says anything.
        """
        run = _Run(call, candidates, send, {candidates[0].model.name} if entered else set())
        failure: GatewayError | None = None
        window = 0  # a context length that is known to be too short
        try:
            for at, candidate in enumerate(candidates):
                if window and not _is_wider(candidate.model, window):
                    call.notes.append(
                        f"fallback {candidate.model.name!r} was passed over: its window of "
                        f"{candidate.model.context_length} tokens is not larger"
                    )
                    continue
                # The first model's window has usually counted the request already.
                if (at or not run.drawn) and not await self._enter(run, candidate):
                    failure = failure or _nobody_left(candidate.model)
                    continue
                try:
                    return await self._try_model(run, at)
                except GatewayError as error:
                    if failure is None or error.kind.type not in _TELLS_LITTLE:
                        failure = error
                    if not may_leave(error, candidate) or self._is_spent(call):
                        _note_end(call, error)
                        raise
                    if error.kind.type == "context_too_long":
                        window = max(window, candidate.model.context_length)
            assert failure is not None
            _note_end(call, failure)
            raise failure
        finally:
            failure = None  # it refers to this frame; see `Connection.surrender`

    async def _try_model(self, run: _Run[T], at: int) -> T:
        call, candidate = run.call, run.candidates[at]
        ready = order(candidate.model.deployments, self.health_table, monotonic(), self._chance)
        if len(ready) < len(candidate.model.deployments):
            out = [one.id for one in candidate.model.deployments if one not in ready]
            told = [f"{one} ({self.health_table.why_out(one)})" for one in out]
            call.notes.append(LEFT_ALONE + ", ".join(told))
            if call.tape is not None:
                now = monotonic()
                call.tape.left_alone(out, [self.health_table[one].resting(now) for one in out])
        if not ready:
            raise self.health_table.all_out(candidate.model)
        failure: GatewayError | None = None
        try:
            for number, deployment in enumerate(ready, 1):
                try:
                    return await self._try_deployment(run, at, deployment, ready[number:])
                except GatewayError as error:
                    if failure is None or error.kind.type not in _TELLS_LITTLE:
                        failure = error
                    same = error.kind.type in _SAME_FOR_ALL or not reaction(error).elsewhere
                    if number == len(ready) or same or self._is_spent(call):
                        break
            assert failure is not None
            raise failure
        finally:
            failure = None  # it refers to this frame; see `Connection.surrender`

    async def _try_deployment(
        self, run: _Run[T], at: int, deployment: Deployment, rest: Sequence[Deployment]
    ) -> T:
        call, candidate = run.call, run.candidates[at]
        others = bool(rest) or at + 1 < len(run.candidates)
        hedged = others and not call.attempts and _wants_hedge(candidate)
        while True:
            try:
                if hedged:
                    hedged = False
                    return await self._race(run, at, deployment, rest)
                return await self._attempt(run, candidate, deployment)
            except GatewayError as error:
                beside = bool(rest) and error.kind.type not in _SAME_FOR_ALL
                decision = self.judge(
                    call, candidate, deployment, error, others=others, beside=beside
                )
                if decision.action != "retry":
                    raise
            await self.wait(call, decision.wait)

    async def wait(self, call: Call, seconds: float) -> None:
        """Pause before a call's next attempt, and add the pause to its times."""
        began = perf_counter_ns()
        try:
            await self._pause(seconds)
        finally:
            call.paused_ns += perf_counter_ns() - began

    async def _attempt(self, run: _Run[T], candidate: Candidate, deployment: Deployment) -> T:
        """One attempt; updates the deployment's health."""
        health, notes = self.health_table[deployment.id], run.call.notes
        if candidate.note and candidate.note not in notes:
            notes.append(candidate.note)
        started = monotonic()
        probe = health.begin(started)
        try:
            answer = await run.send(Target(candidate.model, deployment), candidate.request)
        finally:
            health.end(probe=probe)
        now, stream = monotonic(), bool(candidate.request.body.stream)
        self.health_table.succeeded(deployment, now, now - started, stream=stream)
        return answer

    async def _race(
        self, run: _Run[T], at: int, deployment: Deployment, rest: Sequence[Deployment]
    ) -> T:
        """One attempt and, if it takes longer than most, a second one elsewhere."""
        call, candidate = run.call, run.candidates[at]
        pace = self.health_table[deployment.id].pace(stream=bool(candidate.request.body.stream))
        delay = pace.quantile(SHARE)
        if delay is None:
            return await self._attempt(run, candidate, deployment)
        quota, model, tokens = call.quota, call.model, call.token_quota

        async def rival() -> Runner[T] | None:
            found = await self._rival(run, at, deployment, rest)
            if found is None:
                return None
            beside, other = found

            async def go() -> T:
                # Not noted earlier: the first may answer while the fallback's window is drawn on.
                call.notes.append(
                    f"{HEDGED}{deployment.id} took longer than {delay:.3f} s, "
                    f"so {other.id} was asked too"
                )
                return await self._attempt(run, beside, other)

            return Runner(Target(beside.model, other), go)

        race = Race(
            call,
            Runner(
                Target(candidate.model, deployment),
                lambda: self._attempt(run, candidate, deployment),
            ),
            delay,
            rival,
            lambda error: not may_leave(error, candidate),
        )
        started = monotonic()
        try:
            return await race.run()
        finally:
            if race.winner is not race.second:  # report the limits of the model that answered
                call.quota, call.model, call.token_quota = quota, model, tokens
            if race.broken_off is race.first:
                pace.add(monotonic() - started)  # it would have taken at least this long
            for error, target in race.unheard():
                self.learn(call, target.deployment, error)

    async def _rival(
        self, run: _Run[T], at: int, first: Deployment, rest: Sequence[Deployment]
    ) -> tuple[Candidate, Deployment] | None:
        """The target to race against the first; if a fallback's, its window counts the call."""
        call, now = run.call, monotonic()
        if len(call.attempts) + 1 >= self._budget.attempts:
            return None
        for deployment in rest:
            if deployment.id != first.id and self.health_table[deployment.id].available(now):
                return run.candidates[at], deployment
        for candidate in run.candidates[at + 1 :]:
            for deployment in order(
                candidate.model.deployments, self.health_table, now, self._chance
            ):
                if deployment.id != first.id:
                    refusal = await self._refusal(run, candidate)
                    return None if refusal is not None else (candidate, deployment)
        return None

    def judge(
        self,
        call: Call,
        candidate: Candidate,
        deployment: Deployment,
        error: GatewayError,
        *,
        others: bool,
        beside: bool = False,
        broken: Attempt | None = None,
    ) -> Decision:
        """Decide what follows the failure of the latest attempt, and note it.

        All of the call's attempts at the deployment count, even if others came in between.
        `beside`: another deployment of the model comes next. `broken` is the attempt, in place of
        the latest, whose stream broke off; time spent streaming does not count as waiting.
        """
        if self.learn(call, deployment, error):
            call.notes.append(f"the circuit of {deployment.id} opened")
        config = candidate.request.body.fallback_config
        budget = (
            self._budget if config is None or config.retry is not False else self._without_retry
        )
        tries = sum(one.deployment == deployment.id for one in call.attempts)
        waited = 0.0 if broken is not None else call.elapsed_us() / 1e6
        state = State(max(tries, 1), len(call.attempts), waited)
        others = others and (beside or may_leave(error, candidate))
        decision = decide(error, state, budget, others=others, chance=self._chance())
        if broken is not None or call.attempts:
            _note(broken or call.attempts[-1], decision)
        return decision

    async def _enter(self, run: _Run[T], candidate: Candidate) -> bool:
        """Take a request from the account's window for a fallback; whether one was left."""
        call = run.call
        refusal = await self._refusal(run, candidate)
        if refusal is not None:
            call.notes.append(
                f"fallback {candidate.model.name!r} was passed over: {refusal.message}"
            )
            return False
        if call.attempts and call.attempts[-1].model != candidate.model.name:
            call.attempts[-1].decision = f"fall back to {candidate.model.name}"
        return True

    async def _refusal(self, run: _Run[T], candidate: Candidate) -> GatewayError | None:
        """Draw on the account's window for a model, once per call; the refusal, if any."""
        call = run.call
        assert call.key is not None
        if candidate.model.name not in run.drawn:
            try:
                await self._reserve(call, call.key, candidate.model, candidate.request)
            except GatewayError as error:
                return error
            run.drawn.add(candidate.model.name)
        return None

    def _is_spent(self, call: Call) -> bool:
        return len(call.attempts) >= self._budget.attempts

    def learn(self, call: Call, deployment: Deployment, error: GatewayError) -> bool:
        """Count a failure against the deployment's health; whether it opened the circuit."""
        return self.health_table.failed(deployment, error, private=call.private)


_SAME_FOR_ALL = ("context_too_long", "content_filtered")
_TELLS_LITTLE = ("circuit_open", "unsupported_field")
"""These do not replace an earlier failure, which says more."""
_LAST = MappingProxyType(
    {
        "context_too_long": "no target with a larger window remains",
        "content_filtered": "it is passed on, unless `fallback_config.on_content_filter` is true",
    }
)


def _nobody_left(model: Model) -> GatewayError:
    return GatewayError("rate_limited", f"Nothing is left for the fallback {model.name!r}")


def _wants_hedge(candidate: Candidate) -> bool:
    config = candidate.request.body.fallback_config
    return candidate.model.hedge if config is None or config.hedge is None else config.hedge


def may_leave(error: GatewayError, candidate: Candidate) -> bool:
    """Whether another model could fare better."""
    kind = error.kind.type
    if kind == "unsupported_field":  # the model that the caller chose must not hide it
        return candidate.param != "model"
    if kind == "content_filtered":
        config = candidate.request.body.fallback_config
        return config is not None and config.on_content_filter is True
    return reaction(error).elsewhere


def _is_wider(model: Model, window: int) -> bool:
    """Whether the model may accept a request that does not fit into `window` tokens."""
    return not model.context_length or model.context_length > window


def _note_end(call: Call, error: GatewayError) -> None:
    """Correct the last attempt's decision if, after all, no other target could be asked."""
    attempt = call.attempts[-1] if call.attempts else None
    if attempt is not None and attempt.decision.startswith(_ONWARD):
        attempt.decision = "stop"
        attempt.reason = _LAST.get(error.kind.type, "no other target could be asked")


def _note(attempt: Attempt, decision: Decision) -> None:
    words = {"retry": f"retry in {decision.pause}", "next": _NEXT}
    attempt.decision = words.get(decision.action, "stop")
    attempt.reason = decision.reason
