"""The caller's side: asks the gateway, and reads its replies as OpenAI's clients do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from patience import PATIENCE

from .outcome import Choice, Draft, Outcome, counts

Json = dict[str, Any]

STATUS = {
    "provider_rejected": 400, "context_too_long": 400, "content_filtered": 400,
    "provider_request_too_large": 413, "provider_credentials": 502, "provider_refused": 502,
    "provider_model_missing": 502, "provider_rate_limited": 429, "bad_upstream_reply": 502,
    "upstream_cut": 502, "provider_unavailable": 503, "upstream_timeout": 504,
}  # fmt: skip
"""The HTTP status of each failure that a provider's reply can lead to."""


class Reply(NamedTuple):
    """A response of the gateway; `request_id` is that of its header."""

    status: int
    request_id: str
    kind: str
    body: bytes


class Told(NamedTuple):
    """What a reply says. `error` is its error object, `done` whether it calls itself finished."""

    outcome: Outcome
    error: Json | None
    done: bool


class Caller:
    """One keep-alive connection to the gateway. Raises ConnectionError where that is lost."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def ask(self, key: str, request: Json) -> Reply:
        body = json.dumps(request).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
            f"authorization: {key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        text = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.split("\r\n")[:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        if "content-length" in headers:
            data = await self._reader.readexactly(int(headers["content-length"]))
        else:
            data = b"".join([piece async for piece in self._chunks()])
        return Reply(
            int(first.split(" ")[1]), headers["x-request-id"], headers["content-type"], data
        )

    async def _chunks(self) -> Any:
        while size := int(await self._reader.readline(), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()


async def calling(url: str) -> Caller:
    """A new connection to the gateway."""
    at = urlsplit(url)
    assert at.hostname
    return Caller(*await asyncio.open_connection(at.hostname, at.port, limit=2**24))


async def ask_all(url: str, key: str, requests: list[Json], connections: int) -> list[Reply]:
    """The replies in the order of the requests, over so many connections at once."""
    replies: dict[int, Reply] = {}
    waiting = iter(enumerate(requests))

    async def work() -> None:
        caller = await calling(url)
        with closing(caller.writer):
            for at, request in waiting:
                try:
                    replies[at] = await asyncio.wait_for(caller.ask(key, request), 2 * PATIENCE)
                except (ConnectionError, asyncio.IncompleteReadError, TimeoutError) as error:
                    raise AssertionError(f"{request['model']}: no reply: {error!r}") from error

    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(connections, len(requests))):
            tasks.create_task(work())
    return [replies[at] for at in range(len(requests))]


def read(reply: Reply) -> Told:
    """What the reply says. Raises AssertionError where it breaks the contract of the door."""
    if reply.kind.startswith("text/event-stream"):
        return _stream(reply)
    body = json.loads(reply.body)
    assert body["request_id"] == reply.request_id, "another request_id in the body"
    if reply.status != 200:
        error = body["error"]
        assert body["code"] == error["code"] == reply.status, "another status in the body"
        return Told(Outcome({}, None, frozenset({error["type"]})), error, done=False)
    assert "error" not in body, "an error inside a whole answer"
    choices: dict[int, Choice] = {}
    for choice in body["choices"]:
        draft = Draft()
        _take(draft, choice, choice["message"])
        choices[choice["index"]] = draft.choice()
    return Told(Outcome(choices, _tokens(body.get("usage"))), None, done=True)


def _stream(reply: Reply) -> Told:
    assert reply.status == 200
    drafts: dict[int, Draft] = {}
    tokens, error, done = None, None, False
    for data in _events(reply.body):
        assert not done, "something after [DONE]"
        assert error is None, "something after the error"
        if data == "[DONE]":
            done = True
            continue
        chunk = json.loads(data)
        assert chunk["request_id"] == reply.request_id, "a chunk without the request_id"
        error = chunk.get("error")
        for choice in chunk.get("choices", ()):
            draft = drafts.get(choice["index"])
            if draft is None:
                draft = drafts[choice["index"]] = Draft()
                assert choice["delta"].get("role") == "assistant", "no role in the first delta"
            before = draft.choice()
            _take(draft, choice, choice["delta"])
            # OpenRouter ends twice: the second time for the usage.
            ended = before.finish is not None
            assert not ended or draft.choice() == before, "a choice goes on after its finish"
        tokens = _tokens(chunk.get("usage")) or tokens
    choices = {at: draft.choice() for at, draft in drafts.items()}
    errors = frozenset({error["type"]} if error else ())
    assert error or done, "a stream that ends without [DONE] and without an error"
    return Told(Outcome(choices, tokens, errors), error, done)


def _events(body: bytes) -> Iterator[str]:
    for block in body.decode().split("\n\n"):
        for line in block.splitlines():
            if line.startswith("data:"):
                yield line[5:].strip()


def _take(draft: Draft, choice: Json, message: Json) -> None:
    draft.text += message.get("content") or ""
    draft.reasoning += message.get("reasoning_content") or message.get("reasoning") or ""
    for at, call in enumerate(message.get("tool_calls") or ()):
        told = call.get("function") or call.get("custom") or {}
        place = call["index"] if "delta" in choice else at
        if not draft.has(place):
            assert call["id"], "a tool call without an id"
        draft.call(place, told.get("name", ""), told.get("arguments") or told.get("input") or "")
    draft.finish = choice.get("finish_reason") or draft.finish


def _tokens(usage: Json | None) -> dict[str, int] | None:
    if not usage or usage.get("estimated"):
        return None
    into, out = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    assert usage["prompt_tokens"] == usage["input_tokens"]
    assert usage["completion_tokens"] == usage["output_tokens"]
    return counts(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        total=usage["total_tokens"],
        cached=into.get("cached_tokens"),
        written=into.get("cache_write_tokens"),
        reasoning=out.get("reasoning_tokens"),
    )
