"""The gate: whatever becomes of a request, its record is kept."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callgate.cli.build import compiled
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.web.chat import CHAT_PATH, Chat
from callgate.web.errorwriter import ErrorWriter
from callgate.web.gate import Gate
from callgate.web.head import Head


@pytest.mark.skipif(compiled(), reason="a compiled gate takes no stand-in for the chat route")
async def test_the_record_of_a_caller_who_leaves_while_a_limit_is_looked_up_is_kept() -> None:
    looking = asyncio.Event()
    settled: list[tuple[str, int]] = []

    class Refusing:
        engine = SimpleNamespace(
            admission=SimpleNamespace(counters=SimpleNamespace(trouble=None)),
            settle=lambda call: settled.append((call.error.kind.type, call.status)),
        )

        async def serve(self, *_: object) -> None:
            raise GatewayError("missing_field", "no model")

        async def look_at_quota(self, _call: Call) -> None:
            looking.set()
            await asyncio.Event().wait()

    async def never(*_: Any) -> Any:
        raise AssertionError

    gate = Gate(cast("Chat", Refusing()), never, cast("Any", None), cast("ErrorWriter", None))
    head = Head("POST", CHAT_PATH, CHAT_PATH.encode(), b"", "1.1", {}, None, None)
    left = cast("Any", SimpleNamespace(gone=True, unread=False))
    serving = asyncio.create_task(gate.serve(head, left))
    await looking.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert settled == [("missing_field", 400)]
