"""What the connections of a worker share, and the factory that makes them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from callgate.core.forwarded import TrustedProxies
from callgate.files import Files
from callgate.web.gate import Gate
from callgate.web.protocol import GateProtocol
from callgate.web.settings import Bounds


class Door:
    """Makes the protocol of each connection; uvicorn calls it in place of a class.

    `retiring`: the process accepts no more connections, and ends those it has. `proxies` are those
    trusted to name the caller; None: no proxy is.
    """

    __slots__ = ("_lines", "_told", "bounds", "files", "gate", "proxies", "retiring")

    def __init__(
        self, gate: Gate, bounds: Bounds, proxies: TrustedProxies | None, files: Files
    ) -> None:
        self.gate = gate
        self.bounds = bounds
        self.proxies = proxies
        self.files = files
        self.retiring = False
        self._told: list[tuple[bytes, bytes]] | None = None
        self._lines = b""

    def __call__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> GateProtocol:
        """The protocol of a new connection."""
        return GateProtocol(self, server_state, _loop or asyncio.get_running_loop())

    def default_lines(self, state: ServerState) -> bytes:
        """The lines of the headers of every response. uvicorn makes a new list each second."""
        headers = state.default_headers
        if headers is not self._told:
            self._lines = b"".join([b"%b: %b\r\n" % (name, value) for name, value in headers])
            self._told = headers
        return self._lines
