"""Decides whether a request is taped, and tapes the response as it is sent."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.core.captured import HEADER, Mode, chosen
from callgate.engine.call import Call
from callgate.engine.tape import Keeper, Tape
from callgate.store.base import Key
from callgate.web.body import Message, Send

_FULL = b"full"
_KEPT_HEADERS = (
    b"host", b"content-type", b"content-encoding", b"content-length", b"x-client-request-id",
    b"x-forwarded-proto", b"user-agent", HEADER,
)  # fmt: skip
_MAX_VALUE = 256


class Taping:
    """Decides by configuration, key and header; `default` is the configuration's mode.

    `header` says whether callers may have a request of theirs captured.
    """

    __slots__ = ("_default", "_header", "_keeper", "always")

    def __init__(self, keeper: Keeper, default: Mode, *, header: bool) -> None:
        self._keeper = keeper
        self._default = default
        self._header = header
        self.always = default != "none"

    def begin(self, call: Call, key: Key, headers: Mapping[bytes, bytes], send: Send) -> Send:
        """Begin a tape for the call if it is to have one; returns the `send` to use from now on."""
        value = headers.get(HEADER)
        asked = value is not None and value.strip().lower() == _FULL
        if value is not None and not asked:
            call.notes.append("X-Callgate-Capture is ignored unless its value is 'full'")
        allowed = asked and self._header
        mode = chosen(self._default, key.capture, asked=allowed)
        if asked and (not allowed or key.capture == "never"):
            by = "key" if key.capture == "never" else "configuration"
            call.notes.append(f"capture was requested by header, but the {by} forbids it")
        if mode == "none":
            return send
        call.tape = tape = self._keeper.tape(call.request_id, mode, call.started)
        tape.headers = _kept(headers)
        return taped(send, tape)


def _kept(headers: Mapping[bytes, bytes]) -> list[tuple[str, str]]:
    """The caller's headers that an answer depends on; none of them carries a credential."""
    return [
        (name.decode(), headers[name][:_MAX_VALUE].decode("latin-1"))
        for name in _KEPT_HEADERS
        if name in headers
    ]


def taped(send: Send, tape: Tape) -> Send:
    """A `send` that also records on the tape what it sends."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            tape.answered(message["status"], message["headers"])
        else:
            tape.wrote(message.get("body", b""), more=message.get("more_body", False))
        await send(message)

    return sending
