"""`GET /health` and `GET /ready`: whether the process lives, and whether it can do its work.

Load balancers and alarms have no key, and strangers may reach the port: anyone is told which parts
are not well. Why, which may name providers, deployments and folders, is for who has a key or asks
from the gateway's own machine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.web.shapes import Finding, Health, Readiness

Check = Callable[[], Finding]
"""Looks at one part. Reads what is known in memory: it neither waits nor asks over a network."""
Authenticate = Callable[[Call, dict[bytes, bytes], bytes], Awaitable[object]]
"""Finds the key of a request. Raises GatewayError where it has none that is valid."""

_encode = msgspec.json.Encoder().encode
_ALIVE = _encode(Health())
_RANK = {"ok": 0, "degraded": 1, "down": 2}
_PASSED_ON = ("x-forwarded-for", "forwarded", "via", "x-real-ip", "cf-connecting-ip")
"""What proxies add. One on the same machine asks for others."""
_UNTOLD = "That is told to who has a key, or asks from the gateway's own machine."
_ASK = "Send `Authorization: <key>` to `GET /ready`, or ask from that machine."


class Status:
    """The routes over the checks of one process. Keys are told apart by `authenticate`."""

    def __init__(self, checks: Sequence[Check], authenticate: Authenticate) -> None:
        self._checks = tuple(checks)
        self._authenticate = authenticate

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
        ]

    async def health(self, _request: Request) -> Response:
        """200 as long as the process answers at all."""
        return Response(_ALIVE, media_type="application/json")

    async def ready(self, request: Request) -> Response:
        """200, or 503 where a part is down; a part that is degraded is named but still 200."""
        readiness = self.readiness()
        if readiness.findings and not (_is_local(request) or await self._has_key(request)):
            told = [replace(one, why=_UNTOLD, fix=_ASK) for one in readiness.findings]
            readiness = replace(readiness, findings=told)
        status = 503 if readiness.status == "down" else 200
        return Response(_encode(readiness), status, media_type="application/json")

    async def _has_key(self, request: Request) -> bool:
        scope = request.scope
        headers = dict(scope["headers"])
        if b"authorization" not in headers:
            return False
        try:
            await self._authenticate(scope["state"]["call"], headers, scope["query_string"])
        except GatewayError:
            return False
        return True

    def readiness(self) -> Readiness:
        """What the checks find; the worst of it is the status."""
        found = [finding for check in self._checks if (finding := _look(check)).state != "ok"]
        found.sort(key=lambda finding: -_RANK[finding.state])
        return Readiness(status=found[0].state if found else "ok", findings=found)


def _is_local(request: Request) -> bool:
    """Whether the other end of the connection is on this machine, and speaks for itself."""
    client, server = request.client, request.scope["server"]
    if client is None or any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        address = ip_address(client.host)
    except ValueError:
        return False
    return address.is_loopback or (server is not None and client.host == server[0])


def _look(check: Check) -> Finding:
    try:
        found = check()
        return replace(found, why=_text(found.why), fix=_text(found.fix))
    except Exception as error:  # a check that fails is a finding
        # The error's words may hold a credential (a URL, say); its type cannot.
        return Finding(
            part=getattr(check, "__name__", "check"),
            state="down",
            why=f"The check itself failed with {type(error).__name__}.",
            fix="See the gateway's log.",
        )


def _text(told: str) -> str:
    """With escapes for the bytes of a path that are not UTF-8, which JSON has no place for."""
    return told.encode(errors="backslashreplace").decode()
