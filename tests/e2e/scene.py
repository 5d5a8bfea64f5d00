"""A gateway whose provider fails in every way, and what it tells of a request."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner

from callgate.cli.main import callgate
from gateway import Gateway, until
from patience import PATIENCE
from provider import Provider

CHAT = "/v1/chat/completions"
LOOKUP = "/v1/requests"
ONCE = {"fallback_config": {"retry": False}}


class Scene:
    """A gateway whose provider fails in every way, and an account that calls it."""

    def __init__(self, gateway: Gateway, provider: Provider) -> None:
        self.gateway, self.provider = gateway, provider
        self.client = gateway.client()
        self.short_lived = gateway.new_key("--account", "default", "--expires", "1s")["key"]

    def ask(self, model: str = "test-ok", **more: Any) -> httpx.Response:
        return self.client.post(CHAT, json={"model": model, "prompt": "x", **more})

    def fail(self, model: str) -> httpx.Response:
        return self.ask(model, **ONCE)

    def with_key(self, key: str, model: str = "test-ok") -> httpx.Response:
        with self.gateway.client(key) as client:
            return client.post(CHAT, json={"model": model, "prompt": "x"})

    def connect(self) -> socket.socket:
        host, port = self.gateway.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def raw(self, data: bytes) -> httpx.Response:
        with self.connect() as connection:
            connection.sendall(data)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        return httpx.Response(int(lines[0].split()[1]), headers=headers, content=body)

    def head(self, length: int) -> bytes:
        key = self.gateway.key.encode()
        return b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\ncontent-length: %d\r\n\r\n" % (
            CHAT.encode(), key, length,
        )  # fmt: skip

    def newest(self, error: str) -> str:
        """The id of the newest request that failed so: nobody was told of it."""
        found: list[str] = []

        def look() -> bool:
            listed = self.client.get(LOOKUP, params={"error": error}).json()["data"]
            found.extend(one["request_id"] for one in listed)
            return bool(found)

        until(look)
        return found[0]

    def show(self, request_id: str) -> dict[str, Any]:
        return shown(self.gateway.folder, request_id)

    @contextmanager
    def without(self, table: str) -> Iterator[None]:
        """While a table is away the store cannot answer what is asked of it."""
        path = self.gateway.folder / "callgate-data" / "callgate.db"
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
            connection.execute(f"ALTER TABLE {table} RENAME TO away")
            try:
                yield
            finally:
                connection.execute(f"ALTER TABLE away RENAME TO {table}")


def shown(folder: Path, request_id: str) -> dict[str, Any]:
    """What `callgate show` says, as JSON; as text it says no less."""
    place = ["--config", str(folder / "callgate.toml")]
    told = CliRunner().invoke(callgate, ["show", request_id, "--json", *place])
    assert told.exit_code == 0, told.output
    found: dict[str, Any] = json.loads(told.stdout)
    text = CliRunner(env={"COLUMNS": "120"}).invoke(callgate, ["show", request_id, *place]).stdout
    assert found["error"] in text.splitlines()[0]
    assert found["explanation"]["fix"].split()[0] in text
    return found
