"""A caller of the client under test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Timeouts
from callgate.errors import GatewayError
from callgate.upstream.client import Client, Response
from patience import PATIENCE

PATIENT = Timeouts(connect=60, headers=60, first_token=60, silence=60, total=120)


class Ask:
    """Sends small requests with few words."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def send(
        self,
        origin: Origin,
        body: bytes = b"{}",
        *,
        method: str = "POST",
        path: str = "/v1/x?key=hidden",
        headers: tuple[tuple[str, str], ...] = (("authorization", "Bearer hidden"),),
        timeouts: Timeouts = PATIENT,
        streamed: bool = False,
    ) -> Response:
        request = HttpRequest(method, origin, path, headers, body)
        return await self.client.send(request, timeouts, streamed=streamed)

    async def read(self, origin: Origin, body: bytes = b"{}", **options: object) -> bytes:
        """Send, read the whole body, close."""
        response = await self.send(origin, body, **options)  # type: ignore[arg-type]
        try:
            return await response.read()
        finally:
            response.close()

    async def stream(self, origin: Origin, **options: object) -> list[bytes]:
        """Send and receive to the end."""
        response = await self.send(origin, **options)  # type: ignore[arg-type]
        try:
            return [data async for data in _pieces(response)]
        finally:
            response.close()

    async def error(self, origin: Origin, **options: object) -> GatewayError:
        """The error that sending or reading ends with; its text must not show secrets."""
        with pytest.raises(GatewayError) as caught:
            await self.read(origin, **options)
        error = caught.value
        assert "hidden" not in f"{error!r} {error.message} {error.detail}"
        return error


async def _pieces(response: Response):  # type: ignore[no-untyped-def]
    while data := await response.receive():
        yield data


async def until(condition: Callable[[], object]) -> None:
    """Wait for what comes about without being told."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)
