"""Back-pressure on a caller's connection in both directions, and half-closed connections."""

from __future__ import annotations

import asyncio
import fcntl
import select
import sys
import termios

_FIRST_LOOK, _LAST_LOOK = 0.005, 2.0
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Flow:
    """Which directions of a transport are paused.

    `write_paused`: the caller reads too slowly, so await `drain` before writing more.
    """

    __slots__ = ("_drained", "_read_paused", "_taken_at", "_transport", "_unsent", "write_paused")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._read_paused = self.write_paused = False
        self._drained: asyncio.Event | None = None
        self._unsent = 0
        self._taken_at = 0.0

    def pause_reading(self) -> None:
        """Make the caller wait before sending more."""
        if not self._read_paused:
            self._read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Too much is waiting to be written."""
        if not self.write_paused:
            self.write_paused = True
            self._drained = asyncio.Event()

    def resume_writing(self) -> None:
        """It has been written, or never will be."""
        self.write_paused = False
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    async def drain(self) -> None:
        """Wait until more may be written."""
        if self._drained is not None:
            await self._drained.wait()

    def stalled(self, now: float) -> float:
        """For how many seconds the caller has read nothing of what waits to be sent.

        Measured from call to call, so call it regularly. 0 if nothing waits.
        """
        unsent = self._transport.get_write_buffer_size()
        if unsent:
            unsent += self._handed_over()
        if not unsent or unsent != self._unsent:
            self._unsent, self._taken_at = unsent, now
        return now - self._taken_at

    def ask_whether_there(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close if the caller, who sends no more, does not receive any more either.

        A caller that has closed both directions answers anything it is sent with a reset, which the
        kernel then knows of; one that waits for the answer skips an interim response (RFC 9110,
        15.2).
        """
        self._transport.write(_INTERIM)
        loop.call_later(_FIRST_LOOK, self._look, loop, _FIRST_LOOK)

    def _look(self, loop: asyncio.AbstractEventLoop, waited: float) -> None:
        if self._transport.is_closing():
            return
        if self._hung_up():
            self._transport.abort()
        elif waited < _LAST_LOOK:  # a reset that has not arrived by then never will
            loop.call_later(waited, self._look, loop, 2 * waited)

    def _hung_up(self) -> bool:
        socket = self._transport.get_extra_info("socket")
        if socket is None:
            return False
        poll = select.poll()
        poll.register(socket.fileno(), 0)  # POLLHUP and POLLERR are reported unasked
        return bool(poll.poll(0))

    def _handed_over(self) -> int:
        """The bytes that the kernel holds; it takes more only once it has sent megabytes of these.

        https://man7.org/linux/man-pages/man7/tcp.7.html (SIOCOUTQ)
        """
        socket = self._transport.get_extra_info("socket")
        if socket is None:
            return 0
        try:
            size = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:  # other systems than Linux may not know it
            return 0
        return int.from_bytes(size, sys.byteorder)
