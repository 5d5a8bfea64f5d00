"""Providers' lists of models for tests: a real HTTP server whose answers are a table by path."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from patience import PATIENCE


class Reply(NamedTuple):
    """A status and a body, JSON unless it is bytes; `date` as in HTTP, now where it is None."""

    status: int
    body: Any
    date: str | None = None
    wait: threading.Event | None = None


class Lists:
    """The server's state. `asked` is what it was asked: the target with its query, and the headers
    by lower-case name.
    """

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        self.port = 0
        self.replies = dict(replies)
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def listing(replies: Mapping[str, Reply], context: ssl.SSLContext | None = None) -> Iterator[Lists]:
    """Serve the replies, by target with its query or by path alone; anything else is a 404.

    With a context, over TLS.
    """
    state = Lists(replies)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append((self.path, headers))
            found = state.replies.get(self.path) or state.replies.get(self.path.partition("?")[0])
            reply = found or Reply(404, {"error": {"message": "nothing here"}})
            if reply.wait is not None:
                reply.wait.wait(PATIENCE)
            data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response_only(reply.status)
            if reply.date != "":
                self.send_header("Date", reply.date or formatdate(usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def handle(self) -> None:
            with suppress(OSError):  # a caller that does not trust the certificate leaves
                super().handle()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()
