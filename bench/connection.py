"""One keep-alive connection of the load generator, which checks every answer."""

from __future__ import annotations

import socket
import time
from enum import IntEnum

from bench.job import Job

_BUFFER = 32_768  # small enough for the allocator to reuse
_LENGTH = b"\r\ncontent-length:"
_CHUNKED = b"\r\ntransfer-encoding: chunked\r\n"
_EVENT = b"data: "
_END = b"\r\n0\r\n\r\n"
_CARRY = 24  # more than the longest token looked for, so that none is missed across two reads


class Outcome(IntEnum):
    """What a read has brought."""

    PENDING = 0
    RIGHT = 1
    WRONG = 2
    CLOSED = 3


class Connection:
    """Sends the job's request and reads its answers.

    `sent` is when the request was sent or should have been; `first` when its body began, or 0
    (monotonic nanoseconds); `busy` says that an answer is owed; `events` counts all events
    received; `fault` tells what was wrong; `unsent` is what the socket has not taken yet.
    """

    def __init__(self, job: Job) -> None:
        self.sent = 0
        self.first = 0
        self.busy = False
        self.events = 0
        self.fault = ""
        self.unsent = memoryview(b"")
        self._job = job
        self._head = b""
        self._body = b""
        self._wanted = -1
        self._events = 0
        self._marks = 0
        self._done = False
        self._socket = socket.create_connection(("127.0.0.1", job.port), timeout=10)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._socket.fileno()

    def send(self, at: int) -> None:
        """Send the request whose time is `at`."""
        self.sent = at
        self.first = 0
        self.busy = True
        self._head = self._body = b""
        self._wanted = -1
        self._events = self._marks = 0
        self._done = False
        self.unsent = memoryview(self._job.request)
        self.go_on()

    def go_on(self) -> None:
        """Send what the socket takes of the rest."""
        try:
            self.unsent = self.unsent[self._socket.send(self.unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            self.fault = f"not sent: {error}"
            self.unsent = self.unsent[:0]

    def receive(self) -> Outcome:
        """Read what has come."""
        try:
            data = self._socket.recv(_BUFFER)
        except BlockingIOError:
            return Outcome.PENDING
        except OSError as error:
            self.fault = f"not received: {error}"
            return Outcome.CLOSED
        if not data:
            self.fault = f"closed amid an answer: {(self._head + self._body)[:400]!r}"
            return Outcome.CLOSED
        if not self.first:
            data = self._begin(data)
            if not self.first:
                return Outcome.WRONG if self.fault else Outcome.PENDING
        if self._wanted >= 0:
            self._body += data
            return self._whole() if len(self._body) >= self._wanted else Outcome.PENDING
        return self._piece(data) if data else Outcome.PENDING

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _begin(self, data: bytes) -> bytes:
        """Read the head; give what follows it."""
        data = self._head + data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._head = data
            return b""
        self._head = data[: end + 4].lower()
        at = self._head.find(_LENGTH)
        if self._head[9:12] != b"200" or (at < 0 and _CHUNKED not in self._head):
            self.fault = f"unexpected answer: {data[:600]!r}"
            return b""
        if at >= 0:
            at += len(_LENGTH)
            self._wanted = int(self._head[at : self._head.index(b"\r", at)])
        self.first = time.monotonic_ns()
        return data[end + 4 :]

    def _whole(self) -> Outcome:
        if len(self._body) > self._wanted or self._job.events:
            self.fault = f"unexpected body: {self._body[:400]!r}"
        elif self._job.marker not in self._body:
            self.fault = f"without {self._job.marker!r}: {self._body[:400]!r}"
        return self._judged()

    def _piece(self, data: bytes) -> Outcome:
        """Count what a piece of a stream holds, looking across its border with the last one."""
        carried = self._body
        data = carried + data
        events = data.count(_EVENT) - carried.count(_EVENT)
        self._events += events
        self.events += events
        marker = self._job.marker
        if marker:
            self._marks += data.count(marker) - carried.count(marker)
        self._done = self._done or b"[DONE]" in data
        self._body = data[-_CARRY:]
        if not data.endswith(_END):
            return Outcome.PENDING
        if not self._done or self._events != self._job.events:
            self.fault = (
                f"{self._events} events, expected {self._job.events}; the end: {data[-300:]!r}"
            )
        elif marker and self._marks != self._events - 1:
            self.fault = f"{self._marks} of {self._events - 1} events with {marker!r}"
        return self._judged()

    def _judged(self) -> Outcome:
        self.busy = bool(self.fault)
        return Outcome.WRONG if self.fault else Outcome.RIGHT
