"""The load generator: `python -m bench.load` reads a job from standard input, writes its result.

A loop over epoll and raw sockets, because an event loop's own overhead would make the generator
the bottleneck. A `hold` job writes how many streams run once they do, and ends with the input.
"""

from __future__ import annotations

import select
import sys
import time
from collections import deque

import msgspec

from bench.connection import Connection, Outcome
from bench.figures import quantile
from bench.job import Job, Latency, Result
from bench.timer import Timer

_PATIENCE = 15.0  # seconds without any answer after which a run is given up
_FAULTS = 3


class Load:
    """The state of one job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._times: list[int] = []
        self._faults: list[str] = []
        self._requests = 0
        self._errors = 0
        self._events = 0
        self._pending = 0
        self._started = time.monotonic_ns()
        self._counted_from = 0

    def run(self) -> Result:
        """Do the job."""
        # Idle for long, a connection would be closed: those of streams are made one by one.
        at_first = 0 if self.job.mode == "hold" else self.job.connections
        connections = [self._connect() for _ in range(at_first)]
        self._started = time.monotonic_ns()
        self._counted_from = self._started + int(self.job.warmup * 1e9)
        match self.job.mode:
            case "closed":
                self._closed(connections)
            case "open":
                self._at_rate(deque(connections))
            case "hold":
                self._hold()
        return self._result()

    def _closed(self, connections: list[Connection]) -> None:
        end = self._started + int(self.job.seconds * 1e9)
        self._start(connections)
        while self._pending and (ready := self._poll.poll(_PATIENCE)):
            for fd, _ in ready:
                connection = self._advance(fd)
                if connection and (now := time.monotonic_ns()) < end:
                    self._send(connection, now)

    def _at_rate(self, free: deque[Connection]) -> None:
        total = int(self.job.rate * self.job.seconds)
        timer = Timer(1_000_000_000 // self.job.rate)
        self._counted_from = timer.start + int(self.job.warmup * 1e9)
        self._poll.register(timer.fileno(), select.EPOLLIN)
        late: deque[int] = deque()
        due = 0
        while (due < total or late or self._pending) and (ready := self._poll.poll(_PATIENCE)):
            for fd, _ in ready:
                if fd == timer.fileno():
                    ticks = min(timer.ticks(), total - due)
                    late += (timer.start + (due + i) * timer.period for i in range(ticks))
                    due += ticks
                    if due >= total:
                        self._poll.modify(timer.fileno(), 0)
                elif connection := self._advance(fd):
                    free.append(connection)
                while late and free:
                    self._send(free.popleft(), late.popleft())
        timer.close()

    def _hold(self) -> None:
        """Begin streams at the pace at which they are answered, and hold them."""
        asked: dict[int, Connection] = {}
        for _ in range(self.job.connections):
            connection = self._connect()
            self._send(connection, time.monotonic_ns())
            asked[connection.fileno()] = connection
            if len(asked) >= self.job.at_once and not self._until_begun(asked, self.job.at_once):
                break
        self._until_begun(asked, 1)
        print(self._running(), flush=True)
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while True:
            for fd, _ in self._poll.poll():
                if fd == sys.stdin.fileno():
                    self._pending = 0  # cut by intention
                    return
                self._advance(fd)

    def _until_begun(self, asked: dict[int, Connection], most: int) -> bool:
        """Read until fewer than `most` of those asked for have not begun; whether it came to that.

        Gives up where nothing begins for as long as patience lasts.
        """
        end = time.monotonic() + _PATIENCE
        while len(asked) >= most:
            for fd, _ in self._poll.poll(0.1):
                self._advance(fd)
                connection = asked.get(fd)
                if connection and (connection.first or self._open.get(fd) is not connection):
                    del asked[fd]
                    end = time.monotonic() + _PATIENCE
            if time.monotonic() > end:
                return False
        return True

    def _running(self) -> int:
        """How many streams have begun and not ended."""
        return sum(connection.busy and connection.first > 0 for connection in self._open.values())

    def _start(self, connections: list[Connection]) -> None:
        """Send the first requests, `stagger` seconds apart, reading meanwhile."""
        for i, connection in enumerate(connections):
            at = self._started + int(i * self.job.stagger * 1e9)
            while (wait := at - time.monotonic_ns()) > 0:
                for fd, _ in self._poll.poll(wait / 1e9):
                    self._advance(fd)
            self._send(connection, time.monotonic_ns())

    def _connect(self) -> Connection:
        connection = Connection(self.job)
        self._open[connection.fileno()] = connection
        self._poll.register(connection.fileno(), select.EPOLLIN)
        return connection

    def _send(self, connection: Connection, at: int) -> None:
        connection.send(at)
        self._pending += 1
        if connection.unsent:
            self._poll.modify(connection.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _advance(self, fd: int) -> Connection | None:
        """Read from a connection; give one that is free to send on if an answer has ended."""
        connection = self._open[fd]
        if connection.unsent:
            connection.go_on()
            if not connection.unsent:
                self._poll.modify(fd, select.EPOLLIN)
        outcome = connection.receive()
        if outcome is Outcome.PENDING:
            return None
        if outcome is Outcome.RIGHT:
            if connection.sent >= self._counted_from:
                first = connection.first if self.job.events else time.monotonic_ns()
                self._times.append(first - connection.sent)
            self._pending -= 1
            self._requests += 1
            return connection
        return self._replace(connection)

    def _replace(self, connection: Connection) -> Connection | None:
        """A connection in place of one that was closed or answered wrongly."""
        self._events += connection.events
        self._poll.unregister(connection.fileno())
        del self._open[connection.fileno()]
        connection.close()
        if connection.busy:
            self._pending -= 1
            self._errors += 1
            self._faults += [connection.fault] if len(self._faults) < _FAULTS else []
        return self._connect()

    def _result(self) -> Result:
        if self._pending:
            self._errors += self._pending
            self._faults.append(f"{self._pending} requests were never answered")
        elapsed = (time.monotonic_ns() - self._started) / 1e9
        events = self._events + sum(c.events for c in self._open.values())
        times = sorted(self._times) or [0]
        return Result(
            requests=self._requests,
            errors=self._errors,
            events=events,
            seconds=elapsed,
            latency=Latency(
                p50=quantile(times, 0.5) / 1000,
                p90=quantile(times, 0.9) / 1000,
                p99=quantile(times, 0.99) / 1000,
                p999=quantile(times, 0.999) / 1000,
                max=times[-1] / 1000,
            ),
            faults=self._faults,
        )


def main() -> None:
    """Do the one job that standard input names."""
    job = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    print(msgspec.json.encode(Load(job).run()).decode(), flush=True)


if __name__ == "__main__":
    main()
