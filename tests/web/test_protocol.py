"""A caller's connection, on a clock of the test's own: what is left open, unread or unsaid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from callgate.cli.build import compiled
from callgate.errors import GatewayError
from callgate.files import Files
from callgate.web.door import Door
from callgate.web.exchange import HIGH_WATER, Exchange
from callgate.web.head import Head
from callgate.web.protocol import GateProtocol
from callgate.web.settings import Bounds

pytestmark = pytest.mark.skipif(compiled(), reason="a compiled door takes no stand-ins")

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
HALF = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab"
BOUNDS = Bounds(
    header_bytes=1000, head_seconds=8, body_seconds=8, idle_seconds=40, write_seconds=20
)

FILES = Files(64)


class Clock:
    """The running loop, but for the time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 0.0
        self._due: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []
        self.create_task = self._loop.create_task
        self.create_future = self._loop.create_future

    def time(self) -> float:
        return self._now

    def call_later(
        self, delay: float, call: Callable[..., None], *given: Any
    ) -> asyncio.TimerHandle:
        self._due.append((self._now + delay, call, given))
        return cast("Any", self)

    def cancel(self) -> None:
        """As a handle of the timer; whoever is called late looks by itself."""

    async def pass_by(self, seconds: float) -> None:
        end = self._now + seconds
        while due := sorted((one for one in self._due if one[0] <= end), key=lambda one: one[0]):
            self._due.remove(due[0])
            self._now = due[0][0]
            due[0][1](*due[0][2])
            await asyncio.sleep(0)
        self._now = end


class Transport:
    """Keeps what is written; `unsent` is what the caller has not taken of it."""

    def __init__(self) -> None:
        self.written = b""
        self.descriptor = 0
        self.unsent = 0
        self.did: list[str] = []

    def write(self, data: bytes) -> None:
        assert "write_eof" not in self.did
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return "close" in self.did or "abort" in self.did

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else None

    def fileno(self) -> int:
        return self.descriptor

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 9

    getsockname = getpeername

    def can_write_eof(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.did.append(name)


class Gate:
    """Holds each request until `go_on`, reads its body if it is to, and answers with its path."""

    def __init__(self) -> None:
        self.served: list[Exchange] = []
        self.bodies: list[bytes] = []
        self.refused: list[GatewayError] = []
        self.go_on = asyncio.Event()
        self.reads = True

    async def serve(self, _head: Head, exchange: Exchange) -> None:
        self.served.append(exchange)
        await self.go_on.wait()
        more = self.reads
        while more:
            try:
                message = await exchange.receive()
            except GatewayError as error:
                self.refused.append(error)
                break
            self.bodies.append(message.get("body", b""))
            more = message.get("more_body", False)
        headers = [(b"content-length", b"2")]
        await exchange.send({"type": "http.response.start", "status": 200, "headers": headers})
        await exchange.send({"type": "http.response.body", "body": b"ok"})

    def refuse_unparsed(self, error: GatewayError, _client: str | None) -> tuple[str, bytes]:
        self.refused.append(error)
        return "id", b"refused"


class Connection:
    """A protocol among these, on such a descriptor."""

    def __init__(self, descriptor: int = 9) -> None:
        self.clock, self.transport, self.gate = Clock(), Transport(), Gate()
        state: Any = type("State", (), {})()
        state.connections, state.tasks = set(), set()
        state.total_requests, state.default_headers = 0, []
        door = Door(cast("Any", self.gate), BOUNDS, None, FILES)
        self.transport.descriptor = descriptor
        self.protocol = GateProtocol(door, state, cast("Any", self.clock))
        self.protocol.connection_made(cast("Any", self.transport))

    async def says(self, data: bytes) -> None:
        self.protocol.data_received(data)
        for _ in range(5):
            await asyncio.sleep(0)

    async def answers(self) -> None:
        self.gate.go_on.set()
        await self.says(b"")


async def test_an_answer_that_nobody_takes_ends_the_connection() -> None:
    one = Connection()
    await one.says(GET)
    for unsent in (9, 8, 7, 6):  # he reads, if slowly
        one.transport.unsent = unsent
        await one.clock.pass_by(15)
    assert not one.transport.is_closing()
    await one.clock.pass_by(30)
    assert one.transport.did == ["abort"]
    assert one.gate.served[0].unread
    one.protocol.connection_lost(None)


async def test_a_connection_that_is_closed_is_not_kept_by_who_does_not_read() -> None:
    one = Connection()
    await one.answers()
    one.transport.unsent = 9
    await one.says(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    assert one.transport.did == ["close"]
    await one.clock.pass_by(30)
    assert one.transport.did == ["close", "abort"]
    one.protocol.connection_lost(None)


async def test_what_is_no_request_is_told_once_and_the_rest_of_it_let_in() -> None:
    one = Connection()
    await one.says(b"NONSENSE\r\n" + b"x" * 5000)
    await one.says(b"x" * 5000)
    assert one.transport.did == ["write_eof"]
    await one.clock.pass_by(100)
    assert one.transport.did == ["write_eof", "close"]
    assert len(one.gate.refused) == 1
    one.protocol.connection_lost(None)


async def test_a_head_that_comes_late_is_told_once() -> None:
    one = Connection()
    await one.says(GET[:5])
    await one.clock.pass_by(9)
    await one.clock.pass_by(100)
    assert [error.kind.type for error in one.gate.refused] == ["request_timeout"]
    assert one.transport.written.count(b"HTTP/1.1 408") == 1
    one.protocol.connection_lost(None)


async def test_a_body_that_had_to_wait_has_all_its_time_from_then_on() -> None:
    one = Connection()
    await one.says(GET)
    await one.says(HALF)
    await one.clock.pass_by(30)
    await one.answers()
    await one.clock.pass_by(6)
    assert not one.gate.refused
    await one.says(b"cd")
    assert b"".join(one.gate.bodies) == b"abcd"
    one.protocol.connection_lost(None)


@pytest.mark.parametrize("whole", [True, False])
async def test_while_a_large_body_is_answered_it_is_seen_whether_the_caller_leaves(
    whole: bool,
) -> None:
    one = Connection()
    body = b"x" * (HIGH_WATER + 1)
    await one.says(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert one.transport.did == ["pause_reading"]
    (exchange,) = one.gate.served
    if whole:
        assert exchange.arrived(len(body)) == body
    else:
        assert (await exchange.receive())["body"] == body
    assert one.transport.did == ["pause_reading", "resume_reading"]
    one.protocol.connection_lost(None)


@pytest.mark.parametrize("size", [0, 1, HIGH_WATER, HIGH_WATER + 1])
async def test_an_answer_of_any_size_is_written_whole_with_its_length(size: int) -> None:
    for request, told in ((GET, b"x" * size), (GET.replace(b"GET", b"HEAD"), b"")):
        one = Connection()
        await one.says(request)
        (exchange,) = one.gate.served
        assert exchange.respond(200, b"a: b\r\n", b"x" * size)
        head, _, body = one.transport.written.partition(b"\r\n\r\n")
        assert head.endswith(b"a: b\r\ncontent-length: %d" % size)
        assert body == told
        one.protocol.connection_lost(None)


async def test_who_sent_another_request_after_a_large_body_waits_with_more() -> None:
    one = Connection()
    body = b"x" * (HIGH_WATER + 1)
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body)
    await one.says(head + body + GET)
    assert one.gate.served[0].arrived(len(body)) == body
    assert one.transport.did == ["pause_reading"]
    one.protocol.connection_lost(None)


async def test_what_follows_a_request_that_was_answered_early_is_not_begun() -> None:
    one = Connection()
    one.gate.reads = False
    await one.answers()
    await one.says(HALF)
    assert b"200" in one.transport.written
    await one.says(b"cd" + GET)
    assert one.transport.did == ["close"]
    assert len(one.gate.served) == 1
    one.protocol.connection_lost(None)


@pytest.mark.parametrize(("descriptor", "seconds"), [(9, 30), (FILES.bound, 3)])
async def test_whoever_still_sends_what_was_answered_is_not_cut_off_at_once(
    descriptor: int, seconds: int
) -> None:
    one = Connection(descriptor)
    one.gate.reads = False
    await one.answers()
    await one.says(HALF.replace(b": 4", b": 4000"))
    sending = 0
    while not one.transport.did:
        await one.says(b"x")
        await one.clock.pass_by(1)
        sending += 1
    assert seconds - 2 <= sending <= seconds + 2
    assert one.transport.did == ["close"]
    one.protocol.connection_lost(None)


async def test_whoever_stops_sending_what_was_answered_is_cut_off_soon() -> None:
    one = Connection()
    one.gate.reads = False
    await one.answers()
    await one.says(HALF)
    await one.clock.pass_by(4)
    assert one.transport.did == ["close"]
    one.protocol.connection_lost(None)


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
async def test_other_versions_are_not_spoken(version: bytes) -> None:
    one = Connection()
    await one.says(GET.replace(b"1.1", version))
    assert [error.kind.type for error in one.gate.refused] == ["bad_http"]
    assert not one.gate.served
    one.protocol.connection_lost(None)


async def test_on_a_descriptor_that_is_kept_back_one_request_is_served_and_no_body_read() -> None:
    one = Connection(FILES.bound)
    await one.answers()
    await one.says(HALF + b"cd")
    assert [error.kind.type for error in one.gate.refused] == ["overloaded"]
    assert not one.gate.bodies
    assert b"200 OK" in one.transport.written
    assert b"connection: close" in one.transport.written
    assert one.transport.did == ["close"]
    one.protocol.connection_lost(None)


async def test_only_who_has_been_idle_makes_way() -> None:
    one = Connection(FILES.bound - 1)
    one.protocol.make_way()  # it may be about to ask
    await one.clock.pass_by(6)
    await one.says(GET)
    one.protocol.make_way()
    await one.answers()
    await one.says(GET[:5])
    await one.clock.pass_by(6)
    one.protocol.make_way()
    assert one.transport.did == []
    await one.says(GET[5:])
    await one.clock.pass_by(6)
    one.protocol.make_way()
    assert one.transport.did == ["close"]
    one.protocol.connection_lost(None)


@pytest.mark.parametrize(
    ("version", "sent", "told"), [(b"1.1", b"ab", 1), (b"1.1", b"abcd", 0), (b"1.0", b"ab", 0)]
)
async def test_who_can_wait_for_it_and_does_is_told_to_go_on(
    version: bytes, sent: bytes, told: int
) -> None:
    one = Connection()
    await one.answers()
    head = HALF.removesuffix(b"ab").replace(b"1.1", version)
    await one.says(head.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n") + sent)
    assert one.transport.written.count(b"100 Continue") == told
    await one.says(b"abcd"[len(sent) :])
    assert b"".join(one.gate.bodies) == b"abcd"
    one.protocol.connection_lost(None)
