"""Where the gateway is that serves from a data folder: by what it said, or by the configuration."""

from __future__ import annotations

import os
import platform
import re
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

import msgspec

from callgate.config import Config
from callgate.server.folderlock import told_in

_SECONDS = 2.0
_MAX_READY = 1 << 20
_WORDS = re.compile(r"process \d{1,9} on (.+), which listens on http://(\[\S+\]|[^\s:]+):(\d{1,5})")


def words(url: str) -> str:
    """What this process says of itself in the data folder's lock."""
    return f"process {os.getpid()} on {platform.node()}, which listens on {url}"


def gateway_url(config: Config) -> str:
    """Where commands on this machine reach the gateway: `serve` may have been given another port.

    The configured address where none is known to run here, or the folder cannot be read.
    """
    server = config.settings.server
    return running_url(config) or f"http://{_reachable(server.host)}:{server.port}"


def running_url(config: Config) -> str | None:
    """Where the gateway is that runs here by its own words; None where none is known to."""
    found = _WORDS.fullmatch(told_in(config.data_dir))
    if found is not None and found[1] == platform.node():
        return f"http://{_reachable(found[2].strip('[]'))}:{found[3]}"
    return None


def readiness(url: str) -> dict[str, Any] | None:
    """What a gateway answers to `GET /ready`; None where it does not, within two seconds."""
    at = urlsplit(url)
    connection = HTTPConnection(at.hostname or "", at.port, timeout=_SECONDS)
    try:
        with closing(connection):
            connection.request("GET", "/ready")
            answer = msgspec.json.decode(connection.getresponse().read(_MAX_READY))
    except (OSError, HTTPException, ValueError):
        return None
    return answer if isinstance(answer, dict) and "status" in answer else None


def _reachable(host: str) -> str:
    """Where a server that listens on all addresses is reached from here."""
    if host in ("0.0.0.0", "::"):  # noqa: S104 - it is not listened on here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
