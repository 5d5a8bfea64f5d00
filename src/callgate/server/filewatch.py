"""What a worker does where connections have taken all the files that they may."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection

from callgate.files import Files
from callgate.web.protocol import GateProtocol

_PAUSE, _WARN_AGAIN = 0.5, 60.0
_log = logging.getLogger("callgate.worker")


async def watch(
    files: Files, connections: Collection[GateProtocol], *, pause: float = _PAUSE
) -> None:
    """Have idle callers make way, and tell the operator now and then, until cancelled.

    Looks every `pause` seconds.
    """
    told, seen = -_WARN_AGAIN, files.refusals
    while True:
        await asyncio.sleep(pause)
        if files.refusals == seen and not files.scarce():
            continue
        seen = files.refusals
        for connection in tuple(connections):
            connection.make_way()
        if time.monotonic() - told > _WARN_AGAIN:
            told = time.monotonic()
            _log.warning(
                "no file is left for another connection: new chat requests are refused",
                extra={
                    "files": files.limit,
                    "kept_back": files.limit - files.bound,
                    "fix": "Let it open more (`LimitNOFILE`, `ulimit -n`), or add workers.",
                },
            )
