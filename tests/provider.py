"""A provider for tests: a real HTTP server on loopback that misbehaves on request.

What it does is picked by the upstream model's name, the table `ANSWERS`; it keeps the requests it
got and notes when a caller leaves.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from loopserver import in_thread
from patience import PATIENCE
from replies import Writer, chunk, done, event, head, send_json

Answer = Callable[["Provider", Writer, dict[str, Any]], Awaitable[None]]

USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 4,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
KEY = b"sk-planted-provider-key-000001"
WORDS = ("Hello", " from", " the", " provider.")


class Provider:
    """The server's state. `requests` are (headers, body) pairs, `received` all their bytes."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.received = bytearray()
        self.left = threading.Event()
        self.go_on = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        """One connection: any number of requests."""
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")[1:-2]
                headers = {
                    name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
                }
                sent = await reader.readexactly(int(headers["content-length"]))
                self.received += head + sent
                body = json.loads(sent)
                self.requests.append((headers, body))
                answer = ANSWERS.get(body["model"].removeprefix("test-"), ok)
                await answer(self, writer, body)
                if writer.is_closing():
                    break
                await writer.drain()
        self.left.set()


async def ok(provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    if body.get("stream"):
        await stream(provider, writer, body)
        return
    count = body.get("n") or 1
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": "".join(WORDS), "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        for index in range(count)
    ]
    whole = {
        "id": "chatcmpl-up",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "upstream-model-0613",
        "choices": choices,
        "usage": USAGE,
        "system_fingerprint": "fp_1",
    }
    send_json(writer, 200, whole)


async def stream(_provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    writer.write(head(200, "text/event-stream"))
    event(writer, chunk({"role": "assistant", "content": ""}))
    for word in WORDS:
        event(writer, chunk({"content": word}))
    event(writer, chunk({}, "stop"))
    if (body.get("stream_options") or {}).get("include_usage"):
        event(writer, {**chunk({}), "choices": [], "usage": USAGE})
    done(writer)


async def tools(_provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    send_json(
        writer,
        200,
        {"id": "x", "created": 1, "model": "m", "choices": [choice], "usage": USAGE},
    )


async def withheld(_provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """An answer that a content filter ends before it has begun."""
    if not body.get("stream"):
        message = {"role": "assistant", "content": ""}
        choice = {"index": 0, "message": message, "finish_reason": "content_filter"}
        send_json(writer, 200, {"id": "x", "created": 1, "choices": [choice], "usage": USAGE})
        return
    writer.write(head(200, "text/event-stream"))
    event(writer, chunk({"role": "assistant", "content": ""}))
    event(writer, chunk({}, "content_filter"))
    done(writer)


async def declines(_provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """The model's own refusal, which is an answer to all that look at its end alone."""
    if not body.get("stream"):
        message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        send_json(writer, 200, {"id": "x", "created": 1, "choices": [choice], "usage": USAGE})
        return
    writer.write(head(200, "text/event-stream"))
    for piece in ("I cannot", " help with", " that."):
        event(writer, chunk({"refusal": piece}))
    done(writer, "stop")


async def says(_provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Says what it is asked to say, or calls a tool with it if it is given one; the example that
    the gateway may put below it is not heeded.
    """
    text = body["messages"][-1]["content"].partition("\n\nAnswer with JSON in this form")[0]
    name = body["tools"][0]["function"]["name"] if body.get("tools") else ""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    named = call if name else None
    if not body.get("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": None if named else text}
        if named:
            function = {"name": name, "arguments": text}
            message["tool_calls"] = [{**call, "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        send_json(writer, 200, {"id": "x", "created": 1, "choices": [choice], "usage": USAGE})
        return
    writer.write(head(200, "text/event-stream"))
    event(writer, chunk({"role": "assistant", "content": None if named else ""}))
    if named:
        event(writer, chunk({"tool_calls": [{"index": 0, **named}]}))
    for at in range(0, len(text), 3):
        piece = text[at : at + 3]
        fragment = [{"index": 0, "function": {"arguments": piece}}]
        event(writer, chunk({"tool_calls": fragment} if named else {"content": piece}))
    event(writer, chunk({}, "tool_calls" if named else "stop"))
    event(writer, {**chunk({}), "choices": [], "usage": USAGE})
    done(writer)


async def cut(_provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Half an answer, then the connection closes."""
    if not body.get("stream"):
        writer.write(head(200, length=1000) + b'{"id": "x", "choices": [')
    else:
        writer.write(head(200, "text/event-stream"))
        event(writer, chunk({"role": "assistant", "content": "Hel"}))
    await writer.drain()
    writer.close()


def cut_after(delta: dict[str, Any]) -> Answer:
    async def answer(_provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
        """One piece of an answer, then the connection closes."""
        writer.write(head(200, "text/event-stream"))
        event(writer, chunk({"role": "assistant", **delta}))
        await writer.drain()
        writer.close()

    return answer


async def told(event: threading.Event) -> None:
    """Wait until the test sets the event."""
    deadline = time.monotonic() + PATIENCE
    while not event.is_set() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)


async def endless(provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Begins an answer and goes on for as long as the caller stays."""
    if not body.get("stream"):
        await told(provider.left)
        return
    writer.write(head(200, "text/event-stream"))
    with suppress(ConnectionError):
        while not writer.is_closing():
            event(writer, chunk({"content": "and on "}))
            await writer.drain()
            await asyncio.sleep(0.005)
    raise ConnectionResetError


async def paused(provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
    """Streams half an answer, and the rest when `go_on` is set."""
    writer.write(head(200, "text/event-stream"))
    event(writer, chunk({"role": "assistant", "content": WORDS[0]}))
    await writer.drain()
    await told(provider.go_on)
    event(writer, chunk({"content": "".join(WORDS[1:])}))
    done(writer, "stop")


async def spelt(_provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
    """Streams an answer letter by letter, each on its own."""
    writer.write(head(200, "text/event-stream"))
    for letter in "".join(WORDS):
        event(writer, {**chunk({"content": letter}), "obfuscation": "x" * (ord(letter) % 9)})
        await writer.drain()
        await asyncio.sleep(0.001)
    done(writer, "stop")


async def cited(_provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
    """Streams words that each have a source, and says with each who speaks."""
    writer.write(head(200, "text/event-stream"))
    for at, word in enumerate(WORDS):
        link = {"url": f"https://example.com/{at}", "title": "", "start_index": 0, "end_index": 1}
        source = {"type": "url_citation", "url_citation": link}
        event(writer, chunk({"role": "assistant", "content": word, "annotations": [source]}))
    done(writer, "stop")


def page(status: int, text: bytes) -> Answer:
    async def answer(_provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
        """What stands between here and the provider answers in its place."""
        writer.write(head(status, "text/html", len(text)) + text)

    return answer


async def silent(provider: Provider, _writer: Writer, _body: dict[str, Any]) -> None:
    await told(provider.left)


async def mumbling(_provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Says that it is there, for as long as the caller stays, and never anything else."""
    streamed = bool(body.get("stream"))
    writer.write(head(200, "text/event-stream" if streamed else "application/json"))
    with suppress(ConnectionError):
        while not writer.is_closing():
            if streamed:
                event(writer, chunk({"role": "assistant", "content": ""}))
                writer.write(b"8\r\n: ping\n\n\r\n")
            else:
                writer.write(b"1\r\n\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
    raise ConnectionResetError


def failing(status: int, error: object, extra: str = "") -> Answer:
    async def answer(_provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
        send_json(writer, status, {"error": error}, extra)

    return answer


async def echo_key(provider: Provider, writer: Writer, _body: dict[str, Any]) -> None:
    """Refuses the credentials and, as providers do, repeats them in part or in whole."""
    given = provider.requests[-1][0].get("authorization", "")
    message = f"Incorrect API key provided: {given.removeprefix('Bearer ')}."
    send_json(writer, 401, {"error": {"message": message, "code": "invalid_api_key"}})


async def held(provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Answers when the test says so."""
    await told(provider.go_on)
    await ok(provider, writer, body)


async def lagging(provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Answers as long as `go_on` is set; else it only keeps the caller waiting."""
    with suppress(ConnectionError):
        while not provider.go_on.is_set():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)
            if writer.is_closing():
                raise ConnectionResetError
        await ok(provider, writer, body)
        return
    raise ConnectionResetError


async def once(provider: Provider, writer: Writer, body: dict[str, Any]) -> None:
    """Fails the first time that a `user` asks, answers from then on."""
    seen = sum(1 for _, asked in provider.requests if asked.get("user") == body.get("user"))
    answer = ANSWERS["broken"] if seen == 1 else ok
    await answer(provider, writer, body)


ANSWERS: dict[str, Answer] = {
    "ok": ok,
    "once": once,
    "held": held,
    "lagging": lagging,
    "tools": tools,
    "says": says,
    "withheld": withheld,
    "declines": declines,
    "cut": cut,
    "cut-tools": cut_after(
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}
    ),
    "cut-thinking": cut_after({"reasoning_content": "Well,"}),
    "endless": endless,
    "paused": paused,
    "spelt": spelt,
    "cited": cited,
    "html": page(200, b"<html>Bad gateway at " + KEY + b"</html>"),
    "page": page(502, b"<html>No server is available for " + KEY + b" and" * 2000),
    "silent": silent,
    "mumbling": mumbling,
    "bad-key": echo_key,
    "rejected": failing(
        400, {"message": "Bad 'seed'", "type": "invalid_request_error", "param": "seed"}
    ),
    "filtered": failing(400, {"message": "no", "code": "content_filter"}),
    "too-long": failing(400, {"message": "too long", "code": "context_length_exceeded"}),
    "missing": failing(404, {"message": "no such model", "code": "model_not_found"}),
    "limited": failing(429, {"message": "slow down"}, "retry-after: 7\r\n"),
    "limited-streamed": failing(429, {"message": "slow down"}, "retry-after: 7\r\n"),
    "barred": failing(403, {"message": "no access", "code": "model_not_allowed"}),
    "large": failing(413, {"message": "Maximum content size limit exceeded"}),
    "busy": failing(429, {"message": "slow down"}),
    "broken": failing(500, {"message": "oops"}),
    "away": failing(503, {"message": "overloaded"}),
}


@contextmanager
def running() -> Iterator[Provider]:
    """A provider in a thread of its own."""
    provider = Provider()

    def let_go() -> None:
        provider.left.set()
        provider.go_on.set()

    with in_thread(provider.serve, at_end=let_go) as provider.port:
        yield provider
