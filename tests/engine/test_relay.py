"""A relay whose chunks are taken as they arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import pytest

from callgate.core.chat import Chunk
from callgate.core.models import Deployment, Model
from callgate.core.record import NO_REASON
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.template import Run
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.postprocess import gathered
from callgate.engine.relay import Relay
from callgate.errors import GatewayError
from callgate.providers.registry import VENDORS
from callgate.upstream.client import Client, UpstreamSettings
from callgate.upstream.credentials import Credentials
from patience import PATIENCE
from upstream.hostile import Hostile, Peer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = msgspec.json.encode({"model": "m", "prompt": "x", "stream": True})


def said(text: str | None, finish: str | None = None) -> bytes:
    delta: dict[str, Any] = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(msgspec.json.encode({"id": "c", "choices": [choice]}))


def event(data: bytes) -> bytes:
    line = b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(line), line)


class Server:
    """Sends a part of an answer for each one that has been taken."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.due = asyncio.Semaphore(1)

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        await peer.send(HEAD)
        for part in self.parts:
            await self.due.acquire()
            await peer.send(part)
        await peer.stall()


@asynccontextmanager
async def opened(
    server: Server, *, opens: bool = True, vendor: str = "openai"
) -> AsyncIterator[tuple[Relay, Call]]:
    client = Client(UpstreamSettings())
    async with Hostile(server) as hostile:
        deployment = Deployment(
            id="d", provider="p", vendor=VENDORS[vendor], upstream_model="m",
            origin=hostile.origin, path="", secret=Secret(""),
        )  # fmt: skip
        target = Target(Model(name="m", deployments=(deployment,)), deployment)
        call = Call("id", 0.0, "POST", "/")
        relay = Relay(call, parse_chat(BODY), target, client, Credentials())
        try:
            if opens:
                await relay.open()
            yield relay, call
        finally:
            await client.aclose()


def texts(chunks: Sequence[Chunk]) -> str:
    return "".join(choice["delta"].get("content", "") for one in chunks for choice in one.choices)


async def test_chunks_are_poured_and_next_tells_the_end() -> None:
    server = Server(said("a"), said("b"), said("c"), said(None, "stop") + event(b"[DONE]"))
    poured: list[str] = []

    def push(chunks: Sequence[Chunk]) -> bool:
        poured.append(texts(chunks))
        server.due.release()
        return True

    async with opened(server) as (relay, call):
        assert texts(await relay.next() or ()) == "a"
        server.due.release()
        await relay.pour(push)
        assert poured == ["b", "c", ""]
        assert await relay.next() is None
        assert (call.finish_reason, "".join(relay.text)) == ("stop", "abc")


async def test_an_end_without_a_reason_is_noted() -> None:
    for vendor, notes in (("vllm", [NO_REASON]), ("openai", [])):
        async with opened(Server(said("a") + event(b"[DONE]")), vendor=vendor) as (relay, call):
            with suppress(GatewayError), relay:
                while await relay.next() is not None:
                    pass
            assert (call.finish_reason, call.notes) == (None, notes)
            assert call.attempts[0].error == (None if notes else "upstream_cut")


async def test_what_differs_in_its_text_alone_is_given_as_such_where_that_is_wanted() -> None:
    parts = [said(None, "stop") + event(b"[DONE]"), said("d"), said("c"), said("b")]
    server = Server(said("a"), *reversed(parts))
    poured: list[str] = []

    def push(chunks: Sequence[Chunk]) -> bool:
        poured.append(f"in full: {texts(chunks)}")
        server.due.release()
        return True

    def again(run: Run) -> bool:
        poured.append(run.text)
        assert texts(run.chunks()) == run.text
        server.due.release()
        return run.text != "c"

    async with opened(server) as (relay, call):
        assert texts(await relay.next() or ()) == "a"
        server.due.release()
        await relay.pour(push, again)
        assert poured == ["b", "c"]
        await relay.pour(push, again)
        assert poured == ["b", "c", "d", "in full: "]
        assert await relay.next() is None
        assert (call.finish_reason, "".join(relay.text), relay.plain) == ("stop", "abcd", True)


async def test_entries_of_lists_are_numbered_over_the_whole_answer() -> None:
    def lists(**delta: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return event(msgspec.json.encode({"id": "c", "choices": [choice]}))

    server = Server(
        lists(content="a", annotations=[{"n": 1}, {"n": 2}]),
        lists(reasoning_details=[{"n": 3}], annotations=[{"n": 4}]),
        lists(images=[{"n": 5, "index": 7}], tool_calls=[{"index": 0, "id": "c"}]),
        said(None, "stop"),
    )
    server.due = asyncio.Semaphore(9)
    told: list[tuple[str, int, int]] = []
    async with opened(server) as (relay, _):
        while (chunks := await relay.next()) is not None:
            told += [
                (name, entry["n"], entry["index"])
                for chunk in chunks
                for name, value in chunk.choices[0]["delta"].items()
                if isinstance(value, list) and name != "tool_calls"
                for entry in value
            ]
    assert told == [
        ("annotations", 1, 0), ("annotations", 2, 1), ("reasoning_details", 3, 0),
        ("annotations", 4, 2), ("images", 5, 7),
    ]  # fmt: skip


async def test_failure_amid_pouring_comes_after_what_was_sound() -> None:
    broken = said("b") + event(b'{"error": {"message": "over", "code": 503}}')
    server = Server(said("a"), broken)
    poured: list[str] = []

    def push(chunks: Sequence[Chunk]) -> bool:
        poured.append(texts(chunks))
        return True

    async with opened(server) as (relay, _):
        assert texts(await relay.next() or ()) == "a"
        server.due.release()
        await relay.pour(push)
        with pytest.raises(GatewayError, match="over"):
            await relay.next()
        assert poured == ["b"]


@pytest.mark.parametrize("last", [said("b"), said("b", "stop") + event(b"[DONE]")])
async def test_defect_amid_pouring_is_raised_by_next_even_at_the_end(last: bytes) -> None:
    server = Server(said("a"), last)

    def push(chunks: Sequence[Chunk]) -> bool:
        raise ZeroDivisionError

    async with opened(server) as (relay, _):
        assert texts(await relay.next() or ()) == "a"
        server.due.release()
        await relay.pour(push)
        with pytest.raises(ZeroDivisionError):
            await relay.next()


async def test_whole_answer_whose_end_does_not_come_is_taken_for_whole_after_a_second() -> None:
    server = Server(said("a"), said("b", "stop"))
    async with opened(server) as (relay, call):
        assert texts(await relay.next() or ()) == "a"
        server.due.release()
        assert texts(await relay.next() or ()) == "b"
        async with asyncio.timeout(PATIENCE):
            assert await relay.next() is None
        assert (call.finish_reason, "".join(relay.text)) == ("stop", "ab")


async def test_who_leaves_before_the_usage_is_told_is_charged_for_all_that_was_said() -> None:
    call_ = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "a" * 79}}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "reasoning_content": "r" * 40},
        {"reasoning_content": "r" * 200},
        {"reasoning_content": "r" * 200},
        {"reasoning_content": "r" * 200},
        {"content": "t" * 160},
        {"tool_calls": [call_]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "b" * 320}}]},
    ]
    choices = [{"index": 0, "delta": one, "finish_reason": None} for one in deltas]
    parts = [event(msgspec.json.encode({"id": "c", "choices": [one]})) for one in choices]
    server = Server(*parts)
    came = 1

    def push(_: object) -> bool:
        nonlocal came
        came += 1
        server.due.release()
        return came < len(parts)

    async with opened(server) as (relay, call):
        with relay:
            await relay.next()
            server.due.release()
            await relay.pour(push, push)
    assert call.usage is not None
    assert (call.usage.estimated, call.usage.output_tokens) == (True, 300)


async def test_an_answer_that_was_to_be_whole_and_is_left_tells_what_was_said() -> None:
    async with opened(Server(said("four" * 4), said("b")), opens=False) as (relay, call):
        task = asyncio.create_task(gathered(call, relay))
        while not relay.text:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        ((attempt, target, usage),) = call.given_up
        assert (attempt, target, usage.output_tokens) == (relay.attempt, relay.target, 4)
        assert call.usage is None


async def test_an_answer_that_was_to_be_whole_and_breaks_off_is_paid_for() -> None:
    server = Server(said("four" * 4), b"this is no chunk\r\n")
    server.due.release()
    async with opened(server, opens=False) as (relay, call):
        with pytest.raises(GatewayError):
            await gathered(call, relay)
        ((target, usage),) = call.parts
        assert (target, usage.output_tokens, usage.estimated) == (relay.target, 4, True)
        assert relay.attempt.usage == usage
        assert call.usage is None


async def test_who_takes_no_more_at_once_is_given_the_rest_by_next() -> None:
    server = Server(said("a"), said("b"), said("c"))
    async with opened(server) as (relay, _):
        assert texts(await relay.next() or ()) == "a"
        server.due.release()
        await relay.pour(lambda chunks: texts(chunks) != "b")
        server.due.release()
        assert texts(await relay.next() or ()) == "c"
