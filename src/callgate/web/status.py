"""`GET /health` and `GET /ready`: whether the process lives, and whether it can do its work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.web.shapes import Finding, Health, Readiness

Check = Callable[[], Finding]
"""Looks at one part. Reads what is known in memory: it neither waits nor asks over a network."""

_encode = msgspec.json.Encoder().encode
_ALIVE = _encode(Health())
_RANK = {"ok": 0, "degraded": 1, "down": 2}


class Status:
    """The routes over the checks of one process."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = tuple(checks)

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
        ]

    async def health(self, _request: Request) -> Response:
        """200 as long as the process answers at all."""
        return Response(_ALIVE, media_type="application/json")

    async def ready(self, _request: Request) -> Response:
        """200, or 503 where a part is down; a part that is degraded is named but still 200."""
        readiness = self.readiness()
        status = 503 if readiness.status == "down" else 200
        return Response(_encode(readiness), status, media_type="application/json")

    def readiness(self) -> Readiness:
        """What the checks find; the worst of it is the status."""
        found = [finding for check in self._checks if (finding := _look(check)).state != "ok"]
        found.sort(key=lambda finding: -_RANK[finding.state])
        return Readiness(status=found[0].state if found else "ok", findings=found)


def _look(check: Check) -> Finding:
    try:
        return check()
    except Exception as error:  # a check that fails is a finding
        # The error's words may hold a credential (a URL, say); its type cannot.
        return Finding(
            part=getattr(check, "__name__", "check"),
            state="down",
            why=f"The check itself failed with {type(error).__name__}.",
            fix="Look into the gateway's log.",
        )
