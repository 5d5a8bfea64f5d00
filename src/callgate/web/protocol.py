"""uvicorn's HTTP protocol, with the refusals and bounds that the contract asks for.

uvicorn parses what strangers send. What it leaves open is closed here: headers are bounded in size
and in the time that they may take, refusals bear a request id, and a caller who hangs up is told
to the gate at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from callgate.errors import GatewayError
from callgate.web.caller import CALLER, Caller

if TYPE_CHECKING:
    from callgate.web.gate import Gate


def protocol_for(
    gate: Gate, *, max_header_bytes: int, head_timeout: float
) -> type[HttpToolsProtocol]:
    """The protocol class for a gate. `head_timeout`: seconds for a request's head to arrive."""

    class GateProtocol(HttpToolsProtocol):
        """One connection of a caller."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._caller = Caller()
            self._in_head = False
            self._read_bytes = 0
            self._later_bytes = 0
            self._head_timer: asyncio.TimerHandle | None = None
            self._error: GatewayError | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._in_head = True
            self._head_timer = self.loop.call_later(head_timeout, self._head_is_late)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._caller.hang_up()
            self._stop_head_timer()

        def data_received(self, data: bytes) -> None:
            if self._error is not None:
                return
            self._read_bytes = len(data)
            self._later_bytes += len(data)
            super().data_received(data)
            if self._in_head and self._error is None:
                self._check_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head = True
            self._later_bytes = 0
            self.scope[CALLER] = self._caller  # type: ignore[literal-required]

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._stop_head_timer()
            if self._is_too_large():
                self._error = self._too_large()
                raise ValueError("headers too large")  # ends the parser's work
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            """Answer what cannot be parsed. (The name is uvicorn's; the status may be another.)"""
            error = self._error or GatewayError("bad_http", "Invalid HTTP request received")
            self._refuse(error)

        def _check_head(self) -> None:
            if self._is_too_large():
                self._refuse(self._too_large())
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(head_timeout, self._head_is_late)

        def _is_too_large(self) -> bool:
            # The sum is only taken where so much was read that it could be too large. Reads after
            # the one in which the head began count whole: they may hold an unfinished header.
            if self._read_bytes + self._later_bytes <= max_header_bytes:
                return False
            parsed = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            unfinished = self._later_bytes if self._in_head else 0
            return max(parsed, unfinished) > max_header_bytes

        def _head_is_late(self) -> None:
            self._head_timer = None
            if self._read_bytes:
                self._refuse(
                    GatewayError(
                        "request_timeout",
                        f"The request's headers did not arrive within {head_timeout:g} s",
                    )
                )
            else:
                self.transport.close()

        def _stop_head_timer(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def _refuse(self, error: GatewayError) -> None:
            self._error = error
            self._stop_head_timer()
            if self.transport.is_closing():
                return
            busy = self.cycle is not None and not self.cycle.response_complete
            client = self.client[0] if self.client else None
            request_id, body = gate.refuse_unparsed(error, client)
            if not busy:  # amid another response nothing can be said, only hung up
                self.transport.write(
                    b"%scontent-type: application/json\r\ncontent-length: %d\r\n"
                    b"x-request-id: %s\r\nconnection: close\r\n\r\n%s"
                    % (STATUS_LINE[error.kind.status], len(body), request_id.encode(), body)
                )
            self.transport.close()

        @staticmethod
        def _too_large() -> GatewayError:
            return GatewayError(
                "headers_too_large", f"The headers are larger than {max_header_bytes:,} bytes"
            )

    return GateProtocol
