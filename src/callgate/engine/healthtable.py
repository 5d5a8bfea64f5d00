"""The health of all deployments, as far as this process has seen."""

from __future__ import annotations

import logging
from collections.abc import Set
from time import monotonic

from callgate.core.breaker import BreakerSettings
from callgate.core.health import Health
from callgate.core.models import Deployment, Model
from callgate.core.retry import reaction
from callgate.errors import GatewayError

_REST_SECONDS = 1.0
_LONGEST_REST = 300.0
_REFUSAL_SECONDS = 60.0
"""How long a deployment that refused is asked after others."""
_MAX_WORDS = 300
_log = logging.getLogger("callgate.engine")


class HealthTable(dict[str, Health]):
    """The health of every deployment by its id, made when it is first asked for."""

    def __init__(self, settings: BreakerSettings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, deployment_id: str) -> Health:
        health = self[deployment_id] = Health(self._settings)
        return health

    def keep(self, deployment_ids: Set[str]) -> None:
        """Forget all others: nobody asks them any more."""
        for id_ in self.keys() - deployment_ids:
            del self[id_]

    def succeeded(
        self, deployment: Deployment, now: float, seconds: float, *, stream: bool
    ) -> None:
        """Take an answer into account that came, or began, at `now`, after so many seconds."""
        health = self[deployment.id]
        if health.paces is not None:
            health.paces[stream].add(seconds)
        if health.succeeded(now, seconds):
            _log.warning("circuit closed", extra={"deployment": deployment.id})

    def failed(self, deployment: Deployment, error: GatewayError, *, private: bool = False) -> bool:
        """Take a failure into account; whether it has opened the circuit.

        Of one that is `private` nothing is remembered to be told but its type.
        """
        now, health = monotonic(), self[deployment.id]
        limited, known = error.kind.type == "provider_rate_limited", reaction(error)
        if limited or known.blames:
            words = "" if private else f": {error.detail or error.message}"
            health.failure = f"{error.kind.type}{words}"[:_MAX_WORDS]
        if limited:
            health.rest(now, min(error.retry_after or _REST_SECONDS, _LONGEST_REST))
            return False
        if known.refuses:
            if not health.refuses(now):
                extra = {"deployment": deployment.id, "error": error.kind.type}
                _log.warning("a provider refuses; others are asked first", extra=extra)
            health.refused(now, _REFUSAL_SECONDS)
        elif known.blames and health.failed(now):
            extra = {"deployment": deployment.id, "detail": health.failure}
            _log.warning("circuit opened", extra=extra)
            return True
        return False

    def why_out(self, deployment_id: str) -> str:
        """Why it may not be asked just now."""
        resting = self[deployment_id].resting(monotonic())
        return "it asked for a pause" if resting else "circuit open"

    def all_out(self, model: Model) -> GatewayError:
        """What to say where none of a model's deployments may be asked."""
        now = monotonic()
        healths = [self[one.id] for one in model.deployments]
        wait = max(1.0, min(health.back_in(now) for health in healths))
        why = "; ".join(
            f"{one.id}, for another {health.back_in(now):.0f} s, after {health.failure}"
            for one, health in zip(model.deployments, healths, strict=True)
        )
        if any(health.resting(now) for health in healths):
            return GatewayError(
                "provider_rate_limited",
                f"Every provider of model {model.name!r} has asked for a pause",
                retry_after=wait,
                detail=why,
            )
        return GatewayError(
            "circuit_open",
            f"Every provider of model {model.name!r} is being left alone after failures",
            retry_after=wait,
            detail=why,
        )
