"""Restarting the local model when it has ended."""

from __future__ import annotations

import logging
import time

from callgate.local.model import LocalModelError
from callgate.local.process import LocalServer

_PAUSE = 5.0
_LOADING = 30.0
_log = logging.getLogger("callgate.local")


class Watchdog:
    """Call it now and then: it starts a fallen server, and tries again at most every 5 seconds."""

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._not_before = 0.0

    def __call__(self) -> None:
        """Start the server, if it is not alive; blocks while it loads, 30 seconds at most."""
        if self._server.alive() or time.monotonic() < self._not_before:
            return
        self._not_before = time.monotonic() + _PAUSE
        _log.error("the local model ended, restarting it")
        try:
            self._server.start(_LOADING)
        except LocalModelError as error:
            _log.error("%s %s", error.message, error.fix)
        except OSError as error:  # no process, memory or file is left; the gateway goes on
            _log.error("the local model cannot be started", extra={"detail": error.strerror})
