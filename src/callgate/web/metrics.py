"""`GET /metrics`: the figures of all workers for Prometheus, whichever worker is asked."""

from __future__ import annotations

import asyncio
import hmac
import time
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.core.secret import Secret
from callgate.errors import GatewayError
from callgate.metrics.sheets import read


class Metrics:
    """The route over the sheets in a folder; without one there is no such path.

    With a `token`, only who carries it is answered.
    """

    def __init__(self, folder: Path | None, token: Secret) -> None:
        self._folder = folder
        self._token = token

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [Route("/metrics", self.metrics, methods=["GET"])] if self._folder else []

    async def metrics(self, request: Request) -> Response:
        """The figures as they stand. Raises GatewayError `unauthorized`."""
        assert self._folder is not None
        token = self._token.reveal()
        if token:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode("latin-1"), token.encode()):
                raise GatewayError(
                    "unauthorized",
                    "Unauthorized - the metrics require the token of `metrics.token`",
                    cause="The figures are protected by a token of their own.",
                    fix="Send `Authorization: Bearer` with the token, as scrapers can.",
                )
        body, content_type = await asyncio.to_thread(_rendered, self._folder)
        return Response(body, media_type=content_type)


def _rendered(folder: Path) -> tuple[bytes, str]:
    from callgate.metrics import exposition  # heavy, and not everybody scrapes

    return exposition.render(read(folder, time.time())), exposition.CONTENT_TYPE
