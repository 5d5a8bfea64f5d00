"""The pursuit of an answer: attempt after attempt along a course, until one succeeds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from callgate.core.chat import ChatRequest
from callgate.core.health import BreakerSettings, Health
from callgate.core.models import Deployment, Model, Target
from callgate.core.retry import Budget, Decision, State, decide, reaction
from callgate.core.routing import order
from callgate.engine.call import Call
from callgate.engine.course import Leg
from callgate.errors import GatewayError
from callgate.store.base import Key

T = TypeVar("T")
Go = Callable[[Target, ChatRequest], Awaitable[T]]
Reserve = Callable[[Call, Key, Model], Awaitable[None]]

_REST_SECONDS = 1.0
_LONGEST_REST = 300.0
_log = logging.getLogger("callgate.engine")


class HealthTable(dict[str, Health]):
    """The health of every deployment by its id, made when it is first asked for."""

    def __init__(self, settings: BreakerSettings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, deployment_id: str) -> Health:
        health = self[deployment_id] = Health(self._settings)
        return health


class Pursuit:
    """Carries calls along their courses. `reserve` takes a request from a fallback's window,
    `pause` waits so many seconds.
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
        self._reserve = reserve
        self._chance = chance
        self.pause = pause

    async def run(self, call: Call, course: Sequence[Leg], go: Go[T], *, entered: bool = True) -> T:
        """The first success of `go` at a target of the course.

        `entered` says that the account's window for the first model has been drawn on. Each
        attempt leaves its trail on the call. Raises GatewayError: the last failure.
        """
        failure: GatewayError | None = None
        window = 0  # tokens that are known not to be enough
        for at, leg in enumerate(course):
            new = at or not entered
            if new and not (_is_wider(leg.model, window) and await self._may_enter(call, leg)):
                failure = failure or _nobody_left(leg.model)
                continue
            try:
                return await self._try_model(call, leg, at + 1 < len(course), go)
            except GatewayError as error:
                if failure is None or error.kind.type != "circuit_open":
                    failure = error
                if not _may_leave(error, leg) or self._is_spent(call):
                    raise
                if error.kind.type == "context_too_long":
                    window = max(window, leg.model.context_length)
        assert failure is not None
        raise failure

    async def _try_model(self, call: Call, leg: Leg, more_models: bool, go: Go[T]) -> T:
        ways = order(leg.model.deployments, self.health_table, time.monotonic(), self._chance)
        if len(ways) < len(leg.model.deployments):
            out = [one.id for one in leg.model.deployments if one not in ways]
            call.notes.append(f"left alone after failures: {', '.join(out)}")
            if call.tape is not None:
                now = time.monotonic()
                call.tape.left_alone(out, [self.health_table[one].resting(now) for one in out])
        if not ways:
            raise self._all_out(leg.model)
        for number, deployment in enumerate(ways, 1):
            others = number < len(ways) or more_models
            try:
                return await self._try_deployment(call, leg, deployment, others, go)
            except GatewayError as error:
                failure = error
                same = error.kind.type in _SAME_FOR_ALL or not reaction(error).elsewhere
                if number == len(ways) or same or self._is_spent(call):
                    break
        raise failure

    async def _try_deployment(
        self, call: Call, leg: Leg, deployment: Deployment, others: bool, go: Go[T]
    ) -> T:
        health = self.health_table[deployment.id]
        while True:
            started = time.monotonic()
            probe = health.begin(started)
            try:
                answer = await go(Target(leg.model, deployment), leg.request)
            except GatewayError as error:
                decision = self.judge(call, leg, deployment, error, others=others)
                if decision.action != "retry":
                    raise
            else:
                now = time.monotonic()
                health.succeeded(now, now - started)
                return answer
            finally:
                health.end(probe=probe)
            await self.pause(decision.wait)

    def judge(
        self, call: Call, leg: Leg, deployment: Deployment, error: GatewayError, *, others: bool
    ) -> Decision:
        """What follows the failure of the latest attempt; noted on it and on the deployment.

        Every attempt of the call at the deployment counts, whatever came between.
        """
        self.learn(deployment, error)
        config = leg.request.body.fallback_config
        budget = _WITHOUT_RETRY if config is not None and not config.retry else self._budget
        tries = sum(one.deployment == deployment.id for one in call.attempts)
        state = State(max(tries, 1), len(call.attempts), call.elapsed_us() / 1e6)
        decision = decide(error, state, budget, others=others, chance=self._chance())
        _note(call, decision)
        return decision

    async def _may_enter(self, call: Call, leg: Leg) -> bool:
        """Whether the account has a request left for a fallback; it is taken then."""
        assert call.key is not None
        try:
            await self._reserve(call, call.key, leg.model)
        except GatewayError as error:
            call.notes.append(f"fallback {leg.model.name!r} was passed over: {error.message}")
            return False
        if call.attempts:
            call.attempts[-1].decision = f"fall back to {leg.model.name}"
        return True

    def _is_spent(self, call: Call) -> bool:
        return len(call.attempts) >= self._budget.attempts

    def learn(self, deployment: Deployment, error: GatewayError) -> None:
        """Take a failure into account for the deployment's breaker and rest."""
        now, health = time.monotonic(), self.health_table[deployment.id]
        if error.kind.type == "provider_rate_limited":
            health.rest(now, min(error.retry_after or _REST_SECONDS, _LONGEST_REST))
        elif reaction(error).blames and health.failed(now):
            _log.warning("circuit opened", extra={"deployment": deployment.id})

    def _all_out(self, model: Model) -> GatewayError:
        now = time.monotonic()
        health_table = [self.health_table[one.id] for one in model.deployments]
        wait = max(1.0, min(health.back_in(now) for health in health_table))
        if any(health.resting(now) for health in health_table):
            return GatewayError(
                "provider_rate_limited",
                f"Every provider of model {model.name!r} has asked for a pause",
                retry_after=wait,
            )
        return GatewayError(
            "circuit_open",
            f"Every provider of model {model.name!r} is being left alone after failures",
            retry_after=wait,
        )


_SAME_FOR_ALL = ("context_too_long", "content_filtered")
_WITHOUT_RETRY = Budget(per_target=1)


def _nobody_left(model: Model) -> GatewayError:
    return GatewayError("rate_limited", f"Nothing is left for the fallback {model.name!r}")


def _may_leave(error: GatewayError, leg: Leg) -> bool:
    """Whether another model could fare better."""
    kind = error.kind.type
    if kind == "unsupported_field":  # the caller's own choice of model has to be told
        return leg.param != "model"
    if kind == "content_filtered":
        config = leg.request.body.fallback_config
        return config is not None and config.on_content_filter
    return reaction(error).elsewhere


def _is_wider(model: Model, window: int) -> bool:
    """Whether the model may take what does not fit into `window` tokens (0: anything fits)."""
    return not window or not model.context_length or model.context_length > window


def _note(call: Call, decision: Decision) -> None:
    if not call.attempts:
        return
    attempt = call.attempts[-1]
    words = {"retry": f"retry in {decision.wait:.1f} s", "next": "go to the next target"}
    attempt.decision = words.get(decision.action, "stop")
    attempt.reason = decision.reason
