"""Ways to send, where there is nobody left to send to."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from callgate.chaos.answer import Ask
from callgate.chaos.exchange import Exchange, Left


async def test_a_connection_that_is_gone_cannot_be_reset() -> None:
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nothing = cast("Any", None)
        exchange = Exchange(reader, writer, nothing, Ask("m", stream=True), nothing)
        writer.transport.abort()
        await reader.read()
        try:
            await exchange.reset()
        except Exception as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        _, caller = await asyncio.open_connection(*server.sockets[0].getsockname())
        with pytest.raises(Left):
            await outcome
        caller.close()
